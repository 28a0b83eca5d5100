"""A square of the picture around a person, rotated so that they are upright in it, with the mapping both ways."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from .maps import HALVED_FROM, shrink
from .poses import size
from .skeletons import HEAD, HIPS, NECK, SHOULDERS

CROP_SIDE = 256  # pixels of a crop's image, as BlazePose's landmark network takes it
CROP_MARGIN = 1.25  # half the crop's side, in radii of the circle around the body (MediaPipe)
GRID = 8  # pixels; a box of the picture whose sides are multiples can be halved three times
MIN_HALF_SIDE = 8.0  # pixels of the picture; smaller people are noise
HIPS_BELOW = 2.0  # unknown hips are this many times as far below the neck as the head is above it,
TRUNK = 1.3  # or this many shoulder widths below it, if that is more


@dataclass(frozen=True)
class Crop:
    """A square of the picture: centre (2,), half its side in pixels, and the unit vector (2,) that points up in it."""

    centre: np.ndarray
    half_side: float
    up: np.ndarray

    @property
    def matrix(self) -> np.ndarray:
        """(2, 3), from pixels of the picture to pixels of the network's input."""
        scale = CROP_SIDE / (2 * self.half_side)
        x, y = self.up.tolist()
        rotation = scale * np.array([[-y, x], [-x, -y]])
        return np.column_stack([rotation, (CROP_SIDE - 1) / 2 - rotation @ self.centre])

    def extract(self, picture: np.ndarray) -> np.ndarray:
        """The crop as an image (256, 256, 3) uint8 for the network; beyond the picture its border is repeated."""
        matrix, factor = self.matrix, int(self.half_side // (CROP_SIDE / 2))
        if factor > 1:  # warpAffine does not average pixels
            (x0, y0), (x1, y1) = self.box(picture, GRID if factor >= HALVED_FROM else 1)
            part = picture[y0:y1, x0:x1]
            h, w = part.shape[:2]
            picture = shrink(part, (-(-w // factor), -(-h // factor)))
            scale = np.array([w / picture.shape[1], h / picture.shape[0]])
            matrix = np.column_stack([matrix[:, :2] * scale, matrix @ np.append((scale - 1) / 2 + (x0, y0), 1)])
        return cv2.warpAffine(picture, matrix, (CROP_SIDE, CROP_SIDE), borderMode=cv2.BORDER_REPLICATE)

    def box(self, picture: np.ndarray, grid: int) -> np.ndarray:
        """(2, 2), the corners x0, y0 and x1, y1 of the smallest upright box of the picture that holds the crop.

        grid: pixels, of which its coordinates are multiples, but for those of the picture's end.
        """
        reach = self.half_side * np.abs(self.up).sum() + 1
        limits = np.array(picture.shape[1::-1])
        low = np.clip(grid * np.floor((self.centre - reach) / grid), 0, limits - 1)
        return np.stack([low, np.clip(grid * np.ceil((self.centre + reach) / grid), low + 1, limits)]).astype(int)

    def to_picture(self, xy: np.ndarray) -> np.ndarray:
        """Points (..., 2) of the network's input in pixels of the picture."""
        matrix = self.matrix
        return (xy - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T

    def rotate_to_picture(self, xyz: np.ndarray) -> np.ndarray:
        """Directions (..., 3) in the crop as directions in the picture."""
        x, y = self.up.tolist()
        return xyz @ np.array([[-y, x, 0], [-x, -y, 0], [0, 0, 1]])

    def to_input(self, xy: np.ndarray) -> np.ndarray:
        """Points (..., 2) of the picture in pixels of the network's input."""
        matrix = self.matrix
        return xy @ matrix[:, :2].T + matrix[:, 2]

    def moved(self, by: np.ndarray, angle: float) -> Crop:
        """The crop moved by pixels (2,) and rotated clockwise by an angle in radians."""
        x, y = self.up.tolist()
        up = np.array([x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)])
        return Crop(self.centre + by, self.half_side, up)


def make_crop(centre: np.ndarray, half_side: float, up: np.ndarray) -> Crop:
    length = np.linalg.norm(up)
    return Crop(centre, max(MIN_HALF_SIDE, float(half_side)), up / length if length > 1e-6 else np.array([0.0, -1.0]))


def crop_around(pose: np.ndarray) -> Crop:
    """The crop of a person by a COCO pose (18, 3) or a part of it.

    As in MediaPipe, the centre is the hips' middle, the size follows the farthest keypoint, and the shoulders are up.
    """
    found = pose[:, 2] > 0

    def middle(keypoints: list[int]) -> np.ndarray | None:
        known = [k for k in keypoints if found[k]]
        return pose[known, :2].mean(axis=0) if known else None

    head, hips, shoulders = middle(HEAD), middle(HIPS), middle(SHOULDERS)
    if shoulders is None:
        shoulders = pose[NECK, :2] if found[NECK] else head
    if hips is None and head is not None and shoulders is not head:
        width = np.linalg.norm(np.diff(pose[SHOULDERS, :2], axis=0)) if found[SHOULDERS].all() else 0
        up = head - shoulders
        length = max(float(np.linalg.norm(up)), 1e-6)
        hips = shoulders - up / length * max(HIPS_BELOW * length, TRUNK * float(width))
    elif hips is None:
        hips = pose[found, :2].mean(axis=0) + np.array([0, size(pose) / 2])
    if shoulders is None:
        shoulders = hips - (0, 1)
    reach = np.linalg.norm(np.concatenate([pose[found, :2], shoulders[None]]) - hips, axis=1).max()
    return make_crop(hips, CROP_MARGIN * reach, shoulders - hips)
