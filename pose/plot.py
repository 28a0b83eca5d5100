"""A clip's motion as pictures: a sheet of its poses and, with matplotlib, the joints' angles over time."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from .labels import draw_text
from .media.atomic import atomic_write
from .media.results import save_picture
from .motion import Motion, motion_of
from .poses import JOINTS
from .skeletons import Skeleton

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHEET_COLUMNS, SHEET_ROWS = 4, 3
TILE_WIDTH, CAPTION_HEIGHT = 480, 34  # pixels
SIDES = {"R": ("right", "tab:orange"), "L": ("left", "tab:blue")}


class Plot:
    """Collects all poses of a clip, and a few of its drawn frames."""

    def __init__(self, skeleton: Skeleton) -> None:
        self.skeleton = skeleton
        self.tiles: list[np.ndarray] = []
        self.every, self.count = 1, 0  # every nth frame is kept as a tile
        self.poses: list[tuple[float, int, np.ndarray]] = []  # seconds, identity, (K, 3 or 6)
        self.note = ""

    def add(self, t: float, picture: np.ndarray, people: np.ndarray, ids: list[int] | None) -> None:
        """A frame of time t in seconds as drawn (H, W, 3), and the people (N, K, 3 or 6) in it.

        Without identities only the strongest person is kept.
        """
        if self.count % self.every == 0:
            self.tiles.append(self.tile(picture, t))
        if len(self.tiles) == 2 * SHEET_COLUMNS * SHEET_ROWS:
            self.tiles, self.every = self.tiles[::2], 2 * self.every
        self.count += 1
        people, ids = (people[:1], [0] * len(people[:1])) if ids is None else (people, ids)
        self.poses += [(t, identity, person) for identity, person in zip(ids, people, strict=True)]

    def tile(self, picture: np.ndarray, t: float) -> np.ndarray:
        h, w = picture.shape[:2]
        size_wh = TILE_WIDTH, max(1, round(TILE_WIDTH * h / w))
        tile = cv2.resize(picture, size_wh, interpolation=cv2.INTER_AREA if w > TILE_WIDTH else cv2.INTER_LINEAR)
        tile = cv2.copyMakeBorder(tile, CAPTION_HEIGHT, 0, 0, 0, cv2.BORDER_CONSTANT)
        draw_text(tile, f"{t:.2f} s", np.array([8, CAPTION_HEIGHT - 6]), height=20)
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
            with atomic_write(angles) as temporary:
                angles_figure(self.poses, self.skeleton).savefig(temporary, dpi=120, format="png")


def angles_figure(poses: list[tuple[float, int, np.ndarray]], skeleton: Skeleton) -> Figure:
    """Joint angles over time of the person who is seen longest; poses: seconds, identity and (K, 3 or 6)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    main = Counter(identity for _, identity, _ in poses).most_common(1)[0][0]
    times = np.array([t for t, identity, _ in poses if identity == main])
    motion = motion_of(times, np.stack([pose for _, identity, pose in poses if identity == main]), skeleton)
    figure = Figure(figsize=(11, 2.2 * len(JOINTS) + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(JOINTS), 2, sharex="col", width_ratios=(4, 1))
    for (curves, table), joint in zip(panels, JOINTS, strict=True):
        draw_curves(curves, motion, joint)
        draw_limits(table, motion, joint)
    kind = "in space" if motion.in_space else "as seen in the picture: OpenPose's networks estimate no depth"
    summary = motion.summary()
    figure.suptitle(f"Person {main}: angles {kind}" + (f"\n{summary}" if summary else ""))
    panels[0, 0].legend(loc="lower right", ncols=3)
    panels[-1, 0].set_xlabel("seconds")
    return figure


def draw_curves(axes: Axes, motion: Motion, joint: str) -> None:
    """A joint's angles, right and left, dashed where they are uncertain, a triangle at each repetition."""
    for letter, (side, colour) in SIDES.items():
        degrees, certain = motion.side(letter + joint)
        axes.plot(motion.t, degrees, color=colour, linestyle="--", linewidth=1, alpha=0.7)
        axes.plot(motion.t, np.where(certain, degrees, np.nan), color=colour, label=side)
        turns = motion.repetitions(letter + joint)
        axes.plot(motion.t[turns], degrees[turns], "v", color=colour, markersize=5)
    axes.plot([], [], "k--", linewidth=1, label="uncertain")
    axes.set_ylabel(f"{joint.lower()}, degrees")
    axes.set_ylim(0, 185)
    axes.set_yticks([0, 45, 90, 135, 180])
    axes.grid(alpha=0.3)


def draw_limits(axes: Axes, motion: Motion, joint: str) -> None:
    """Least and most degrees where they are certain, the range between them, and how many repetitions."""
    rows = []
    for letter in SIDES:
        low, high = motion.limits(letter + joint)
        numbers = ["-" if np.isnan(value) else f"{value:.0f}°" for value in (low, high, high - low)]
        rows.append([*numbers, str(len(motion.repetitions(letter + joint)))])
    axes.axis("off")
    table = axes.table(rows, rowLabels=[side for side, _ in SIDES.values()], colLabels=["min", "max", "range", "times"],
                       rowColours=[colour for _, colour in SIDES.values()], loc="center")  # fmt: skip
    table.auto_set_font_size(False)
    table.set_fontsize(9)
    table.scale(1, 1.3)
