"""What both commands share: options, output names, windows, and how an error reaches the person.

Imports nothing heavy, so that --help and a mistyped option answer at once.
"""

from __future__ import annotations

import argparse
import contextlib
import glob
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from . import PoseError

PROJECT = Path(__file__).parent.parent  # the defaults' Input/ and Output/ lie here, wherever the person stands
STAGES = range(1, 7)
NETWORKS = ["auto", "openpose", "blazepose"]
ACCURACIES = ["fast", "balanced", "best"]
BACKGROUNDS = {"photo": None, "black": 0, "white": 255}


class Parser(argparse.ArgumentParser):
    """argparse, with a mistake said in one line."""

    def parse_args(self, args=None, namespace=None):
        """--net_resolution -1x256: argparse would take -1x256 for an option of its own."""
        words = list(sys.argv[1:] if args is None else args)
        if "--net_resolution" in words[:-1]:
            at = words.index("--net_resolution")
            words[at : at + 2] = ["=".join(words[at : at + 2])]
        return super().parse_args(words, namespace)

    def error(self, message: str) -> None:
        self.exit(2, f"{self.prog}: {message}; see --help.\n")


def make_parser(description: str) -> Parser:
    parser = Parser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False)
    add = parser.add_argument
    add("--mode", type=str.upper, choices=["COCO", "MPI"], default="COCO", help="18 or 15 keypoints")
    add("--device", type=str.lower, choices=["cpu", "gpu"], default="cpu", help="gpu: CUDA, else OpenCL")
    network_help = "auto: OpenPose's where its weights are, else the two in the box, mobilenet_thin and BlazePose"
    add(
        "--network",
        type=network_name,
        metavar="NAME",
        default="auto",
        help=f"auto, openpose or blazepose; {network_help}",
    )
    size_help = "network input; -1 for one side keeps the aspect ratio; auto: the network's own"
    add("--net_resolution", type=net_resolution, metavar="WxH", default="auto", help=size_help)
    add("--model_folder", type=Path, metavar="DIR", default=PROJECT / "pose", help="where getModels.sh put the weights")
    add(
        "--stages",
        type=int,
        choices=STAGES,
        default=STAGES[-1],
        help="stop OpenPose's network early: faster, less exact",
    )
    add(
        "--accuracy",
        type=str.lower,
        choices=ACCURACIES,
        default="balanced",
        help="how many inferences: speed or precision",
    )
    people_help = "-1: everyone; 1: only the main person"
    add("--number_people_max", type=people_count, metavar="N", default=-1, help=people_help)
    threshold_help = "keypoints that score less are neither drawn nor written"
    add("--threshold", type=share, metavar="T", default=0.1, help=threshold_help)
    add("--output_dir", type=Path, metavar="DIR", default=PROJECT / "Output", help="where results go")
    add("--write_json", action="store_true", help="also write OpenPose JSON")
    add("--background", choices=list(BACKGROUNDS), default="photo", help="what the skeleton is drawn on")
    add("--quiet", action="store_true", help="print nothing but mistakes")
    add("--no_display", action="store_true", help="open no windows")
    return parser


def network_name(text: str) -> str:
    name = text.lower()
    if name == "mobilenet":
        raise argparse.ArgumentTypeError("mobilenet finds people for blazepose now; use --network blazepose")
    if name not in NETWORKS:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(NETWORKS)}")
    return name


def net_resolution(text: str) -> tuple[int, int] | None:
    """WxH, from 16 to 4096 each; one may be -1. auto is None."""
    if text == "auto":
        return None
    try:
        w, h = (int(side) for side in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not WxH, such as 368x368 or -1x256") from None
    if any(side != -1 and not 16 <= side <= 4096 for side in (w, h)) or w == h == -1:
        raise argparse.ArgumentTypeError(f"{text!r}: each side goes from 16 to 4096, and one may be -1")
    return w, h


def people_count(text: str) -> int:
    if not text.removeprefix("-").isdecimal() or (int(text) < 1 and int(text) != -1):
        raise argparse.ArgumentTypeError(f"{text!r} is neither -1 (everyone) nor a whole number from 1")
    return int(text)


def frame_number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


def last_frame(text: str) -> int:
    return -1 if text == "-1" else frame_number(text)


def frame_step(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def network_step(text: str) -> int | None:
    return None if text == "auto" else frame_step(text)


def share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return value


def run(main: Callable[[], int]) -> int:
    """main's exit code; a person's mistake is one sentence on stderr and 1, Ctrl-C 130, a signal 128 + its number."""
    for stream in filter(None, (sys.stdout, sys.stderr)):  # one that is closed is None
        stream.reconfigure(errors="backslashreplace")  # for consoles that cannot print a file's name
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # errors are ours to say; OpenCV's lines name its sources
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("QT_LOGGING_RULES", "*=false")
    stopped_by = None

    def stop(number: int, _: object) -> None:
        nonlocal stopped_by
        if stopped_by:
            return  # one is enough: a second must not disturb the tidying up
        stopped_by = number
        if unbroken.is_on:
            unbroken.is_over = True
        else:
            raise KeyboardInterrupt

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # Ctrl-C, kill, a closed terminal
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) != signal.SIG_IGN:
            signal.signal(getattr(signal, name), stop)
    try:
        return main()
    except PoseError as error:
        return complain(str(error))
    except ImportError as error:
        if stopped_by:  # numpy makes an ImportError of a Ctrl-C
            return stopped(stopped_by)
        return complain(f"The Python package {error.name} is missing; run: pip install -r requirements.txt")
    except MemoryError:
        return complain("Not enough memory; try a smaller --net_resolution or picture.")
    except KeyboardInterrupt:
        return stopped(stopped_by or signal.SIGINT)
    except OSError as error:
        try:
            sys.stdout.flush()
        except OSError:  # it is the output that cannot be written: let Python not try again when it ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # its reader has gone, as in `| head`
            return 1
        return complain(
            f"{error.filename or 'The output'}: {error.strerror or error}; check the path and its permissions."
        )


class Unbroken:
    """`with unbroken:` Ctrl-C and its like wait until the block is done, all of it."""

    is_on = is_over = False

    def __enter__(self) -> None:
        self.is_on = True

    def __exit__(self, *_: object) -> None:
        self.is_on = False
        if self.is_over:
            self.is_over = False
            raise KeyboardInterrupt


unbroken = Unbroken()


def stopped(by: int) -> int:
    signal.signal(by, signal.SIG_IGN)  # also while Python ends
    print("Stopped.", file=sys.stderr)
    return 128 + by


def complain(sentence: str) -> int:
    print(f"Error: {sentence}", file=sys.stderr)
    return 1


def find_files(names: Iterable[str], suffixes: tuple[str, ...], option: str) -> list[Path]:
    """The files that paths, folders and patterns name, in order, each once; PoseError where one names none."""
    files: dict[Path, Path] = {}  # by where they really lie, so that each comes once
    for name in names:
        if not name:
            raise PoseError(f"An empty name is no path; check {option}.")
        path = Path(name)
        if path.is_dir():
            found = sorted(file for file in path.iterdir() if file.suffix.lower() in suffixes and file.is_file())
            if not found:
                raise PoseError(f"The folder {path} holds none of {', '.join(suffixes)}; check {option}.")
        elif path.exists():
            found = [path]
        else:
            found = sorted(Path(match) for match in glob.glob(name))
            if not found:
                raise PoseError(f"{path} is not there; check {option}.")
        for file in found:
            files.setdefault(file.resolve(), file)
    return list(files.values())


def refuse_collisions(outputs: Iterable[tuple[Path, Path]]) -> None:
    """PoseError where two inputs would write one file: outputs are (input, output)."""
    writer: dict[str, Path] = {}
    for source, output in outputs:
        other = writer.setdefault(str(output).casefold(), source)  # some file systems fold case
        if other != source:
            raise PoseError(f"{other} and {source} would both write {output.name}; rename one of them.")


def check_output(folder: Path) -> None:
    """PoseError, before any work, where the folder cannot be made or written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise PoseError(f"Cannot write {folder}: {error.strerror or error}; choose another --output_dir.") from error


def can_display(no_display: bool) -> bool:
    """Whether windows can open. Asked before OpenCV is: with no display Qt ends the whole process."""
    if no_display or (sys.platform.startswith("linux") and not display_answers(os.getenv("DISPLAY", ""))):
        return False
    import cv2

    return "GUI:                           NONE" not in cv2.getBuildInformation()


def display_answers(display: str) -> bool:
    """Whether an X server is behind a DISPLAY such as :0 or host:10.0; pip's OpenCV can show windows on no other."""
    host, _, rest = display.rpartition(":")
    number = rest.partition(".")[0]
    if not number.isdecimal():
        return False
    local = f"/tmp/.X11-unix/X{number}"
    places = [(socket.AF_INET, (host, 6000 + int(number)))] if host not in ("", "unix") else []
    places = places or [(socket.AF_UNIX, local), (socket.AF_UNIX, "\0" + local)]
    for family, address in places:
        with contextlib.suppress(OSError), socket.socket(family) as connection:
            connection.settimeout(2)
            connection.connect(address)
            return True
    return False


def show(pictures: dict, name: str) -> None:
    """Windows with the pictures, until a key is pressed or one is closed."""
    import cv2

    titles = [f"{title}, {name}" for title in pictures]
    for title, picture in zip(titles, pictures.values(), strict=True):
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        cv2.imshow(title, picture)
    while cv2.waitKey(100) < 0 and all(cv2.getWindowProperty(t, cv2.WND_PROP_VISIBLE) >= 1 for t in titles):
        pass
    cv2.destroyAllWindows()


def show_frame(picture, title: str) -> bool:
    """Show a clip's frame; False once q or Esc was pressed."""
    import cv2

    cv2.imshow(title, picture)
    return cv2.waitKey(1) & 0xFF not in (ord("q"), 27)


def estimator_options(args: argparse.Namespace) -> dict:
    """What PoseEstimator takes of the command line."""
    names = ("mode", "network", "device", "model_folder", "stages", "accuracy", "threshold", "number_people_max")
    return {name: getattr(args, name) for name in names} | {"net_wh": args.net_resolution}


def show_path(path: Path) -> str:
    """The path as short as it is clear from where the person stands."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):  # elsewhere, or the folder we stand in is gone
        return str(path)
