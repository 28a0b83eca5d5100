"""The sources of a clip's frames: a file or an address by PyAV, a camera by OpenCV, numbered pictures."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from .. import PoseError
from .photos import check_is_file, on_white, read_picture
from .report import counted
from .storage import is_remote

USUAL_FPS = 30  # for sources that do not report theirs
CLOCK_JUMP = 10.0  # seconds between two frames, where the source's clock may jump; longer is a jump
MAX_REORDER = 32  # packets by which a frame may come later in the file than it is shown
# Text in a clip's file may have any encoding, which PyAV 19 accepts by default.
ANY_TEXT: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
DECODER_THREADS = 2  # each needs memory for pictures, and two are faster than the inference
SILENT_FOR = 10  # seconds after which an address that sends nothing counts as ended
FILE_PROTOCOLS = {"protocol_whitelist": "file"}  # that a playlist, which is a file, may make FFmpeg open
LIVE_PROTOCOLS = {"protocol_whitelist": "http,https,tls,tcp,udp,rtp,rtsp,rtmp,rtmps,srt,crypto,httpproxy"}
NUMBER = re.compile(r"%(0\d+)?d")  # in the name of numbered pictures

SourceFrame = tuple[int, float | None, Callable[[], np.ndarray]]  # number, seconds if known, picture


class Camera:
    """A camera's frames, without end."""

    count, max_gap, pixel_aspect, notes, is_endless = 0, CLOCK_JUMP, Fraction(1), (), True

    def __init__(self, number: str) -> None:
        self.number = number
        self.open()
        self.fps = self.capture.get(cv2.CAP_PROP_FPS)

    def open(self) -> None:
        try:
            self.capture = cv2.VideoCapture(int(self.number))
        except cv2.error:  # a number that no camera can have
            self.capture = cv2.VideoCapture()
        if not self.capture.isOpened():
            raise PoseError(f"Camera {self.number} cannot be opened", "video")

    def frames(self, first: int) -> Iterator[SourceFrame]:
        number, start = 0, None
        while self.capture.grab():
            t = self.capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            start = t if start is None else start
            ok, picture = self.capture.retrieve()
            if ok:
                yield number, t - start, functools.partial(np.asarray, picture)
            number += 1

    def reopen(self) -> None:
        self.close()
        self.open()

    def close(self) -> None:
        self.capture.release()


class Pictures:
    """Numbered pictures; where one is missing, the time between two frames is longer."""

    max_gap, pixel_aspect, fps, is_endless = float("inf"), Fraction(1), 0, False

    def __init__(self, name: str) -> None:
        pattern = Path(name)
        before, _, after = NUMBER.split(pattern.name, maxsplit=1)
        matches = re.compile(re.escape(before) + r"(\d+)" + re.escape(after)).fullmatch
        found = [match for path in pattern.parent.glob("*") if (match := matches(path.name))]
        found = [match for match in found if pattern.name % int(match[1]) == match[0]]
        paths = sorted((int(match[1]), pattern.parent / match[0]) for match in found)
        if not paths:
            raise PoseError(f"There is no picture {name}", "video")
        start, end = paths[0][0], paths[-1][0]
        self.paths = [(number - start, path) for number, path in paths]
        self.count = end - start + 1
        missing = self.count - len(paths)
        self.notes = [f"lacks {missing} of the numbers from {start} to {end}"] if missing else []

    def frames(self, first: int) -> Iterator[SourceFrame]:
        for number, path in self.paths:
            if number >= first:
                yield number, number / USUAL_FPS, functools.partial(read_picture, path)

    def close(self) -> None:
        pass


class Video:
    """A clip's file or a stream's address. start: the container's time, in seconds, of frame 0."""

    def __init__(self, name: str) -> None:
        self.is_live = is_live(name)
        if not self.is_live:
            check_is_file(Path(name), "video")
        self.name = name if self.is_live else f"file:{name}"  # FFmpeg would take a colon in a path for a protocol's
        self.open()
        rate = self.stream.average_rate if self.container.duration else self.stream.guessed_rate
        self.fps = float(rate or 0)
        seconds = (self.container.duration or 0) / av.time_base
        self.count = self.stream.frames or round(seconds * self.fps)
        may_jump = self.container.format.flags & av.format.Flags.ts_discont.value
        self.max_gap = CLOCK_JUMP if may_jump else float("inf")
        has_size = (self.container.size or 0) > 0  # PyAV 19 has None for streams
        is_file = has_size and self.container.format.name != "hls"  # also one on a server
        self.is_endless = self.is_live and not seconds and not is_file
        self.start, self.broken, self.breaks_off, self.transposed = 0.0, 0, False, False
        self.matrix: list[list[float]] | None = None  # by which players rotate and flip the pictures
        self.reformatter = VideoReformatter()  # one for all frames: it is slow to set up

    def open(self) -> None:
        name = self.name.removeprefix("file:")
        options = LIVE_PROTOCOLS if "://" in name else FILE_PROTOCOLS
        options = options | ({"rtsp_transport": "tcp"} if name.startswith("rtsp") else {})
        try:
            self.container: Any = av.open(self.name, "r", None, options, timeout=SILENT_FOR, **ANY_TEXT)
        except av.FFmpegError as error:
            argument = "permissions" if isinstance(error, PermissionError) else "video"
            raise PoseError(f"{name} cannot be opened as a clip ({error.strerror})", argument) from error
        stream: Any = self.container.streams.best("video")
        has_pictures = stream is not None and not stream.disposition & av.stream.Disposition.attached_pic
        if not has_pictures or stream.codec_context is None:
            self.container.close()
            problem = "is of a codec that FFmpeg cannot decode" if has_pictures else "has no moving pictures"
            raise PoseError(f"{name} {problem}", "video")
        stream.thread_type, stream.codec_context.thread_count = "AUTO", DECODER_THREADS
        self.stream = stream

    @property
    def pixel_aspect(self) -> Fraction:
        aspect = self.stream.sample_aspect_ratio or Fraction(1)
        return 1 / aspect if self.transposed else aspect

    @property
    def notes(self) -> list[str]:
        damaged = counted(self.broken, "damaged frame or packet", "damaged frames or packets")
        notes = [f"has {damaged}"] if self.broken else []
        return notes + (["stopped sending"] if self.breaks_off and self.is_live else [])

    def frames(self, first: int) -> Iterator[SourceFrame]:
        target = self.seek(first) if first and not self.is_live else None
        number, frames = 0, self.decode()
        if target is not None:
            number, landed = first, next(frames, None)
            if landed is None or landed.pts is None or landed.pts > target:  # past the target: decode from the start
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
        if number == 0 and self.name.startswith("http"):  # an MP4's index is usually at its end
            raise PoseError(f"{self.name} sends no frame, as its server may not let a player seek; download it first")

    def decode(self) -> Iterator[Any]:
        try:
            for packet in self.container.demux(self.stream):
                try:
                    frames = packet.decode()
                except av.FFmpegError:
                    self.broken += 1
                    continue
                yield from frames
        except av.FFmpegError:  # ClipReader.notes reports how much of a file was read
            self.breaks_off = True

    def seek(self, first: int) -> int | None:
        """Go to the last keyframe before a frame; returns the frame's time stamp, None without usable time stamps."""
        times: list[int] = []
        keys: list[Any] = []
        with contextlib.suppress(av.FFmpegError):
            for packet in itertools.islice(self.container.demux(self.stream), first + MAX_REORDER):
                if packet.size and not packet.is_discard:
                    times.append(packet.pts)
                    keys += [packet] if packet.is_keyframe else []
        has_times = bool(times) and None not in times
        if not has_times or (np.abs(np.diff(times)) * float(self.stream.time_base) > self.max_gap).any():
            self.reopen()
            return None
        times.sort()
        target = times[first] if first < len(times) else times[-1] + 1
        self.start = float(times[0] * self.stream.time_base)
        before = [key.pts if key.dts is None else key.dts for key in keys if key.pts <= target]
        try:
            self.container.seek(before[-1] if before else times[0], stream=self.stream)
        except av.FFmpegError:  # the format has no seeking, such as GIF
            self.reopen()
        return target

    def reopen(self) -> None:
        self.container.close()
        self.open()
        self.breaks_off = False

    def picture(self, frame: Any) -> np.ndarray:
        """The frame (H, W, 3) as players show it: rotated by its metadata, transparency on white."""
        has_alpha = any(component.is_alpha for component in frame.format.components)
        picture: np.ndarray = self.reformatter.reformat(frame, format="bgra" if has_alpha else "bgr24").to_ndarray()
        if has_alpha:
            picture = on_white(picture[:, :, :3], picture[:, :, 3])
        if self.matrix is None:  # read once, as PyAV then keeps the frame in memory
            data = frame.side_data.get("DISPLAYMATRIX")
            matrix = np.eye(3) if data is None else np.frombuffer(data, np.int32).reshape(3, 3)
            self.matrix = matrix[:2, :2].tolist()
        (a, b), (c, d) = self.matrix
        self.transposed = a == d == 0
        if self.transposed:
            picture, a, d = cv2.transpose(picture), c, b
        flip = {(True, False): 1, (False, True): 0, (True, True): -1}.get((a < 0, d < 0))
        return picture if flip is None else cv2.flip(picture, flip)

    def close(self) -> None:
        self.container.close()


def is_live(name: str) -> bool:
    """Whether the name is a camera's number or an address, not a path."""
    return name.isdecimal() or "://" in name


def is_numbered(name: str) -> bool:
    """Whether the name stands for numbered pictures, such as frame_%04d.png."""
    return not is_live(name) and len(NUMBER.findall(name)) == 1 and name.count("%") == 1 and not os.path.exists(name)


def source_files(name: str) -> list[Path | str]:
    """A source's files; none for cameras and addresses."""
    if is_numbered(name):
        return [path for _, path in Pictures(name).paths]
    return [name] if is_remote(name) or not is_live(name) else []


def stem_of(name: str) -> str:
    """The stem of the results' names: a file's, an address's last part, or the camera."""
    stem = Path(name.split("?")[0] if "://" in name else name).stem
    if name.isdecimal():
        return f"camera{name}"
    return NUMBER.sub("", stem).strip("-_") or "frames" if is_numbered(name) else stem
