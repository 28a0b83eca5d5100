import contextlib
import inspect
import os
import signal
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

import get_hpe_video
from pose import PoseError, PoseEstimator, cli


@pytest.fixture
def parser():
    parser = cli.Parser("A test.", "")
    parser.add_inputs("--image_file", "PHOTO", Path("photo.jpg"), "photos")
    return parser


pytestmark = pytest.mark.usefixtures("restored_signals")


def test_defaults(parser):
    args = parser.parse([])
    assert (args.mode, args.device, args.network, args.net_resolution, args.stages) == ("COCO", "cpu", "auto", None, 6)
    assert (args.engine, args.precision, args.accuracy) == ("auto", "auto", "balanced")
    assert (args.number_people_max, args.threshold, args.background) == (-1, 0.1, "photo")
    assert (args.model_folder.resolve(), args.output_dir.resolve()) == (cli.PACKAGE, cli.PROJECT / "Output")
    assert not (args.write_json or args.no_display or args.quiet)
    assert args.inputs == ["photo.jpg"]
    librarys = {name: given.default for name, given in inspect.signature(PoseEstimator).parameters.items()}
    assert cli.estimator_options(args) == librarys | {"model_folder": args.model_folder}


def test_where_pip_installed_it_there_are_no_examples(parser, monkeypatch, capsys):
    monkeypatch.setattr(cli, "PROJECT", Path())
    assert parser.parse(["a.jpg"]).inputs == ["a.jpg"]
    with pytest.raises(SystemExit):
        parser.parse([])
    assert "name a PHOTO; the examples are in the project's repository" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        ("--mode mpi", "mode", "MPI"),
        ("--device CPU", "device", "cpu"),
        ("--network BlazePose", "network", "blazepose"),
        ("--net_resolution 368x368", "net_resolution", (368, 368)),
        ("--net_resolution=320X-1", "net_resolution", (320, -1)),
        ("--net_resolution -1x256 --mode MPI", "net_resolution", (-1, 256)),
        ("a.jpg --quiet --image_file b.jpg c.jpg", "inputs", ["a.jpg", "b.jpg", "c.jpg"]),
    ],
)
def test_how_options_may_be_written(parser, words, name, value):
    assert getattr(parser.parse(words.split()), name) == value


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--mode BODY_25", "COCO"),
        ("--device tpu", "gpu"),
        ("--network vgg", "blazepose"),
        ("--net_resolution 368", "such as 368x368"),
        ("--net_resolution axb", "such as 368x368"),
        ("--net_resolution=-1x-1", "one may be -1"),
        ("--net_resolution 5x368", "from 16 to 4096"),
        ("--net_resolution 99999x368", "from 16 to 4096"),
        ("--threshold 1.5", "0 to 1"),
        ("--threshold -0.1", "0 to 1"),
        ("--threshold nan", "0 to 1"),
        ("--threshold low", "0 to 1"),
        ("--number_people_max 0", "-1 or a whole number from 1"),
        ("--number_people_max 1.5", "-1 or a whole number from 1"),
        ("--stages 7", "6"),
        ("--background green", "white"),
        ("--frame_step 0", "whole number from 1"),
        ("--frame_first 9 --frame_last 3", "frame_last"),
        ("--frame_rotate 45", "270"),
        ("--codec divx", "h264"),
        ("--network_step 0", "--network_step"),
        ("--no_track --network_step 2", "--no_track"),
        ("--treshold 0.1", "--treshold"),
    ],
)
def test_a_mistyped_option_is_one_line_and_2(options, message, capsys):
    with pytest.raises(SystemExit) as stop:
        get_hpe_video.parse(options.split())
    out, err = capsys.readouterr()
    assert (stop.value.code, out, err.count("\n")) == (2, "", 1)
    assert message in err and "--help" in err


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


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX limits")
@pytest.mark.parametrize("value", ["", "x", "-1", "9" * 30])
def test_a_variable_that_opencv_fails_of_is_found_before_work(monkeypatch, capsys, value):
    monkeypatch.setenv("OPENCV_FOR_THREADS_NUM", value)
    assert cli.run(lambda: 0) == 1
    says = f"Error: The environment variable OPENCV_FOR_THREADS_NUM is {value!r} and no number; remove it with: unset "
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


def test_a_ctrl_c_that_python_drops_counts_before_work_begins():
    done = []

    def main():
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with cli.signals.deferred():
            done.append("never")

    assert cli.run(main) == 130
    assert done == []


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
