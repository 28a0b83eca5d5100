"""The two networks in the box: mobilenet_thin finds people, BlazePose places the keypoints of each one.

mobilenet_thin's own keypoints are only good enough to say where somebody may be. Whether there is a person, and where
their keypoints are, BlazePose says.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from .blazepose import CROP_MARGIN, Crop, LandmarkNetwork, Placement, crop_around
from .decode import find_candidates, find_peaks
from .maps import Maps
from .networks.devices import Device
from .networks.heatmap_network import HeatmapNetwork
from .networks.registry import MOBILENET, PACKAGE
from .poses import pose_distance, similarity
from .skeletons import COCO

MIN_PRESENCE = 0.5  # MediaPipe's own
MIN_SHARPNESS = 0.5  # people have 0.55 and more, trees, tripods and flags 0.46 and less on the labelled pictures
LATER_PASS = 0.05  # a later pass counts unless its sharpness is lower by more
SAME_PERSON = 0.5  # object keypoint similarity from which two poses are one person's
UPRIGHT = -0.57  # y of the direction from hips to shoulders: up to 55° from the vertical
LARGER, LARGEST = 1.7, 2.4  # sides of the detector's input where nobody was found with smaller ones
CLEAR_PEAK = 0.1  # of the detector's heatmaps, with which a keypoint cannot be noise; so many keypoints of which nobody
UNEXPLAINED = 4  # was found let it be searched for people who lie
MIRRORED = list(COCO.mirrored)
TURNS = {  # of the picture, to find who lies or stands on their head, and the way back
    cv2.ROTATE_90_CLOCKWISE: cv2.ROTATE_90_COUNTERCLOCKWISE,
    cv2.ROTATE_90_COUNTERCLOCKWISE: cv2.ROTATE_90_CLOCKWISE,
    cv2.ROTATE_180: cv2.ROTATE_180,
}


@dataclass(frozen=True)
class AccuracyPreset:
    """How --accuracy spends time."""

    passes: int  # of the landmark network for each person in a photo, each from the crop that the one before gives
    mirrored: bool  # every inference is averaged with one of the mirrored picture
    all_turns: bool  # who lies is looked for even where others stand


PRESETS = {
    "fast": AccuracyPreset(passes=1, mirrored=False, all_turns=False),
    "balanced": AccuracyPreset(passes=2, mirrored=False, all_turns=False),
    "best": AccuracyPreset(passes=2, mirrored=True, all_turns=True),
}


class TopDown:
    """Finds everyone in a picture, and people again in the next one."""

    def __init__(self, device: Device, preset: AccuracyPreset, net_wh: tuple[int, int] | None = None) -> None:
        self.preset, self.device = preset, device
        self.pool = ThreadPoolExecutor(1)
        landmarks = self.pool.submit(LandmarkNetwork.load, device)
        self.detector = HeatmapNetwork(MOBILENET, PACKAGE, device, net_wh, mirrored=preset.mirrored)
        self.landmarks = landmarks.result()

    @cached_property
    def second(self) -> Future[LandmarkNetwork]:
        """For the pool's thread: two inferences side by side use two cores better than one does."""
        return self.pool.submit(LandmarkNetwork.load, self.device)

    def follow(self, picture: np.ndarray, crop: Crop, hidden: list[np.ndarray]) -> Placement:
        """The person in a crop of a clip's frame, without those of the poses."""
        return self.landmarks(picture, crop, self.preset.mirrored, hidden)

    def start(self, picture: np.ndarray, crops: list[Crop]) -> list[Future]:
        """Begin to do that for several crops; each Future gives the crop and the Placement."""
        second, mirrored = self.second, self.preset.mirrored  # asked for here, so that the thread loads it first
        return [self.pool.submit(lambda crop=crop: (crop, second.result()(picture, crop, mirrored))) for crop in crops]

    def find(self, picture: np.ndarray) -> list[Placement]:
        """Everyone in a picture (H, W, 3); small people where there are no others, who lies where nobody stands."""
        passes, maps = self.preset.passes, self.detector(picture)
        found = self.search(picture, passes, maps=maps)
        found = found or self.search(picture, passes, LARGER) or self.search(picture, passes, LARGEST)
        is_upright = any(person.next_crop.up[1] < UPRIGHT for person in found)
        if self.preset.all_turns or not is_upright or unexplained(maps, found) >= UNEXPLAINED:
            larger = 1 if found else LARGER
            turned = [self.search(picture, passes, larger, turn) for turn in TURNS]
            found += apart(max(turned, key=lambda people: sum(person.sharpness for person in people)), found)
        return found

    def search(
        self,
        picture: np.ndarray,
        passes: int,
        larger: float = 1,
        turn: int | None = None,
        known: list | None = None,
        maps: Maps | None = None,
    ) -> list[Placement]:
        """The people that the detector finds in the picture or in cv2.rotate(picture, turn), but for those known.

        maps: what the detector has said already.
        """
        turned = picture if turn is None else cv2.rotate(picture, turn)
        candidates = turn_people(find_candidates(maps or self.detector(turned, larger), COCO), TURNS.get(turn), turned)
        first = [(self.place(picture, pose, passes), pose) for pose in candidates if not is_known(pose, known or [])]
        found: list[Placement] = []
        for placement, candidate in sorted(first, key=lambda pair: -pair[0].sharpness):
            others = [*(known or []), *(other.pose for other in found)]
            near = [pose for pose in others if overlap(placement.next_crop, pose)]
            if near:  # the network may have taken a part of them for this person's
                placement = self.place(picture, candidate, passes, near)
            if is_person(placement) and not is_known(placement.pose, others):
                found.append(placement)
        return found

    def place(self, picture: np.ndarray, candidate: np.ndarray, passes: int, hidden: list | None = None) -> Placement:
        """The person of whom the detector's pose (18, 3) is known, by the best of so many passes."""
        best, crop = None, crop_around(candidate)
        for number in range(passes):
            placement = self.landmarks(picture, crop, self.preset.mirrored, hidden or [], exposed=number > 0)
            if best is None or is_better(placement, best):
                best = placement
            crop = placement.next_crop
        return best


def is_better(later: Placement, before: Placement) -> bool:
    """Whether a pass improves on the one before: which side they show, the later one sees in better light."""
    exchanged = later.pose[MIRRORED]
    if pose_distance(exchanged, before.pose) < pose_distance(later.pose, before.pose):
        return is_person(later)
    return later.sharpness > before.sharpness - LATER_PASS


def unexplained(maps: Maps, found: list[Placement]) -> int:
    """How many of the 18 keypoints have a clear peak that lies in nobody's crop."""
    peaks = find_peaks(maps.values[: len(COCO.keypoints)], CLEAR_PEAK)
    xy, crops = maps.to_picture(peaks.xy), [person.next_crop for person in found]
    inside = [np.linalg.norm(xy - crop.centre, axis=1) < crop.half_side for crop in crops]
    return len(set(peaks.keypoint[~np.any(inside, axis=0)].tolist()))


def is_person(placement: Placement) -> bool:
    return placement.presence >= MIN_PRESENCE and placement.sharpness >= MIN_SHARPNESS


def is_known(pose: np.ndarray, others: list[np.ndarray]) -> bool:
    return any(similarity(pose, other, COCO) > SAME_PERSON for other in others)


def overlap(crop: Crop, pose: np.ndarray) -> bool:
    """Whether a pose (18, 3) reaches into the circle that the crop is cut around."""
    near = np.linalg.norm(pose[:, :2] - crop.centre, axis=1) < crop.half_side / CROP_MARGIN
    return bool((near & (pose[:, 2] > 0)).any())


def apart(placements: list[Placement], others: list[Placement]) -> list[Placement]:
    """Those that lie elsewhere than all others: seen upside down, somebody looks like another person in their place."""
    crops = [other.next_crop for other in others]
    return [
        one
        for one in placements
        if all(np.linalg.norm(one.next_crop.centre - crop.centre) > crop.half_side / 2 for crop in crops)
    ]


def turn_people(people: np.ndarray, turn: int | None, picture: np.ndarray) -> np.ndarray:
    """People (N, K, 3) in a picture, as they lie in cv2.rotate(picture, turn); turn None: as they are."""
    if turn is None:
        return people
    h, w = picture.shape[:2]
    x, y, score = np.moveaxis(people, 2, 0)
    x, y = {
        cv2.ROTATE_90_CLOCKWISE: (h - 1 - y, x),
        cv2.ROTATE_180: (w - 1 - x, h - 1 - y),
        cv2.ROTATE_90_COUNTERCLOCKWISE: (y, w - 1 - x),
    }[turn]
    return np.where(score[..., None] > 0, np.stack([x, y, score], axis=2), 0).astype(np.float32)
