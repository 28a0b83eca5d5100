"""Across frames: who is who, and steady keypoints."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .decode import pose_distance, size

MATCH_DISTANCE = 0.3  # mean distance of two poses' keypoints, as a share of the person's size, that may be one person
FORGET_AFTER = 1.0  # seconds unseen after which a person who comes back counts as a new one
MIN_CUTOFF = 1.0  # Hz; the 1€ filter's cutoff for a keypoint at rest: lower is steadier
BETA = 15.0  # Hz per (person's size / second); higher lags less when moving: at 15 a walk keeps the accuracy it had
SPEED_CUTOFF = 1.0  # Hz; cutoff for the speed itself, the 1€ paper's value


@dataclass
class Track:
    """One person through the clip: pose as last seen (K, 3), keypoints' speed (K, 2) in sizes a second."""

    id: int
    pose: np.ndarray
    speed: np.ndarray
    seen: float


class Tracker:
    """Gives the people of successive frames identities and, with smooth, runs the 1€ filter over their keypoints."""

    def __init__(self, smooth: bool = True) -> None:
        self.smooth = smooth
        self.tracks: list[Track] = []
        self.next_id = 0

    def update(self, people: np.ndarray, t: float) -> tuple[np.ndarray, list[int]]:
        """People (N, K, 3) at time t in seconds, and who each one is. Identities count from 0."""
        self.tracks = [track for track in self.tracks if t - track.seen <= FORGET_AFTER]
        match = self.match(people)
        steady, ids = people.copy(), []
        for number, person in enumerate(people):
            track = match.get(number)
            if track is None:
                track = Track(self.next_id, person, np.zeros_like(person[:, :2]), t)
                self.next_id += 1
                self.tracks.append(track)
            elif self.smooth and t > track.seen:
                steady[number] = one_euro(track, person, t - track.seen)
            track.pose, track.seen = steady[number], t
            ids.append(track.id)
        return steady, ids

    def match(self, people: np.ndarray) -> dict[int, Track]:
        """Each person's track, nearest pairs first, each track once."""
        pairs = sorted(
            (pose_distance(track.pose, person), number, index)
            for number, person in enumerate(people)
            for index, track in enumerate(self.tracks)
        )
        match: dict[int, Track] = {}
        for distance, number, index in pairs:
            track = self.tracks[index]
            if distance <= MATCH_DISTANCE and number not in match and track not in match.values():
                match[number] = track
        return match


def one_euro(track: Track, person: np.ndarray, dt: float) -> np.ndarray:
    """The person's pose (K, 3) smoothed with the track's last one, dt seconds ago (Casiez et al., CHI 2012).

    Speed counts in sizes of the person, so that near and far people are smoothed alike.
    """
    known = (track.pose[:, 2] > 0) & (person[:, 2] > 0)
    step = person[:, :2] - track.pose[:, :2]
    speed = step / (dt * size(person))
    track.speed += smoothing(SPEED_CUTOFF, dt) * (speed - track.speed)
    track.speed[~known] = 0
    cutoff = MIN_CUTOFF + BETA * np.linalg.norm(track.speed, axis=1, keepdims=True)
    steady = person.copy()
    steady[known, :2] = (track.pose[:, :2] + smoothing(cutoff, dt) * step)[known]
    return steady


def smoothing(cutoff, dt: float):
    """How much of a new value a low-pass filter with this cutoff (Hz) takes, after dt seconds."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff * dt))
