"""A clip's sound, by PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av

from .codecs import Codec
from .sources import ANY_TEXT, FILE_PROTOCOLS

SEEK_BACK = 1.0  # seconds, as the sound of a time may come before its picture in the file


class Sound:
    """The sound of a source from `start`, in seconds of its clock; copied, or encoded where the container needs it."""

    def __init__(self, clip: Any, name: str, codec: Codec, start: float) -> None:
        self.clip, self.start = clip, start
        self.container: Any = av.open(name, options=FILE_PROTOCOLS, **ANY_TEXT)
        self.stream = self.container.streams.audio[0]
        if self.stream.codec_context is None:
            raise ValueError("FFmpeg cannot decode its codec")
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
        """Packets at the clip's time, from the first one that is heard in it."""
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
