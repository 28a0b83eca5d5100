"""Everyone's poses in a photo (PoseEstimator) or in the frames of a clip (VideoPoseEstimator)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from . import PoseError
from .blazepose import Crop, Placement, mpi_pose
from .checks import check_choice, check_number, check_picture
from .decode import find_people
from .networks.devices import DEVICES, Device
from .networks.heatmap_network import HeatmapNetwork
from .networks.registry import MOBILENET, NETWORKS, OPENPOSE, PACKAGE, STAGES, choose_network
from .poses import strongest_first
from .skeletons import COCO, SKELETONS
from .topdown import MIN_PRESENCE, PRESETS, TURNS, UPRIGHT, TopDown, is_known, overlap, turn_people
from .track import MAX_UNSEEN, Tracker

SEARCH_EVERY = 1.5  # seconds after which a clip's whole frame is searched for newcomers,
SEARCH_OFTEN = 0.2  # the same where nobody is, or after somebody was lost,
TURN_EVERY = 1.0  # and there in its turns, for those who lie or stand on their head
FOLLOW_SHARPNESS = 0.42  # who is followed may be less clear than who is found anew
NEAR = 0.1  # how much of its half side a crop may be off, and how far from its size, to do for another
VELOCITY_SHARE = 0.5  # of what was seen last, in the velocity and spin with which a crop goes on
MIN_SPIN = 2.0  # radians a second; less is the sway of a walk and not a fall or a cartwheel
LEAST_SCORE = 1e-6  # 0 would say "not found"


class PoseEstimator:
    """Call it with a picture; it answers with the people in it.

    network: openpose, blazepose (the two networks that come with this package) or auto: OpenPose's where its weights
    are. PoseError where the weights or the device are missing.
    """

    def __init__(
        self,
        mode: str = "COCO",
        network: str = "auto",
        device: str = "cpu",
        *,
        model_folder: str | Path = PACKAGE,
        net_wh: tuple[int, int] | None = None,
        stages: int = STAGES,
        accuracy: str = "balanced",
        threshold: float = 0.1,
        number_people_max: int = -1,
    ) -> None:
        check_choice("mode", mode, SKELETONS)
        check_choice("network", network, NETWORKS)
        check_choice("device", device, DEVICES)
        check_choice("stages", stages, range(1, STAGES + 1))
        check_choice("accuracy", accuracy, PRESETS)
        check_number("threshold", threshold, 0, 1)
        check_number("number_people_max", number_people_max, 1, math.inf, also=-1)
        model_folder = Path(model_folder)
        self.skeleton, self.preset, self.device = SKELETONS[mode], PRESETS[accuracy], Device(device)
        self.net_wh, self.threshold, self.number_people_max = net_wh, threshold, number_people_max
        self.network_name, self.why = choose_network(mode, network, model_folder)
        self.openpose = None
        if self.network_name == "openpose":
            mirrored = self.preset.mirrored
            self.openpose = HeatmapNetwork(OPENPOSE[mode], model_folder, self.device, net_wh, stages, mirrored)
        elif stages != STAGES:
            raise PoseError("Only OpenPose's networks have stages to leave out, not the two in the box", "stages")
        else:
            self.topdown  # noqa: B018  made now, so that what is missing is said before any work

    @cached_property
    def topdown(self) -> TopDown:
        return TopDown(self.device, self.preset, self.net_wh if self.openpose is None else None)

    @property
    def description(self) -> str:
        """One line: what runs, why, where, and under which licence."""
        if self.openpose:
            name, licence = self.openpose.model.name, "non-commercial research only"
        else:
            name, licence = f"{MOBILENET.name} and BlazePose", "Apache-2.0"
        from_coco = "; MPI keypoints worked out from BlazePose's" if self.is_converted else ""
        return f"{name} ({self.why}; {licence}{from_coco}) on {self.device.name}, OpenCV {cv2.__version__}"

    @property
    def is_converted(self) -> bool:
        return self.openpose is None and self.skeleton is not COCO

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """People, float32 (N, K, 3), strongest first, in a picture (H, W, 3) uint8 blue, green, red."""
        check_picture(picture)
        if self.openpose is None:
            return self.finished(self.topdown.find(picture), picture)
        people = self.bottom_up(picture)
        if len(people):
            return people
        # OpenPose's networks see who stands. Three more inferences of 200 MB would tell who lies; the small ones do it.
        found = self.topdown.find(picture)
        turn = turn_upright(found[0].next_crop.up) if found else None
        if turn is None:
            return people
        turned = cv2.rotate(picture, turn)
        return turn_people(self.bottom_up(turned), TURNS[turn], turned)

    def bottom_up(self, picture: np.ndarray) -> np.ndarray:
        return find_people(self.openpose(picture), self.skeleton, self.threshold, self.number_people_max)

    def finished(self, placements: list[Placement], picture: np.ndarray) -> np.ndarray:
        """People (N, K, 3) of the skeleton asked for; what scores too little or is outside the picture is not found."""
        poses = [mpi_pose(one.pose) if self.is_converted else one.pose for one in placements]
        people = np.array(poses, np.float32).reshape(-1, len(self.skeleton.keypoints), 3)
        inside = ((people[:, :, :2] >= 0) & (people[:, :, :2] <= np.subtract(picture.shape[1::-1], 1))).all(axis=2)
        people[~inside | (people[:, :, 2] < max(self.threshold, LEAST_SCORE))] = 0
        return strongest_first(people[people[:, :, 2].any(axis=1)], self.number_people_max)


def turn_upright(up: np.ndarray) -> int | None:
    """Which of TURNS sets a person upright whose shoulders lie in direction `up` (2,) from their hips; None: none."""
    x, y = up.tolist()
    if abs(y) >= -UPRIGHT:
        return None if y < 0 else cv2.ROTATE_180
    return cv2.ROTATE_90_CLOCKWISE if x < 0 else cv2.ROTATE_90_COUNTERCLOCKWISE


class VideoPoseEstimator(PoseEstimator):
    """Call it with a clip's frames one after the other, each with its time in seconds; takes PoseEstimator's arguments.

    With the networks in the box each person is followed from their own landmarks in the frame before, one inference a
    person, and the whole frame is searched for newcomers now and then and for whoever was lost.
    """

    def __init__(self, *args, track: bool = True, smooth: bool = True, **options) -> None:
        """track: people have identities; smooth: their keypoints are steadied, which takes identities."""
        super().__init__(*args, **options)
        self.is_tracking, self.is_smoothing = track, smooth
        if self.openpose is None:
            self.topdown.second  # noqa: B018  loads while the clip is opened
        self.restart()

    def restart(self) -> None:
        """Forget who was there, for the next clip."""
        self.tracker = Tracker(self.skeleton, self.is_smoothing) if self.is_tracking else None
        self.followed: list[Followed] = []
        self.searched_at = self.turned_at = self.lost_at = -math.inf

    def __call__(
        self, picture: np.ndarray, t: float, upcoming: tuple[float, np.ndarray] | None = None
    ) -> tuple[np.ndarray, list[int] | None]:
        """People (N, K, 3) in the frame at time t, strongest first, and who each one is, counted from 0.

        upcoming: time and picture of the next frame, if it is there: its inference then runs at the same time.
        """
        check_picture(picture)
        if self.openpose is None:
            people = self.finished([one.placement for one in self.follow(picture, t, upcoming)], picture)
        else:
            people = self.bottom_up(picture)
        return self.tracker.update(people, t) if self.tracker else (people, None)

    def follow(self, picture: np.ndarray, t: float, upcoming: tuple[float, np.ndarray] | None) -> list[Followed]:
        """Those of the frame before who are there still, and newcomers."""
        before = len(self.followed)
        self.followed = follow_all(self.topdown, self.followed, picture, t, upcoming)
        if len(self.followed) < before:
            self.lost_at, self.searched_at = t, -math.inf
        is_often = not self.followed or t - self.lost_at < MAX_UNSEEN  # who was lost may come back
        if t - self.searched_at >= (SEARCH_OFTEN if is_often else SEARCH_EVERY):
            self.searched_at = t
            self.add(self.topdown.search(picture, 1, known=self.poses), t)
        if not self.followed and t - self.turned_at >= TURN_EVERY:
            self.turned_at = t
            self.add(max((self.topdown.search(picture, 1, turn=turn) for turn in TURNS), key=len), t)
        return self.followed

    @property
    def poses(self) -> list[np.ndarray]:
        return [one.placement.pose for one in self.followed]

    def add(self, placements: list[Placement], t: float) -> None:
        self.followed += [Followed(placement, t, np.zeros(2), 0.0) for placement in placements]


@dataclass(frozen=True)
class Followed:
    """A person as last seen, at time t in seconds, and how their crop moves."""

    placement: Placement
    t: float
    velocity: np.ndarray  # (2,) pixels a second
    spin: float  # radians a second
    ahead: tuple[Crop, Placement] | None = None  # what was inferred of the next frame already, and in which crop

    def crop_at(self, t: float) -> Crop:
        spin = self.spin if abs(self.spin) > MIN_SPIN else 0
        return self.placement.next_crop.moved(self.velocity * (t - self.t), spin * (t - self.t))


def follow_all(
    topdown: TopDown, people: list[Followed], picture: np.ndarray, t: float, upcoming: tuple[float, np.ndarray] | None
) -> list[Followed]:
    """The people in the next frame, at time t; those who are not there any more are left out.

    The inference of the upcoming frame starts from the same crops, and counts where these proved right.
    """
    people = sorted(people, key=lambda person: -person.placement.sharpness)
    crops = [person.crop_at(t) for person in people]
    poses = [person.placement.pose for person in people]
    apart = not any(overlap(crop, pose) for n, crop in enumerate(crops) for pose in poses[:n])
    needed = [
        not (one.ahead and apart and is_near(one.ahead[0], crop)) for one, crop in zip(people, crops, strict=True)
    ]
    ahead = [None] * len(people)
    if upcoming and apart and all(needed):
        ahead = topdown.start(upcoming[1], [person.crop_at(upcoming[0]) for person in people])
    found: list[tuple[float, Followed]] = []
    placed: list[np.ndarray] = []  # who is clearer: painted over in the crops of those half behind them
    for person, crop, is_needed, future in zip(people, crops, needed, ahead, strict=True):
        near = [pose for pose in placed if overlap(crop, pose)]
        placement = topdown.follow(picture, crop, near) if is_needed else person.ahead[1]
        next_ahead = future and future.result()
        if placement.presence < MIN_PRESENCE or placement.sharpness < FOLLOW_SHARPNESS:
            continue
        placed.append(placement.pose)
        before, now, dt = person.placement.next_crop, placement.next_crop, max(t - person.t, 1e-3)
        moved = now.centre - before.centre
        turned = math.atan2(before.up[0] * now.up[1] - before.up[1] * now.up[0], float(before.up @ now.up))
        surprise = float(np.linalg.norm(moved - person.velocity * dt)) / crop.half_side
        velocity = person.velocity + VELOCITY_SHARE * (moved / dt - person.velocity)
        spin = person.spin + VELOCITY_SHARE * (turned / dt - person.spin)
        found.append((surprise, Followed(placement, t, velocity, spin, next_ahead)))
    kept: list[Followed] = []
    for _, one in sorted(
        found, key=lambda item: item[0]
    ):  # of two crops that meet on one person the steadier one stays
        if not is_known(one.placement.pose, [other.placement.pose for other in kept]):
            kept.append(one)
    return kept


def is_near(used: Crop, wanted: Crop) -> bool:
    """Whether what was inferred in one crop is as good as what the other would give."""
    off = np.linalg.norm(used.centre - wanted.centre) / wanted.half_side
    return off < NEAR and abs(used.half_side / wanted.half_side - 1) < NEAR and used.up @ wanted.up > 1 - NEAR / 2
