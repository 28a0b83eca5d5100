"""Across frames: identities, smoothing, and interpolation between inferences."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from .poses import WORLD, extrapolate, pose_distance, size
from .skeletons import Skeleton

Tracked = tuple[np.ndarray, list[int] | None]  # people (N, K, 3 or 6) and, where they are tracked, their identities

MATCH_DISTANCE = 0.3  # mean, of the keypoints of one person's poses in two frames, in sizes of the person
MAX_UNSEEN = 1.0  # seconds after which a person who returns counts as a new one
MAX_MISSING = 0.2  # seconds for which a missing keypoint is extrapolated from the others, or a person kept
MAX_EXTRAPOLATION = 0.5  # seconds for which a person's motion is extrapolated
MAX_INTERPOLATION = 0.5  # seconds between two inferences; in a longer gap there are no people
SWAP_RATIO = 0.5  # left and right are swapped if their distance to the predicted pose shrinks to this share,
SWAP_DISTANCE = 0.05  # and is at least this without, in sizes of the person
MAX_SWAP = 0.5  # seconds for which swaps are undone; a longer one is taken as right
MIN_CUTOFF = 1.0  # Hz; the 1€ filter's cutoff for a keypoint at rest: lower is steadier
BETA = 17.0  # Hz per (person's size / second); higher lags less in motion, and at 17 a walk loses no accuracy
HEIGHT = 1.7  # metres, the size of a person
SPEED_CUTOFF = 1.0  # Hz; cutoff for the speed itself, the 1€ paper's value


@dataclass
class Track:
    """One person through the clip: last pose (K, 3 or 6), and its speed in sizes a second."""

    id: int
    pose: np.ndarray
    speed: np.ndarray
    seen: float  # seconds
    keypoints_seen: np.ndarray  # (K,) seconds
    swapped_since: dict[tuple[int, ...], float] = field(default_factory=dict)  # by group of keypoints

    def predicted(self, t: float, rigid: bool = True) -> np.ndarray:
        """The pose (K, 3) at time t at constant speed: rigid, or each keypoint at its own."""
        pose, found = self.pose.copy(), self.pose[:, 2] > 0
        speed = np.median(self.speed[found, :2], axis=0) if rigid else self.speed[found, :2]
        pose[found, :2] += speed * size(pose) * min(t - self.seen, MAX_EXTRAPOLATION)
        return pose


class Tracker:
    """Assigns identities to the people of successive frames and, with smooth, smooths their keypoints.

    Smoothing fills short gaps, undoes short swaps of left and right, and applies the 1€ filter.
    """

    def __init__(self, skeleton: Skeleton, smooth: bool = True) -> None:
        self.skeleton, self.smooth = skeleton, smooth
        self.tracks: list[Track] = []
        self.next_id = 0

    def update(self, people: np.ndarray, t: float) -> tuple[np.ndarray, list[int]]:
        """People (N, K, 3) at time t in seconds, and their identities, counted from 0."""
        self.tracks = [track for track in self.tracks if t - track.seen <= MAX_UNSEEN]
        match = self.match(people, t)
        smoothed, ids = people.copy(), []
        for number, person in enumerate(smoothed):
            track = match.get(number)
            if track is None:
                track = Track(self.next_id, person, np.zeros_like(person), t, np.full(len(person), t))
                self.next_id += 1
                self.tracks.append(track)
            elif self.smooth and t > track.seen:
                undo_swaps(track, person, t, self.skeleton)
                track.keypoints_seen[person[:, 2] > 0] = t
                extrapolate(track.pose, person, t - track.keypoints_seen <= MAX_MISSING)
                person[:] = one_euro(track, person, t - track.seen)
            track.pose, track.seen = person.copy(), t
            ids.append(track.id)
        return smoothed, ids

    def match(self, people: np.ndarray, t: float) -> dict[int, Track]:
        """Each person's track, nearest pairs first, each track once."""
        predicted = [track.predicted(t) for track in self.tracks]
        pairs = sorted(
            (pose_distance(pose, person), number, index)
            for number, person in enumerate(people)
            for index, pose in enumerate(predicted)
        )
        match: dict[int, Track] = {}
        for distance, number, index in pairs:
            track = self.tracks[index]
            if distance <= MATCH_DISTANCE and number not in match and track not in match.values():
                match[number] = track
        return match


def undo_swaps(track: Track, person: np.ndarray, t: float, skeleton: Skeleton) -> None:
    """Swap left and right of arms, legs and face back where the network has swapped them since the frame before."""
    predicted = track.predicted(t, rigid=False)
    for keypoints in skeleton.sided_groups:
        which, others = list(keypoints), [skeleton.mirrored[k] for k in keypoints]
        swapped = person[others]
        seen = (predicted[which, 2] > 0) & (person[which, 2] > 0) & (swapped[:, 2] > 0)
        if not seen.any():
            continue
        far, far_swapped = (
            np.linalg.norm(pose[seen, :2] - predicted[which][seen, :2], axis=1).mean() / size(person)
            for pose in (person[which], swapped)
        )
        if far < SWAP_DISTANCE or far_swapped > SWAP_RATIO * far:
            track.swapped_since.pop(keypoints, None)
        elif t - track.swapped_since.setdefault(keypoints, t) <= MAX_SWAP:
            person[which] = swapped


Frame = tuple[int, float, np.ndarray]  # number, seconds, picture


class PosedFrame(NamedTuple):
    """A frame (H, W, 3) of time t in seconds, the people (N, K, 3) in it and their identities, if tracked."""

    number: int
    t: float
    picture: np.ndarray
    people: np.ndarray
    ids: list[int] | None


def interpolate(
    frames: Iterable[Frame], estimate: Callable, step: int, lookahead: bool = True, last: PosedFrame | None = None
) -> Iterator[PosedFrame]:
    """All frames with their people. `estimate` runs on every step-th frame and the last.

    Poses in between are interpolated. estimate takes picture, time and, with lookahead, time and picture of its next
    frame or None, which delays a live source by some frames. last: the inferred frame after which to continue. An
    exception of `frames` is raised after an inferred frame, so that a later run can continue from it.
    """
    before: Any = last and (last.t, last.people, last.ids)
    chunk: list[Frame] | None = None
    for following in itertools.chain(chunks(frames, step, 1 if last else 0), [None]):
        if not lookahead and following:
            before = yield from interpolate_chunk(following, estimate, before, None)
        elif lookahead and chunk:
            before = yield from interpolate_chunk(chunk, estimate, before, following[-1][1:] if following else None)
        chunk = following


def chunks(frames: Iterable[Frame], step: int, start: int) -> Iterator[list[Frame]]:
    """The frames, counted from `start`, in lists that end with one to infer, which is every step-th."""
    chunk: list[Frame] = []
    for count, frame in enumerate(frames, start):
        chunk.append(frame)
        if count % step == 0:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def interpolate_chunk(
    chunk: list[Frame], estimate: Callable, before: Any, next_frame: tuple | None
) -> Generator[PosedFrame, None, tuple]:
    """What `interpolate` yields for a chunk; its time, people and ids are returned."""
    *others, (number, t, frame) = chunk
    after = (t, *estimate(frame, t, next_frame))
    for other, other_t, picture in others:
        share = (other_t - before[0]) / (t - before[0])
        yield PosedFrame(other, other_t, picture, *interpolated(before[1:], after[1:], share, t - before[0]))
    yield PosedFrame(number, t, frame, *after[1:])
    return after


def interpolated(
    before: tuple[np.ndarray, list[int]], after: tuple[np.ndarray, list[int]], share: float, seconds: float
) -> tuple[np.ndarray, list[int]]:
    """People (N, K, 3) and their identities, `share` of the way from one inference to the next, `seconds` later.

    A person or keypoint of only one of the two is kept up to the middle, a person for at most MAX_MISSING seconds.
    """
    nearer, other = (before, after) if share < 0.5 else (after, before)
    share = min(share, 1 - share)  # of the other
    poses = dict(zip(other[1], other[0], strict=True))
    kept = [seconds <= MAX_INTERPOLATION and (i in poses or share * seconds <= MAX_MISSING) for i in nearer[1]]
    people, ids = nearer[0][kept], list(itertools.compress(nearer[1], kept))
    for person, identity in zip(people, ids, strict=True):
        if identity in poses:
            both = (person[:, 2] > 0) & (poses[identity][:, 2] > 0)
            person[both] += share * (poses[identity][both] - person[both])
    return people, ids


def one_euro(track: Track, person: np.ndarray, dt: float) -> np.ndarray:
    """The person's pose (K, 3 or 6) smoothed with the track's last one, dt seconds ago (Casiez et al., CHI 2012).

    Speed is in sizes of the person, so that near and far people are smoothed alike.
    """
    known = (track.pose[:, 2] > 0) & (person[:, 2] > 0)
    smoothed = person.copy()
    for columns, unit in ((slice(2), size(person)), (WORLD, HEIGHT)):
        step = person[:, columns] - track.pose[:, columns]
        track.speed[:, columns] += filter_weight(SPEED_CUTOFF, dt) * (step / (dt * unit) - track.speed[:, columns])
        track.speed[~known] = 0
        cutoff = MIN_CUTOFF + BETA * np.linalg.norm(track.speed[:, columns], axis=1, keepdims=True)
        smoothed[known, columns] = (track.pose[:, columns] + filter_weight(cutoff, dt) * step)[known]
    return smoothed


def filter_weight(cutoff: float | np.ndarray, dt: float) -> Any:
    """The weight of a new value in a low-pass filter with this cutoff (Hz), after dt seconds."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff * dt))
