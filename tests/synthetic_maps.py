"""Network output painted for people whose keypoints are known, by the tables in synthetic_weights.py."""

import numpy as np
from synthetic_weights import KEYPOINTS, LIMBS

from pose.maps import Maps

SIGMA = 0.9  # cells; OpenPose trains with heatmaps about as wide
FIELD_WIDTH = 1.0  # cells to either side of a limb

# Someone standing, facing us, 100 wide and 200 tall, in the order of the networks' keypoints.
STANDING = {
    "COCO": [
        (50, 10), (50, 35), (30, 36), (18, 68), (10, 100), (70, 36), (82, 68), (90, 100), (38, 100), (36, 148),
        (35, 195), (62, 100), (64, 148), (65, 195), (44, 4), (56, 4), (36, 8), (64, 8),
    ],
    "MPI": [
        (50, 2), (50, 35), (30, 36), (18, 68), (10, 100), (70, 36), (82, 68), (90, 100), (38, 100), (36, 148),
        (35, 195), (62, 100), (64, 148), (65, 195), (50, 66),
    ],
}  # fmt: skip


def standing(skeleton: str, at=(0.0, 0.0), scale: float = 1.0) -> np.ndarray:
    """Keypoints (K, 2) of someone standing, the top left corner of their box at `at`."""
    return np.array(STANDING[skeleton]) * scale + at


def pose_at(x: float = 0.0, y: float = 0.0, scale: float = 1.0, name: str = "COCO") -> np.ndarray:
    """The same as a pose (K, 3), all keypoints found; 200·scale pixels tall."""
    points = standing(name, (x, y), scale)
    return np.column_stack([points, np.ones(len(points))]).astype(np.float32)


def paint(skeleton: str, people: list[np.ndarray], cells_wh, cell: float = 8.0, peak: float = 0.9) -> Maps:
    """Maps of people, (K, 2) pixels each (NaN: not painted), of cells_wh cells that span `cell` pixels."""
    w, h = cells_wh
    values = np.zeros((KEYPOINTS[skeleton] + 1 + 2 * len(LIMBS[skeleton]), h, w), np.float32)
    grid = np.stack(np.meshgrid(np.arange(w), np.arange(h)), axis=-1)  # (h, w, 2)
    for person in people:
        cells = (person + 0.5) / cell - 0.5
        for k, centre in enumerate(cells):
            if np.isfinite(centre).all():
                blob = peak * np.exp(-((grid - centre) ** 2).sum(-1) / (2 * SIGMA**2))
                values[k] = np.maximum(values[k], blob)
        for (start, end), (x, y) in LIMBS[skeleton]:
            a, b = cells[start], cells[end]
            if not np.isfinite([a, b]).all():
                continue
            length = np.linalg.norm(b - a)
            unit = (b - a) / length
            along, across = (grid - a) @ unit, (grid - a) @ np.array([-unit[1], unit[0]])
            inside = (along > -1) & (along < length + 1) & (abs(across) <= FIELD_WIDTH)
            values[x][inside], values[y][inside] = unit
    picture_wh = round(w * cell), round(h * cell)
    return Maps(values, (cell, cell), picture_wh)
