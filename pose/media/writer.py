"""Clips out, by PyAV in a thread of its own: each frame at its own time, with the source's sound."""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import numpy as np

from .. import PoseError
from .reader import QUEUE_LENGTH, ClipReader
from .results import atomic_write, write_error
from .sources import ANY_TEXT, FILE_PROTOCOLS

MAX_AV1_RATE = Fraction(240)  # frames a second that its encoder takes; each frame's own time counts
ENCODER_THREADS = 4  # more take memory at 4K and gain little
MIN_PARALLEL = 64  # pixels; with a side of 24 the AV1 encoder's threads deadlock
SEEK_BACK = 1.0  # seconds before the time wanted, as the sound of a time may stand before its picture
GIF_SIDE, GIF_STEP = 480, 6  # pixels and hundredths of a second at least: larger ones get too heavy for a page or chat
LIMITED, BT601, UNSPECIFIED = 1, 6, 2  # FFmpeg's numbers for the range and matrix of colours


class Codec(NamedTuple):
    """How a clip is encoded, the sound that its container can hold as it is, and what other sound becomes."""

    suffix: str
    encoder: str
    pix_fmt: str
    options: dict[str, str]
    sounds: tuple[str, ...] = ("aac", "mp3", "ac3", "eac3", "alac", "opus", "flac")
    sound_encoder: str = "aac"
    time_base: Fraction = Fraction(1, 120000)  # seconds; exact for all usual frame rates


OPUS = (("opus", "vorbis"), "libopus")
CODECS = {
    "h264": Codec(".mp4", "libx264", "yuv420p", {"preset": "ultrafast", "tune": "zerolatency", "crf": "20"}),
    "mp4v": Codec(".mp4", "mpeg4", "yuv420p", {"qmin": "2", "qmax": "3"}, time_base=Fraction(1, 60000)),  # its best
    "vp9": Codec(
        ".webm", "libvpx-vp9", "yuv420p", {"deadline": "realtime", "cpu-used": "8", "crf": "30", "b": "0"}, *OPUS
    ),
    "av1": Codec(".webm", "libsvtav1", "yuv420p", {"preset": "11", "crf": "35"}, *OPUS),
    "mjpg": Codec(".mov", "mjpeg", "yuvj420p", {"qmin": "2", "qmax": "4"}, ("aac", "mp3", "alac", "pcm_s16le")),
    "gif": Codec(".gif", "gif", "pal8", {}, (), "", Fraction(1, 100)),
}


@contextlib.contextmanager
def clip_writer(
    path: Path, fps: float, codec: str = "h264", source: ClipReader | None = None, **options: Any
) -> Iterator[ClipWriter]:
    """A ClipWriter with its options. The clip takes its final name when complete, and that of `partial` after Ctrl-C.

    source: the clip whose sound, form of pixels and colour tags the new one gets.
    """
    with atomic_write(path, options.get("partial")) as part:
        writer = ClipWriter(path, part, Fraction(fps).limit_denominator(1001), CODECS[codec], source, **options)
        try:
            yield writer
        finally:
            writer.close()  # raises also after Ctrl-C: a clip that could not be written is not kept as a partial one


@dataclass
class ClipWriter:
    """Encodes frames in a thread of its own into `part`, which will be called `path`. notes: what went wrong.

    resumes_at: seconds of the first frame of the clip `partial`, from which this one goes on. comment: for the clip.
    """

    path: Path
    part: Path
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
        """Queue a frame (H, W, 3) of time t in seconds; all get the first one's size.

        An odd side grows by one pixel: codecs want even ones.
        """
        if self.error:
            raise self.error
        self.queue.put((self.to_yuv(frame), t))

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
            while item is not None:  # so that nobody waits for room in the queue
                item = self.queue.get()

    def to_yuv(self, picture: Any) -> av.VideoFrame:
        """The picture as the codec takes it, which is usually half the bytes."""
        h, w = picture.shape[:2]
        if w % 2 or h % 2:
            picture = cv2.copyMakeBorder(picture, 0, h % 2, 0, w % 2, cv2.BORDER_REPLICATE)
        if self.codec.encoder == "gif":
            scale = min(1, GIF_SIDE / max(h, w))
            size_wh = max(1, round(scale * w)), max(1, round(scale * h))
            picture = cv2.resize(picture, size_wh, interpolation=cv2.INTER_AREA)
        if self.codec.pix_fmt == "yuv420p":  # OpenCV does it three times as quickly as FFmpeg
            return av.VideoFrame.from_ndarray(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420), "yuv420p")
        return av.VideoFrame.from_ndarray(picture, "bgr24")

    def encode(self, frame: av.VideoFrame, t: float) -> None:
        if self.clip is None:
            self.first_t = t if self.resumes_at is None else self.resumes_at
            self.open(frame.width, frame.height)
            if self.partial and self.resumes_at is not None:
                self.copy(self.partial)
        pts = round((t - self.first_t) / self.codec.time_base)
        if self.codec.encoder == "gif" and 0 <= self.pts > pts - GIF_STEP:
            return
        self.pts, self.end = max(pts, self.pts + 1), t - self.first_t + float(1 / self.fps)
        self.mux_sound(t - self.first_t)
        if self.codec.encoder == "gif":
            self.palette.push(frame)
            frame = self.palette.pull()
        frame.pts, frame.time_base = self.pts, self.codec.time_base
        frame.duration = max(1, round(1 / self.fps / self.codec.time_base))
        self.clip.mux(self.stream.encode(frame))

    def copy(self, path: Path) -> None:
        """Copy a clip's pictures, encoded as they are; those of a GIF, which depend on each other, are encoded anew."""
        with av.open(f"file:{path}") as clip:
            stream: Any = clip.streams.video[0]
            if self.codec.encoder == "gif":
                for frame in clip.decode(stream):
                    self.encode(frame.reformat(format="bgr24"), self.first_t + (frame.time or 0))
                return
            is_h264 = self.codec.encoder == "libx264"  # an MP4 holds it in another form than the encoder gives it
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
        wants_sound = self.with_sound and self.codec.sounds and self.source and self.source.sound_file
        for with_sound in (True, False) if wants_sound else (False,):
            try:
                return self.start(w, h, with_sound)
            except (av.FFmpegError, ValueError) as error:
                if not with_sound:
                    size = f"{w}x{h}, {float(self.fps):g} fps"
                    raise PoseError(f"Cannot write {self.path} ({size}): {reason(error)}", "codec") from error
                self.give_up_sound(error)

    def start(self, w: int, h: int, with_sound: bool) -> None:
        options = {"fflags": "+bitexact"}  # without the random number that Matroska has for each file
        options |= {"movflags": "+faststart"} if self.codec.suffix in (".mp4", ".mov") else {}
        self.clip = av.open(f"file:{self.part}", "w", options=options)
        self.clip.metadata["comment"] = self.comment
        rate = min(self.fps, MAX_AV1_RATE) if self.codec.encoder == "libsvtav1" else self.fps
        in_turn = {"svtav1-params": "lp=1"} if self.codec.encoder == "libsvtav1" and min(w, h) < MIN_PARALLEL else {}
        self.stream = self.clip.add_stream(self.codec.encoder, rate=rate, options=self.codec.options | in_turn)
        self.stream.width, self.stream.height, self.stream.pix_fmt = w, h, self.codec.pix_fmt
        context = self.stream.codec_context
        context.thread_count, context.time_base = ENCODER_THREADS, self.codec.time_base
        if self.codec.encoder == "gif":
            self.palette = palette_filter(w, h)
        if self.codec.pix_fmt == "yuv420p":
            context.color_range, context.colorspace = LIMITED, BT601
        if self.source:
            context.sample_aspect_ratio = self.source.pixel_aspect
        if self.source and self.source.stream:
            tags = self.source.stream.codec_context
            context.color_primaries, context.color_trc = tags.color_primaries, tags.color_trc
            if tags.colorspace == UNSPECIFIED:  # decoded as BT.601; players then guess the same as for the source
                context.colorspace = UNSPECIFIED
        if self.source and with_sound:
            self.sound = Sound(self.clip, self.source.sound_file, self.codec, self.source.source.start + self.first_t)
        self.clip.start_encoding()

    def mux_sound(self, t: float) -> None:
        """The sound up to t seconds; a clip goes on without it where it fails."""
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


class Sound:
    """A clip's sound: the source's from `start` on, in seconds of its clock; copied, or encoded if it has to be."""

    def __init__(self, clip: Any, name: str, codec: Codec, start: float) -> None:
        self.clip, self.start = clip, start
        self.container: Any = av.open(name, options=FILE_PROTOCOLS, **ANY_TEXT)
        self.stream = self.container.streams.audio[0]
        self.copies = self.stream.codec.canonical_name in codec.sounds
        if self.copies:
            self.out = clip.add_stream_from_template(self.stream)
        else:
            layout = "mono" if self.stream.channels == 1 else "stereo"
            self.out = clip.add_stream(codec.sound_encoder, rate=48000, layout=layout)
        if start > SEEK_BACK:
            self.container.seek(int((start - SEEK_BACK) * av.time_base))
        self.packets = self.read()
        self.waiting: Any = next(self.packets, None)

    def read(self) -> Iterator[av.Packet]:
        """Packets at the clip's time, from the one on that sounds when it starts."""
        for packet in self.container.demux(self.stream):
            for item in [packet] if self.copies else packet.decode():
                shift = round(self.start / item.time_base)
                if item.pts is None or item.pts + (item.duration or 0) < shift:
                    continue
                item.pts -= shift
                if self.copies:
                    item.dts, item.stream = item.pts, self.out
                    yield item
                else:
                    yield from self.out.encode(item)
        if not self.copies:
            yield from self.out.encode(None)

    def mux_until(self, t: float) -> None:
        while self.waiting and float(self.waiting.pts * self.waiting.time_base) < t:
            self.clip.mux(self.waiting)
            self.waiting = next(self.packets, None)


def palette_filter(w: int, h: int) -> Any:
    """Gives each frame a palette of its own, as a GIF's 256 colours are too few for a whole clip."""
    graph: Any = av.filter.Graph()
    source = graph.add_buffer(width=w, height=h, format="bgr24", time_base=Fraction(1, 100))
    split, palette = graph.add("split"), graph.add("palettegen", "stats_mode=single")
    use, sink = graph.add("paletteuse", "new=1:dither=bayer:bayer_scale=3"), graph.add("buffersink")
    source.link_to(split)
    split.link_to(palette, 0, 0)
    split.link_to(use, 1, 0)
    palette.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    return graph


def reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
