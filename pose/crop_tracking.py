"""A clip's people from frame to frame with the bundled networks: each in a crop that moves and rotates with them.

One inference for each person and frame; the whole frame is searched at intervals, for new people and lost ones.
"""

from __future__ import annotations

import math
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .blazepose import PersonEstimate
from .crop import Crop
from .topdown import MIN_PRESENCE, ROTATIONS, TopDown, is_duplicate, overlap
from .track import MAX_UNSEEN

DETECTION_INTERVAL = 1.5  # seconds between two searches of the whole frame
SHORT_INTERVAL = 0.2  # the same where nobody is tracked or somebody was lost shortly before
ROTATED_INTERVAL = 1.0  # seconds between two searches in rotated frames, where nobody is tracked
MIN_TRACKING_CONFIDENCE = 0.42  # lower than for a new person
MAX_CROP_CHANGE = 0.1  # in half sides; crops that differ by less give the same pose
VELOCITY_GAIN = 0.5  # share of the last motion in the predicted velocity and spin
MIN_SPIN = 2.0  # radians a second; less is the sway of a walk, not a fall or a cartwheel

NextFrame = tuple[float, np.ndarray] | None  # time in seconds and picture


@dataclass(frozen=True)
class TrackedPerson:
    """A person at time t in seconds, and how their crop moves."""

    estimate: PersonEstimate
    t: float
    velocity: np.ndarray  # (2,) pixels a second
    spin: float  # radians a second
    prefetched: tuple[Crop, PersonEstimate] | None = None  # the next frame's estimate, and its crop

    def crop_at(self, t: float) -> Crop:
        spin = self.spin if abs(self.spin) > MIN_SPIN else 0
        return self.estimate.next_crop.moved(self.velocity * (t - self.t), spin * (t - self.t))

    def updated(self, estimate: PersonEstimate, t: float) -> tuple[float, TrackedPerson]:
        """The distance of the crop from its prediction, in half sides, and the person with the new estimate."""
        before, now, dt = self.estimate.next_crop, estimate.next_crop, max(t - self.t, 1e-3)
        motion = now.centre - before.centre
        angle = math.atan2(before.up[0] * now.up[1] - before.up[1] * now.up[0], float(before.up @ now.up))
        error = float(np.linalg.norm(motion - self.velocity * dt)) / before.half_side
        velocity = self.velocity + VELOCITY_GAIN * (motion / dt - self.velocity)
        spin = self.spin + VELOCITY_GAIN * (angle / dt - self.spin)
        return error, TrackedPerson(estimate, t, velocity, spin)


class CropTracker:
    """Call it with a clip's frames one after the other; it returns the people in each."""

    def __init__(self, topdown: TopDown) -> None:
        self.topdown = topdown
        self.people: list[TrackedPerson] = []
        self.detected_at = self.rotated_at = self.lost_at = -math.inf

    @property
    def state(self) -> dict[str, Any]:
        """All but the networks, by name."""
        return {name: value for name, value in vars(self).items() if name != "topdown"}

    def __call__(self, picture: np.ndarray, t: float, next_frame: NextFrame = None) -> list[PersonEstimate]:
        before = len(self.people)
        self.people = self.track(picture, t, next_frame)
        if len(self.people) < before:
            self.lost_at, self.detected_at = t, -math.inf
        is_short = not self.people or t - self.lost_at < MAX_UNSEEN  # a lost person may return
        if t - self.detected_at >= (SHORT_INTERVAL if is_short else DETECTION_INTERVAL):
            self.detected_at = t
            self.add(self.detect(picture), t)
        if not self.people and t - self.rotated_at >= ROTATED_INTERVAL:
            self.rotated_at = t
            self.add(max((self.detect(picture, rotation) for rotation in ROTATIONS), key=len), t)
        return [person.estimate for person in self.people]

    def detect(self, picture: np.ndarray, rotation: int | None = None) -> list[PersonEstimate]:
        known = [person.estimate.pose for person in self.people]
        return self.topdown.estimate(picture, self.topdown.detect(picture, rotation=rotation), 1, known)

    def add(self, estimates: list[PersonEstimate], t: float) -> None:
        self.people += [TrackedPerson(estimate, t, np.zeros(2), 0.0) for estimate in estimates]

    def track(self, picture: np.ndarray, t: float, next_frame: NextFrame) -> list[TrackedPerson]:
        """The people of the frame before who are still seen.

        The next frame's inference starts in parallel, in predicted crops. Its result is used if the crops that the next
        frame needs are near enough.
        """
        people = sorted(self.people, key=lambda person: -person.estimate.confidence)
        crops = [person.crop_at(t) for person in people]
        poses = [person.estimate.pose for person in people]
        apart = not any(overlap(crop, pose) for n, crop in enumerate(crops) for pose in poses[:n])
        ready = [
            person.prefetched[1] if person.prefetched and apart and is_near(person.prefetched[0], crop) else None
            for person, crop in zip(people, crops, strict=True)
        ]
        futures: list[tuple[Crop, Future[PersonEstimate]] | None] = [None] * len(people)
        if next_frame and apart and not any(ready):
            ahead = [person.crop_at(next_frame[0]) for person in people]
            futures = [(crop, self.topdown.start_tracking(next_frame[1], crop)) for crop in ahead]
        found: list[tuple[float, TrackedPerson]] = []
        masked: list[np.ndarray] = []  # in the crops of people estimated later
        for person, crop, estimate, future in zip(people, crops, ready, futures, strict=True):
            estimate = estimate or self.topdown.track(picture, crop, [p for p in masked if overlap(crop, p)])
            prefetched = future and (future[0], future[1].result())
            if estimate.presence >= MIN_PRESENCE and estimate.confidence >= MIN_TRACKING_CONFIDENCE:
                masked.append(estimate.pose)
                error, updated = person.updated(estimate, t)
                found.append((error, replace(updated, prefetched=prefetched)))
        return without_duplicates(found)


def without_duplicates(found: list[tuple[float, TrackedPerson]]) -> list[TrackedPerson]:
    """Of crops that show the same person, the one whose motion was predicted best stays."""
    kept: list[TrackedPerson] = []
    for _, person in sorted(found, key=lambda pair: pair[0]):
        if not is_duplicate(person.estimate.pose, [other.estimate.pose for other in kept]):
            kept.append(person)
    return kept


def is_near(used: Crop, needed: Crop) -> bool:
    """Whether the inference in one crop is as good as in the other."""
    offset = float(np.linalg.norm(used.centre - needed.centre)) / needed.half_side
    is_same_size = abs(used.half_side / needed.half_side - 1) < MAX_CROP_CHANGE
    return offset < MAX_CROP_CHANGE and is_same_size and float(used.up @ needed.up) > 1 - MAX_CROP_CHANGE / 2
