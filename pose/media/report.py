"""What a clip's work says: a progress bar on the way, and at the end who was seen and where the results are."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from .reader import ClipReader
from .results import count_people

MAX_LISTED = 6  # people whose seconds are listed


def progress(source: ClipReader, quiet: bool = False) -> Iterable[tuple[int, float, np.ndarray]]:
    """The source with a progress bar where somebody watches: frames, rate, time left."""
    if quiet or not sys.stderr or not sys.stderr.isatty():
        return source
    from tqdm import tqdm  # takes longer to import than all of this package

    return tqdm(source, total=len(source) or None, unit=" frames")


class Stopwatch:
    """Where the time goes: seconds by name."""

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


class Summary:
    """Who was seen in a clip, and for how long."""

    def __init__(self) -> None:
        self.frames, self.first_t, self.t = 0, 0.0, 0.0
        self.resumed_from = 0  # frames that an earlier run has done
        self.most = 0  # people in one frame
        self.seen: Counter[int] = Counter()  # frames, by identity

    def add(self, t: float, people: np.ndarray, ids: list[int] | None) -> None:
        self.first_t = self.first_t if self.frames else t
        self.frames, self.t, self.most = self.frames + 1, t, max(self.most, len(people))
        self.seen.update(ids or [])

    def report(self, name: str, clock: Stopwatch, paths: dict[str, str]) -> str:
        """Lines for a person: how many people, for how long each, how fast, and where the results are."""
        seconds = (self.t - self.first_t) * self.frames / max(1, self.frames - 1)
        people = [f"{seconds * frames / self.frames:.1f}" for _, frames in self.seen.most_common()]
        if self.seen:
            more = f" and {len(people) - MAX_LISTED} for less" if len(people) > MAX_LISTED else ""
            who = f"{count_people(len(people))}, seen for {', '.join(people[:MAX_LISTED])} s{more}"
        else:
            who = f"up to {count_people(self.most)} in a frame" if self.most else "nobody seen"
        speed = f"{clock.total:.1f} s of work, {(self.frames - self.resumed_from) / clock.total:.0f} frames a second"
        where = [f"  {kind:6} {path}" for kind, path in paths.items()]
        frames = f"{self.frames} {'frame' if self.frames == 1 else 'frames'}"
        return "\n".join([f"{name}: {frames} ({seconds:.1f} s), {who}; {speed}", *where])
