"""Texts for the screen: a clip's progress bar, what was found in a file, how long it took, the results' paths."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .reader import ClipReader

MAX_LISTED = 6  # people whose seconds are listed


def counted(number: int, one: str, many: str = "") -> str:
    """The number with the noun in singular or plural."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def progress(source: ClipReader, quiet: bool = False) -> Iterable[tuple[int, float, np.ndarray]]:
    """The source with a progress bar, if stderr is a terminal: frames, rate, time left."""
    if quiet or not sys.stderr or not sys.stderr.isatty():
        return source
    from tqdm import tqdm  # takes longer to import than all of this package

    return tqdm(source, total=source.frames_expected or None, unit=" frames")


class Stopwatch:
    """Measures seconds by the name of what is done."""

    def __init__(self) -> None:
        self.seconds: Any = Counter()
        self.start = time.perf_counter()

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - start

    @property
    def total(self) -> float:
        return time.perf_counter() - self.start

    def report(self) -> str:
        self.seconds["waiting for frames and the codec"] = self.total - self.seconds.total()
        parts = [f"{name} {100 * seconds / self.total:.0f} %" for name, seconds in self.seconds.most_common()]
        return f"Time: {', '.join(parts)}"


def file_report(name: str, found: str, clock: Stopwatch, paths: Iterable[str], speed: str = "") -> str:
    """Two lines on a file: what it is, what was found, how long it took; the results' paths."""
    times = f"inference {clock.seconds['inference']:.2f} s, in all {clock.total:.2f} s{speed}"
    return f"{name}: {found}; {times}\n  -> {', '.join(paths)}"


class Summary:
    """How many people were seen in a clip, and for how long."""

    def __init__(self) -> None:
        self.size_wh = 0, 0
        self.frames, self.first_t, self.t = 0, 0.0, 0.0
        self.resumed_from = 0  # frames that an earlier run has done
        self.most = 0  # people in one frame
        self.seen: Counter[int] = Counter()  # frames, by identity

    def add(self, t: float, size_wh: tuple[int, int], people: np.ndarray, ids: list[int] | None) -> None:
        self.first_t, self.size_wh = self.first_t if self.frames else t, size_wh
        self.frames, self.t, self.most = self.frames + 1, t, max(self.most, len(people))
        self.seen.update(ids or [])

    def report(self, name: str, fps: float, clock: Stopwatch, paths: Iterable[str]) -> str:
        """The clip's file_report()."""
        seconds = (self.t - self.first_t) * self.frames / max(1, self.frames - 1)
        people = [f"{seconds * frames / self.frames:.1f}" for _, frames in self.seen.most_common()]
        if self.seen:
            more = f" and {len(people) - MAX_LISTED} for less" if len(people) > MAX_LISTED else ""
            who = f"{counted(len(people), 'person', 'people')}, seen for {', '.join(people[:MAX_LISTED])} s{more}"
        else:
            who = f"up to {counted(self.most, 'person', 'people')} in a frame" if self.most else "nobody seen"
        w, h = self.size_wh
        frames = f"{counted(self.frames, 'frame')} at {fps:.4g} fps ({seconds:.1f} s)"
        speed = f", {counted(round((self.frames - self.resumed_from) / clock.total), 'frame')} a second"
        return file_report(f"{name}, {w}x{h}, {frames}", who, clock, paths, speed)
