"""How a person's joints move through a clip: angles smoothed without lag, their range, repetitions counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .poses import ANGLES, joint_angles, joint_keypoints
from .skeletons import Skeleton

SMOOTHING = 0.035  # seconds, standard deviation of a Gaussian: motions of 2 Hz keep nine tenths of their range
CURVE_GAP = 0.25  # seconds between two frames of a person above which the curve is interrupted
CERTAIN = 0.6  # score of the least certain keypoint; in tests/README.md 97 of 100 such keypoints are right
MIN_SWING = 25.0  # degrees; a repetition bends and stretches the joint by at least so much,
SWING_SHARE = 0.4  # and by at least this share of the joint's range


@dataclass(frozen=True)
class Motion:
    """A person's joint angles through the T frames of a clip in which they are seen."""

    t: np.ndarray  # (T,) seconds
    degrees: np.ndarray  # (T, 8) at ANGLES, smoothed, nan where not seen
    certain: np.ndarray  # (T, 8)
    in_space: bool  # else as seen in the picture

    def side(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Degrees (T,) at one of ANGLES, and where they are certain (T,)."""
        k = ANGLES.index(name)
        return self.degrees[:, k], self.certain[:, k]

    def limits(self, name: str) -> tuple[float, float]:
        """Least and most degrees, where they are certain; nan where they never are."""
        degrees, certain = self.side(name)
        seen = degrees[certain & np.isfinite(degrees)]
        return (float(seen.min()), float(seen.max())) if len(seen) else (np.nan, np.nan)

    def turns(self, name: str, high: bool) -> list[int]:
        """Numbers of the frames in which the joint turns at a high or at a low."""
        degrees, _ = self.side(name)
        seen = np.flatnonzero(np.isfinite(degrees))
        if not len(seen):
            return []
        swing = float(np.ptp(np.percentile(degrees[seen], (2, 98))))
        found = turning_points(degrees[seen], max(MIN_SWING, SWING_SHARE * swing))
        return [int(seen[n]) for n, is_high in found if is_high == high]

    def repetitions(self, name: str) -> list[int]:
        """Numbers of the frames, one a repetition, in which the joint is farthest from its angle at rest."""
        hangs_at_rest = name[1:] == "Shoulder"  # other joints are stretched at rest; max returns the first of equals
        return max((self.turns(name, high) for high in (hangs_at_rest, not hangs_at_rest)), key=len)

    def steps(self) -> list[int]:
        """Numbers of the frames in which a knee is bent most, if right and left knee bend in turn; else none."""
        right, left = self.turns("RKnee", high=False), self.turns("LKnee", high=False)
        if abs(len(right) - len(left)) > 1 or len(right) + len(left) < 3:
            return []
        degrees = np.stack([self.side(name)[0] for name in ("RKnee", "LKnee")])
        correlation = np.corrcoef(degrees[:, np.isfinite(degrees).all(axis=0)])[0, 1]
        return sorted(right + left) if correlation < 0 else []

    def summary(self) -> str:
        """One line: steps, or the repetitions of the joint that moves most; or nothing."""
        if steps := self.steps():
            return f"{len(steps)} steps, {60 / np.median(np.diff(self.t[steps])):.0f} a minute"
        turns = {name: self.repetitions(name) for name in ANGLES}
        repeated = [name for name in ANGLES if len(turns[name]) > 1]
        if not repeated:
            return ""
        name = max(repeated, key=lambda name: np.ptp(self.limits(name)))
        interval = np.median(np.diff(self.t[turns[name]]))
        return f"{len(turns[name])} repetitions, one every {interval:.1f} s ({name[1:].lower()})"


def motion_of(t: np.ndarray, poses: np.ndarray, skeleton: Skeleton) -> Motion:
    """The Motion of one person's poses (T, K, 3 or 6) at times t (T,) in seconds."""
    gaps = np.flatnonzero(np.diff(t) > CURVE_GAP)
    t, poses = np.insert(t, gaps + 1, (t[gaps] + t[gaps + 1]) / 2), np.insert(poses, gaps + 1, 0, axis=0)
    scores = poses[:, joint_keypoints(skeleton), 2].min(axis=2)  # (T, 8)
    degrees = smoothed(t, joint_angles(poses, skeleton), scores)
    certain = smoothed(t, scores, np.ones_like(scores)) >= CERTAIN  # as the degrees are averaged, too
    return Motion(t, degrees, certain, poses.shape[2] == 6)


def smoothed(t: np.ndarray, values: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Values (T, n) averaged with their neighbours in time, weighted by scores; nan stays nan."""
    seen, result = np.isfinite(values), np.full_like(values, np.nan)
    starts, ends = np.searchsorted(t, t - 3 * SMOOTHING), np.searchsorted(t, t + 3 * SMOOTHING, side="right")
    for n, (start, end) in enumerate(zip(starts, ends, strict=True)):
        near = slice(start, end)
        reach = np.exp(-(((t[near] - t[n]) / SMOOTHING) ** 2) / 2)
        weights = reach[:, None] * scores[near] * seen[near]
        total = (weights * np.where(seen[near], values[near], 0)).sum(axis=0)
        result[n, seen[n]] = total[seen[n]] / weights.sum(axis=0)[seen[n]]
    return result


def turning_points(values: np.ndarray, least: float) -> list[tuple[int, bool]]:
    """The extremes of values (T,) that differ by at least `least` from the next ones; and whether each is a high."""
    found: list[tuple[int, bool]] = []
    low = high = 0
    for n, value in enumerate(values.tolist()):
        low, high = (n if value < values[low] else low), (n if value > values[high] else high)
        was_high = found[-1][1] if found else None
        if was_high is not True and values[high] - value >= least:
            found.append((high, True))
            low = n
        elif was_high is not False and value - values[low] >= least:
            found.append((low, False))
            high = n
    return found[1:]  # the first one is where the values start
