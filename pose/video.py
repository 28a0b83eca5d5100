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

from . import PoseError
from .export import writing
from .picture import silence

QUEUE_LENGTH = 4  # frames that may wait before or behind the network
USUAL_FPS = 30.0  # for sources that do not tell theirs
CODECS = {"mp4v": (".mp4", "mp4v"), "vp9": (".webm", "VP90"), "mjpg": (".avi", "MJPG")}  # suffix, OpenCV's name
LOOKS_A_SECOND = 15  # in a clip; the frames between are worked out
MOST_STEPS = 4  # frames from one inference to the next, at most
MOST_GAP = 10.0  # seconds between two frames; what tells of more does not tell the time
OUT_OF_STEP = 1.1  # frames by which a picture may come too late or too early (FFmpeg's own bound)
TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


class Source:
    """A clip's frames: iterate for (frame number, seconds since its first, frame).

    `name` is a path, a camera's number or an address.
    """

    def __init__(self, name: str, first: int = 0, last: int = -1, step: int = 1, rotate: int = 0) -> None:
        self.name, self.first, self.last, self.step, self.rotate = name, first, last, step, rotate
        self.capture = open_capture(name)
        told = self.capture.get(cv2.CAP_PROP_FPS)
        self.source_fps = told if 0 < told < 1000 else USUAL_FPS
        self.fps = self.source_fps / step
        self.fps_guessed = self.source_fps != told
        self.frames_told = int(self.capture.get(cv2.CAP_PROP_FRAME_COUNT))  # a container's estimate; 0: not known
        self.end = self.frames_told if last < 0 else min(self.frames_told, last + 1)
        self.frames_read, self.ended = 0, False
        self.t = 0.0  # of the frame grabbed last
        self.queue: queue.Queue = queue.Queue(QUEUE_LENGTH)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.read, daemon=True)

    def __enter__(self) -> Source:
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
        return min(MOST_STEPS, max(1, round(self.fps / LOOKS_A_SECOND)))

    def __len__(self) -> int:
        """How many frames to expect; 0 where the source does not tell."""
        return max(0, -(-(self.end - self.first) // self.step))

    @property
    def is_cut_off(self) -> bool:
        """Whether a clip that was read to its end lasted much shorter than it told."""
        return self.ended and self.t * self.source_fps + 1 < 0.9 * self.end

    def read(self) -> None:
        number, start = -1, 0.0
        while not self.stopping.is_set() and (self.last < 0 or number < self.last) and self.capture.grab():
            number += 1
            told = self.capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if number and 0 < told - start - self.t < MOST_GAP:
                self.t = told - start
            else:  # the first, or a source that does not tell the time, or a jump in what it tells
                self.t += 1 / self.source_fps if number else 0
                start = told - self.t
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
            raise PoseError(f"{path} is a folder; give one clip with --video_file.")
        if "%" not in name and not path.exists():
            raise PoseError(f"{path} is not there; check --video_file.")
        if "%" not in name and path.is_file() and not path.stat().st_size:
            raise PoseError(f"{path} is empty; give a clip.")
    try:
        capture = cv2.VideoCapture(int(name) if is_camera else name)
    except cv2.error:  # a number that no camera can have
        capture = cv2.VideoCapture()
    if not capture.isOpened():
        what = f"Camera {name} does not answer" if is_camera else f"{name} is not a clip that OpenCV can play"
        raise PoseError(f"{what}; check --video_file.")
    return capture


class Sink:
    """A clip to write. It takes its final name when complete; after Ctrl-C, what was done is NAME-partial.

    sound_of: a source whose sound track the clip gets, for which there has to be an ffmpeg program.
    """

    def __init__(self, path: Path, fps: float, codec: str = "mp4v", sound_of: Source | None = None) -> None:
        self.path, self.fps, self.codec, self.sound_of = path, fps, codec, sound_of
        self.queue: queue.Queue = queue.Queue(QUEUE_LENGTH)
        self.writer: cv2.VideoWriter | None = None
        self.failed: str | None = None
        self.first_t, self.written = 0.0, 0
        self.last_picture: np.ndarray | None = None
        self.exits = contextlib.ExitStack()

    def __enter__(self) -> Sink:
        self.part = self.exits.enter_context(writing(self.path))
        self.thread = threading.Thread(target=self.drain, daemon=True)
        self.thread.start()
        return self

    def write(self, frame: np.ndarray, t: float) -> None:
        """Queue a frame (H, W, 3) of time t in seconds; all are of the first one's size.

        Frames lie evenly in the clip that is written: where the source has too few or too many of them for that, some
        are repeated or left out. An odd side grows by one pixel: codecs want even ones.
        """
        if self.failed:
            raise PoseError(self.failed)
        self.queue.put((frame, t))

    def drain(self) -> None:
        while (item := self.queue.get()) is not None:
            if self.failed:
                continue  # so that nobody waits for room in the queue
            frame, t = item
            h, w = frame.shape[:2]
            if w % 2 or h % 2:
                frame = cv2.copyMakeBorder(frame, 0, h % 2, 0, w % 2, cv2.BORDER_REPLICATE)
            if self.writer is None:
                self.open((frame.shape[1], frame.shape[0]))
                self.first_t = t
            if not self.failed:
                self.place(frame, (t - self.first_t) * self.fps)

    def open(self, size_wh: tuple[int, int]) -> None:
        self.writer = open_writer(self.part, self.codec, self.fps, size_wh)
        if not self.writer.isOpened():
            size = f"{size_wh[0]}x{size_wh[1]}, {self.fps:g} fps"
            self.failed = f"OpenCV cannot write {self.path} ({size}); try another --frame_step."

    def place(self, picture: np.ndarray, place: float) -> None:
        """Write a picture whose place, counted in pictures, is this one."""
        while place - self.written > OUT_OF_STEP and self.last_picture is not None:
            self.writer.write(self.last_picture)
            self.written += 1
        if self.written - place < OUT_OF_STEP:
            self.writer.write(picture)
            self.written += 1
        self.last_picture = picture

    def __exit__(self, *error: object) -> None:
        self.queue.put(None)
        self.thread.join()
        if self.writer is not None:
            self.writer.release()
        if error[0] is None and self.written and not self.failed:
            if count_frames(self.part) != self.written:
                self.failed = f"{self.path} could not be written whole; is the disk full? Choose another --output_dir."
            elif self.sound_of:
                self.failed = add_sound(self.part, self.sound_of, self.first_t, self.written / self.fps)
        failure = PoseError(self.failed) if self.failed and error[0] is None else None
        self.exits.__exit__(*((PoseError, failure, None) if failure else error))
        if failure:
            raise failure


def open_writer(path: Path, codec: str, fps: float, size_wh: tuple[int, int]) -> cv2.VideoWriter:
    with silence():  # FFmpeg has its own opinion of OpenCV's names
        return cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*CODECS[codec][1]), fps, size_wh)


def check_codec(codec: str) -> None:
    """PoseError, before any work, where this OpenCV cannot write it."""
    with tempfile.TemporaryDirectory() as folder:
        writer = open_writer(Path(folder) / f"try{CODECS[codec][0]}", codec, USUAL_FPS, (64, 64))
        can_write = writer.isOpened()
        writer.release()
    if not can_write:
        raise PoseError(f"This OpenCV cannot write --codec {codec}; choose another, such as mp4v.")


def check_sound(name: str) -> None:
    """PoseError, before any work, where the sound of a source cannot be kept."""
    if shutil.which("ffmpeg") is None:
        raise PoseError("--write_video_with_audio takes the ffmpeg program, which is not here; install it.")
    if not Path(name).is_file():
        raise PoseError(f"--write_video_with_audio takes a clip in a file, which {name} is not; leave it out.")


def add_sound(clip: Path, source: Source, start: float, seconds: float) -> str | None:
    """Give a clip so many seconds of the source's sound, if there is any; what went wrong, or None."""
    heard = clip.with_name(f".sound{clip.name}")
    sound = ["-ss", str(start), "-t", str(seconds), "-i", source.name]
    command = ["ffmpeg", "-v", "error", "-y", "-i", str(clip), *sound, "-map", "0:v", "-map", "1:a?", "-c:v", "copy"]
    done = subprocess.run([*command, str(heard)], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        heard.unlink(missing_ok=True)
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        return f"ffmpeg could not add the sound of {source.name} ({said}); leave --write_video_with_audio out."
    heard.replace(clip)
    return None


def count_frames(path: Path) -> int:
    """How many frames a clip that we wrote tells of: OpenCV does not say when writing fails."""
    capture = cv2.VideoCapture(str(path))
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()
    return count


def progress(source: Source, quiet: bool = False) -> Iterable:
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
