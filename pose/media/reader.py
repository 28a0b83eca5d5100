"""Clips in: files and streams by PyAV, cameras by OpenCV, numbered pictures; read in a thread of its own."""

from __future__ import annotations

import contextlib
import functools
import itertools
import queue
import re
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from .. import PoseError
from .photos import on_white, read_picture

QUEUE_LENGTH = 4  # frames that may wait before or behind the network
USUAL_FPS = 30  # for sources that do not report theirs
INFERENCES_PER_SECOND = 15  # in a clip; poses in between are interpolated
MAX_STEP = 4  # frames from one inference to the next, at most
MAX_GAP = 10.0  # seconds between two frames of a source whose clock may jump; a larger gap is such a jump
MAX_REORDER = 32  # packets by which a frame may stand later in the file than it is shown, with a margin
SILENT_FOR = 10  # seconds after which an address that sends nothing counts as ended
TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
NUMBER = re.compile(r"%(0\d+)?d")  # in the name of numbered pictures

Frame = tuple[int, float | None, Callable[[], np.ndarray]]  # number, seconds since the first if known, its picture


class ClipReader:
    """A clip's frames: iterate for (frame number, seconds since its first, frame (H, W, 3)).

    `name` is a path, a camera's number, an address or numbered pictures such as frame_%04d.png.
    """

    def __init__(self, name: str, first: int = 0, last: int = -1, step: int = 1, rotate: int = 0) -> None:
        self.name, self.first, self.last, self.step, self.rotate = name, first, last, step, rotate
        self.source: Any = Camera(name) if name.isdecimal() else Pictures(name) if is_numbered(name) else Video(name)
        self.fps_guessed = not 0 < self.source.fps <= 1000
        self.source_fps = USUAL_FPS if self.fps_guessed else float(self.source.fps)
        self.fps = self.source_fps / step
        count = self.source.count  # a container's estimate; 0: not known
        self.end = count if last < 0 else min(count, last + 1)
        self.frames_read, self.ended = 0, False
        self.t = 0.0  # of the frame read last
        self.error: PoseError | None = None
        self.queue: queue.Queue = queue.Queue(QUEUE_LENGTH)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.read, daemon=True)

    def __enter__(self) -> ClipReader:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.thread.join(timeout=5)
        if not self.thread.is_alive():  # else a camera or address hangs, and the process ends without it
            self.source.close()

    def stop(self) -> None:
        """The frame that is taken next is the last."""
        self.stopping.set()

    @property
    def network_step(self) -> int:
        """Every which frame the network should see."""
        return min(MAX_STEP, max(1, round(self.fps / INFERENCES_PER_SECOND)))

    @property
    def stream(self) -> Any:
        """What PyAV knows of a file or address; None for cameras and numbered pictures."""
        return getattr(self.source, "stream", None)

    @property
    def sound_file(self) -> str:
        """For PyAV, the file whose sound belongs to the frames; empty where there is none."""
        has_sound = self.stream is not None and not is_live(self.name) and self.source.container.streams.audio
        return self.source.name if has_sound else ""

    @property
    def pixel_aspect(self) -> Fraction:
        """A pixel's width by its height, as the frames are turned."""
        aspect = self.source.pixel_aspect
        return 1 / aspect if self.rotate in (90, 270) else aspect

    @property
    def notes(self) -> list[str]:
        """What was found wrong with the clip, as sentences without their full stops."""
        notes = [f"{self.name} {note}" for note in self.source.notes]
        if self.ended and self.t * self.source_fps + 1 < 0.9 * self.end:
            counts = f"gave {self.frames_read} frames of the {len(self)} that its container reports"
            notes.append(f"{self.name} {counts}: it may be cut off or damaged")
        return notes

    def __len__(self) -> int:
        """How many frames to expect; 0 where the source does not report it."""
        return max(0, -(-(self.end - self.first) // self.step))

    def read(self) -> None:
        try:
            for number, t, picture in self.timed(self.source.frames(self.first)):
                if self.stopping.is_set() or 0 <= self.last < number:
                    break
                self.t = t
                if number >= self.first and (number - self.first) % self.step == 0:
                    frame = picture()
                    self.put((number, t, cv2.rotate(frame, TURNS[self.rotate]) if self.rotate else frame))
        except PoseError as error:
            self.error = error
        except (av.FFmpegError, MemoryError, cv2.error) as error:
            self.error = PoseError(f"A frame of {self.name} cannot be read ({error})", "video")
        self.put(None)

    def timed(self, frames: Iterator[Frame]) -> Iterator[tuple[int, float, Callable[[], np.ndarray]]]:
        """The frames at rising times; where the source has none, or its clock jumps, they follow the frame rate."""
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
            if item is None:
                self.ended = True
                break
            self.frames_read += 1
            yield item
        if self.error:
            raise self.error


class Camera:
    """A camera's frames, without end."""

    count, max_gap, pixel_aspect, notes = 0, MAX_GAP, Fraction(1), ()

    def __init__(self, number: str) -> None:
        try:
            self.capture = cv2.VideoCapture(int(number))
        except cv2.error:  # a number that no camera can have
            self.capture = cv2.VideoCapture()
        if not self.capture.isOpened():
            raise PoseError(f"Camera {number} does not answer", "video")
        self.fps = self.capture.get(cv2.CAP_PROP_FPS)

    def frames(self, first: int) -> Iterator[Frame]:
        number, start = 0, None
        while self.capture.grab():
            t = self.capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            start = t if start is None else start
            ok, picture = self.capture.retrieve()
            if ok:
                yield number, t - start, functools.partial(np.asarray, picture)
            number += 1

    def close(self) -> None:
        self.capture.release()


class Pictures:
    """Numbered pictures, as many as are there; one that is missing is a longer time between two frames."""

    max_gap, pixel_aspect, fps = float("inf"), Fraction(1), 0

    def __init__(self, name: str) -> None:
        pattern = Path(name)
        before, _, after = NUMBER.split(pattern.name, maxsplit=1)
        matches = re.compile(re.escape(before) + r"(\d+)" + re.escape(after)).fullmatch
        found = [match for path in pattern.parent.glob("*") if (match := matches(path.name))]
        found = [match for match in found if pattern.name % int(match[1]) == match[0]]
        self.paths = {int(match[1]): pattern.parent / match[0] for match in found}
        if not self.paths:
            raise PoseError(f"There is no picture {name}", "video")
        self.start = min(self.paths)
        self.count = max(self.paths) - self.start + 1
        missing = self.count - len(self.paths)
        self.notes = [f"lacks {missing} of the numbers from {self.start} to {max(self.paths)}"] if missing else []

    def frames(self, first: int) -> Iterator[Frame]:
        for number in sorted(self.paths):
            path = self.paths[number]
            if number - self.start >= first:
                yield number - self.start, (number - self.start) / USUAL_FPS, functools.partial(read_picture, path)

    def close(self) -> None:
        pass


class Video:
    """A clip's file or a stream's address, by PyAV. start: the clock, in seconds, at frame 0."""

    def __init__(self, name: str) -> None:
        if not is_live(name):
            check_file(Path(name))
        self.name = name if is_live(name) else f"file:{name}"  # else a colon in a path would mean a protocol
        self.open()
        rate = self.stream.average_rate if self.container.duration else self.stream.guessed_rate
        self.fps = float(rate or 0)
        seconds = (self.container.duration or 0) / av.time_base
        self.count = self.stream.frames or round(seconds * self.fps)
        may_jump = self.container.format.flags & av.format.Flags.ts_discont.value
        self.max_gap = MAX_GAP if may_jump else float("inf")
        self.start, self.broken, self.turned = 0.0, 0, False
        self.matrix: list[list[float]] | None = None  # how players turn the pictures
        self.reformatter = VideoReformatter()  # one for all frames: it is slow to set up

    def open(self) -> None:
        try:
            options = {"rtsp_transport": "tcp"} if self.name.startswith("rtsp") else {}
            self.container: Any = av.open(
                self.name, "r", options=options, metadata_errors="replace", timeout=SILENT_FOR
            )
        except av.FFmpegError as error:
            reason = "does not answer" if is_live(self.name) else "is not a clip that FFmpeg can play"
            raise PoseError(f"{self.name.removeprefix('file:')} {reason} ({error.strerror})", "video") from error
        stream: Any = self.container.streams.best("video")
        if stream is None or stream.disposition & av.stream.Disposition.attached_pic:
            reason = (
                "has sound but no pictures" if self.container.streams.audio else "is not a clip that FFmpeg can play"
            )
            self.container.close()
            raise PoseError(f"{self.name.removeprefix('file:')} {reason}", "video")
        stream.thread_type = "AUTO"
        self.stream = stream

    @property
    def pixel_aspect(self) -> Fraction:
        aspect = self.stream.sample_aspect_ratio or Fraction(1)
        return 1 / aspect if self.turned else aspect

    @property
    def notes(self) -> list[str]:
        return [f"has {self.broken} damaged frames or packets"] if self.broken else []

    def frames(self, first: int) -> Iterator[Frame]:
        target = self.seek(first) if first and not is_live(self.name) else None
        number, frames = 0, self.decode()
        if target is not None:
            number, landed = first, next(frames, None)
            if landed is None or landed.pts is None or landed.pts > target:  # behind it: go there frame by frame
                self.reopen()
                frames = self.decode()
            else:
                frames = itertools.chain([landed], frames)
        for frame in frames:
            if target is not None and frame.pts is not None and frame.pts < target:
                continue
            t = None if frame.pts is None else float(frame.pts * frame.time_base)
            self.start = t or 0.0 if number == 0 else self.start
            self.broken += frame.is_corrupt
            yield number, None if t is None else t - self.start, functools.partial(self.picture, frame)
            number += 1

    def decode(self) -> Iterator[Any]:
        with contextlib.suppress(av.FFmpegError):  # the file breaks off: ClipReader.notes says so
            for packet in self.container.demux(self.stream):
                try:
                    frames = packet.decode()
                except av.FFmpegError:
                    self.broken += 1
                    continue
                yield from frames

    def seek(self, first: int) -> int | None:
        """Go to the last keyframe before a frame. The time stamp of that frame; None where the file has no such."""
        times: list[int] = []
        keys: list[Any] = []
        with contextlib.suppress(av.FFmpegError):
            for packet in itertools.islice(self.container.demux(self.stream), first + MAX_REORDER):
                if packet.size and not packet.is_discard:
                    times.append(packet.pts)
                    keys += [packet] if packet.is_keyframe else []
        if None in times or not times:
            self.reopen()
            return None
        times.sort()
        target = times[first] if first < len(times) else times[-1] + 1
        self.start = float(times[0] * self.stream.time_base)
        before = [key.pts if key.dts is None else key.dts for key in keys if key.pts <= target]
        try:
            self.container.seek(before[-1] if before else times[0], stream=self.stream)
        except av.FFmpegError:  # no file to seek in, such as a GIF
            self.reopen()
        return target

    def reopen(self) -> None:
        self.container.close()
        self.open()

    def picture(self, frame: Any) -> np.ndarray:
        """The frame (H, W, 3) as players show it: turned as its metadata say, what is see-through on white."""
        has_alpha = any(component.is_alpha for component in frame.format.components)
        picture: np.ndarray = self.reformatter.reformat(frame, format="bgra" if has_alpha else "bgr24").to_ndarray()
        if has_alpha:
            picture = on_white(picture[:, :, :3], picture[:, :, 3])
        if self.matrix is None:  # asked of one frame: PyAV's answer keeps a frame in memory
            data = frame.side_data.get("DISPLAYMATRIX")
            matrix = np.eye(3) if data is None else np.frombuffer(data, np.int32).reshape(3, 3)
            self.matrix = matrix[:2, :2].tolist()
        (a, b), (c, d) = self.matrix
        self.turned = a == d == 0
        if self.turned:
            picture, a, d = cv2.transpose(picture), c, b
        flip = {(True, False): 1, (False, True): 0, (True, True): -1}.get((a < 0, d < 0))
        return picture if flip is None else cv2.flip(picture, flip)

    def close(self) -> None:
        self.container.close()


def is_live(name: str) -> bool:
    """Whether a source's name is a camera's number or an address, not a path."""
    return name.isdecimal() or "://" in name


def is_numbered(name: str) -> bool:
    """Whether a source's name stands for numbered pictures, such as frame_%04d.png."""
    return not is_live(name) and len(NUMBER.findall(name)) == 1 and name.count("%") == 1 and not Path(name).exists()


def check_file(path: Path) -> None:
    """PoseError where there is nothing to read."""
    problem = "is a folder" if path.is_dir() else "is not there" if not path.exists() else ""
    if path.is_file() and not path.stat().st_size:
        problem = "is empty"
    if problem:
        raise PoseError(f"{path} {problem}", "video")
