"""What is left where a run ends early, and how --resume goes on from it. interrupt.py does much more of it."""

import os
import signal
import subprocess
import sys
import zlib

import cv2
import interrupt
import pytest
from conftest import restoring_signals
from test_clips import grey, make_clip, packets, read, sender, times_of

import get_hpe_video
from pose import PoseError, cli
from pose.clip import ClipJob
from pose.estimate import VideoPoseEstimator
from pose.media.codecs import CODECS
from pose.media.reader import ClipReader
from pose.media.results import settings_tag
from pose.options import PROJECT
from pose.signals import Signals
from pose.window import Windows

FRAMES = 20
OPTIONS = "--network blazepose --net_resolution 128x128 --write_json --no_display --output_dir".split()

pytestmark = pytest.mark.usefixtures("networks_loaded_once")


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_signals_at_random_moments(tmp_path):
    clip = interrupt.clip_with_sound(tmp_path / "walk.mp4")
    ends, wrong = interrupt.trials(clip, 1, seed=3, signals=[signal.SIGTERM, signal.SIGKILL])
    assert (wrong, sum(ends.values())) == ([], 2)


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize(
    ("name", "program", "handler", "code", "says"),
    [
        ("get_hpe_image", "bin/get_hpe_image", "default_int_handler", -signal.SIGINT, ""),
        ("get_hpe_video", "bin/get_hpe_video", "default_int_handler", -signal.SIGINT, ""),
        ("get_hpe_video", "bin/get_hpe_video", "SIG_IGN", 7, ""),  # as with nohup
        ("get_hpe_video", "mine.py", "default_int_handler", -signal.SIGINT, "KeyboardInterrupt\n"),
    ],
)
def test_ctrl_c_while_python_imports(tmp_path, name, program, handler, code, says):
    (tmp_path / "typing.py").write_text("import signal, sys; signal.raise_signal(signal.SIGINT); sys.exit(7)")
    lines = (
        f"import signal, sys; sys.argv = [{program!r}]; signal.signal(signal.SIGINT, signal.{handler}); import {name}"
    )
    env = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{PROJECT}"}
    done = subprocess.run([sys.executable, "-c", lines], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr[-len("KeyboardInterrupt\n") :]) == (code, says)


@pytest.fixture
def clip(tmp_path):
    return make_clip(tmp_path / "ü [1].mp4", frames=FRAMES, codec="libx264", sound="aac")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The command with these options, with two Ctrl-C while the frame `at` of a clip called NAME is drawn: its code."""
    render = ClipJob.render

    def run(*options, at=None, name=".mp4"):
        def interrupted(self, frame):
            if frame.number == at and self.name.endswith(name):
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
            return render(self, frame)

        monkeypatch.setattr(ClipJob, "render", interrupted)
        monkeypatch.setattr(cli, "signals", Signals())
        with restoring_signals():
            return cli.run(lambda: get_hpe_video.main([*OPTIONS, str(tmp_path), *options]))

    return run


def left(tmp_path):
    return sorted(path.name for path in (tmp_path / "VideoCOCO").iterdir())


HINT = "The rest: the same command with --resume.\n"
LEFT = ["ü [1]_json-partial", "ü [1]_skeleton_COCO-partial.checkpoint", "ü [1]_skeleton_COCO-partial.mp4"]
WHOLE = ["ü [1]_json", "ü [1]_skeleton_COCO.mp4"]


@pytest.mark.parametrize(("at", "frames"), [(0, 1), (7, 9), (8, 9), (19, 20)])
def test_ctrl_c_stops_after_the_next_inference(tmp_path, clip, run, capsys, at, frames):
    """What follows the last frame, such as the codec's end, is finished, and then nothing is left to do."""
    assert run(clip, at=at) == 130
    names = LEFT if frames < FRAMES else WHOLE
    assert left(tmp_path) == names
    assert len(read(tmp_path / "VideoCOCO" / names[-1])[0]) == frames
    assert len(list((tmp_path / "VideoCOCO" / names[0]).iterdir())) == frames
    assert capsys.readouterr().err == (HINT if frames < FRAMES else "") + "Stopped.\n"


@pytest.mark.parametrize("codec", CODECS)
def test_a_resumed_clip_is_as_one_without_interruption(tmp_path, clip, run, codec):
    options, folder, suffix = ["--codec", codec, clip], tmp_path / "VideoCOCO", CODECS[codec].suffix
    assert run(*options) == 0
    whole = (folder / WHOLE[1]).with_suffix(suffix).rename(tmp_path / f"whole{suffix}")
    json = {path.name: path.read_text() for path in (folder / WHOLE[0]).iterdir()}
    assert run(*options, at=4) == 130
    assert run(*options, "--resume", at=12) == 130
    assert run(*options, "--resume") == 0
    assert left(tmp_path) == [WHOLE[0], f"{WHOLE[1][:-4]}{suffix}"]
    resumed = folder / left(tmp_path)[1]
    assert times_of(resumed) == times_of(whole)
    assert {path.name: path.read_text() for path in (folder / WHOLE[0]).iterdir()} == json
    for (_, _, shade), (_, _, expected) in zip(read(resumed)[0], read(whole)[0], strict=True):
        assert shade == expected
    if codec != "gif":
        assert packets(resumed, "audio") == packets(whole, "audio")


def test_a_resumed_clip_keeps_its_size(tmp_path, run):
    for number in range(20):
        cv2.imwrite(str(tmp_path / f"{number:02}.png"), grey(5, (64, 48) if number < 5 else (32, 48)))
    assert run(str(tmp_path / "%02d.png"), at=9, name=".png") == 130
    assert run(str(tmp_path / "%02d.png"), "--resume") == 0
    with ClipReader(str(tmp_path / "VideoCOCO" / left(tmp_path)[1])) as source:
        pictures = [picture for _, _, picture in source]
    assert [picture.shape for picture in pictures] == [(48, 64, 3)] * 20
    assert [picture[:, 5].max() < 20 for picture in pictures] == [False] * 5 + [True] * 15


def test_plots_are_of_the_whole_clip(tmp_path, clip, run):
    options, sheet = ["--write_plot", "--frame_step", "2", clip], tmp_path / "VideoCOCO" / "ü [1]_poses_COCO.jpg"
    assert run(*options) == 0
    whole = sheet.read_bytes()
    sheet.unlink()
    assert run(*options, at=6) == 130
    assert run(*options, "--resume") == 0
    assert sheet.read_bytes() == whole


def test_a_table_is_of_the_whole_clip_and_of_all_clips(tmp_path, run):
    table, example = tmp_path / "t.csv", str(PROJECT / "Input" / "example_video1.mp4")
    nobody = make_clip(tmp_path / "nobody.mp4", frames=30)
    options = ["--write_table", str(table), "--frame_first", "20", "--frame_last", "32", example, nobody]
    options += ["--net_resolution", "208x208"]  # so that somebody is found
    assert run(*options) == 0
    whole = table.read_text()
    assert whole.count("\n") == 14
    for at, name in ((26, "1.mp4"), (20, "nobody.mp4")):
        table.unlink()
        assert run(*options, at=at, name=name) == 130
        assert run(*options, "--resume") == 0
        assert table.read_text() == whole


def test_of_several_clips_those_that_are_complete_are_skipped(tmp_path, run):
    names = [make_clip(tmp_path / f"{letter}.mp4", frames=6) for letter in "abc"]
    clips = [tmp_path / "VideoCOCO" / f"{letter}_skeleton_COCO.mp4" for letter in "abc"]

    def run_and_see_what_is_new(*options, **ctrl_c):
        before = [path.stat().st_mtime_ns for path in clips]
        code = run("--background", "black", *names, *options, **ctrl_c)
        return code, [path.stat().st_mtime_ns != time for path, time in zip(clips, before, strict=True)]

    assert run(*names) == 0  # with other options
    assert run_and_see_what_is_new(at=1, name="b.mp4") == (130, [True, False, False])
    assert run_and_see_what_is_new("--resume") == (0, [False, True, True])
    assert run_and_see_what_is_new("--resume") == (0, [False, False, False])


def test_the_tag_of_a_clip_is_that_of_the_options_in_use():
    tag = settings_tag({"mode": "MPI", "frame_first": 3})
    assert settings_tag({"frame_first": 3, "mode": "MPI", "new": False, "newer": None}) == tag
    assert settings_tag({"frame_first": 4, "mode": "MPI"}) != tag


def change_clip(tmp_path):
    make_clip(tmp_path / "ü [1].mp4", frames=FRAMES + 1, codec="libx264", sound="aac")


def evil_checkpoint(folder):
    """Of a class that no checkpoint holds, with a checksum that is right."""
    text = b'{"Video":[["name","http://127.0.0.1:9/"]]}'
    (folder / "VideoCOCO" / LEFT[1]).write_bytes(b"%08x\n%s" % (zlib.crc32(text), text))


def flip_a_bit(folder):
    path = folder / "VideoCOCO" / LEFT[1]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda _: None, ["--background", "black", "--frame_info"], "is of another background and another frame_info"),
        (change_clip, [], "is of another source"),
        (lambda _: None, ["--write_table", "t.csv"], "is of another table"),
        (lambda folder: (folder / "VideoCOCO" / LEFT[1]).write_bytes(b"\x80\x04half"), [], "cannot be read"),
        (evil_checkpoint, [], "cannot be read"),
        (flip_a_bit, [], "cannot be read"),
        (lambda folder: next((folder / "VideoCOCO" / LEFT[0]).iterdir()).unlink(), [], "no longer matches"),
        (lambda folder: (folder / "VideoCOCO" / LEFT[2]).unlink(), [], "no longer matches"),
    ],
)
def test_what_cannot_be_resumed_is_one_sentence(tmp_path, clip, run, capsys, monkeypatch, change, options, message):
    monkeypatch.chdir(tmp_path)
    run(clip, at=7)
    change(tmp_path)
    before = left(tmp_path)
    capsys.readouterr()
    assert run(clip, "--resume", *options) == 1
    output = capsys.readouterr().err
    assert message in output
    assert output.endswith("; give the same options again, or leave --resume out to start anew.\n")
    assert output.count("\n") == 1
    assert left(tmp_path) == before


def test_the_farthest_of_several_is_resumed(tmp_path, clip, run):
    for at in (3, 11, 5):
        assert run(clip, at=at) == 130
    assert len(left(tmp_path)) == 9
    assert run(clip, "--resume", at=15) == 130
    partials = [tmp_path / "VideoCOCO" / f"ü [1]_skeleton_COCO-partial{number}.mp4" for number in ("", 2, 3)]
    assert [len(read(path)[0]) for path in partials] == [5, 17, 7]


def test_nothing_to_resume_starts_at_the_first_frame(tmp_path, clip, run, monkeypatch, capsys):
    monkeypatch.setattr(ClipReader, "__enter__", lambda self: signal.raise_signal(signal.SIGINT) or self)
    assert run(clip) == 130
    assert left(tmp_path) == []
    assert capsys.readouterr().err == HINT + "Stopped.\n"
    monkeypatch.undo()
    assert run(clip, "--resume") == 0
    assert "has nothing to resume, starting at its first frame" in capsys.readouterr().out
    assert len(read(tmp_path / "VideoCOCO" / WHOLE[1])[0]) == FRAMES


def press(key, monkeypatch):
    """A key, as the fifth frame of a clip is shown."""
    shown = []
    monkeypatch.setattr(Windows, "show", lambda _, pictures: shown.append(pictures) or (key if len(shown) == 5 else -1))


@pytest.mark.parametrize("key", [ord("q"), 27])
def test_q_and_escape_in_the_window_are_a_ctrl_c(tmp_path, clip, run, monkeypatch, capsys, key):
    press(key, monkeypatch)
    assert run(clip) == 130
    assert left(tmp_path) == LEFT
    assert len(read(tmp_path / "VideoCOCO" / LEFT[2])[0]) == 5
    assert capsys.readouterr().err == HINT + "Stopped.\n"


def test_a_live_source_ends_as_a_partial_clip_without_a_hint_and_by_q_as_a_whole_one(
    tmp_path, clip, run, monkeypatch, capsys
):
    for module in ("clip", "media.reader", "media.sources"):
        monkeypatch.setattr(f"pose.{module}.is_live", lambda _: True)
    ahead, infer = [], VideoPoseEstimator.infer
    monkeypatch.setattr(VideoPoseEstimator, "infer", lambda *frame: ahead.append(frame[3]) or infer(*frame))
    assert run(clip, "--network_step", "1", at=3) == 130
    assert left(tmp_path) == [LEFT[0], LEFT[2]]
    assert len(ahead) >= 4 and not any(ahead)  # no frame waits for the next one
    assert capsys.readouterr().err == "Stopped.\n"
    assert run(clip, at=3) == 130
    assert len(left(tmp_path)) == 4  # the second one's have names of their own
    press(ord("q"), monkeypatch)
    assert run(clip) == 0
    assert len(read(tmp_path / "VideoCOCO" / WHOLE[1])[0]) == 5


def test_ctrl_c_while_an_address_is_waited_for(tmp_path, clip, run, monkeypatch, capsys):
    """After a clip that is complete, so that nothing is left to resume."""

    def reopen(_):
        os.kill(os.getpid(), signal.SIGINT)
        raise PoseError("It is not there")

    monkeypatch.setattr("pose.media.sources.Video.reopen", reopen)
    make_clip(tmp_path / "a.ts", codec="libx264")
    with sender(tmp_path / "a.ts", 1) as address:
        assert run(clip, address, "--reconnect") == 130
    (partial,) = (tmp_path / "VideoCOCO").glob("*-partial.mp4")
    assert len(read(partial)[0]) == 9
    output = capsys.readouterr()
    assert output.out.endswith(f"{address} stopped sending; waiting for it to come back.\n")
    assert output.err == "Stopped.\n"


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize("replaced", ["clip", "JSON", "older JSON"])
def test_killed_between_two_results_leaves_no_older_json_beside_the_new_clip(tmp_path, clip, run, replaced):
    """Killed just before a result takes its name or the older JSON goes: results are whole or gone, and made again."""
    folder = tmp_path / "VideoCOCO"
    assert run(clip) == 0
    old = {path.name: path.read_bytes() for path in folder.rglob("*.*")}
    moment = {"clip": "skeleton_COCO.mp4", "JSON": "_json", "older JSON": "_keypoints.json"}[replaced]
    killed = f"import os, runpy, signal, sys; until = lambda do: lambda *paths, **how: \
str(paths[-1]).endswith({moment!r}) and os.kill(os.getpid(), signal.SIGKILL) or do(*paths, **how); \
os.replace, os.unlink = until(os.replace), until(os.unlink); \
sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", killed, PROJECT / "get_hpe_video.py", *OPTIONS, tmp_path, "--no_smooth", clip]
    done = subprocess.run(command)
    assert done.returncode == -signal.SIGKILL
    assert len(list(folder.glob("*_json/*"))) == (FRAMES if replaced == "older JSON" else 0)
    assert ((folder / WHOLE[1]).read_bytes() == old[WHOLE[1]]) == (replaced == "clip")
    assert run("--no_smooth", *["--skip_existing"] * (replaced != "older JSON"), clip) == 0
    assert left(tmp_path) == WHOLE
    assert len(list((folder / WHOLE[0]).iterdir())) == FRAMES


def test_where_a_clip_cannot_be_finished_the_older_results_stay(tmp_path, clip, run, monkeypatch):
    assert run(clip) == 0
    assert run(clip, "--no_smooth", at=7) == 130
    assert left(tmp_path) == sorted(LEFT + WHOLE)
    monkeypatch.setattr("pose.media.writer.ClipWriter.finish", lambda _: 1 / 0)
    for option in "--no_track", "--resume":
        assert run(clip, "--no_smooth", option) == 1
        assert left(tmp_path) == sorted(LEFT + WHOLE)


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX limits")
def test_a_full_disk_stops_at_once(tmp_path):
    """A limit on a file's size stands in for it: the write fails in the same way."""
    limited = "import resource, sys, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)); \
sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", limited, PROJECT / "get_hpe_video.py", "--network", "blazepose"]
    done = subprocess.run([*command, "--no_display", "--output_dir", tmp_path], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: Cannot write ")
    assert done.stderr.endswith("File too large; choose another --output_dir.\n")
    assert left(tmp_path) == []
