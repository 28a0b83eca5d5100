"""Writes clips in a thread of its own: each frame at its own time, with the source's sound."""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from .. import PoseError
from .atomic import atomic_write, write_error
from .codecs import CODECS, GIF_STEP, Codec, palette_filter
from .reader import QUEUE_LENGTH, ClipReader
from .sound import Sound
from .sources import ANY_TEXT
from .storage import Name, open_file

MIN_FPS = Fraction(1, 1001)  # with a large step between frames
UNSPECIFIED = 2  # FFmpeg's number for an unknown colour matrix


@contextlib.contextmanager
def clip_writer(
    path: Path, fps: float, codec: str = "h264", source: ClipReader | None = None, **options: Any
) -> Iterator[ClipWriter]:
    """A ClipWriter with its options. The clip takes its final name when complete, and that of `partial` after Ctrl-C.

    source: the clip whose sound, form of pixels and colour tags the new one gets.
    """
    with atomic_write(path, options.get("partial")) as temporary:
        rate = max(MIN_FPS, Fraction(fps).limit_denominator(1001))
        writer = ClipWriter(path, temporary, rate, CODECS[codec], source, **options)
        try:
            yield writer
        finally:
            writer.close()  # raises also after Ctrl-C, so that no broken clip is kept as a partial one


@dataclass
class ClipWriter:
    """Encodes frames in a thread of its own into `temporary`, which will be called `path`. notes: what went wrong.

    resumes_at: seconds of the first frame of the clip `partial`, which this one continues. comment: for the clip.
    """

    path: Path
    temporary: Path
    fps: Fraction
    codec: Codec
    source: ClipReader | None = None
    with_sound: bool = True
    partial: Path | None = None
    resumes_at: float | None = None
    comment: str = ""

    def __post_init__(self) -> None:
        self.queue: queue.Queue[tuple[av.VideoFrame, float] | None] = queue.Queue(QUEUE_LENGTH)
        self.clip: Any = None  # of PyAV, as is its stream
        self.error: Exception | None = None
        self.notes: list[str] = []
        self.sound: Sound | None = None
        self.first_t, self.end, self.pts = 0.0, 0.0, -1
        self.thread = threading.Thread(target=self.write_loop, daemon=True)
        self.thread.start()

    def write(self, frame: np.ndarray, t: float) -> None:
        """Queue a frame (H, W, 3) of time t in seconds; all have the first one's size."""
        if self.error:
            raise self.error
        self.queue.put((self.codec.frame(frame), t))

    def close(self) -> None:
        """Wait until all frames are written; raises what went wrong. It may be called again."""
        self.queue.put(None)
        self.thread.join()
        if self.error:
            raise self.error

    def write_loop(self) -> None:
        try:
            while (item := self.queue.get()) is not None:
                self.encode(*item)
            self.finish()
        except Exception as error:
            is_ours = isinstance(error, PoseError)
            self.error = error if is_ours else write_error(self.path, error)
            with contextlib.suppress(av.FFmpegError, OSError):
                if self.clip:
                    self.clip.close()
            while item is not None:  # so that write() does not block on a full queue
                item = self.queue.get()

    def encode(self, frame: av.VideoFrame, t: float) -> None:
        if self.clip is None:
            self.first_t = t if self.resumes_at is None else self.resumes_at
            self.open(frame.width, frame.height)
            if self.partial and self.resumes_at is not None:
                self.copy(self.partial)
        pts = round((t - self.first_t) / self.codec.time_base)
        if self.codec.is_gif and 0 <= self.pts > pts - GIF_STEP:
            return
        self.pts, self.end = max(pts, self.pts + 1), t - self.first_t + float(1 / self.fps)
        self.mux_sound(t - self.first_t)
        if self.codec.is_gif:
            self.palette.push(frame)
            frame = self.palette.pull()
        frame.pts, frame.time_base = self.pts, self.codec.time_base
        frame.duration = max(1, round(1 / self.fps / self.codec.time_base))
        self.clip.mux(self.stream.encode(frame))

    def copy(self, path: Path) -> None:
        """Copy a clip's packets; the frames of a GIF, which depend on each other, are encoded anew."""
        with av.open(f"file:{path}") as clip:
            stream: Any = clip.streams.video[0]
            if self.codec.is_gif:
                for frame in clip.decode(stream):
                    self.encode(frame.reformat(format="bgr24"), self.first_t + (frame.time or 0))
                return
            is_h264 = self.codec.encoder == "libx264"  # MP4 stores it in another form than the encoder's
            bitstream = "h264_mp4toannexb" if is_h264 else "null"
            packets: Any = map(av.BitStreamFilterContext(bitstream, stream).filter, clip.demux(stream))
            for packet in itertools.chain.from_iterable(packets):
                t = float(packet.pts * packet.time_base)
                self.pts = round(t / self.codec.time_base)
                self.mux_sound(t)
                packet.stream = self.stream
                self.clip.mux(packet)

    def open(self, w: int, h: int) -> None:
        """Start the clip, without its sound where that fails."""
        has_sound = self.with_sound and self.codec.sounds and self.source and self.source.sound_file
        for with_sound in (True, False) if has_sound else (False,):
            try:
                return self.start(w, h, with_sound)
            except (av.FFmpegError, ValueError) as error:
                if not with_sound:
                    size = f"{w}x{h}, {float(self.fps):g} fps"
                    raise PoseError(f"Cannot write {self.path} ({size}): {reason(error)}", "codec") from error
                self.give_up_sound(error)

    def start(self, w: int, h: int, with_sound: bool) -> None:
        options = {"fflags": "+bitexact"}  # no random number in Matroska files
        options |= {"movflags": "+faststart"} if self.codec.suffix in (".mp4", ".mov") else {}
        self.clip = av.open(f"file:{self.temporary}", "w", options=options)
        self.clip.metadata["comment"] = self.comment
        self.stream = self.codec.add_stream(self.clip, w, h, self.fps)
        if self.codec.is_gif:
            self.palette = palette_filter(w, h)
        context = self.stream.codec_context
        if self.source:
            context.sample_aspect_ratio = self.source.pixel_aspect
        if self.source and self.source.stream:
            tags = self.source.stream.codec_context
            context.color_primaries, context.color_trc = tags.color_primaries, tags.color_trc
            if tags.colorspace == UNSPECIFIED:  # decoded as BT.601; players then choose the same as for the source
                context.colorspace = UNSPECIFIED
        if self.source and with_sound:
            self.sound = Sound(self.clip, self.source.sound_file, self.codec, self.source.source.start + self.first_t)
        self.clip.start_encoding()

    def mux_sound(self, t: float) -> None:
        """Write the sound up to t seconds; where that fails, the clip has no more sound."""
        if self.sound:
            try:
                self.sound.mux_until(t)
            except (av.FFmpegError, ValueError) as error:
                self.give_up_sound(error)

    def give_up_sound(self, error: Exception) -> None:
        self.notes.append(f"The sound of {self.source and self.source.name} could not be kept ({reason(error)})")
        self.sound = None

    def finish(self) -> None:
        if self.clip is None:
            return
        whole = self.source is not None and self.source.ended and self.source.last < 0
        self.mux_sound(float("inf") if whole else self.end)
        self.clip.mux(self.stream.encode(None))
        self.clip.close()


def reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def has_comment(clip: Name, comment: str) -> bool:
    """Whether a clip carries the comment; a GIF carries none."""
    with (
        contextlib.suppress(av.FFmpegError, OSError),
        open_file(clip) as file,
        av.open(file, **ANY_TEXT) as container,
    ):
        return comment in container.metadata.values()
    return False
