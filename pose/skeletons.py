"""COCO and MPI: keypoint names, limbs, the channels of their part affinity fields, colours.

The numbers are OpenPose's (its pose output documentation and the COCO and MPI models' part tables). No keypoint
number stands anywhere else in the package.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Limb:
    """Two keypoints that a part affinity field joins; the field points from start to end."""

    start: int
    end: int
    fields: tuple[int, int]  # channels of the field's x and y in the network's output
    drawn: bool = True  # False: only helps to group keypoints


@dataclass(frozen=True)
class Skeleton:
    """The keypoints and limbs of a network."""

    name: str
    keypoints: tuple[str, ...]
    limbs: tuple[Limb, ...]
    peak_threshold: float  # a heatmap's local maximum below it is no keypoint candidate
    field_threshold: float  # a sample of a field counts for a limb above it

    @property
    def channels(self) -> int:
        """Channels of the network's output: keypoints, background, two for each limb's field."""
        return len(self.keypoints) + 1 + 2 * len(self.limbs)

    @cached_property
    def drawn_limbs(self) -> tuple[Limb, ...]:
        return tuple(limb for limb in self.limbs if limb.drawn)

    @cached_property
    def mirrored(self) -> tuple[int, ...]:
        """For each keypoint its counterpart in a mirrored picture: left for right."""
        swap = {"R": "L", "L": "R"}
        other = {name: swap[name[0]] + name[1:] if name[0] in swap else name for name in self.keypoints}
        return tuple(self.keypoints.index(other[name]) for name in self.keypoints)

    @cached_property
    def paired_limbs(self) -> tuple[tuple[Limb, Limb], ...]:
        """The upper and lower arms and legs, from the trunk outwards: right limb, left limb."""
        other = {(limb.start, limb.end): limb for limb in self.limbs}
        pairs = ((limb, other[self.mirrored[limb.start], self.mirrored[limb.end]]) for limb in self.limbs)
        names = self.keypoints
        return tuple(
            (right, left)
            for right, left in pairs  # not the face
            if names[right.start][0] == names[right.end][0] == "R" and names[right.end] not in ("REye", "REar")
        )

    @cached_property
    def sigmas(self) -> tuple[float, ...]:
        """COCO's standard deviations of labels at each keypoint, in square roots of the person's area."""
        spread = {"Nose": 0.026, "Eye": 0.025, "Ear": 0.035, "Shoulder": 0.079, "Elbow": 0.072, "Wrist": 0.062}
        spread |= {"Hip": 0.107, "Knee": 0.087, "Ankle": 0.089}
        return tuple(spread.get(name.lstrip("RL"), 0.079) for name in self.keypoints)

    @cached_property
    def sided_groups(self) -> tuple[tuple[int, ...], ...]:
        """Keypoints whose left and right are swapped together: both arms, both legs, eyes and ears."""
        names: dict[str, list[int]] = {"Shoulder Elbow Wrist": [], "Hip Knee Ankle": [], "Eye Ear": []}
        for parts, group in names.items():
            group += [k for k, name in enumerate(self.keypoints) if name[1:] in parts.split()]
        return tuple(tuple(group) for group in names.values() if group)

    def mirror_maps(self, values: np.ndarray) -> np.ndarray:
        """The maps (C, h, w) of a mirrored picture as those of the picture: flipped, left and right swapped."""
        order, signs = self._mirrored_channels
        return values[order, :, ::-1] * signs[:, None, None]

    @cached_property
    def _mirrored_channels(self) -> tuple[np.ndarray, np.ndarray]:
        """For each channel its counterpart, and -1 for the fields' x, which point the other way."""
        order, signs = np.arange(self.channels), np.ones(self.channels, np.float32)
        order[: len(self.keypoints)] = self.mirrored
        other = {(limb.start, limb.end): limb.fields for limb in self.limbs}
        for limb in self.limbs:
            order[list(limb.fields)] = other[self.mirrored[limb.start], self.mirrored[limb.end]]
            signs[limb.fields[0]] = -1
        return order, signs


def rainbow(count: int) -> tuple[tuple[int, int, int], ...]:
    """`count` colours (blue, green, red; 0–255) once around the colour circle, red first."""
    hues = (colorsys.hsv_to_rgb(i / count, 1.0, 1.0) for i in range(count))
    return tuple((round(255 * b), round(255 * g), round(255 * r)) for r, g, b in hues)


# Start, end, channel of the field's x (its y comes next) and, where a limb is not drawn, False.
_COCO_LIMBS = (
    (1, 2, 31), (1, 5, 39), (2, 3, 33), (3, 4, 35), (5, 6, 41), (6, 7, 43), (1, 8, 19), (8, 9, 21), (9, 10, 23),
    (1, 11, 25), (11, 12, 27), (12, 13, 29), (1, 0, 47), (0, 14, 49), (14, 16, 53), (0, 15, 51), (15, 17, 55),
    (2, 16, 37, False), (5, 17, 45, False),
)  # fmt: skip
_MPI_LIMBS = (
    (0, 1, 16), (1, 2, 18), (2, 3, 20), (3, 4, 22), (1, 5, 24), (5, 6, 26), (6, 7, 28), (1, 14, 30), (14, 8, 32),
    (8, 9, 34), (9, 10, 36), (14, 11, 38), (11, 12, 40), (12, 13, 42),
)  # fmt: skip


def _limbs(rows: Iterable[tuple[int, ...]]) -> tuple[Limb, ...]:
    return tuple(Limb(start, end, (x, x + 1), all(drawn)) for start, end, x, *drawn in rows)


# Thresholds: COCO's are Lightweight OpenPose's 0.1 and OpenPose's 0.05; MPI's are OpenPose's of its 4-stage network.
COCO = Skeleton(
    name="COCO",
    keypoints=(
        *("Nose", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist", "RHip"),
        *("RKnee", "RAnkle", "LHip", "LKnee", "LAnkle", "REye", "LEye", "REar", "LEar"),
    ),
    limbs=_limbs(_COCO_LIMBS),
    peak_threshold=0.1,
    field_threshold=0.05,
)

MPI = Skeleton(
    name="MPI",
    keypoints=(
        *("Head", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist"),
        *("RHip", "RKnee", "RAnkle", "LHip", "LKnee", "LAnkle", "Chest"),
    ),
    limbs=_limbs(_MPI_LIMBS),
    peak_threshold=0.3,
    field_threshold=0.01,
)

SKELETONS = {skeleton.name: skeleton for skeleton in (COCO, MPI)}

# Parts of the body by COCO's keypoints.
NECK, *SHOULDERS = (COCO.keypoints.index(name) for name in ("Neck", "RShoulder", "LShoulder"))
HIPS = [COCO.keypoints.index(name) for name in ("RHip", "LHip")]
FACE = "Nose", "REye", "LEye", "REar", "LEar"
HEAD = [COCO.keypoints.index(name) for name in FACE]
