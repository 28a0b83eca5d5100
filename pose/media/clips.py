"""Clips in and out, each in a thread of its own, so that the network never waits for a disk."""

from __future__ import annotations

import contextlib
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from .. import PoseError
from .photos import silence
from .results import atomic_write

QUEUE_LENGTH = 4  # frames that may wait before or behind the network
USUAL_FPS = 30.0  # for sources that do not report theirs
CODECS = {"mp4v": (".mp4", "mp4v"), "vp9": (".webm", "VP90"), "mjpg": (".avi", "MJPG")}  # suffix, OpenCV's name
INFERENCES_PER_SECOND = 15  # in a clip; poses in between are interpolated
MAX_STEP = 4  # frames from one inference to the next, at most
MAX_GAP = 10.0  # seconds between two frames; a larger one is a mistake in the file
MAX_DRIFT = 1.1  # frames by which a picture may come too late or too early (FFmpeg's own bound)
TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


class ClipReader:
    """A clip's frames: iterate for (frame number, seconds since its first, frame).

    `name` is a path, a camera's number or an address.
    """

    def __init__(self, name: str, first: int = 0, last: int = -1, step: int = 1, rotate: int = 0) -> None:
        self.name, self.first, self.last, self.step, self.rotate = name, first, last, step, rotate
        self.capture = open_capture(name)
        reported = self.capture.get(cv2.CAP_PROP_FPS)
        self.source_fps = reported if 0 < reported < 1000 else USUAL_FPS
        self.fps = self.source_fps / step
        self.fps_guessed = self.source_fps != reported
        self.frames_reported = int(self.capture.get(cv2.CAP_PROP_FRAME_COUNT))  # a container's estimate; 0: not known
        self.end = self.frames_reported if last < 0 else min(self.frames_reported, last + 1)
        self.frames_read, self.ended = 0, False
        self.t = 0.0  # of the frame grabbed last
        self.queue: queue.Queue = queue.Queue(QUEUE_LENGTH)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.read, daemon=True)

    def __enter__(self) -> ClipReader:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        with contextlib.suppress(queue.Empty):
            while True:
                self.queue.get_nowait()
        self.thread.join(timeout=5)
        self.capture.release()

    @property
    def network_step(self) -> int:
        """Every which frame the network should see."""
        return min(MAX_STEP, max(1, round(self.fps / INFERENCES_PER_SECOND)))

    def __len__(self) -> int:
        """How many frames to expect; 0 where the source does not report it."""
        return max(0, -(-(self.end - self.first) // self.step))

    @property
    def is_cut_off(self) -> bool:
        """Whether a clip that was read to its end is much shorter than its container reports."""
        return self.ended and self.t * self.source_fps + 1 < 0.9 * self.end

    def read(self) -> None:
        number, start = -1, 0.0
        while not self.stopping.is_set() and (self.last < 0 or number < self.last) and self.capture.grab():
            number += 1
            reported = self.capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if number and 0 < reported - start - self.t < MAX_GAP:
                self.t = reported - start
            else:  # the first, or a source that does not tell the time, or a jump in what it tells
                self.t += 1 / self.source_fps if number else 0
                start = reported - self.t
            if number < self.first or (number - self.first) % self.step:
                continue
            ok, frame = self.capture.retrieve()
            if not ok:
                continue
            self.put((number, self.t, cv2.rotate(frame, TURNS[self.rotate]) if self.rotate else frame))
        self.put(None)

    def put(self, item: tuple[int, float, np.ndarray] | None) -> None:
        while not self.stopping.is_set():
            with contextlib.suppress(queue.Full):
                self.queue.put(item, timeout=0.1)
                return

    def __iter__(self) -> Iterator[tuple[int, float, np.ndarray]]:
        while (item := self.queue.get()) is not None:
            self.frames_read += 1
            yield item
        self.ended = True


def is_live(name: str) -> bool:
    """Whether a source's name is a camera's number or an address, not a path."""
    return name.isdecimal() or "://" in name


def is_numbered(name: str) -> bool:
    """Whether a source's name stands for numbered pictures, such as frame_%04d.png."""
    return not is_live(name) and "%" in name and not Path(name).exists()


def open_capture(name: str) -> cv2.VideoCapture:
    """An opened capture of a path, a camera's number or an address; PoseError where there is no clip in it."""
    is_camera = name.isdecimal()
    if not is_live(name):
        path = Path(name)
        if path.is_dir():
            raise PoseError(f"{path} is a folder", "video")
        if "%" not in name and not path.exists():
            raise PoseError(f"{path} is not there", "video")
        if "%" not in name and path.is_file() and not path.stat().st_size:
            raise PoseError(f"{path} is empty", "video")
    try:
        capture = cv2.VideoCapture(int(name) if is_camera else name)
    except cv2.error:  # a number that no camera can have
        capture = cv2.VideoCapture()
    if not capture.isOpened():
        what = f"Camera {name} does not answer" if is_camera else f"{name} is not a clip that OpenCV can play"
        raise PoseError(what, "video")
    return capture


@contextlib.contextmanager
def clip_writer(
    path: Path, fps: float, codec: str = "mp4v", sound_of: ClipReader | None = None
) -> Iterator[ClipWriter]:
    """A ClipWriter. The clip takes its final name when complete; after Ctrl-C, what was done is NAME-partial.

    sound_of: a source whose sound track the clip gets, for which there has to be an ffmpeg program.
    """
    with atomic_write(path) as part:
        writer = ClipWriter(path, part, fps, codec)
        try:
            yield writer
        finally:
            writer.close()
        writer.check_complete()
        if sound_of and writer.written:
            add_sound(part, sound_of, writer.first_t, writer.written / fps)


class ClipWriter:
    """Encodes frames in a thread of its own into `part`, which will be called `path`."""

    def __init__(self, path: Path, part: Path, fps: float, codec: str) -> None:
        self.path, self.part, self.fps, self.codec = path, part, fps, codec
        self.queue: queue.Queue[tuple[np.ndarray, float] | None] = queue.Queue(QUEUE_LENGTH)
        self.encoder: cv2.VideoWriter | None = None
        self.error: PoseError | None = None
        self.first_t, self.written = 0.0, 0
        self.last_picture: np.ndarray | None = None
        self.thread = threading.Thread(target=self.write_loop, daemon=True)
        self.thread.start()

    def write(self, frame: np.ndarray, t: float) -> None:
        """Queue a frame (H, W, 3) of time t in seconds; all are of the first one's size.

        Frames lie evenly in the clip that is written: where the source has too few or too many of them for that, some
        are repeated or left out. An odd side grows by one pixel: codecs want even ones.
        """
        if self.error:
            raise self.error
        self.queue.put((frame, t))

    def write_loop(self) -> None:
        while (item := self.queue.get()) is not None:
            if self.error:
                continue  # so that nobody waits for room in the queue
            frame, t = item
            h, w = frame.shape[:2]
            if w % 2 or h % 2:
                frame = cv2.copyMakeBorder(frame, 0, h % 2, 0, w % 2, cv2.BORDER_REPLICATE)
            if self.encoder is None:
                self.open((frame.shape[1], frame.shape[0]))
                self.first_t = t
            if not self.error:
                self.write_at(frame, (t - self.first_t) * self.fps)

    def open(self, size_wh: tuple[int, int]) -> None:
        self.encoder = open_encoder(self.part, self.codec, self.fps, size_wh)
        if not self.encoder.isOpened():
            size = f"{size_wh[0]}x{size_wh[1]}, {self.fps:g} fps"
            self.error = PoseError(f"OpenCV cannot write {self.path} ({size})", "fps")

    def write_at(self, picture: np.ndarray, position: float) -> None:
        """Write a picture that belongs at this position, counted in pictures."""
        assert self.encoder
        while position - self.written > MAX_DRIFT and self.last_picture is not None:
            self.encoder.write(self.last_picture)
            self.written += 1
        if self.written - position < MAX_DRIFT:
            self.encoder.write(picture)
            self.written += 1
        self.last_picture = picture

    def close(self) -> None:
        """Wait until all frames are written."""
        self.queue.put(None)
        self.thread.join()
        if self.encoder is not None:
            self.encoder.release()

    def check_complete(self) -> None:
        """PoseError where a frame could not be written: OpenCV does not say when writing fails."""
        if self.error:
            raise self.error
        if self.written and count_frames(self.part) != self.written:
            raise PoseError(f"{self.path} could not be written whole; is the disk full", "output_dir")


def open_encoder(path: Path, codec: str, fps: float, size_wh: tuple[int, int]) -> cv2.VideoWriter:
    with silence():  # FFmpeg has its own opinion of OpenCV's names
        return cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*CODECS[codec][1]), fps, size_wh)


def check_codec(codec: str) -> None:
    """PoseError, before any work, where this OpenCV cannot write it."""
    with tempfile.TemporaryDirectory() as folder:
        encoder = open_encoder(Path(folder) / f"try{CODECS[codec][0]}", codec, USUAL_FPS, (64, 64))
        can_write = encoder.isOpened()
        encoder.release()
    if not can_write:
        raise PoseError(f"This OpenCV cannot write {codec}", "codec")


def check_sound(name: str) -> None:
    """PoseError, before any work, where the sound of a source cannot be kept."""
    if shutil.which("ffmpeg") is None:
        raise PoseError("Keeping the sound takes the ffmpeg program, which is not here; install it")
    if not Path(name).is_file():
        raise PoseError(f"{name} is not a file, whose sound could be kept", "audio")


def add_sound(clip: Path, source: ClipReader, start: float, seconds: float) -> None:
    """Give a clip so many seconds of the source's sound, if there is any."""
    with_sound = clip.with_name(f".sound{clip.name}")
    sound = ["-ss", str(start), "-t", str(seconds), "-i", source.name]
    command = ["ffmpeg", "-v", "error", "-y", "-i", str(clip), *sound, "-map", "0:v", "-map", "1:a?", "-c:v", "copy"]
    command.append(str(with_sound))
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode:
        with_sound.unlink(missing_ok=True)
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise PoseError(f"ffmpeg could not add the sound of {source.name} ({reason})", "audio")
    with_sound.replace(clip)


def count_frames(path: Path) -> int:
    """How many frames the container of a clip reports."""
    capture = cv2.VideoCapture(str(path))
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()
    return count


def progress(source: ClipReader, quiet: bool = False) -> Iterable[tuple[int, float, np.ndarray]]:
    """The source with a progress bar where somebody watches: frames, rate, time left."""
    if quiet or not sys.stderr or not sys.stderr.isatty():
        return source
    from tqdm import tqdm  # takes longer to import than all of this package

    return tqdm(source, total=len(source) or None, unit=" frames")


class Stopwatch:
    """Where the time goes: seconds by name."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.start = time.perf_counter()

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - start

    def waiting(self, items: Iterable, name: str) -> Iterator:
        """The items; the wait for each counts under the name."""
        iterator = iter(items)
        while True:
            with self(name):
                item = next(iterator, self)
            if item is self:
                return
            yield item

    def report(self, frames: int) -> str:
        total = time.perf_counter() - self.start
        self.seconds["the rest"] = total - self.seconds.total()  # mostly the codec, which lags behind
        parts = ", ".join(f"{name} {100 * seconds / total:.0f} %" for name, seconds in self.seconds.most_common())
        return f"{frames} frames, {total:.1f} s, {frames / total:.0f} a second ({parts})"
