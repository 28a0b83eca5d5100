"""What is left where a run ends early: a signal, q in the window, a full disk. interrupt.py does much more of it."""

import os
import signal
import subprocess
import sys

import interrupt
import pytest
from test_clips import make_clip, read

import get_hpe_video
from pose import cli
from pose.media.reader import ClipReader
from pose.window import Windows


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_signals_at_random_moments(tmp_path):
    clip = interrupt.clip_with_sound(tmp_path / "walk.mp4")
    ends, wrong = interrupt.trials(clip, 2, seed=3)
    assert wrong == []
    assert sum(ends.values()) == 8


@pytest.fixture
def with_window(monkeypatch):
    """A window in which q is pressed at the fifth frame."""
    shown = []
    monkeypatch.setattr(cli, "signals", cli.Signals())  # other tests' signals do not count
    monkeypatch.setattr(
        Windows, "show", lambda _, pictures: shown.append(pictures) or (ord("q") if len(shown) == 5 else -1)
    )


def test_q_leaves_a_partial_clip(tmp_path, with_window, capsys):
    clip = make_clip(tmp_path / "a.mp4", frames=20)
    with pytest.raises(KeyboardInterrupt):
        get_hpe_video.main(["--network", "blazepose", "--write_json", "--output_dir", str(tmp_path), clip])
    folder = tmp_path / "VideoCOCO"
    assert len(read(folder / "a_skeleton_COCO-partial.mp4")[0]) == 5
    assert len(list((folder / "a_json-partial").iterdir())) == 5
    assert len(list(folder.iterdir())) == 2
    assert "--frame_first 5." in capsys.readouterr().err


@pytest.fixture
def listening(monkeypatch):
    """Signals as cli.run has them."""
    before = {number: signal.getsignal(number) for number in cli.Signals.numbers}
    monkeypatch.setattr(cli, "signals", cli.Signals())
    cli.signals.listen()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("at", "stem"), [(0, "-partial"), (7, "-partial"), (19, "")])
def test_ctrl_c_at_a_frame(tmp_path, listening, monkeypatch, capsys, at, stem):
    """What follows the last frame, such as the codec's end, is finished, and then nothing is left to do."""
    render = get_hpe_video.render

    def interrupted(args, skeleton, frame):
        if frame.number == at:
            signal.raise_signal(signal.SIGINT)
        return render(args, skeleton, frame)

    monkeypatch.setattr(get_hpe_video, "render", interrupted)
    clip = make_clip(tmp_path / "a.mp4", frames=20)
    with pytest.raises(KeyboardInterrupt):
        get_hpe_video.main(["--network", "blazepose", "--write_json", "--output_dir", str(tmp_path), clip])
    folder, said = tmp_path / "VideoCOCO", capsys.readouterr().err
    assert (
        len(read(folder / f"a_skeleton_COCO{stem}.mp4")[0]) == len(list((folder / f"a_json{stem}").iterdir())) == at + 1
    )
    assert len(list(folder.iterdir())) == 2
    assert said == (f"The rest: the same command with --frame_first {at + 1}.\n" if stem else "")


def test_ctrl_c_ends_a_live_source_as_a_partial_clip_without_a_hint(tmp_path, listening, monkeypatch, capsys):
    shown = []

    def interrupted(args, skeleton, frame):
        shown.append(frame)
        if len(shown) == 4:
            signal.raise_signal(signal.SIGINT)
        return frame.picture

    monkeypatch.setattr(get_hpe_video, "render", interrupted)
    monkeypatch.setattr("pose.media.reader.is_live", lambda _: True)
    clip = make_clip(tmp_path / "a.mp4", frames=20)
    with pytest.raises(KeyboardInterrupt):
        get_hpe_video.main(["--network", "blazepose", "--network_step", "1", "--output_dir", str(tmp_path), clip])
    (result,) = (tmp_path / "VideoCOCO").iterdir()
    assert result.name == "a_skeleton_COCO-partial.mp4"
    monkeypatch.undo()
    assert len(read(result)[0]) == 4
    assert capsys.readouterr().err == ""


def test_ctrl_c_before_the_first_frame(tmp_path, listening, monkeypatch, capsys):
    monkeypatch.setattr(ClipReader, "__iter__", lambda _: signal.raise_signal(signal.SIGINT) or iter(()))
    clip = make_clip(tmp_path / "a.mp4", frames=20)
    with pytest.raises(KeyboardInterrupt):
        get_hpe_video.main(["--network", "blazepose", "--output_dir", str(tmp_path), clip])
    assert list((tmp_path / "VideoCOCO").iterdir()) == []
    assert capsys.readouterr().err == "The rest: the same command with --frame_first 0.\n"


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX limits")
def test_a_full_disk_stops_at_once(tmp_path):
    """A limit on a file's size stands in for it: the write fails in the same way."""
    limited = "import resource, sys, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)); \
sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", limited, cli.PROJECT / "get_hpe_video.py", "--network", "blazepose"]
    done = subprocess.run([*command, "--no_display", "--output_dir", tmp_path], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: Cannot write ")
    assert done.stderr.endswith("File too large; choose another --output_dir.\n")
    assert list((tmp_path / "VideoCOCO").iterdir()) == []


@pytest.mark.parametrize("number", cli.Signals.numbers)
def test_a_signal_while_signals_are_deferred_waits_for_a_check(number):
    signals, told = cli.Signals(), []
    before = {n: signal.getsignal(n) for n in signals.numbers}
    try:
        signals.listen()
        with pytest.raises(KeyboardInterrupt), signals.deferred(lambda: told.append(1)):
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)
            assert told == [1]
            signals.check()
            told.append("never")
        assert told == [1]
    finally:
        for n, handler in before.items():
            signal.signal(n, handler)
