"""A clip's motion as pictures: a sheet of its poses and, with matplotlib, the joints' angles over time."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from .labels import write
from .media.results import atomic_write, save_picture
from .skeletons import Skeleton

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHEET_COLUMNS, SHEET_ROWS = 4, 3
TILE_WIDTH = 480  # pixels
JOINTS = {  # the angle at the middle keypoint
    "elbow": ("Shoulder", "Elbow", "Wrist"),
    "shoulder": ("Elbow", "Shoulder", "Hip"),
    "hip": ("Shoulder", "Hip", "Knee"),
    "knee": ("Hip", "Knee", "Ankle"),
}
SIDES = {"R": ("right", "tab:orange"), "L": ("left", "tab:blue")}


class Plot:
    """Takes a clip's drawn frames one by one, in memory that grows by the poses only."""

    def __init__(self, skeleton: Skeleton) -> None:
        self.skeleton = skeleton
        self.tiles: list[np.ndarray] = []
        self.every, self.count = 1, 0  # a tile of every so many frames is kept
        self.poses: list[tuple[float, int, np.ndarray]] = []  # seconds, identity, (K, 3)
        self.note = ""

    def add(self, t: float, picture: np.ndarray, people: np.ndarray, ids: list[int] | None) -> None:
        """A frame of time t in seconds as drawn (H, W, 3), and the people (N, K, 3) in it.

        Without identities the strongest counts as one.
        """
        if self.count % self.every == 0:
            self.tiles.append(self.tile(picture, t))
        if len(self.tiles) == 2 * SHEET_COLUMNS * SHEET_ROWS:
            self.tiles, self.every = self.tiles[::2], 2 * self.every
        self.count += 1
        for who, person in zip(ids, people, strict=True) if ids is not None else ((0, person) for person in people[:1]):
            self.poses.append((t, who, person))

    def tile(self, picture: np.ndarray, t: float) -> np.ndarray:
        h, w = picture.shape[:2]
        size_wh = TILE_WIDTH, max(1, round(TILE_WIDTH * h / w))
        tile = cv2.resize(picture, size_wh, interpolation=cv2.INTER_AREA if w > TILE_WIDTH else cv2.INTER_LINEAR)
        write(tile, f"{t:.2f} s", np.array([8, 30]), height=20)
        return tile

    def sheet(self) -> np.ndarray:
        """SHEET_ROWS rows of poses, evenly spread over the clip; fewer where it is too short."""
        count = min(len(self.tiles), SHEET_COLUMNS * SHEET_ROWS)
        chosen = [self.tiles[i] for i in np.linspace(0, len(self.tiles) - 1, count).round().astype(int)]
        chosen += [np.full_like(chosen[0], 255)] * (-count % SHEET_COLUMNS)
        rows = [chosen[i : i + SHEET_COLUMNS] for i in range(0, len(chosen), SHEET_COLUMNS)]
        return np.vstack([np.hstack(row) for row in rows])

    def save(self, poses: Path, angles: Path) -> None:
        save_picture(poses, self.sheet())
        if importlib.util.find_spec("matplotlib") is None:
            self.note = "No picture of the joints' angles: matplotlib is not installed; pip install matplotlib."
        elif not self.poses:
            self.note = "No picture of the joints' angles: nobody was found."
        else:
            with atomic_write(angles) as part:
                angles_figure(self.poses, self.skeleton).savefig(part, dpi=120, format="png")


def angles_figure(poses: list[tuple[float, int, np.ndarray]], skeleton: Skeleton) -> Figure:
    """Joint angles over time of whoever is seen longest; poses: seconds, identity and (K, 3)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    main = Counter(who for _, who, _ in poses).most_common(1)[0][0]
    times = [t for t, who, _ in poses if who == main]
    series = np.stack([pose for _, who, pose in poses if who == main])  # (T, K, 3)
    figure = Figure(figsize=(10, 2.2 * len(JOINTS)), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (joint, parts) in zip(figure.subplots(len(JOINTS), sharex=True), JOINTS.items(), strict=True):
        for letter, (side, colour) in SIDES.items():
            keypoints = [skeleton.keypoints.index(letter + part) for part in parts]
            axes.plot(times, angle(series[:, keypoints]), color=colour, label=side)
        axes.set_ylabel(f"{joint}, degrees")
        axes.set_ylim(0, 185)
        axes.set_yticks([0, 45, 90, 135, 180])
        axes.grid(alpha=0.3)
    figure.axes[0].legend(loc="lower right", ncols=2)
    figure.axes[0].set_title(f"Angles as seen in the picture, person {main}")
    figure.axes[-1].set_xlabel("seconds")
    return figure


def angle(corners: np.ndarray) -> np.ndarray:
    """(T,) degrees at the middle one of three keypoints (T, 3, 3), 180 when stretched; nan where one is missing."""
    a, b = (corners[:, end, :2] - corners[:, 1, :2] for end in (0, 2))
    across, along = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0], (a * b).sum(axis=1)
    degrees = np.degrees(np.abs(np.arctan2(across, along)))
    return np.where((corners[:, :, 2] > 0).all(axis=1), degrees, np.nan)
