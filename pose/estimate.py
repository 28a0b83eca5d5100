"""Everyone's poses in a photo (PoseEstimator) or in the frames of a clip (VideoPoseEstimator)."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from . import PoseError
from .blazepose import PersonEstimate
from .checks import check_choice, check_number, check_picture
from .choices import ACCURACIES, DEVICES, ENGINES, MODES, NETWORKS, PACKAGE, PRECISIONS, STAGES
from .crop_tracking import CropTracker, NextFrame
from .decode import find_people
from .networks.engine_choice import choose_engine
from .networks.heatmap_network import HeatmapNetwork
from .networks.registry import MOBILENET, OPENPOSE, Model, choose_network
from .poses import coco_to_mpi, strongest_first
from .skeletons import COCO, SKELETONS, Skeleton
from .topdown import PRESETS, ROTATIONS, UPRIGHT, TopDown, rotate_people
from .track import Tracked, Tracker

MIN_SCORE = 1e-6  # as 0 means "not found"


class PoseEstimator:
    """Call it with a picture (H, W, 3) for the people in it.

    mode: COCO (18 keypoints) or MPI (15).
    network: openpose, blazepose (the two bundled networks) or auto: OpenPose's where its weights are.
    device: cpu or gpu. engine: opencv, openvino, onnxruntime, tensorrt or auto: the fastest that works there.
    precision: auto or fp32; bf16: twice as fast on processors that multiply it, keypoints less exact (OpenVINO).
    net_wh: the largest input of the heatmap network, width and height in pixels; -1 for one: no limit.
    stages: of OpenPose's network, 1 to 6. accuracy: fast, balanced or best. threshold: the lowest score, 0 to 1.
    number_people_max: -1 for everyone.
    ValueError or TypeError for other values; PoseError where the weights or the device are missing.
    """

    def __init__(
        self,
        mode: str = "COCO",
        network: str = "auto",
        device: str = "cpu",
        *,
        engine: str = "auto",
        precision: str = "auto",
        model_folder: str | Path = PACKAGE,
        net_wh: tuple[int, int] | None = None,
        stages: int = STAGES,
        accuracy: str = "balanced",
        threshold: float = 0.1,
        number_people_max: int = -1,
    ) -> None:
        check_choice("mode", mode, MODES)
        check_choice("network", network, NETWORKS)
        check_choice("device", device, DEVICES)
        check_choice("engine", engine, ENGINES)
        check_choice("precision", precision, PRECISIONS)
        check_choice("stages", stages, range(1, STAGES + 1))
        check_choice("accuracy", accuracy, ACCURACIES)
        check_number("threshold", threshold, 0, 1)
        check_number("number_people_max", number_people_max, 1, math.inf, also=-1)
        self.skeleton: Skeleton = SKELETONS[mode]
        self.preset = PRESETS[accuracy]
        self.engine, self.hint = choose_engine(engine, device, precision)
        self.net_wh, self.threshold, self.number_people_max = net_wh, threshold, number_people_max
        name, self.reason = choose_network(mode, network, Path(model_folder))
        self.openpose = None
        if name == "openpose":
            self.openpose = self.load_openpose(OPENPOSE[mode], Path(model_folder), stages)
        elif stages != STAGES:
            raise PoseError("Only OpenPose's networks have stages to leave out, not the bundled ones", "stages")
        else:
            self.topdown  # noqa: B018  loaded now, so that what is missing is reported before any work

    def load_openpose(self, model: Model, folder: Path, stages: int) -> HeatmapNetwork:
        """The network; meanwhile its weights are compared with the published ones, to report a difference."""
        with ThreadPoolExecutor(1) as pool:
            is_genuine = pool.submit(model.weights.is_genuine, folder)
            network = HeatmapNetwork(model, folder, self.engine, self.net_wh, stages, self.preset.mirrored)
        self.reason += "" if is_genuine.result() else ", but are not the published ones"
        return network

    @cached_property
    def topdown(self) -> TopDown:
        return TopDown(self.engine, self.preset, self.net_wh if self.openpose is None else None)

    @property
    def heatmap_network(self) -> HeatmapNetwork:
        """Call it with a picture for the Maps of its own skeleton, which is COCO's for the bundled networks."""
        return self.openpose or self.topdown.detector

    @property
    def description(self) -> str:
        """One line: network, reason, licence, device and engine; a second one where an engine is missing or broken."""
        if self.openpose:
            name, licence = self.openpose.model.name, "non-commercial research only"
        else:
            name, licence = f"{MOBILENET.name} and BlazePose", "Apache-2.0"
        from_coco = "; MPI keypoints worked out from BlazePose's" if self.is_converted else ""
        engine = self.engine
        where = f"{engine.device}, {engine.name}, {engine.precision}"
        return f"{name} ({self.reason}; {licence}{from_coco}) on {where}" + (f"\n{self.hint}" if self.hint else "")

    @property
    def is_converted(self) -> bool:
        return self.openpose is None and self.skeleton is not COCO

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """People, float32 (N, K, 3), strongest first, in a picture (H, W, 3) uint8 blue, green, red."""
        return self.estimate_3d(picture)[:, :, :3]

    def estimate_3d(self, picture: np.ndarray) -> np.ndarray:
        """The same people, (N, K, 6): x, y, score, and X, Y, Z in metres from the middle of the person's hips.

        X points to the right in the picture, Y down, Z away from the camera. (N, K, 3) with OpenPose's networks, which
        estimate no depth.
        """
        check_picture(picture)
        if self.openpose is None:
            return self.to_people(self.topdown.estimate_people(picture), picture)
        people = self.bottom_up(picture)
        if len(people):
            return people
        # OpenPose's networks find upright people only; the bundled ones find others, at a tenth of the cost.
        found = self.topdown.estimate_people(picture)
        rotation = upright_rotation(found[0].next_crop.up) if found else None
        if rotation is None:
            return people
        rotated = cv2.rotate(picture, rotation)
        return rotate_people(self.bottom_up(rotated), ROTATIONS[rotation], rotated)

    def bottom_up(self, picture: np.ndarray) -> np.ndarray:
        """People by OpenPose's network alone."""
        assert self.openpose
        return find_people(self.openpose(picture), self.skeleton, self.threshold, self.number_people_max)

    def to_people(self, estimates: list[PersonEstimate], picture: np.ndarray) -> np.ndarray:
        """People (N, K, 6) of this skeleton; keypoints that score too low or are outside the picture are not found."""
        poses = [coco_to_mpi(one.pose) if self.is_converted else one.pose for one in estimates]
        people = np.array(poses, np.float32).reshape(-1, len(self.skeleton.keypoints), 6)
        inside = ((people[:, :, :2] >= 0) & (people[:, :, :2] <= np.subtract(picture.shape[1::-1], 1))).all(axis=2)
        people[~inside | (people[:, :, 2] < max(self.threshold, MIN_SCORE))] = 0
        return strongest_first(people, self.number_people_max)


def upright_rotation(up: np.ndarray) -> int | None:
    """Which of ROTATIONS makes a person upright whose shoulders are in direction `up` (2,) from the hips; or None."""
    x, y = up.tolist()
    if abs(y) >= -UPRIGHT:
        return None if y < 0 else cv2.ROTATE_180
    return cv2.ROTATE_90_CLOCKWISE if x < 0 else cv2.ROTATE_90_COUNTERCLOCKWISE


class VideoPoseEstimator:
    """Call it with a clip's frames one after the other, each with its time in seconds.

    track: people have identities; smooth: their keypoints are smoothed, which needs identities. The other options are
    PoseEstimator's.
    """

    def __init__(self, *args: Any, track: bool = True, smooth: bool = True, **options: Any) -> None:
        self.photo_estimator = PoseEstimator(*args, **options)
        self.skeleton, self.is_tracking, self.is_smoothing = self.photo_estimator.skeleton, track, smooth
        if self.photo_estimator.openpose is None:
            self.photo_estimator.topdown.second_landmarks  # noqa: B018  loads while the clip is opened
        self.restart()

    @property
    def description(self) -> str:
        return self.photo_estimator.description

    @property
    def state(self) -> Any:
        """The clip's people so far, for a checkpoint and restart()."""
        return self.tracker, self.crops and self.crops.state

    def restart(self, state: Any = None) -> None:
        """Start the next clip, or continue from a state."""
        self.tracker = Tracker(self.skeleton, self.is_smoothing) if self.is_tracking else None
        self.crops = CropTracker(self.photo_estimator.topdown) if self.photo_estimator.openpose is None else None
        if state:
            self.tracker, crops = state
            if self.crops and crops:  # without, the next frame is searched for everyone
                vars(self.crops).update(crops)

    def __call__(self, picture: np.ndarray, t: float, next_frame: NextFrame = None) -> Tracked:
        """People (N, K, 3) in the frame (H, W, 3) of time t, strongest first, and their identities, counted from 0.

        next_frame: time and picture of the next frame, if known: its inference then runs in parallel.
        """
        people, ids = self.estimate_3d(picture, t, next_frame)
        return people[:, :, :3], ids

    def estimate_3d(self, picture: np.ndarray, t: float, next_frame: NextFrame = None) -> Tracked:
        """The same with people as PoseEstimator.estimate_3d returns them."""
        people = self.infer(picture, t, next_frame)
        return self.tracker.update(people, t) if self.tracker else (people, None)

    def infer(self, picture: np.ndarray, t: float, next_frame: NextFrame = None) -> np.ndarray:
        """The people, not yet tracked or smoothed."""
        check_picture(picture)
        if self.crops:
            return self.photo_estimator.to_people(self.crops(picture, t, next_frame), picture)
        return self.photo_estimator.bottom_up(picture)
