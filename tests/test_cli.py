import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
import pytest

from pose import PoseError, cli
from pose.jobs import InThisProcess
from pose.options import PROJECT

pytestmark = pytest.mark.usefixtures("restored_signals")


def cv2_error_of_memory():
    try:
        cv2.resize(np.zeros((9, 9, 3), np.uint8), (1 << 20, 1 << 30))
    except cv2.error as error:
        return error


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (PoseError("The cat is not a person"), 1, "Error: The cat is not a person.\n"),
        (PoseError("No GPU", "device"), 1, "Error: No GPU; use --device cpu.\n"),
        (ModuleNotFoundError(name="cv2"), 1, "Error: The Python package cv2 is missing; run: pip install -r req"),
        (MemoryError(), 1, "Error: There is not enough memory for this; try a smaller --net_resolution or picture.\n"),
        (RuntimeError("can't start new thread"), 1, "Error: There is not enough memory for this;"),
        (RuntimeError("std::bad_alloc"), 1, "Error: There is not enough memory for this;"),
        (OSError(12, "Cannot allocate memory"), 1, "Error: There is not enough memory for this;"),
        (cv2_error_of_memory(), 1, "Error: There is not enough memory for this;"),
        (PermissionError(13, "No", "a.png"), 1, "Error: a.png: No; check the path and its permissions.\n"),
        (PoseError("a\n\x1b[31mb\u202e.png is empty"), 1, "Error: a\\n\\x1b[31mb\\u202e.png is empty.\n"),
        (BrokenPipeError(), 1, ""),
        (KeyboardInterrupt(), 130, "Stopped.\n"),
    ],
)
def test_how_an_error_reaches_the_person(error, code, message, capsys):
    def main():
        raise error

    assert cli.run(main) == code
    err = capsys.readouterr().err
    assert err.startswith(message) and bool(err) == bool(message)


def test_opencv_and_encoders_print_nothing_of_their_own(monkeypatch, tmp_path):
    monkeypatch.delenv("OPENCV_LOG_LEVEL")
    program = """import sys; from pose import cli; cli.prepare_process(); import cv2; cv2.VideoCapture(99); import numpy
from pathlib import Path; from pose.media.writer import clip_writer
with clip_writer(Path(sys.argv[1]), 25, "av1") as sink: sink.write(numpy.zeros((64, 64, 3), numpy.uint8), 0.0)"""
    command = [sys.executable, "-c", program, tmp_path / "a.webm"]
    done = subprocess.run(command, check=True, cwd=PROJECT, capture_output=True)
    assert done.stderr == b""


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX limits")
@pytest.mark.parametrize("value", ["", "x", "-1", "9" * 30])
def test_a_variable_that_opencv_fails_of_is_found_before_work(monkeypatch, capsys, value):
    monkeypatch.setenv("OPENCV_FOR_THREADS_NUM", value)
    assert cli.run(lambda: 0) == 1
    says = f"Error: The environment variable OPENCV_FOR_THREADS_NUM is {value!r}, not a number; remove it with: unset "
    assert capsys.readouterr().err == f"{says}OPENCV_FOR_THREADS_NUM.\n"


def test_a_limit_on_memory_that_libraries_die_of_is_found_before_work(monkeypatch, capsys):
    monkeypatch.setattr("resource.getrlimit", lambda _: (900 << 20, -1))
    assert cli.run(lambda: 0) == 1
    assert capsys.readouterr().err == "Error: Only 900 MB of memory are allowed; allow 1500 (ulimit -v) or more.\n"


def test_ctrl_c_that_numpy_makes_an_import_error_of():
    def main():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("PLEASE READ THIS") from None

    assert cli.run(main) == 130


@pytest.mark.parametrize(("name", "code"), [("SIGHUP", 129), ("SIGINT", 130), ("SIGTERM", 143)])
def test_a_closed_terminal_and_kill_stop_like_ctrl_c_unless_they_are_ignored(name, code):
    if not hasattr(signal, name):
        pytest.skip("there is none here")
    number = getattr(signal, name)
    signal.signal(number, signal.SIG_DFL)  # nohup ignores one
    assert cli.run(lambda: signal.raise_signal(number)) == code
    signal.signal(number, signal.SIG_IGN)
    assert cli.run(lambda: signal.raise_signal(number) or 7) == 7


def test_what_must_not_be_broken_is_finished_before_a_ctrl_c_counts():
    done = []

    def main():
        with cli.signals.deferred(lambda: done.append("reported")):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
            done.append("whole")
        done.append("never")

    assert cli.run(main) == 130
    assert done == ["reported", "whole"]


@pytest.mark.parametrize("stop", [None, lambda: None])  # of photos and of clips
def test_a_ctrl_c_that_python_drops_counts_before_work_begins(stop):
    work = mock.Mock(stop=stop)

    def main():
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        list(InThisProcess(work)([("photo.jpg", "photo")]))

    assert cli.run(main) == 130
    work.assert_not_called()


def test_a_ctrl_c_as_the_command_ends(monkeypatch):
    monkeypatch.setattr(cli.signals, "ignore", lambda: signal.raise_signal(signal.SIGINT))
    assert cli.run(lambda: 0) == 130


def test_a_second_ctrl_c_does_not_disturb_the_tidying_up():
    done = []

    def main():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)
            done.append("tidy")

    assert cli.run(main) == 130
    signal.raise_signal(signal.SIGINT)  # nor that Python ends
    assert done == ["tidy"]


def test_output_that_cannot_be_written_is_found_before_work(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PoseError, match="Cannot write"):
        cli.check_output(tmp_path / "file" / "ImageCOCO")
    cli.check_output(tmp_path / "new" / "ImageCOCO")
    assert list((tmp_path / "new" / "ImageCOCO").iterdir()) == []
    with pytest.raises(PoseError, match="Cannot write"):
        cli.check_output(Path("/proc"))  # which is there


@pytest.mark.skipif(sys.platform != "linux", reason="needs a device that is full")
def test_what_cannot_be_printed_is_one_sentence(monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    program = "from pose import cli; cli.leave(cli.run(lambda: print(1) or 0))"
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, stdout=full, stderr=subprocess.PIPE)
    message = b"Error: The output: No space left on device; check the path and its permissions.\n"
    assert (done.returncode, done.stderr) == (1, message)


def test_leaving_writes_what_is_printed_and_waits_for_nothing(monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    program = """
import threading
from pose import cli
threading.Thread(target=threading.Event().wait).start()  # which Python would wait for
print("done", end="")
cli.leave(3)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (3, b"done", b"")
