"""Long clips on many workers, which infer pieces of a clip; here people are tracked through the pieces and drawn.

A piece starts some frames early, so that people's crops have settled. A piece joins the one before if it finds the same
people in that one's last frame and nobody was lost shortly before. Else its first frames are inferred again, from the
estimator's state at the end of the one before, until it joins.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import math
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from . import PoseError
from .clip import Clips
from .cluster import OnCluster, failure
from .jobs import InThisProcess, Outcome
from .media.reader import ClipReader
from .media.sources import is_live
from .poses import pose_distance
from .skeletons import SKELETONS
from .track import MAX_UNSEEN, Tracked, Tracker, chunks
from .window import Windows

MIN_PIECE = 5.0  # seconds of a clip, at least
MAX_PIECES = 100  # of a clip, as its file is read from the start to find where a piece begins
WARM_UP = 0.5  # seconds that a piece starts early
PIECES_AHEAD = 4  # for each worker, submitted before they are drawn, at most
SAME_TIME = 1e-3  # seconds by which a frame's time may differ after a seek
SAME_POSE = 0.1  # mean distance of two poses' keypoints, as a share of the person's size, that are one person's
POLL_EVERY = 0.02  # seconds between two checks whether a piece is done

Inferred = tuple[float, np.ndarray]  # a frame's time in seconds and the people (N, K, 3 or 6) in it, not yet tracked


class Piece(NamedTuple):
    """A worker's result for a piece of a clip."""

    inferred: list[Inferred]
    state: Any  # of the estimator at its end
    lost_at: float  # the time when somebody was last lost


class ClipsOnCluster(OnCluster):
    """Clips by workers; long ones in pieces where there are fewer clips than workers, and only these in windows."""

    def __init__(self, args: argparse.Namespace, windows: Windows) -> None:
        super().__init__(Clips, args)
        self.windows = windows

    def __call__(self, files: Iterable[tuple[str, str]]) -> Iterator[tuple[int, Outcome]]:
        files, clips = list(files), ClipsInPieces(self)
        workers = self.workers if self.is_local else self.thread_count()
        is_cut = [len(files) < workers and clips.is_long(name) for name, _ in files]
        cut = [number for number, yes in enumerate(is_cut) if yes]
        whole = [number for number, yes in enumerate(is_cut) if not yes]
        for number, outcome in InThisProcess(clips)(files[n] for n in cut):
            self.running.clear()  # of pieces that are no longer needed
            if outcome.error and outcome.error.argument == "pieces":
                whole.append(cut[number])
            else:
                yield cut[number], outcome
        for number, outcome in super().__call__(files[n] for n in whole):
            yield whole[number], outcome


class ClipsInPieces(Clips):
    """Clips whose people the workers infer, piece by piece."""

    estimator: TrackedPieces

    def __init__(self, cluster: ClipsOnCluster) -> None:
        super().__init__(cluster.args, cluster.windows, TrackedPieces(cluster.args, cluster.work_description))
        self.cluster = cluster

    def is_long(self, name: str) -> bool:
        if is_live(name):
            return False
        with contextlib.suppress(PoseError):  # a worker reports it
            source = self.open(name, self.args.frame_first, self.args.frame_last)
            source.source.close()
            return Pieces(self.cluster, source, self.network_step(source)).count > 1
        return False

    def restart(self, source: ClipReader, state: Any) -> None:
        super().restart(source, state)
        self.estimator.inferred = iter(Pieces(self.cluster, source, self.network_step(source)))


class TrackedPieces:
    """Tracks people that workers have inferred; takes the place of a VideoPoseEstimator."""

    inferred: Iterator[Inferred]

    def __init__(self, args: argparse.Namespace, description: str) -> None:
        self.args, self.description, self.skeleton = args, description, SKELETONS[args.mode]

    @property
    def state(self) -> Any:
        return self.tracker, None

    def restart(self, state: Any = None) -> None:
        new = None if self.args.no_track else Tracker(self.skeleton, not self.args.no_smooth)
        self.tracker = state[0] if state else new

    def estimate_3d(self, picture: np.ndarray, t: float, next_frame: Any = None, /) -> Tracked:
        """PoseError where the workers have not read the frame of time t, as in damaged clips after a seek."""
        its_t, people = next((one for one in self.inferred if one[0] > t - SAME_TIME), (math.inf, None))
        if people is None or its_t > t + SAME_TIME:
            raise PoseError(f"The frame at {t:.3f} seconds is not found again", "pieces")
        return self.tracker.update(people, t) if self.tracker else (people, None)


class Pieces:
    """Iterate for the people in the inferred frames of a clip; frames around a cut may come twice."""

    def __init__(self, cluster: ClipsOnCluster, source: ClipReader, step: int) -> None:
        self.cluster, self.source, self.args = cluster, source, cluster.args
        self.stride = step * source.step  # in frames, as length and warm_up
        frames, per_second = source.end - self.args.frame_first, source.source_fps
        self.count = min(MAX_PIECES, int(frames / per_second / MIN_PIECE))
        self.length = math.ceil(max(1, frames) / self.stride / max(1, self.count)) * self.stride
        self.warm_up = math.ceil(WARM_UP * per_second / self.stride) * self.stride
        first = math.ceil((source.first - self.args.frame_first) / self.stride) * self.stride  # inference
        self.next = first // self.length
        self.ahead: deque[Any] = deque()  # futures of pieces up to the next one

    def __iter__(self) -> Iterator[Inferred]:
        before: Piece | None = None
        for number in itertools.count(self.next):
            self.submit_ahead(at_least=number)
            piece = self.result(self.ahead.popleft())
            if not piece.inferred:
                return
            if before and not joins(before.inferred[-1], before.lost_at, piece):
                piece = self.result(self.submit(number, before.state, piece))
            for one in piece.inferred:
                self.submit_ahead()
                yield one
            before = piece

    def submit_ahead(self, at_least: int = 0) -> None:
        """Submit pieces for free workers, and all up to at_least, which may be beyond the container's reported end."""
        for future in [future for future in self.cluster.running if future.done()]:
            del self.cluster.running[future]
        room = min(self.cluster.free_threads(), PIECES_AHEAD * self.cluster.threads - len(self.ahead))
        while self.next <= at_least or (room > 0 and self.next < self.count):
            self.ahead.append(self.submit(self.next))
            self.next, room = self.next + 1, room - 1

    def submit(self, number: int, *before: Any) -> Any:
        first = self.args.frame_first + number * self.length
        last = first + self.length - self.stride
        last = last if self.args.frame_last < 0 else min(last, self.args.frame_last)
        warm_up = min(self.warm_up, number * self.length)
        piece = 0, self.source.name, first, last, warm_up, self.source.size_wh, *before
        (future,) = self.cluster.submit(infer, [piece])
        return future

    def result(self, future: Any) -> Piece:
        while not future.done():
            if self.source.stopping.is_set():
                raise KeyboardInterrupt
            self.submit_ahead()
            time.sleep(POLL_EVERY)
        error = future.exception()
        if error:
            raise failure(self.source.name, error) from error
        piece: Piece = future.result()
        return piece


def joins(last: Inferred, lost_at: float, piece: Piece) -> bool:
    """Whether a piece joins at this frame: it finds the same people, and nobody was lost less than MAX_UNSEEN ago."""
    t, people = last
    again = [others for its_t, others in piece.inferred if abs(its_t - t) < SAME_TIME]
    has_all = all(
        any(pose_distance(pose, other) < SAME_POSE for other in others) for others in again for pose in people
    )
    return has_all and t - lost_at >= MAX_UNSEEN


def infer(
    clips: Clips,
    name: str,
    first: int,
    last: int,
    warm_up: int,
    size_wh: tuple[int, int],
    state: Any = None,
    stateless: Piece | None = None,
) -> Piece:
    """On a worker: a piece of a clip, whose frames have size_wh, from frame `first` to frame `last`.

    It starts `warm_up` frames early, or right after the piece before where frames are independent or that piece's state
    is known. With a state it ends as soon as `stateless`, the same piece inferred without the state, joins.
    """
    estimator: Any = clips.estimator  # a VideoPoseEstimator
    estimator.restart(state)
    crops = estimator.crops
    clips.source = clips.open(name, first, last)
    clips.source.size_wh = size_wh
    step = clips.network_step(clips.source)
    continues = warm_up > 0 and bool(state or not crops)
    clips.source.first -= (step - 1) * clips.args.frame_step if continues else warm_up
    inferred: list[Inferred] = []
    with clips.source as source:
        frames: Any = (chunk[-1][1:] for chunk in chunks(source, step, int(continues)))
        for (t, picture), next_frame in itertools.pairwise(itertools.chain(frames, [None])):
            inferred.append((t, estimator.infer(picture, t, next_frame)))
            if stateless and joins(inferred[-1], crops.lost_at, stateless):
                rest = [one for one in stateless.inferred if one[0] > t + SAME_TIME]
                return stateless._replace(inferred=inferred + rest)
    return Piece(inferred, estimator.state, crops.lost_at if crops else -math.inf)
