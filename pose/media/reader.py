"""Reads clips: a source's frames at increasing times, in a thread of its own."""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np

from .. import PoseError
from .report import counted
from .sources import USUAL_FPS, Camera, Pictures, SourceFrame, Video, is_live, is_numbered

QUEUE_LENGTH = 2  # frames, between reading and inference and between drawing and encoding
INFERENCES_PER_SECOND = 15  # in a clip; poses in between are interpolated
MAX_STEP = 4  # frames from one inference to the next, at most
RETRY_EVERY = 1.0  # seconds between two attempts to reopen a camera or address
CLOCKWISE = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


class ClipReader:
    """A clip's frames: iterate for (frame number, seconds since its first, frame (H, W, 3)), all of one size.

    `name` is a path, a camera's number, an address or numbered pictures such as frame_%04d.png.
    on_lost: wait for a camera or address that stops sending, and call this with a sentence then and when it is back.
    """

    def __init__(
        self,
        name: str,
        first: int = 0,
        last: int = -1,
        step: int = 1,
        rotate: int = 0,
        on_lost: Callable[[str], None] | None = None,
    ) -> None:
        self.name, self.first, self.last, self.step, self.rotate = name, first, last, step, rotate
        self.source: Any = Camera(name) if name.isdecimal() else Pictures(name) if is_numbered(name) else Video(name)
        self.fps_guessed = not 0 < self.source.fps <= 1000
        self.source_fps = USUAL_FPS if self.fps_guessed else float(self.source.fps)
        self.fps = self.source_fps / step
        count = self.source.count  # a container's estimate; 0: not known
        self.end = count if last < 0 else min(count, last + 1)
        self.frames_read, self.ended = 0, False
        self.on_lost = on_lost if self.source.is_endless else None
        self.number, self.t = -1, 0.0  # of the frame read last
        self.size_wh: tuple[int, int] | None = None  # of all frames: the first one's
        self.start = time.monotonic()  # when the first frame was sent, at the latest
        self.away = 0.0  # seconds without a connection
        self.error: Exception | None = None
        self.queue: queue.Queue = queue.Queue(QUEUE_LENGTH)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.read, daemon=True)

    def __enter__(self) -> ClipReader:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.thread.join(timeout=2)
        if not self.thread.is_alive():  # a camera or address that hangs does not keep the process from ending
            self.source.close()

    def stop(self) -> None:
        """The next frame raises KeyboardInterrupt, unless the source has ended."""
        self.stopping.set()

    @property
    def network_step(self) -> int:
        """Frames from one inference to the next."""
        return min(MAX_STEP, max(1, round(self.fps / INFERENCES_PER_SECOND)))

    @property
    def stream(self) -> Any:
        """PyAV's stream of a file or address; None for cameras and numbered pictures."""
        return getattr(self.source, "stream", None)

    @property
    def sound_file(self) -> str:
        """The name, for PyAV, of the file with the sound; empty where there is none."""
        has_sound = self.stream is not None and not is_live(self.name) and self.source.container.streams.audio
        return self.source.name if has_sound else ""

    @property
    def pixel_aspect(self) -> Fraction:
        """A pixel's width by its height in the rotated frames."""
        aspect = self.source.pixel_aspect
        return 1 / aspect if self.rotate in (90, 270) else aspect

    @property
    def notes(self) -> list[str]:
        """What is wrong with the clip, as sentences without full stop."""
        notes = [f"{self.name} {note}" for note in self.source.notes]
        notes += [f"{self.name} sent nothing for {self.away:.0f} s"] if self.away else []
        if self.ended and self.t * self.source_fps + 1 < 0.9 * self.end:
            frames = f"{counted(self.frames_read, 'frame')} of the {self.frames_expected}"
            notes.append(f"{self.name} gave {frames} that its container reports: it may be cut off or damaged")
        return notes

    @property
    def frames_expected(self) -> int:
        """0 where the source does not report it."""
        return max(0, -(-(self.end - self.first) // self.step))

    def read(self) -> None:
        try:
            for number, t, picture in self.frames():
                if self.stopping.is_set() or 0 <= self.last < number:
                    break
                self.number, self.t = number, t
                self.start = min(self.start, time.monotonic() - t) if number else time.monotonic()
                if number >= self.first and (number - self.first) % self.step == 0:
                    frame = cv2.rotate(picture(), CLOCKWISE[self.rotate]) if self.rotate else picture()
                    h, w = frame.shape[:2]
                    self.size_wh = self.size_wh or (w, h)
                    self.put((number, t, frame if (w, h) == self.size_wh else letterbox(frame, self.size_wh)))
                if number == self.last:  # no need to wait for the next one
                    break
        except av.FFmpegError as error:
            self.error = PoseError(f"A frame of {self.name} cannot be read ({error})", "video")
        except Exception as error:  # raised by __iter__
            self.error = error
        self.put(None)

    def frames(self) -> Iterator[tuple[int, float, Callable[[], np.ndarray]]]:
        """The frames at increasing times; the time for which a source was away is part of them."""
        yield from self.timed(self.source.frames(self.first))
        while self.on_lost:
            self.on_lost(f"{self.name} stopped sending; waiting for it to come back.")
            frames = self.wait_for_source()
            if self.stopping.is_set():
                return
            first, t = self.number + 1, time.monotonic() - self.start
            self.away += t - self.t
            self.on_lost(f"{self.name} is back after {t - self.t:.0f} s.")
            for number, since, picture in self.timed(frames):
                yield first + number, t + since, picture

    def wait_for_source(self) -> Iterator[SourceFrame]:
        """Its frames when it is back; none if the reader is stopped before."""
        while not self.stopping.wait(RETRY_EVERY):
            with contextlib.suppress(PoseError, StopIteration):
                self.source.reopen()
                frames = self.source.frames(0)
                return itertools.chain([next(frames)], frames)
        return iter(())

    def timed(self, frames: Iterator[SourceFrame]) -> Iterator[tuple[int, float, Callable[[], np.ndarray]]]:
        """The frames at increasing times, by the frame rate where the source reports no time or its clock jumps."""
        t, shift = 0.0, None
        for number, reported, picture in frames:
            if shift is None:
                t = number / self.source_fps if reported is None else reported
            elif reported is not None and 0 < reported - shift - t < self.source.max_gap:
                t = reported - shift
            else:
                t += 1 / self.source_fps
            shift = (shift or 0.0) if reported is None else reported - t
            yield number, t, picture

    def put(self, item: tuple[int, float, np.ndarray] | None) -> None:
        while not self.stopping.is_set():
            with contextlib.suppress(queue.Full):
                self.queue.put(item, timeout=0.1)
                return

    def __iter__(self) -> Iterator[tuple[int, float, np.ndarray]]:
        while not self.stopping.is_set():
            try:
                item = self.queue.get(timeout=0.1)
            except queue.Empty:
                continue
            if item is not None:
                self.frames_read += 1
                yield item
            elif self.error:
                raise self.error
            else:
                self.ended = True
                return
        raise KeyboardInterrupt


def letterbox(picture: np.ndarray, size_wh: tuple[int, int]) -> np.ndarray:
    """The picture (H, W, 3) scaled to fit into size_wh, its aspect ratio kept, in the middle of a black one."""
    h, w = picture.shape[:2]
    scale = min(size_wh[0] / w, size_wh[1] / h)
    w, h = max(1, round(scale * w)), max(1, round(scale * h))
    picture = cv2.resize(picture, (w, h), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    x, y = size_wh[0] - w, size_wh[1] - h
    return cv2.copyMakeBorder(picture, y // 2, y - y // 2, x // 2, x - x // 2, cv2.BORDER_CONSTANT)
