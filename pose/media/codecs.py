"""How clips are encoded."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import av
import cv2

ENCODER_THREADS = 4  # more need memory at 4K and save little time
MAX_AV1_RATE = Fraction(240)  # frames a second that its encoder accepts; frames keep their own times
MIN_PARALLEL = 64  # pixels; with a side of 24 the AV1 encoder's threads deadlock
GIF_SIDE, GIF_STEP = 480, 6  # at most so many pixels, at least so many hundredths of a second, to keep the file small
LIMITED, BT601 = 1, 6  # FFmpeg's numbers for the range and matrix of colours


class Codec(NamedTuple):
    """How a clip is encoded, which sound its container can hold, and how other sound is encoded."""

    suffix: str
    encoder: str
    pix_fmt: str
    options: dict[str, str]
    sounds: tuple[str, ...] = ("aac", "mp3", "ac3", "eac3", "alac", "opus", "flac")
    sound_encoder: str = "aac"
    time_base: Fraction = Fraction(1, 120000)  # seconds; exact for all usual frame rates

    @property
    def is_gif(self) -> bool:
        return self.encoder == "gif"

    def frame(self, picture: Any) -> av.VideoFrame:
        """A picture (H, W, 3) in the encoder's format, usually half the bytes. An odd side grows by 1."""
        h, w = picture.shape[:2]
        if w % 2 or h % 2:
            picture = cv2.copyMakeBorder(picture, 0, h % 2, 0, w % 2, cv2.BORDER_REPLICATE)
        if self.is_gif:
            scale = min(1, GIF_SIDE / max(h, w))
            size_wh = max(1, round(scale * w)), max(1, round(scale * h))
            picture = cv2.resize(picture, size_wh, interpolation=cv2.INTER_AREA)
        if self.pix_fmt == "yuv420p":  # three times as fast by OpenCV as by FFmpeg
            return av.VideoFrame.from_ndarray(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420), "yuv420p")
        return av.VideoFrame.from_ndarray(picture, "bgr24")

    def add_stream(self, clip: Any, w: int, h: int, fps: Fraction) -> Any:
        """The stream of frames w×h in a clip of PyAV."""
        options, rate = self.options, fps
        if self.encoder == "libsvtav1":
            rate = min(fps, MAX_AV1_RATE)
            options = options | ({"svtav1-params": "lp=1"} if min(w, h) < MIN_PARALLEL else {})
        stream = clip.add_stream(self.encoder, rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = w, h, self.pix_fmt
        context = stream.codec_context
        context.thread_count, context.time_base = ENCODER_THREADS, self.time_base
        if self.pix_fmt == "yuv420p":
            context.color_range, context.colorspace = LIMITED, BT601
        return stream


OPUS = (("opus", "vorbis"), "libopus")
CODECS = {
    # With a constant quantizer x264 analyses each frame once; a constant rate factor needs a second analysis.
    "h264": Codec(".mp4", "libx264", "yuv420p", {"preset": "ultrafast", "tune": "zerolatency", "qp": "20"}),
    "mp4v": Codec(".mp4", "mpeg4", "yuv420p", {"qmin": "2", "qmax": "3"}, time_base=Fraction(1, 60000)),  # its best
    "vp9": Codec(
        ".webm", "libvpx-vp9", "yuv420p", {"deadline": "realtime", "cpu-used": "8", "crf": "30", "b": "0"}, *OPUS
    ),
    "av1": Codec(".webm", "libsvtav1", "yuv420p", {"preset": "11", "crf": "35"}, *OPUS),
    "mjpg": Codec(".mov", "mjpeg", "yuvj420p", {"qmin": "2", "qmax": "4"}, ("aac", "mp3", "alac", "pcm_s16le")),
    "gif": Codec(".gif", "gif", "pal8", {}, (), "", Fraction(1, 100)),
}


def palette_filter(w: int, h: int) -> Any:
    """A filter that gives each frame its own palette, as 256 colours are too few for a whole clip."""
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
