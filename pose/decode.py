"""Maps to people: peaks of the heatmaps, refined below a cell, joined along the part affinity fields.

Works on the stride-8 maps themselves, not on enlarged ones: peaks are refined to fractions of a cell and fields are
sampled between cells, which is as exact and far cheaper. Nothing here depends on a network.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .maps import Maps
from .poses import strongest_first
from .skeletons import Limb, Skeleton

MAX_PEAKS = 100  # of a keypoint, which limits the time for noise
MAX_PAIRS = 10_000  # of peaks scored at once, which limits the memory
FIELD_SAMPLES = 10  # along a limb; Lightweight OpenPose's number
FIELD_SHARE = 0.8  # of these must exceed the field threshold (Lightweight OpenPose)
STEPS = np.linspace(0, 1, FIELD_SAMPLES, dtype=np.float32)[:, None]  # where they lie, from start to end
MIN_KEYPOINTS = 3  # a person has at least so many (OpenPose)
MIN_PERSON_SCORE = 0.2  # mean over its keypoints of keypoint score plus limb score (Lightweight OpenPose)
CANDIDATE_PEAK, CANDIDATE_SCORE = 0.05, 0.1  # lower thresholds for candidates, which BlazePose checks
FIELD_WEIGHT = 2.9  # of a limb's score relative to its endpoint's heatmap value, to resolve left and right
OVERLAP_PENALTY = 0.4  # where the endpoints of both sides are closer than MIN_APART
MIN_APART = 1.5  # cells
BOX_MARGIN = 0.5  # share of its longer side by which a person's box grows, to find missing keypoints in it


@dataclass(frozen=True)
class Peaks:
    """Keypoint candidates, P of them, keypoint by keypoint and each one's best first."""

    keypoint: np.ndarray  # (P,) which keypoint
    xy: np.ndarray  # (P, 2) float32, in cells
    score: np.ndarray  # (P,) the heatmap's value

    def of(self, keypoint: int) -> range:
        """The numbers of a keypoint's peaks."""
        return range(*np.searchsorted(self.keypoint, (keypoint, keypoint + 1)).tolist())


@dataclass
class Group:
    """Peaks that belong to one person: keypoint number to peak number, and the sum of keypoint and limb scores."""

    peaks: dict[int, int]
    score: float


def find_people(maps: Maps, skeleton: Skeleton, threshold: float = 0.1, number_people_max: int = -1) -> np.ndarray:
    """People, float32 (N, K, 3), strongest first; (0, K, 3) where there is nobody.

    Keypoints that score below `threshold` are not found. number_people_max -1: everyone.
    """
    peaks, groups = find_groups(maps, skeleton, skeleton.peak_threshold, MIN_PERSON_SCORE)
    for group in groups:
        others = {peak for other in groups if other is not group for peak in other.peaks.values()}
        resolve_left_right(group, peaks, others, maps.values, skeleton)
    people = poses_of(groups, peaks, maps, skeleton)
    if len(people) == 1:
        fill_gaps(people[0], maps, maps.values[: len(skeleton.keypoints)])
    people[:, :, 2] = np.clip(people[:, :, 2], 0, 1)
    people[people[:, :, 2] < threshold] = 0
    return strongest_first(people, number_people_max)


def find_candidates(maps: Maps, skeleton: Skeleton) -> np.ndarray:
    """Possible people or parts of them, (N, K, 3), for BlazePose to check."""
    peaks, groups = find_groups(maps, skeleton, CANDIDATE_PEAK, CANDIDATE_SCORE)
    return poses_of(groups, peaks, maps, skeleton)


def find_groups(maps: Maps, skeleton: Skeleton, peak_threshold: float, min_score: float) -> tuple[Peaks, list[Group]]:
    heatmaps = maps.values[: len(skeleton.keypoints)]
    if min(heatmaps.shape[1:]) < 2:  # too thin for a peak with neighbours
        heatmaps = np.zeros_like(heatmaps)
    peaks = find_peaks(heatmaps, peak_threshold)
    groups = group_peaks(peaks, find_links(peaks, maps.values, skeleton))
    return peaks, [g for g in groups if len(g.peaks) >= MIN_KEYPOINTS and g.score >= min_score * len(g.peaks)]


def poses_of(groups: list[Group], peaks: Peaks, maps: Maps, skeleton: Skeleton) -> np.ndarray:
    """The groups' poses (N, K, 3) in the picture."""
    people = np.zeros((len(groups), len(skeleton.keypoints), 3), np.float32)
    for person, group in zip(people, groups, strict=True):
        rows, chosen = list(group.peaks), list(group.peaks.values())
        person[rows, :2] = maps.to_picture(peaks.xy[chosen])
        person[rows, 2] = peaks.score[chosen]
    return people


def find_peaks(heatmaps: np.ndarray, threshold: float) -> Peaks:
    """The local maxima above threshold of heatmaps (K, h, w), MAX_PEAKS of each at the most. A plateau counts once."""
    _, h, w = heatmaps.shape
    padded = np.pad(heatmaps, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    is_peak = heatmaps > threshold
    for dy, dx in ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)):
        neighbour = padded[:, 1 + dy : 1 + dy + h, 1 + dx : 1 + dx + w]
        is_peak &= heatmaps > neighbour if (dy, dx) < (0, 0) else heatmaps >= neighbour
    keypoint, y, x = np.nonzero(is_peak)
    order = np.lexsort((-heatmaps[keypoint, y, x], keypoint))
    rank = np.arange(len(order)) - np.searchsorted(keypoint, keypoint)  # among the peaks of its keypoint
    keypoint, y, x = (values[order[rank < MAX_PEAKS]] for values in (keypoint, y, x))
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
    """(score, peak, peak) of all pairs of peaks that a limb's field connects, best first."""
    pairs = []  # (start, end, channels of x and y) of all that a limb could join
    for limb in skeleton.limbs:
        pairs += [(start, end, limb.fields) for start in peaks.of(limb.start) for end in peaks.of(limb.end)]
    links = []
    for first in range(0, len(pairs), MAX_PAIRS):
        starts, ends, fields = map(list, zip(*pairs[first : first + MAX_PAIRS], strict=True))
        scores = limb_scores(peaks.xy[starts], peaks.xy[ends], np.array(fields), values, skeleton)
        links += [(float(scores[pair]), starts[pair], ends[pair]) for pair in np.flatnonzero(scores)]
    return sorted(links, key=lambda link: -link[0])


def limb_scores(
    starts: np.ndarray, ends: np.ndarray, fields: np.ndarray, values: np.ndarray, skeleton: Skeleton
) -> np.ndarray:
    """How well the fields run from start to end, for limbs from starts (P, 2) to ends (P, 2): (P,), 0 where they don't.

    fields: (P, 2), the channels of x and y in the values (C, h, w) of each limb.
    """
    along = ends - starts
    points = starts[:, None] + along[:, None] * STEPS  # (P, samples, 2)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
    aligned = (sample(values, fields, points) * along[:, None]).sum(axis=2)
    enough = (aligned > skeleton.field_threshold).sum(axis=1) >= FIELD_SHARE * FIELD_SAMPLES
    return np.where(enough, np.maximum(aligned.sum(axis=1) / FIELD_SAMPLES, 0), 0)


def sample(values: np.ndarray, channels: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Values (C, h, w) between cells at points (P, samples, 2), in the channels (P, 2) of each: (P, samples, 2)."""
    _, h, w = values.shape
    points = points.clip(0, (w - 1, h - 1))
    corner = np.minimum(points.astype(int), (w - 2, h - 2))
    right, down = np.moveaxis((points - corner)[..., None], 2, 0)
    index = (channels[:, None] * h + corner[..., 1:]) * w + corner[..., :1]
    values = values.reshape(-1)
    above = values[index] * (1 - right) + values[index + 1] * right
    below = values[index + w] * (1 - right) + values[index + w + 1] * right
    return above * (1 - down) + below * down


def group_peaks(peaks: Peaks, links: list[tuple[float, int, int]]) -> list[Group]:
    """Greedy grouping by links, best first; a link that would give a person two of one keypoint is left out."""
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


def resolve_left_right(group: Group, peaks: Peaks, others: set[int], values: np.ndarray, skeleton: Skeleton) -> None:
    """Decide again, from the trunk outwards, which elbow, wrist, knee and ankle is the right one and which the left.

    The networks localize a shank more reliably than its side: it may follow the other side's field and end at the other
    side's peak. The pair of endpoints with the highest score is taken. others: peaks of other people.
    """
    for limbs in skeleton.paired_limbs:
        endpoints = [peak for limb in limbs for peak in peaks.of(limb.end) if peak not in others]  # E of them
        scores = endpoint_scores(limbs, group, peaks, endpoints, values, skeleton)
        apart = np.linalg.norm(peaks.xy[endpoints, None] - peaks.xy[None, endpoints], axis=2) >= MIN_APART
        own = [peaks.keypoint[endpoints] == limb.end for limb in limbs]  # penalized where they overlap
        overlapping = np.where(own[0][:, None] & own[1][None], -OVERLAP_PENALTY, -np.inf)
        pairs = scores[0][:, None] + scores[1][None]
        pairs[:-1, :-1] += np.where(apart, 0, overlapping)
        for limb, number in zip(limbs, np.unravel_index(pairs.argmax(), pairs.shape), strict=True):
            if number < len(endpoints):
                group.peaks[limb.end] = endpoints[number]
            else:
                group.peaks.pop(limb.end, None)


def endpoint_scores(
    limbs: tuple[Limb, Limb], group: Group, peaks: Peaks, endpoints: list[int], values: np.ndarray, skeleton: Skeleton
) -> np.ndarray:
    """The score of each peak of `endpoints` as the end of the right limb and of the left, (2, E + 1).

    A limb may run along either side's field; -inf: along neither. The last column: the limb has no end, score 0.
    """
    scores = np.full((2, len(endpoints) + 1), -np.inf)
    scores[:, -1] = 0
    sides = [side for side, limb in enumerate(limbs) if limb.start in group.peaks]
    if not (endpoints and sides):
        return scores
    count = len(endpoints)
    starts = peaks.xy[[group.peaks[limbs[side].start] for side in sides]].repeat(2 * count, axis=0)
    ends = np.tile(peaks.xy[endpoints], (2 * len(sides), 1))
    fields = np.tile(np.repeat([limb.fields for limb in limbs], count, axis=0), (len(sides), 1))
    along_fields = limb_scores(starts, ends, fields, values, skeleton).reshape(len(sides), 2, -1).max(axis=1)
    x, y = np.rint(peaks.xy[endpoints]).astype(int).T
    heat = np.maximum(values[[[limbs[side].end] for side in sides], y, x], 0)
    scores[sides, :-1] = np.where(along_fields > 0, FIELD_WEIGHT * along_fields + heat, -np.inf)
    return scores


def fill_gaps(person: np.ndarray, maps: Maps, heatmaps: np.ndarray) -> None:
    """Give the only person (K, 3) the keypoints that no limb reached: their heatmaps' maxima in its box."""
    found = person[person[:, 2] > 0, :2]
    low, high = found.min(axis=0), found.max(axis=0)
    margin = BOX_MARGIN * (high - low).max()
    missing = np.flatnonzero(person[:, 2] == 0)
    _, h, w = heatmaps.shape
    y, x = np.divmod(heatmaps[missing].reshape(len(missing), h * w).argmax(axis=1), w)
    xy = maps.to_picture(refine(heatmaps, missing, y, x))
    near = np.all((xy >= low - margin) & (xy <= high + margin), axis=1)
    person[missing[near]] = np.column_stack([xy, heatmaps[missing, y, x]])[near]
