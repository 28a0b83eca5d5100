import re
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose import PoseError
from pose.media.clips import ClipReader, Stopwatch, check_codec, check_sound, clip_writer


def make_clip(path, frames=10, fps=25.0, size_wh=(64, 48), codec="mp4v"):
    """Frame n is grey 20·n."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, size_wh)
    for n in range(frames):
        writer.write(np.full((size_wh[1], size_wh[0], 3), 20 * n, np.uint8))
    writer.release()
    return str(path)


def read(name, **options):
    with ClipReader(name, **options) as source:
        return [(number, frame.mean() / 20) for number, _, frame in source]


def cut_off(path):
    make_clip(path)
    return path.read_bytes()[:700]


@pytest.fixture
def clip(tmp_path):
    return make_clip(tmp_path / "my clip ü.mp4")


def test_every_frame_in_order(clip):
    frames = read(clip)
    assert [number for number, _ in frames] == list(range(10))
    assert [round(grey) for _, grey in frames] == list(range(10))


def test_first_last_step(clip):
    frames = read(clip, first=2, last=8, step=3)
    assert [(number, round(grey)) for number, grey in frames] == [(2, 2), (5, 5), (8, 8)]
    source = ClipReader(clip, first=2, last=8, step=3)
    assert len(source) == 3
    assert source.fps == pytest.approx(25 / 3)


class Times:
    """Stands in for a capture whose frames come at these seconds."""

    def __init__(self, times, told):
        self.times, self.told, self.at = times, told, -1

    def grab(self):
        self.at += 1
        return self.at < len(self.times)

    def retrieve(self):
        return True, np.full((48, 64, 3), self.at, np.uint8)

    def get(self, what):
        return {cv2.CAP_PROP_FPS: 25, cv2.CAP_PROP_FRAME_COUNT: self.told}.get(what) or 1000 * self.times[self.at]

    def release(self):
        pass


def times_of(monkeypatch, times, told=0, **options):
    monkeypatch.setattr("pose.media.clips.open_capture", lambda _: Times(times, told))
    with ClipReader("clip.mkv", **options) as source:
        return [round(t, 3) for _, t, _ in source], source


@pytest.mark.parametrize(
    ("told", "right"),
    [
        ([0, 0.033, 0.2, 0.24], [0, 0.033, 0.2, 0.24]),  # a variable rate
        ([1.4, 1.44, 1.5], [0, 0.04, 0.1]),  # MPEG-TS
        ([0, 0, 0, 0], [0, 0.04, 0.08, 0.12]),  # a source that does not tell
        ([0, 0.04, 9999, 9999.05], [0, 0.04, 0.08, 0.13]),  # a jump
        ([5, 5.04, 0, 0.04], [0, 0.04, 0.08, 0.12]),  # and one back
    ],
)
def test_when_frames_are_shown(monkeypatch, told, right):
    assert times_of(monkeypatch, told)[0] == pytest.approx(right)
    assert times_of(monkeypatch, told, first=1, step=2)[0] == pytest.approx(right[1::2])


def test_a_clip_is_cut_off_if_it_ends_early_not_if_its_rate_varies(monkeypatch):
    assert times_of(monkeypatch, [0, 0.04, 0.08], told=20)[1].is_cut_off
    assert not times_of(monkeypatch, [0, 0.04, 0.76], told=20)[1].is_cut_off
    assert not times_of(monkeypatch, [0, 0.04, 0.08], told=20, last=2)[1].is_cut_off


def written(path, times):
    """Which of the frames, grey 20·n at these seconds, an even clip of 25 a second shows."""
    with clip_writer(path, 25) as sink:
        for n, t in enumerate(times):
            sink.write(np.full((48, 64, 3), 20 * n, np.uint8), t)
    return [round(grey) for _, grey in read(str(path))]


def test_an_even_clip_of_uneven_frames_lasts_as_long(tmp_path):
    even = [n / 25 for n in range(12)]
    assert written(tmp_path / "even.mp4", [t + 7 for t in even]) == list(range(12))
    trembling = [t + (0.02 if n % 2 else 0) for n, t in enumerate(even)]
    assert written(tmp_path / "trembling.mp4", trembling) == list(range(12))
    gap = [0, 0.04, 0.08, 0.28, 0.32]
    assert written(tmp_path / "gap.mp4", gap) == [0, 1, 2, 2, 2, 2, 3, 4]
    dense = [n / 100 for n in range(12)]
    assert written(tmp_path / "dense.mp4", dense) == [0, 1, 4, 8]


def test_rotate(clip):
    for turn, shape in ((0, (48, 64)), (90, (64, 48)), (180, (48, 64)), (270, (64, 48))):
        with ClipReader(clip, rotate=turn) as source:
            assert next(iter(source))[2].shape[:2] == shape


def test_leaving_early_ends_the_reader(clip):
    with ClipReader(clip) as source:
        next(iter(source))
    assert not source.thread.is_alive()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "is not there"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"Dear diary,\n" * 50), "not a clip"),
        (lambda path: path.write_bytes(cut_off(path)), "not a clip"),
    ],
)
def test_what_is_no_clip(tmp_path, make, says):
    path = tmp_path / "clip.mp4"
    make(path)
    with pytest.raises(PoseError, match=says):
        ClipReader(str(path))


@pytest.mark.parametrize(("fps", "size_wh"), [(30, (64, 48)), (29.97, (64, 48)), (23.976, (80, 60)), (7.5, (33, 21))])
def test_what_is_written_has_the_same_frames_rate_and_size(tmp_path, fps, size_wh):
    path = tmp_path / "out" / "clip ü.mp4"
    with clip_writer(path, fps) as sink:
        for n in range(12):
            sink.write(np.full((size_wh[1], size_wh[0], 3), 20 * n, np.uint8), n / fps)
    capture = cv2.VideoCapture(str(path))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(fps, abs=0.002)
    frames = []
    while (got := capture.read())[0]:
        frames.append(got[1])
    assert [round(frame.mean() / 20) for frame in frames] == list(range(12))
    w, h = size_wh
    assert frames[0].shape[:2] == (h + h % 2, w + w % 2)
    assert [p.name for p in path.parent.iterdir()] == ["clip ü.mp4"]


def test_an_error_leaves_no_clip_and_the_old_one_as_it_was(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), clip_writer(path, 25) as sink:
        sink.write(np.zeros((48, 64, 3), np.uint8), 0.0)
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_ctrl_c_leaves_a_clip_of_what_was_done(tmp_path):
    path = tmp_path / "clip.mp4"
    with pytest.raises(KeyboardInterrupt), clip_writer(path, 25) as sink:
        for n in range(7):
            sink.write(np.zeros((48, 64, 3), np.uint8), n / 25)
        raise KeyboardInterrupt
    assert [p.name for p in tmp_path.iterdir()] == ["clip-partial.mp4"]
    assert len(read(str(tmp_path / "clip-partial.mp4"))) == 7


@pytest.mark.parametrize("name", ["50%.mp4", "a%04d.mp4", "q?x.mp4"])
def test_names_that_mean_something_elsewhere(tmp_path, name):
    with clip_writer(tmp_path / name, 25) as sink:
        sink.write(np.zeros((48, 64, 3), np.uint8), 0.0)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_number_that_no_camera_can_have():
    with pytest.raises(PoseError, match="does not answer"):
        ClipReader("99999999999999999999")


def test_a_clip_that_did_not_arrive_whole_is_no_clip(tmp_path, monkeypatch):
    """As on a full disk, of which OpenCV says nothing."""
    path = tmp_path / "clip.mp4"

    class FullDisk:
        def __init__(self, name, *_):
            self.name = name

        def isOpened(self):
            return True

        def write(self, frame):
            pass

        def release(self):
            Path(self.name).write_bytes(b"half")

    monkeypatch.setattr(cv2, "VideoWriter", FullDisk)
    with pytest.raises(PoseError, match="disk full"), clip_writer(path, 25) as sink:
        sink.write(np.zeros((48, 64, 3), np.uint8), 0.0)
    assert list(tmp_path.iterdir()) == []


def test_what_opencv_cannot_write_is_one_sentence(tmp_path):
    path = tmp_path / "clip.mp4"
    with pytest.raises(PoseError, match="cannot write"), clip_writer(path, -1) as sink:
        for _ in range(100):
            sink.write(np.zeros((48, 64, 3), np.uint8), 0.0)
    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() == 1


@pytest.mark.parametrize(
    ("fps", "step", "looks_at_every"), [(30, 1, 2), (25, 1, 2), (60, 1, 4), (240, 1, 4), (30, 3, 1)]
)
def test_about_15_looks_a_second(tmp_path, fps, step, looks_at_every):
    assert ClipReader(make_clip(tmp_path / "clip.mp4", fps=fps), step=step).network_step == looks_at_every


def test_a_codec_that_this_opencv_lacks(monkeypatch):
    check_codec("mp4v")
    monkeypatch.setattr("pose.media.clips.CODECS", {"none": (".mp4", "NONE")})
    with pytest.raises(PoseError, match="cannot write none"):
        check_codec("none")


def test_sound_takes_ffmpeg_and_a_file(clip, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: "/somewhere/ffmpeg")
    check_sound(clip)
    with pytest.raises(PoseError, match="not a file"):
        check_sound("0")
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(PoseError, match="ffmpeg"):
        check_sound(clip)


def test_sound_that_ffmpeg_cannot_add_is_one_sentence_and_leaves_nothing(clip, tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "ffmpeg").write_text("#!/bin/sh\necho no such codec >&2\nexit 1\n")
    (folder / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    out = tmp_path / "out" / "clip.mp4"
    with (
        pytest.raises(PoseError, match="no such codec"),
        ClipReader(clip) as source,
        clip_writer(out, 25, sound_of=source) as sink,
    ):
        for _, t, frame in source:
            sink.write(frame, t)
    assert list(out.parent.iterdir()) == []


def test_the_stopwatch_says_where_the_time_went():
    clock = Stopwatch()
    with clock("working"):
        time.sleep(0.05)
    assert list(clock.waiting(iter("ab"), "waiting")) == ["a", "b"]
    assert clock.seconds["working"] >= 0.05
    assert clock.seconds["waiting"] < 0.05
    assert re.fullmatch(r"2 frames, \d\.\d s, \d+ a second \(working \d+ %, .*waiting \d+ %\)", clock.report(2))
