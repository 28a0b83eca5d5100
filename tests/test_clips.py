import contextlib
import http.server
import itertools
import os
import re
import shutil
import socket
import struct
import subprocess
import threading
import time
import wave
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest

import get_hpe_video
from pose import PoseError, cli
from pose.clip import Clips
from pose.media import reader
from pose.media.codecs import CODECS
from pose.media.reader import ClipReader
from pose.media.sources import Video, stem_of
from pose.media.writer import clip_writer


def grey(n, size_wh=(64, 48)):
    return np.full((size_wh[1], size_wh[0], 3), 20 * (n % 13), np.uint8)


def make_clip(path, frames=10, fps=25, size_wh=(64, 48), codec="mpeg4", times=None, pix_fmt=None, sound=None, **tags):
    """Frame n is grey 20·(n % 13), at times[n] seconds; with a rising tone as long as the clip in the codec `sound`."""
    with av.open(str(path), "w") as clip:
        stream = clip.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt = (
            *size_wh,
            pix_fmt or stream.codec_context.codec.video_formats[0].name,
        )
        stream.codec_context.time_base = Fraction(1, 24000)
        for tag, value in tags.items():
            setattr(stream.codec_context, tag, value)
        tone = clip.add_stream(sound, rate=48000, layout="mono") if sound else None
        for n, t in enumerate(times or [n / fps for n in range(frames)]):
            frame = av.VideoFrame.from_ndarray(grey(n, size_wh), "bgr24")
            frame.pts, frame.time_base = round(t * 24000), Fraction(1, 24000)
            clip.mux(stream.encode(frame))
        clip.mux(stream.encode(None))
        if tone:
            wave = np.sin((np.arange(int(48000 * frames / fps)) / 48000) ** 2 * 2000)
            samples = av.AudioFrame.from_ndarray((wave * 12000).astype(np.int16)[None], "s16", "mono")
            samples.sample_rate, samples.pts = 48000, 0
            clip.mux(tone.encode(samples))
            clip.mux(tone.encode(None))
    return str(path)


def read(name, **options):
    """Each frame's number, time and grey; and the reader."""
    with ClipReader(str(name), **options) as source:
        return [(number, round(t, 4), round(frame.mean() / 20)) for number, t, frame in source], source


def packets(path, kind):
    with av.open(str(path)) as clip:
        return [(float(p.pts * p.time_base), bytes(p)) for p in clip.demux(clip.streams.best(kind)) if p.size]


@pytest.fixture
def clip(tmp_path):
    return make_clip(tmp_path / "my clip: ü.mp4")


def test_every_frame_and_those_from_first_to_last_by_a_step(clip):
    assert read(clip)[0] == [(n, round(n / 25, 4), n) for n in range(10)]
    frames, source = read(clip, first=2, last=8, step=3)
    assert frames == [(2, 0.08, 2), (5, 0.2, 5), (8, 0.32, 8)]
    assert source.frames_expected == 3
    assert source.fps == pytest.approx(25 / 3)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi", "a.gif"])
def test_the_first_frame_is_the_same_with_and_without_seeking(tmp_path, name):
    codec = {"avi": "mjpeg", "gif": "gif"}.get(name[2:], "libx264")
    path = make_clip(tmp_path / name, frames=120, codec=codec, **({} if codec == "gif" else {"gop_size": 12}))
    everything = read(path)[0]
    assert len(everything) == 120
    for first in (1, 11, 12, 13, 77, 119):
        assert read(path, first=first)[0] == everything[first:]
    assert read(path, first=120)[0] == []


def test_the_first_frame_is_sought(tmp_path, monkeypatch):
    path = make_clip(tmp_path / "a.mp4", frames=120, codec="libx264", gop_size=12)
    decoded, decode = [], Video.decode
    monkeypatch.setattr(Video, "decode", lambda self: (decoded.append(frame) or frame for frame in decode(self)))
    assert [number for number, _, _ in read(path, first=119)[0]] == [119]
    assert len(decoded) < 24


def test_where_seeking_lands_too_late_it_is_done_frame_by_frame(tmp_path, monkeypatch):
    path, seek = make_clip(tmp_path / "a.mkv", frames=60, codec="libx264", gop_size=6), Video.seek

    def too_late(self, first):
        target = seek(self, first)
        self.container.seek(2_000_000)
        return target

    monkeypatch.setattr(Video, "seek", too_late)
    assert [number for number, _, _ in read(path, first=9)[0]] == list(range(9, 60))


def test_a_relative_path_with_a_colon_is_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_clip("file:data:b.mp4")
    assert len(read("data:b.mp4")[0]) == 10


def test_each_frame_has_its_own_time(tmp_path):
    times = [0, 0.033, 0.2, 0.24, 20.5]
    frames, source = read(make_clip(tmp_path / "a.mkv", times=times, codec="libx264"))
    assert [t for _, t, _ in frames] == times
    assert source.notes == []


def test_a_clock_that_does_not_start_at_0_or_jumps(tmp_path):
    path = make_clip(tmp_path / "a.ts", times=[5, 5.04, 5.08, 999, 999.04], codec="libx264")
    frames, _ = read(path)
    assert [t for _, t, _ in frames] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])
    assert read(path, first=4)[0] == frames[4:]


def test_a_file_without_times_goes_by_its_rate(tmp_path):
    path = make_clip(tmp_path / "a.h264", codec="libx264", fps=10)
    frames, source = read(path)
    assert [number for number, _, _ in frames] == list(range(10))
    assert [t for _, t, _ in frames] == pytest.approx([n / source.source_fps for n in range(10)], abs=0.001)
    assert read(path, first=4)[0] == frames[4:]
    assert source.frames_expected == 0  # not known
    assert read(make_clip(tmp_path / "b.mkv", codec="mjpeg", fps=10_000))[1].fps == 30  # nor is such a rate


def turn_metadata(path, matrix):
    """Write the (2, 2) matrix into the track header of an MP4 file."""
    data, unity = path.read_bytes(), struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    (a, b), (c, d) = matrix
    at = data.index(unity, data.index(b"tkhd"))
    one = struct.pack(">9i", *(0x10000 * v for v in (a, b, 0, c, d, 0, 0, 0)), 0x40000000)
    path.write_bytes(data[:at] + one + data[at + 36 :])


@pytest.mark.parametrize(
    ("matrix", "upright"),
    [
        (((0, 1), (-1, 0)), lambda p: cv2.rotate(p, cv2.ROTATE_90_CLOCKWISE)),
        (((-1, 0), (0, -1)), lambda p: cv2.rotate(p, cv2.ROTATE_180)),
        (((0, -1), (1, 0)), lambda p: cv2.rotate(p, cv2.ROTATE_90_COUNTERCLOCKWISE)),
        (((-1, 0), (0, 1)), lambda p: cv2.flip(p, 1)),  # a mirror image, as of some front cameras
    ],
)
def test_a_clip_is_read_as_players_turn_it(tmp_path, matrix, upright):
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24, :32] = 100
    picture[24:, :32] = 200
    path = tmp_path / "a.mp4"
    with clip_writer(path, 25) as sink:
        sink.write(picture, 0.0)
    turn_metadata(path, matrix)
    with ClipReader(str(path)) as source:
        ((_, _, frame),) = source
    assert frame.shape == upright(picture).shape
    assert np.abs(frame.astype(int) - upright(picture)).mean() < 3


def test_rotate(clip):
    for turn, shape in ((0, (48, 64)), (90, (64, 48)), (180, (48, 64)), (270, (64, 48))):
        with ClipReader(clip, rotate=turn) as source:
            assert next(iter(source))[2].shape[:2] == shape


def test_what_is_see_through_lies_on_white(tmp_path):
    with av.open(str(tmp_path / "a.mov"), "w") as clip:
        stream = clip.add_stream("png", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgba"
        layers = np.full((48, 64, 4), 255, np.uint8)
        layers[:, :, :3] = 100
        layers[:24, :, 3] = 0
        clip.mux(stream.encode(av.VideoFrame.from_ndarray(layers, "rgba")))
        clip.mux(stream.encode(None))
    with ClipReader(str(tmp_path / "a.mov")) as source:
        ((_, _, frame),) = source
    assert (frame[:24] == 255).all()
    assert (frame[24:] == 100).all()


def test_ten_bits_and_hdr(tmp_path):
    bt2020, pq = 9, 16
    path = make_clip(
        tmp_path / "a.mp4", codec="libx265", pix_fmt="yuv420p10le", color_primaries=bt2020, color_trc=pq, colorspace=9
    )
    with ClipReader(path) as source, clip_writer(tmp_path / "b.mp4", source.fps, source=source) as sink:
        for _, t, frame in source:
            sink.write(frame, t)
    assert [n for _, _, n in read(tmp_path / "b.mp4")[0]] == list(range(10))
    with av.open(str(tmp_path / "b.mp4")) as clip:
        context = clip.streams.video[0].codec_context
        assert (context.color_primaries, context.color_trc, context.pix_fmt) == (bt2020, pq, "yuv420p")
        assert context.colorspace == 6  # BT.601's matrix, with which it was written


def test_colours_come_through(tmp_path):
    """Through every codec, and from every matrix and range of colours that the source is tagged with."""
    bgr = [(200, 60, 30), (40, 180, 60), (50, 40, 210), (120, 120, 120)]
    picture = np.repeat(np.repeat(np.array(bgr, np.uint8).reshape(2, 2, 3), 32, 0), 32, 1)
    for codec in CODECS:
        path = tmp_path / f"a{CODECS[codec].suffix}"
        with clip_writer(path, 25, codec) as sink:
            for n in range(3):
                sink.write(picture, n / 10)
        for matrix in (1, 6) if codec == "h264" else (None,):
            if matrix:
                retag(path, tmp_path / "tagged.mp4", matrix)
                copy(tmp_path / "tagged.mp4", path)
            with ClipReader(str(path)) as source:
                frame = next(iter(source))[2].astype(int)
            for y, x in ((16, 16), (16, 48), (48, 16), (48, 48)):
                assert np.abs(frame[y, x] - picture[y, x]).max() < 12, (codec, matrix)


def retag(path, out, matrix):
    """The same pictures in another matrix of colours."""
    with av.open(str(path)) as source, av.open(str(out), "w") as clip:
        stream = clip.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.codec_context.colorspace = matrix
        for frame in source.decode(video=0):
            bgr = frame.to_ndarray(format="bgr24")
            yuv = av.VideoFrame.from_ndarray(bgr, "bgr24").reformat(
                format="yuv420p", dst_colorspace={1: 1, 6: 5}[matrix]
            )
            yuv.pts = frame.pts and round(frame.time * 25)
            clip.mux(stream.encode(yuv))
        clip.mux(stream.encode(None))


def copy(name, out, codec="h264", **options):
    with ClipReader(str(name), **options) as source, clip_writer(out, source.fps, codec, source) as sink:
        for _, t, frame in source:
            sink.write(frame, t)
    return sink


@pytest.mark.parametrize("codec", CODECS)
def test_a_step_longer_than_the_clip_leaves_one_frame(tmp_path, clip, codec):
    copy(clip, tmp_path / f"b{CODECS[codec].suffix}", codec, step=2**31 - 1)
    assert [shade for _, _, shade in read(tmp_path / f"b{CODECS[codec].suffix}")[0]] == [0]


def test_a_pixel_keeps_its_form(tmp_path):
    path = make_clip(tmp_path / "a.mp4", codec="libx264", sample_aspect_ratio=Fraction(2))
    for rotate, aspect in ((0, 2), (90, Fraction(1, 2)), (270, Fraction(1, 2)), (0, Fraction(1, 2))):
        copy(path, tmp_path / "b.mp4", rotate=rotate)
        with av.open(str(tmp_path / "b.mp4")) as clip:
            assert clip.streams.video[0].sample_aspect_ratio == aspect
            assert clip.streams.video[0].codec_context.colorspace == 2  # untagged as the source's, and guessed alike
        if rotate == 270:
            turn_metadata(Path(path), ((0, 1), (-1, 0)))


def test_what_results_are_called_after():
    names = {"rtsp://a/b/live.ts?k=c/d.e": "live", "97": "camera97", "in/f-%04d.png": "f", "%d.png": "frames"}
    assert {name: stem_of(name) for name in names} == names


def test_damage_is_reported(tmp_path):
    path = tmp_path / "a.mkv"
    make_clip(path, frames=100, codec="mjpeg")
    whole = path.read_bytes()
    (_, packet) = packets(path, "video")[60]
    path.write_bytes(whole[: len(whole) // 2])
    frames, source = read(path)
    assert 30 < len(frames) < 60
    (note,) = source.notes
    assert "of the 100 that its container reports: it may be cut off" in note
    assert read(path, last=9)[1].notes == []
    path.write_bytes(whole[: len(whole) * 95 // 100])  # an estimate may be a little off
    assert read(path)[1].notes == []
    damaged, at = bytearray(whole), whole.index(packet)
    damaged[at : at + len(packet)] = bytes(len(packet))
    path.write_bytes(damaged)
    frames, source = read(path)
    assert len(frames) == 99
    assert "has 1 damaged frame or packet" in source.notes[0]


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread")])
def test_what_the_reader_fails_of_is_raised_where_frames_are_asked_for(clip, monkeypatch, error):
    monkeypatch.setattr(Video, "picture", lambda *_: (_ for _ in ()).throw(error))
    with pytest.raises(type(error)):
        read(clip)


def test_leaving_early_ends_the_reader(clip):
    with ClipReader(clip) as source:
        next(iter(source))
    assert not source.thread.is_alive()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "cannot be opened as a clip .No such file or directory"),
        (lambda path: path.mkdir(), "cannot be opened as a clip .Is a directory"),
        pytest.param(
            lambda path: os.mkfifo(path),
            "is a pipe, device or socket",
            marks=pytest.mark.skipif(os.name == "nt", reason="needs POSIX pipes"),
        ),
        (lambda path: path.write_bytes(b""), "cannot be opened as a clip .Invalid data"),
        (lambda path: path.write_bytes(b"Dear diary,\n" * 50), "cannot be opened as a clip"),
        (lambda path: (make_clip(path), path.write_bytes(path.read_bytes()[:700])), "has no moving pictures"),
        (lambda path: make_sound(path), "has no moving pictures"),
        (lambda path: path.write_bytes(of_unknown_codec(path, b"V_MJPEG")), "is of a codec that FFmpeg cannot decode"),
    ],
)
def test_what_is_no_clip(tmp_path, make, says):
    path = tmp_path / "clip.mp4"
    make(path)
    with pytest.raises(PoseError, match=says):
        ClipReader(str(path))


@pytest.fixture
def web(tmp_path):
    """A web server of tmp_path, which sends whole files only: its address, and the paths that it is asked for."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path))

        def log_message(self, *_):
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_a_playlist_leads_to_files_beside_it_and_nowhere_else(tmp_path, web):
    address, asked = web
    make_clip(tmp_path / "a.ts", codec="libx264")

    def playlist(*lines, name="list.m3u8"):
        (tmp_path / name).write_text("\n".join(["#EXTM3U", "#EXT-X-TARGETDURATION:9", *lines, "#EXT-X-ENDLIST"]))
        return tmp_path / name

    assert len(read(playlist("#EXTINF:0.4,", "a.ts"))[0]) == 10
    for inner in (f"{address}/a.ts", f"concat:{tmp_path}/a.ts", f"subfile,,start,0,end,0,,:{tmp_path}/a.ts"):
        with pytest.raises(PoseError, match=r"cannot be opened as a clip|no moving pictures"):
            ClipReader(str(playlist("#EXTINF:0.4,", inner)))
    assert asked == []
    playlist("#EXTINF:0.4,", f"file://{tmp_path}/a.ts")
    for outer in ("", "concat:", "file:///dev/null|"):
        with pytest.raises(PoseError, match=r"cannot be opened as a clip|no moving pictures"):
            ClipReader(f"{outer}{address}/list.m3u8")
    with pytest.raises(PoseError, match="cannot be opened as a clip"):
        ClipReader(f"concat:{address}/a.ts")
    playlist("#EXTINF:0.4,", "a.ts")
    assert len(read(f"{address}/list.m3u8")[0]) == 10


def of_unknown_codec(path, codec):
    """The bytes of a Matroska clip with sound in which a codec has another name."""
    clip = path.with_suffix(".mkv")
    make_clip(clip, codec="mjpeg", sound="ac3")
    data = clip.read_bytes()
    assert codec in data
    return data.replace(codec, codec[:-1] + b"X")


def make_sound(path):
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 8000, 8000, "NONE", ""))
        sound.writeframes(bytes(16000))


def test_a_clip_that_may_not_be_read_has_its_own_remedy(clip, monkeypatch):
    def refuse(*_, **__):
        raise av.error.PermissionError(13, "Permission denied")

    monkeypatch.setattr(av, "open", refuse)
    with pytest.raises(PoseError, match=r"cannot be opened as a clip \(Permission denied\)") as caught:
        ClipReader(clip)
    assert cli.REMEDIES[caught.value.argument].startswith("check its permissions")


def test_an_address_plays_where_its_server_cannot_seek_if_its_index_comes_first(tmp_path, web):
    make_clip(tmp_path / "end.mp4", frames=40, codec="mjpeg", size_wh=(640, 480))
    copy(tmp_path / "end.mp4", tmp_path / "start.mp4")
    address, _ = web
    assert len(read(f"{address}/start.mp4")[0]) == 40
    with pytest.raises(PoseError, match=f"{address}/end.mp4 sends no frame.*; download it first"):
        read(f"{address}/end.mp4")
    with pytest.raises(PoseError, match="Server returned 404 Not Found"):
        read(f"{address}/none.mp4")


def test_an_address_that_falls_silent_is_noted(tmp_path, monkeypatch):
    monkeypatch.setattr("pose.media.sources.SILENT_FOR", 0.5)
    data = Path(make_clip(tmp_path / "a.ts", frames=100, codec="libx264", size_wh=(640, 480))).read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def send():
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + data)
                connection.recv(1 << 16)
                connection.recv(1)  # until the reader goes away

        (thread := threading.Thread(target=send)).start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"
        frames, source = read(address)
        thread.join()
    assert len(frames) > 50
    assert f"{address} stopped sending" in source.notes


@contextlib.contextmanager
def sender(path, times):
    """The address of a server that sends a file so often and hangs up, a second after it did so the last time."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def send(server):
            with server, server.accept()[0] as connection:
                connection.sendall(path.read_bytes())

        def send_again(first):
            send(first)
            for _ in range(times - 1):
                time.sleep(1)
                send(socket.create_server(("127.0.0.1", port)))

        (thread := threading.Thread(target=send_again, args=[server], daemon=True)).start()
        yield f"tcp://127.0.0.1:{port}"
        thread.join()


def test_an_address_that_comes_back_is_gone_on_with(tmp_path):
    said = []
    make_clip(tmp_path / "a.ts", codec="libx264")
    with sender(tmp_path / "a.ts", 2) as address:
        frames, source = read(address, last=19, on_lost=said.append)
    assert [number for number, _, _ in frames] == list(range(20))
    assert [picture for _, _, picture in frames] == [*range(10)] * 2
    times = np.diff([t for _, t, _ in frames])
    assert times[9] > 1
    assert np.delete(times, 9) == pytest.approx(0.04)
    assert said[0] == f"{address} stopped sending; waiting for it to come back."
    assert re.fullmatch(f"{address} is back after [1-9] s.", said[1])
    assert len(said) == 2
    assert re.fullmatch(f"{address} sent nothing for [1-9] s", source.notes[0])


def test_a_camera_that_comes_back_is_gone_on_with(monkeypatch):
    """Of OpenCV's cameras that are opened, the second is not there, and each other one gives three frames."""
    cameras = []

    class Capture:
        def __init__(self, _):
            self.left = 3
            cameras.append(self)

        def isOpened(self):
            return len(cameras) != 2

        def get(self, prop):
            return 25.0 if prop == cv2.CAP_PROP_FPS else 7000 - 40.0 * self.left

        def grab(self):
            self.left -= 1
            return self.left >= 0

        def retrieve(self):
            return True, grey(self.left)

        def release(self):
            pass

    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    monkeypatch.setattr(reader, "RETRY_EVERY", 0.2)
    said = []
    frames, _ = read("0", last=5, on_lost=said.append)
    times = np.diff([t for _, t, _ in frames])
    assert [picture for _, _, picture in frames] == [2, 1, 0] * 2
    assert 0.4 < times[2] < 5
    assert np.delete(times, 2) == pytest.approx(0.04)
    assert said[0] == "0 stopped sending; waiting for it to come back."


def test_a_file_that_a_server_sends_has_an_end(tmp_path, web):
    make_clip(tmp_path / "a.ts", codec="libx264", sound="aac")
    assert len(read(f"{web[0]}/a.ts", on_lost=lambda _: 1 / 0)[0]) == 10
    assert copy(f"{web[0]}/a.ts", tmp_path / "b.mp4").notes == []  # sound is of files only


def test_numbered_pictures_with_a_gap(tmp_path):
    for number in (7, 8, 11, 12, 100):
        cv2.imwrite(str(tmp_path / f"f-{number:03}.png"), grey(number % 10))
    (tmp_path / "f-8.png").write_text("not of them")
    frames, source = read(tmp_path / "f-%03d.png", last=10)
    assert frames == [(0, 0.0, 7), (1, round(1 / 30, 4), 8), (4, round(4 / 30, 4), 1), (5, round(5 / 30, 4), 2)]
    assert "lacks 89 of the numbers from 7 to 100" in source.notes[0]
    with pytest.raises(PoseError, match="no picture"):
        ClipReader(str(tmp_path / "g-%03d.png"))


def test_frames_of_other_sizes_are_fitted_into_the_first_ones(tmp_path):
    for number, size_wh in enumerate([(64, 48), (32, 80), (128, 96), (100, 10)]):
        cv2.imwrite(str(tmp_path / f"f-{number}.png"), grey(5, size_wh))
    with ClipReader(str(tmp_path / "f-%d.png"), rotate=90) as source:
        pictures = [picture for _, _, picture in source]
    assert [picture.shape for picture in pictures] == [(64, 48, 3)] * 4
    lit = [cv2.boundingRect((picture[:, :, 0] == 100).astype(np.uint8)) for picture in pictures]
    assert lit == [(0, 0, 48, 64), (0, 22, 48, 19), (0, 0, 48, 64), (21, 0, 6, 64)]
    assert [np.unique(picture).tolist() for picture in pictures] == [[100], [0, 100], [100], [0, 100]]


def test_a_number_that_no_camera_can_have():
    with pytest.raises(PoseError, match="cannot be opened"):
        ClipReader("99999999999999999999")


@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec != "gif"])
@pytest.mark.parametrize(
    ("fps", "size_wh"), [(29.97, (64, 48)), (23.976, (33, 21)), (0.5, (64, 48)), (1000, (64, 48)), (25, (16, 400))]
)
def test_what_is_written_has_the_same_frames_rate_and_size(tmp_path, codec, fps, size_wh):
    path = tmp_path / "out" / f"clip ü{CODECS[codec].suffix}"
    with clip_writer(path, fps, codec) as sink:
        for n in range(12):
            sink.write(grey(n, size_wh), n / fps)
    frames, source = read(path)
    assert [n for _, _, n in frames] == list(range(12))
    assert [t for _, t, _ in frames] == pytest.approx([n / fps for n in range(12)], abs=0.001)
    assert source.fps == pytest.approx(min(fps, 240) if codec == "av1" else fps, rel=0.001)
    w, h = size_wh
    assert (source.stream.width, source.stream.height) == (w + w % 2, h + h % 2)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("codec", ["h264", "mp4v", "vp9", "mjpg"])
def test_a_variable_rate_stays_so(tmp_path, codec):
    times = [0, 0.04, 0.05, 0.3, 5, 5.04]
    copy(
        make_clip(tmp_path / "a.mkv", times=times, codec="libx264"), out := tmp_path / f"b{CODECS[codec].suffix}", codec
    )
    assert read(out)[0] == [(n, t, n) for n, t in enumerate(times)]


def test_a_gif_is_small_and_plays_at_its_speed(tmp_path):
    with clip_writer(tmp_path / "a.gif", 60, "gif") as sink:
        for n in range(13):
            sink.write(grey(n, (960, 480)), n / 60)
    frames, source = read(tmp_path / "a.gif")
    assert [n for _, _, n in frames] == [0, 4, 8, 12]
    assert [t for _, t, _ in frames] == pytest.approx([0, 0.07, 0.13, 0.2])
    assert (source.stream.width, source.stream.height) == (480, 240)
    with clip_writer(tmp_path / "b.gif", 60, "gif") as sink:
        sink.write(grey(1, (2, 2000)), 0)
    assert read(tmp_path / "b.gif")[1].stream.width == 1


def test_h264_plays_everywhere(clip, tmp_path):
    copy(clip, tmp_path / "b.mp4")
    data = (tmp_path / "b.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # so that a browser shows it before it has all
    with av.open(str(tmp_path / "b.mp4")) as result:
        assert result.streams.video[0].codec_context.pix_fmt == "yuv420p"


BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), "")
PAGE = """<script>
for (const name of %s) {
  const video = document.createElement("video")
  const frames = () => video.getVideoPlaybackQuality().totalVideoFrames
  const report = event => console.log(`PLAYED ${name} ${event.type} ${frames()}`)
  Object.assign(video, {src: name, muted: true, onended: report, onerror: report})
  video.play()
}
</script>"""


@pytest.mark.skipif(not BROWSER, reason="needs Chromium or Chrome, which play H.264")
def test_a_browser_plays_clips_to_their_end(tmp_path):
    source, names = make_clip(tmp_path / "a.mkv", frames=30, codec="libx264", sound="aac"), {}
    for codec in ("h264", "vp9", "av1", "mp4v"):
        names[codec] = f"{codec}{CODECS[codec].suffix}"
        copy(source, tmp_path / names[codec], codec)
    (tmp_path / "page.html").write_text(PAGE % list(names.values()))
    command = [BROWSER, "--headless", "--no-sandbox", "--enable-logging=stderr", "--remote-debugging-port=0"]
    command += ["--autoplay-policy=no-user-gesture-required", f"--user-data-dir={tmp_path / 'profile'}"]
    with subprocess.Popen([*command, (tmp_path / "page.html").as_uri()], stderr=subprocess.PIPE, text=True) as browser:
        (timer := threading.Timer(60, browser.terminate)).start()
        reports = filter(None, map(re.compile(r"PLAYED (\S+) (\w+ \d+)").search, browser.stderr))
        played = dict(report.groups() for report in itertools.islice(reports, len(names)))
        timer.cancel()
        browser.terminate()
    frames = {codec: 0 if codec == "mp4v" else 30 for codec in names}  # of mp4v's a browser plays the sound alone
    assert played == {name: f"ended {frames[codec]}" for codec, name in names.items()}


@pytest.mark.parametrize(
    ("name", "sound", "codec", "kept"),
    [
        ("a.mp4", "aac", "h264", True),
        ("a.mkv", "libopus", "vp9", True),
        ("a.mkv", "libmp3lame", "mp4v", True),
        ("a.ts", "aac", "h264", True),
        ("a.avi", "pcm_s16le", "h264", False),
        ("a.mp4", "aac", "av1", False),
    ],
)
def test_the_sound_is_kept_in_step(tmp_path, name, sound, codec, kept):
    times = [n / 25 + 0.01 * (n % 3) for n in range(50)] if name == "a.mkv" else None  # a variable rate
    codec_in = "mjpeg" if name == "a.avi" else "libx264"
    path = make_clip(tmp_path / name, frames=50, codec=codec_in, times=times, sound=sound)
    for first, last in ((0, -1), (20, 40)):
        out = tmp_path / f"{first}{CODECS[codec].suffix}"
        assert copy(path, out, codec, first=first, last=last).notes == []
        here, there = packets(out, "audio"), packets(path, "audio")
        (out_start, *_), start = times_of(out), times_of(path)[first]
        if kept:  # bit for bit; the headers that MPEG-TS has before AAC go
            data = [data[7 if name == "a.ts" else 0 :] for _, data in there]
            at = data.index(here[0][1])
            assert data[at : at + len(here)] == [data for _, data in here]
            assert len(here) == len(there) or first
            late = [t - out_start - (there[at + n][0] - start) for n, (t, _) in enumerate(here)]
            assert np.abs(late).max() < 0.002
        assert here[-1][0] - here[0][0] == pytest.approx(2 if last < 0 else 21 / 25, abs=0.06)


def test_sound_that_goes_on_after_the_last_frame_is_kept(tmp_path):
    path = make_clip(tmp_path / "a.mp4", frames=50, times=[0, 0.04, 0.08], codec="libx264", sound="aac")
    copy(path, tmp_path / "b.mp4")
    assert packets(tmp_path / "b.mp4", "audio") == packets(path, "audio")


def times_of(path):
    return sorted(t for t, _ in packets(path, "video"))


def test_sound_that_cannot_be_kept_leaves_a_silent_clip_and_a_note(tmp_path, monkeypatch):
    path = make_clip(tmp_path / "a.mp4", codec="libx264", sound="aac")
    monkeypatch.setitem(CODECS, "h264", CODECS["h264"]._replace(sounds=("opus",), sound_encoder="no_such_codec"))
    (note,) = copy(path, tmp_path / "b.mp4").notes
    assert note.startswith(f"The sound of {path} could not be kept (")
    assert len(read(tmp_path / "b.mp4")[0]) == 10
    assert packets(tmp_path / "b.mp4", "video")


def test_sound_of_an_unknown_codec_is_left_out(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(of_unknown_codec(path, b"A_AC3"))
    assert copy(path, tmp_path / "b.mp4").notes == [
        f"The sound of {path} could not be kept (FFmpeg cannot decode its codec)"
    ]
    assert len(read(tmp_path / "b.mp4")[0]) == 10


def test_an_error_leaves_no_clip_and_the_old_one_as_it_was(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), clip_writer(path, 25) as sink:
        sink.write(grey(0), 0.0)
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["50%.mp4", "a%04d.mp4", "q?x.mp4", "a:b.mp4", "é.mp4", "x\udcff.mp4", "n\n.mp4"])
def test_any_name(tmp_path, name):
    with clip_writer(tmp_path / name, 25) as sink:
        sink.write(grey(3), 0.0)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert read(tmp_path / name)[0] == [(0, 0.0, 3)]


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX limits")
def test_a_full_disk_is_noticed_at_once(tmp_path):
    import resource

    noise = np.random.default_rng(0)
    limits, written = resource.getrlimit(resource.RLIMIT_FSIZE), 0
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        with pytest.raises(PoseError, match="File too large"), clip_writer(tmp_path / "a.mp4", 25) as sink:
            for n in range(200):
                sink.write(noise.integers(0, 256, (240, 320, 3), np.uint8), n / 25)
                written += 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert written < 20


def test_what_cannot_be_written_is_one_sentence(tmp_path):
    threads = threading.active_count()
    with pytest.raises(PoseError, match=r"not write .*20000x") as error, clip_writer(tmp_path / "a.mp4", 25) as sink:
        for _ in range(100):
            sink.write(np.zeros((2, 20000, 3), np.uint8), 0.0)
    assert cli.REMEDIES[error.value.argument] == "choose another --codec"
    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() == threads


@pytest.mark.parametrize(("fps", "step", "every"), [(30, 1, 2), (25, 1, 2), (60, 1, 4), (240, 1, 4), (30, 3, 1)])
def test_about_15_inferences_a_second(tmp_path, fps, step, every):
    assert ClipReader(make_clip(tmp_path / "clip.mp4", fps=fps), step=step).network_step == every


@pytest.mark.parametrize(
    ("words", "every"), [("", 2), ("--no_smooth", 1), ("--no_track", 1), ("--no_smooth --network_step 3", 3)]
)
def test_every_frame_is_inferred_where_each_counts_alone(words, every):
    clips = Clips(get_hpe_video.parse(words.split()), estimator=SimpleNamespace(description=""))
    assert clips.network_step(SimpleNamespace(network_step=2)) == every
