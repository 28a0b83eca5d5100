"""Maps to people: peaks of the heatmaps, refined below a cell, joined along the part affinity fields.

Works on the stride-8 maps themselves, not on enlarged ones: peaks are refined to fractions of a cell and fields are
sampled between cells, which is as exact and far cheaper. Nothing here knows of networks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from .maps import Maps
from .skeletons import Skeleton

MAX_PEAKS = 100  # of a keypoint; more people than that are not told apart, and noise stays cheap
FIELD_SAMPLES = 10  # along a limb; Lightweight OpenPose's number
FIELD_SHARE = 0.8  # of these must follow the limb, for it to be one (Lightweight OpenPose)
STEPS = np.linspace(0, 1, FIELD_SAMPLES, dtype=np.float32)[:, None]  # where they lie, from start to end
MIN_KEYPOINTS = 3  # a person has at least so many (OpenPose)
MIN_PERSON_SCORE = 0.2  # mean over its keypoints of keypoint score plus limb score (Lightweight OpenPose)
CONNECTED = 2.9  # what a limb's score weighs against its end's heatmap, when left and right are told apart
TOGETHER = 0.4  # and what it costs if both ends lie in one place,
ONE_PLACE = 1.5  # which is so many cells
REACH = 0.5  # keypoints filled in lie in the person's box, grown by this share of its longer side


@dataclass(frozen=True)
class Peaks:
    """Keypoint candidates, P of them."""

    keypoint: np.ndarray  # (P,) which keypoint
    xy: np.ndarray  # (P, 2) float32, in cells
    score: np.ndarray  # (P,) the heatmap's value


@dataclass
class Group:
    """Peaks that belong to one person: keypoint number to peak number, and the sum of keypoint and limb scores."""

    peaks: dict[int, int]
    score: float


def find_people(maps: Maps, skeleton: Skeleton, threshold: float = 0.1, number_people_max: int = -1) -> np.ndarray:
    """People, float32 (N, K, 3), strongest first; (0, K, 3) where there is nobody.

    Keypoints that score below `threshold` are not found. number_people_max -1: everyone.
    """
    heatmaps = maps.values[: len(skeleton.keypoints)]
    if min(heatmaps.shape[1:]) < 2:  # a picture so thin shows nobody, whatever the network says of it
        return np.zeros((0, len(skeleton.keypoints), 3), np.float32)
    peaks = find_peaks(heatmaps, skeleton.peak_threshold)
    groups = [
        group
        for group in group_peaks(peaks, find_links(peaks, maps.values, skeleton))
        if len(group.peaks) >= MIN_KEYPOINTS and group.score >= MIN_PERSON_SCORE * len(group.peaks)
    ]
    for group in groups:
        others = {peak for other in groups if other is not group for peak in other.peaks.values()}
        untangle(group, peaks, others, maps.values, skeleton)
    people = np.zeros((len(groups), len(skeleton.keypoints), 3), np.float32)
    for person, group in zip(people, groups, strict=True):
        rows, chosen = list(group.peaks), list(group.peaks.values())
        person[rows, :2] = maps.to_picture(peaks.xy[chosen])
        person[rows, 2] = peaks.score[chosen]
    if len(people) == 1:
        fill_gaps(people[0], maps, heatmaps)
    people[:, :, 2] = np.clip(people[:, :, 2], 0, 1)
    people[people[:, :, 2] < threshold] = 0
    return strongest_first(people[people[:, :, 2].any(axis=1)], number_people_max)


def strongest_first(people: np.ndarray, number_people_max: int = -1) -> np.ndarray:
    """People (N, K, 3) in the order of their strength, number_people_max of them; -1: all."""
    order = sorted(range(len(people)), key=lambda number: -strength(people[number]))
    return people[order if number_people_max < 0 else order[:number_people_max]]


def find_peaks(heatmaps: np.ndarray, threshold: float) -> Peaks:
    """The local maxima above threshold of heatmaps (K, h, w). A plateau counts once."""
    _, h, w = heatmaps.shape
    padded = np.pad(heatmaps, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    is_peak = heatmaps > threshold
    for dy, dx in ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)):
        neighbour = padded[:, 1 + dy : 1 + dy + h, 1 + dx : 1 + dx + w]
        is_peak &= heatmaps > neighbour if (dy, dx) < (0, 0) else heatmaps >= neighbour
    keypoint, y, x = np.nonzero(is_peak)
    return Peaks(keypoint, refine(heatmaps, keypoint, y, x), heatmaps[keypoint, y, x])


def refine(heatmaps: np.ndarray, keypoint: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Peaks at cells (y, x) to fractions of a cell, (P, 2) x, y: the top of a parabola through the neighbours."""
    padded = np.pad(heatmaps, ((0, 0), (1, 1), (1, 1)), mode="reflect")  # no shift across the border
    y, x = y + 1, x + 1
    centre = padded[keypoint, y, x]
    before = np.stack([padded[keypoint, y, x - 1], padded[keypoint, y - 1, x]], axis=1)
    after = np.stack([padded[keypoint, y, x + 1], padded[keypoint, y + 1, x]], axis=1)
    curvature = np.minimum(before + after - 2 * centre[:, None], -1e-6)
    shift = np.clip((before - after) / (2 * curvature), -0.5, 0.5)
    return (np.stack([x, y], axis=1) - 1 + shift).astype(np.float32)


def find_links(peaks: Peaks, values: np.ndarray, skeleton: Skeleton) -> list[tuple[float, int, int]]:
    """(score, peak, peak) for all pairs of peaks along which the limb's field runs, best first."""
    links = []
    for limb in skeleton.limbs:
        starts, ends = strongest(peaks, limb.start), strongest(peaks, limb.end)
        if not (starts.size and ends.size):
            continue
        scores = limb_scores(peaks.xy[starts], peaks.xy[ends], values[list(limb.fields)], skeleton.field_threshold)
        links += [(scores[i, j], starts[i], ends[j]) for i, j in np.argwhere(scores > 0)]
    return sorted(links, key=lambda link: -link[0])


def strongest(peaks: Peaks, keypoint: int) -> np.ndarray:
    """The numbers of a keypoint's peaks, best first, MAX_PEAKS at the most."""
    numbers = np.flatnonzero(peaks.keypoint == keypoint)
    return numbers[np.argsort(-peaks.score[numbers], kind="stable")][:MAX_PEAKS]


def limb_scores(starts: np.ndarray, ends: np.ndarray, field: np.ndarray, field_threshold: float) -> np.ndarray:
    """How well a field (2, h, w) runs from each start (A, 2) to each end (B, 2): (A, B), 0 where it does not."""
    along = ends[None] - starts[:, None]  # (A, B, 2)
    length = np.linalg.norm(along, axis=2, keepdims=True)
    points = starts[:, None, None] + along[:, :, None] * STEPS  # (A, B, samples, 2)
    sampled = cv2.remap(
        np.ascontiguousarray(field.transpose(1, 2, 0)),
        points.reshape(-1, FIELD_SAMPLES, 2),
        None,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    ).reshape(points.shape)
    follows = np.einsum("abnd,abd->abn", sampled, along / np.maximum(length, 1e-6))
    enough = (follows > field_threshold).sum(axis=2) >= FIELD_SHARE * FIELD_SAMPLES
    return np.where(enough, np.maximum(follows.sum(axis=2) / FIELD_SAMPLES, 0), 0)


def group_peaks(peaks: Peaks, links: list[tuple[float, int, int]]) -> list[Group]:
    """Follow the links, best first; a link that would give a person two of one keypoint is not followed."""
    groups = [Group({int(k): i}, float(s)) for i, (k, s) in enumerate(zip(peaks.keypoint, peaks.score, strict=True))]
    group_of = list(groups)
    for score, start, end in links:
        a, b = group_of[start], group_of[end]
        if a.peaks.keys().isdisjoint(b.peaks):
            a.peaks |= b.peaks
            a.score += b.score + score
            for peak in b.peaks.values():
                group_of[peak] = a
    return list({id(group): group for group in group_of}.values())


def untangle(group: Group, peaks: Peaks, others: set[int], values: np.ndarray, skeleton: Skeleton) -> None:
    """Decide again, from the trunk outwards, which elbow, wrist, knee and ankle is the right one and which the left.

    The networks see where a shank runs better than whose it is: it may run along the other side's field and end at the
    other side's peak. Of all pairs of ends the best connected one is taken. others: peaks of other people.
    """
    for limbs in skeleton.paired_limbs:
        candidates = np.concatenate([strongest(peaks, limb.end) for limb in limbs])
        ends = np.array([peak for peak in candidates if peak not in others], int)  # (E,)
        gains = np.full((2, len(ends) + 1), -np.inf)  # right and left; the last: the limb has no end
        gains[:, -1] = 0
        for limb, gain in zip(limbs, gains, strict=True):
            if limb.start in group.peaks and len(ends):
                fields = [values[list(side.fields)] for side in limbs]
                gain[:-1] = end_gains(peaks, group.peaks[limb.start], ends, values[limb.end], fields, skeleton)
        apart = np.linalg.norm(peaks.xy[ends, None] - peaks.xy[None, ends], axis=2) >= ONE_PLACE
        own = [peaks.keypoint[ends] == limb.end for limb in limbs]  # the same place for both takes a peak of each
        together = np.where(own[0][:, None] & own[1][None], -TOGETHER, -np.inf)
        pairs = gains[0][:, None] + gains[1][None]
        pairs[:-1, :-1] += np.where(apart, 0, together)
        for limb, number in zip(limbs, np.unravel_index(pairs.argmax(), pairs.shape), strict=True):
            if number < len(ends):
                group.peaks[limb.end] = int(ends[number])
            else:
                group.peaks.pop(limb.end, None)


def end_gains(
    peaks: Peaks, start: int, ends: np.ndarray, heatmap: np.ndarray, fields: list[np.ndarray], skeleton: Skeleton
) -> np.ndarray:
    """What each peak of `ends` (E,) is worth as the end of a limb from peak `start`; -inf where no field runs there."""
    scores = [limb_scores(peaks.xy[[start]], peaks.xy[ends], field, skeleton.field_threshold)[0] for field in fields]
    connected = np.maximum(*scores)
    x, y = np.rint(peaks.xy[ends]).astype(int).T
    return np.where(connected > 0, CONNECTED * connected + np.maximum(heatmap[y, x], 0), -np.inf)


def fill_gaps(person: np.ndarray, maps: Maps, heatmaps: np.ndarray) -> None:
    """Give the only person (K, 3) the keypoints that no link reached: their heatmaps' maxima within reach."""
    found = person[person[:, 2] > 0, :2]
    low, high = found.min(axis=0), found.max(axis=0)
    reach = REACH * (high - low).max()
    for k in np.flatnonzero(person[:, 2] == 0):
        y, x = np.unravel_index(heatmaps[k].argmax(), heatmaps[k].shape)
        (xy,) = maps.to_picture(refine(heatmaps, np.array([k]), np.array([y]), np.array([x])))
        if np.all(xy >= low - reach) and np.all(xy <= high + reach):
            person[k] = *xy, heatmaps[k, y, x]


def size(pose: np.ndarray) -> float:
    """Longer side of the box of a pose's (K, 3) found keypoints, in pixels, at least 1."""
    found = pose[pose[:, 2] > 0, :2]
    return max(1.0, float(np.ptp(found, axis=0).max())) if len(found) else 1.0


def pose_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Mean distance of the keypoints that both poses (K, 3) have, in sizes of the larger one; inf without any."""
    both = (a[:, 2] > 0) & (b[:, 2] > 0)
    if not both.any():
        return math.inf
    return float(np.linalg.norm(a[both, :2] - b[both, :2], axis=1).mean() / max(size(a), size(b)))


def carry_on(before: np.ndarray, person: np.ndarray, which: np.ndarray) -> None:
    """Give the person (K, 3) the keypoints `which` (K,) of the pose before, moved as the others have moved."""
    both = (before[:, 2] > 0) & (person[:, 2] > 0)
    which = which & (before[:, 2] > 0) & (person[:, 2] == 0)
    moved = np.median(person[both, :2] - before[both, :2], axis=0) if both.any() else 0
    person[which] = before[which]
    person[which, :2] += moved


def strength(person: np.ndarray) -> float:
    """Large and well seen comes first: the sum of a person's (K, 3) scores times its height or width."""
    return float(person[:, 2].sum()) * size(person)
