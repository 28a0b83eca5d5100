"""The two bundled networks: mobilenet_thin detects people, BlazePose estimates the keypoints of each one.

mobilenet_thin's own keypoints are only candidates. BlazePose decides whether there is a person, and where their
keypoints are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from .blazepose import LandmarkNetwork, PersonEstimate
from .choices import PACKAGE
from .crop import CROP_MARGIN, Crop, crop_around
from .decode import find_candidates, find_peaks
from .maps import Maps
from .networks.engines import Engine
from .networks.heatmap_network import HeatmapNetwork
from .networks.registry import BLAZEPOSE, MOBILENET
from .poses import pose_distance, similarity
from .skeletons import COCO

MIN_PRESENCE = 0.5  # MediaPipe's own
MIN_DETECTION_CONFIDENCE = 0.5  # people have 0.55 and more, trees, tripods and flags 0.46 and less on labelled pictures
LATER_PASS = 0.05  # by which a later pass may be less confident and still counts
MAX_SIMILARITY = 0.5  # object keypoint similarity above which two poses are one person's
UPRIGHT = -0.57  # y of the direction from hips to shoulders: up to 55° from the vertical
LARGER_SCALES = 1.7, 2.4  # of the sides of the detector's usual input, where that one finds nobody
CLEAR_PEAK = 0.1  # of the detector's heatmaps; lower ones may be noise
MIN_UNEXPLAINED = 4  # keypoints with a clear peak outside all crops, from which a lying person may be there
ROTATIONS = {  # of the picture, and the way back
    cv2.ROTATE_90_CLOCKWISE: cv2.ROTATE_90_COUNTERCLOCKWISE,
    cv2.ROTATE_90_COUNTERCLOCKWISE: cv2.ROTATE_90_CLOCKWISE,
    cv2.ROTATE_180: cv2.ROTATE_180,
}


@dataclass(frozen=True)
class AccuracyPreset:
    """How many inferences are computed."""

    passes: int  # of the landmark network for each person in a photo
    mirrored: bool  # every inference is averaged with one of the mirrored picture
    all_rotations: bool  # the picture is rotated even where a person stands


PRESETS = {
    "fast": AccuracyPreset(passes=1, mirrored=False, all_rotations=False),
    "balanced": AccuracyPreset(passes=2, mirrored=False, all_rotations=False),
    "best": AccuracyPreset(passes=2, mirrored=True, all_rotations=True),
}


class TopDown:
    """Estimates everyone's pose in a picture, and people's again in the next frame of a clip."""

    def __init__(self, engine: Engine, preset: AccuracyPreset, net_wh: tuple[int, int] | None = None) -> None:
        self.preset, self.engine = preset, engine
        self.pool = ThreadPoolExecutor(1)
        model = self.pool.submit(BLAZEPOSE.read, PACKAGE)
        self.loading = self.pool.submit(lambda: LandmarkNetwork(engine, model.result()))
        self.detector = HeatmapNetwork(MOBILENET, PACKAGE, engine, net_wh, mirrored=preset.mirrored)
        model.result()  # PoseError where it is not the genuine file

    @cached_property
    def landmarks(self) -> LandmarkNetwork:
        """Loaded in parallel, as loading takes longer than the detector's first inference."""
        return self.loading.result()

    @cached_property
    def second_landmarks(self) -> Future[LandmarkNetwork]:
        """For the pool's thread, as two inferences in parallel use two cores better than one."""
        if self.engine.is_thread_safe:
            return self.pool.submit(lambda: self.landmarks)
        return self.pool.submit(lambda: LandmarkNetwork(self.engine, BLAZEPOSE.read(PACKAGE)))

    def track(self, picture: np.ndarray, crop: Crop, masked: Sequence[np.ndarray]) -> PersonEstimate:
        """The person in a crop of a clip's frame, other people's poses masked."""
        return self.landmarks(picture, crop, self.preset.mirrored, masked)

    def start_tracking(self, picture: np.ndarray, crop: Crop) -> Future[PersonEstimate]:
        """The same in the pool's thread."""
        landmarks = self.second_landmarks  # before the inference, so that the thread loads it first
        return self.pool.submit(lambda: landmarks.result()(picture, crop, self.preset.mirrored))

    def estimate_people(self, picture: np.ndarray) -> list[PersonEstimate]:
        """Everyone in a picture (H, W, 3).

        Where nobody is found the input is enlarged, for small people. Where nobody stands, or peaks of the detector are
        outside all crops, the picture is rotated, for people who lie, dive or stand on their head.
        """
        maps, passes = self.detector(picture), self.preset.passes
        found = self.estimate(picture, find_candidates(maps, COCO), passes)
        for scale in LARGER_SCALES:
            found = found or self.estimate(picture, self.detect(picture, scale), passes)
        stands = any(person.next_crop.up[1] < UPRIGHT for person in found)
        if self.preset.all_rotations or not stands or count_unexplained(maps, found) >= MIN_UNEXPLAINED:
            scale = 1 if found else LARGER_SCALES[0]
            rotated = [self.estimate(picture, self.detect(picture, scale, r), passes) for r in ROTATIONS]
            found += far_from(max(rotated, key=lambda people: sum(person.confidence for person in people)), found)
        return found

    def detect(self, picture: np.ndarray, scale: float = 1, rotation: int | None = None) -> np.ndarray:
        """Candidates (N, 18, 3) for people, by an inference of the picture or of cv2.rotate(picture, rotation).

        scale: of the sides of the detector's usual input.
        """
        if rotation is None:
            return find_candidates(self.detector(picture, scale), COCO)
        rotated = cv2.rotate(picture, rotation)
        return rotate_people(find_candidates(self.detector(rotated, scale), COCO), ROTATIONS[rotation], rotated)

    def estimate(
        self, picture: np.ndarray, candidates: np.ndarray, passes: int, known: Sequence[np.ndarray] = ()
    ) -> list[PersonEstimate]:
        """Those of the candidates (N, 18, 3) that are people, and none of the known poses (18, 3)."""
        first = [
            (self.estimate_person(picture, one, passes), one) for one in candidates if not is_duplicate(one, known)
        ]
        found: list[PersonEstimate] = []
        for estimate, candidate in sorted(first, key=lambda pair: -pair[0].confidence):
            others = [*known, *(other.pose for other in found)]
            near = [pose for pose in others if overlap(estimate.next_crop, pose)]
            if near:  # the network may have mixed them up with this person
                estimate = self.estimate_person(picture, candidate, passes, near)
            if is_person(estimate) and not is_duplicate(estimate.pose, others):
                found.append(estimate)
        return found

    def estimate_person(
        self, picture: np.ndarray, candidate: np.ndarray, passes: int, masked: Sequence[np.ndarray] = ()
    ) -> PersonEstimate:
        """The person of a candidate (18, 3): the best of so many passes, each in the next_crop of the one before."""
        best = self.landmarks(picture, crop_around(candidate), self.preset.mirrored, masked)
        crop = best.next_crop
        for _ in range(passes - 1):
            later = self.landmarks(picture, crop, self.preset.mirrored, masked, exposed=True)
            best, crop = later if is_better(later, best) else best, later.next_crop
        return best


def is_better(later: PersonEstimate, before: PersonEstimate) -> bool:
    """Whether a pass improves on the one before. For left and right the later one counts, as it is better exposed."""
    swapped = later.pose[list(COCO.mirrored)]
    if pose_distance(swapped, before.pose) < pose_distance(later.pose, before.pose):
        return is_person(later)
    return later.confidence > before.confidence - LATER_PASS


def count_unexplained(maps: Maps, found: list[PersonEstimate]) -> int:
    """How many of the 18 keypoints have a clear peak outside all crops."""
    peaks = find_peaks(maps.values[: len(COCO.keypoints)], CLEAR_PEAK)
    xy, crops = maps.to_picture(peaks.xy), [person.next_crop for person in found]
    inside = [np.linalg.norm(xy - crop.centre, axis=1) < crop.half_side for crop in crops]
    return len(set(peaks.keypoint[~np.any(inside, axis=0)].tolist()))


def is_person(estimate: PersonEstimate) -> bool:
    return estimate.presence >= MIN_PRESENCE and estimate.confidence >= MIN_DETECTION_CONFIDENCE


def is_duplicate(pose: np.ndarray, others: Iterable[np.ndarray]) -> bool:
    return any(similarity(pose, other, COCO) > MAX_SIMILARITY for other in others)


def overlap(crop: Crop, pose: np.ndarray) -> bool:
    """Whether a pose (18, 3) reaches into the circle around the body from which the crop was made."""
    near = np.linalg.norm(pose[:, :2] - crop.centre, axis=1) < crop.half_side / CROP_MARGIN
    return bool((near & (pose[:, 2] > 0)).any())


def far_from(people: list[PersonEstimate], others: list[PersonEstimate]) -> list[PersonEstimate]:
    """The people far from all others; in a rotated picture, similarity does not recognize the same person."""

    def apart(one: Crop, other: Crop) -> bool:
        return float(np.linalg.norm(one.centre - other.centre)) > other.half_side / 2

    return [one for one in people if all(apart(one.next_crop, other.next_crop) for other in others)]


def rotate_people(people: np.ndarray, rotation: int, picture: np.ndarray) -> np.ndarray:
    """People (N, K, 3) in a picture, as they are in cv2.rotate(picture, rotation)."""
    h, w = picture.shape[:2]
    x, y, score = np.moveaxis(people, 2, 0)
    x, y = {
        cv2.ROTATE_90_CLOCKWISE: (h - 1 - y, x),
        cv2.ROTATE_180: (w - 1 - x, h - 1 - y),
        cv2.ROTATE_90_COUNTERCLOCKWISE: (y, w - 1 - x),
    }[rotation]
    return np.where(score[..., None] > 0, np.stack([x, y, score], axis=2), 0).astype(np.float32)
