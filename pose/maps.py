"""A network's output with the mapping to the picture, and how a picture is fitted into a network's input."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

BRIGHT, BRIGHTEST_SHARE = 230, 0.99  # dark pictures are brightened until this share of pixels is at most 230 of 255
MAX_GAIN = 4.0  # more would only amplify noise
HALVED_FROM = 4  # pictures so many times as large as wanted are halved
STRIDE = 8  # network pixels a cell: three poolings by two


@dataclass(frozen=True)
class Maps:
    """Heatmaps, background and part affinity fields, (C, h, w) float32, of one picture.

    A cell of a stride-8 map has its centre at 8·(cell + 0.5) − 0.5 network pixels; with the picture's scale that is
    cell_wh·(cell + 0.5) − 0.5 in pixels of the picture.
    """

    values: np.ndarray
    cell_wh: tuple[float, float]  # pixels of the picture that one cell spans
    picture_wh: tuple[int, int]

    def to_picture(self, cells_xy: np.ndarray) -> np.ndarray:
        """Cells (..., 2), fractions allowed, to pixels of the picture; never outside of it."""
        pixels = (np.asarray(cells_xy, np.float64) + 0.5) * self.cell_wh - 0.5
        return np.clip(pixels, 0, np.subtract(self.picture_wh, 1))


@dataclass(frozen=True)
class Fit:
    """How a picture lies in a network's input: content_wh of its size_wh, at the top left, then padding."""

    content_wh: tuple[int, int]
    size_wh: tuple[int, int]
    picture_wh: tuple[int, int]

    def apply(self, picture: np.ndarray) -> np.ndarray:
        """The network's input picture, (H, W, 3) uint8; the padding repeats the last row and column."""
        w, h = self.picture_wh
        shrinks = self.content_wh[0] <= w and self.content_wh[1] <= h
        content = shrink(picture, self.content_wh) if shrinks else cv2.resize(picture, self.content_wh)
        right, bottom = np.subtract(self.size_wh, self.content_wh).tolist()
        return cv2.copyMakeBorder(content, 0, bottom, 0, right, cv2.BORDER_REPLICATE)

    def maps(self, values: np.ndarray) -> Maps:
        """Maps of the network's output (C, h, w), without the cells that lie in the padding only."""
        w, h = (-(-side // STRIDE) for side in self.content_wh)
        cell_wh = (STRIDE * self.picture_wh[0] / self.content_wh[0], STRIDE * self.picture_wh[1] / self.content_wh[1])
        return Maps(values[:, :h, :w], cell_wh, self.picture_wh)


def shrink(picture: np.ndarray, size_wh: tuple[int, int]) -> np.ndarray:
    """The picture (H, W, 3) averaged to a smaller size; large ones are halved first, which is 20 times as fast."""
    while (np.remainder(picture.shape[:2], 2) == 0).all() and picture.shape[1] >= HALVED_FROM * size_wh[0]:
        picture = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return cv2.resize(picture, size_wh, interpolation=cv2.INTER_AREA)


def brighten(picture: np.ndarray, part: tuple = (), share: float = BRIGHTEST_SHARE) -> np.ndarray:
    """A dark picture (H, W, 3) with its brightest values raised to BRIGHT; a bright one unchanged.

    part: rows and columns to measure; share: of the pixels there that are at most BRIGHT afterwards.
    """
    blue, green, red = cv2.split(picture[part])
    values = np.bincount(np.asarray(cv2.max(cv2.max(blue, green), red), np.uint8).ravel(), minlength=256)
    brightest = int(np.searchsorted(values.cumsum(), share * values.sum()))
    gain = min(BRIGHT / max(brightest, 1), MAX_GAIN)
    return cv2.convertScaleAbs(picture, alpha=gain) if gain > 1 else picture


def round_up(pixels: float) -> int:
    """To whole cells, at least two of them (a peak needs a neighbour)."""
    return max(2 * STRIDE, -(-int(pixels) // STRIDE) * STRIDE)


MAX_SIDE = 4096  # of a network's input, for a side of -1


def fit(picture_wh: tuple[int, int], net_wh: tuple[int, int]) -> Fit:
    """Fit the picture into a network input of at most net_wh; the aspect ratio stays.

    -1 for one side of net_wh: by the aspect ratio. The input is no larger than its content needs.
    """
    w, h = picture_wh
    scale = min((MAX_SIDE if side < 0 else side) / length for side, length in zip(net_wh, (w, h), strict=True))
    content_wh = max(1, round(w * scale)), max(1, round(h * scale))
    return Fit(content_wh, (round_up(content_wh[0]), round_up(content_wh[1])), picture_wh)
