"""How a command runs, and how errors are reported."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from . import PoseError
from .signals import signals

MIN_MEMORY = 1500  # MB; with less, libraries end the process when they are loaded
GARBAGE_THRESHOLD = 100_000  # new objects; a command's packages have half as many and are not garbage
OPENCV_NUMBERS = ("OPENCV_FOR_THREADS_NUM", "OPENCV_IO_MAX_IMAGE_WIDTH", "OPENCV_IO_MAX_IMAGE_HEIGHT")
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
OUT_OF_MEMORY = re.compile("Insufficient memory|Cannot allocate memory|can't start new thread|bad.alloc").search
REMEDIES = {  # by PoseError.argument
    "cluster": "check --cluster",
    "codec": "choose another --codec",
    "device": "use --device cpu",
    "engine": "or leave --engine out",
    "frames": "check --video_file and --frame_first",
    "permissions": "check its permissions and its folder's",
    "precision": "leave --precision out",
    "heatmaps": "choose another --heatmaps",
    "full": "make room or choose another --output_dir",
    "image": "check --image_file",
    "list": "save it as a text file with one path per line",
    "max_pixels": "raise --max_pixels or make it smaller",
    "memory": "try a smaller --net_resolution or picture",
    "model_folder": "check --model_folder",
    "net_wh": "try another --net_resolution or --device cpu",
    "network": "--model_folder names another folder, and --network blazepose needs no download",
    "output_dir": "choose another --output_dir",
    "resume": "give the same options again, or leave --resume out to start anew",
    "stages": "leave --stages out",
    "table": "or let --write_table end in .csv",
    "video": "check --video_file",
    "workers": "or leave --workers and --cluster out",
}


def run(main: Callable[[], int]) -> int:
    """main's exit code; an error is one sentence on stderr and 1, Ctrl-C 130, another signal 128 + its number."""
    try:
        prepare_process()
        signals.listen()
        try:
            return translate_errors(main)
        finally:
            signals.ignore()  # while the process ends
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 128 + (signals.received or signal.SIGINT)


def leave(code: int) -> NoReturn:
    """End the process at once: all files are closed, and Python's own clean-up takes a tenth of a photo's time."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        with contextlib.suppress(OSError):  # reported already
            stream.flush()
    os._exit(code)


def translate_errors(main: Callable[[], int]) -> int:
    try:
        check_memory_limit()
        check_environment()
        with memory_errors("this"):
            code = main()
        if sys.stdout:
            sys.stdout.flush()
        return code
    except ImportError as error:
        signals.check()  # numpy turns a Ctrl-C into an ImportError
        return report_error(f"The Python package {error.name} is missing; run: pip install -r requirements.txt")
    except PoseError as error:
        return report_error(error)
    except OSError as error:
        return report_os_error(error)


def check_memory_limit() -> None:
    with contextlib.suppress(ImportError):  # not on Windows
        import resource

        allowed = resource.getrlimit(resource.RLIMIT_AS)[0]
        if 0 <= allowed < MIN_MEMORY << 20:
            raise PoseError(f"Only {allowed >> 20} MB of memory are allowed; allow {MIN_MEMORY} (ulimit -v) or more")


def check_environment() -> None:
    for name in OPENCV_NUMBERS:
        value = os.environ.get(name, "0")
        if not re.fullmatch(r"\d{1,9}", value):  # OpenCV would abort or fail to import
            raise PoseError(f"The environment variable {name} is {value!r}, not a number; remove it with: unset {name}")


@contextlib.contextmanager
def memory_errors(name: str) -> Iterator[None]:
    """Any library's out-of-memory error becomes a PoseError. name: what the memory was for."""
    try:
        yield
    except Exception as error:
        if isinstance(error, MemoryError) or OUT_OF_MEMORY(str(error)):
            raise PoseError(f"There is not enough memory for {name}", "memory") from error
        raise


def prepare_process() -> None:
    for stream in filter(None, (sys.stdout, sys.stderr)):  # one that is closed is None
        stream.reconfigure(errors="backslashreplace")  # for consoles that cannot print a file's name
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # its messages name its own source files
    os.environ.setdefault("SVT_LOG", "0")  # the AV1 encoder's own lines
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's threads take 0.1 s of processor time to start
    gc.set_threshold(GARBAGE_THRESHOLD)
    # OpenVINO works without its model converters, which take half of its import time and report usage.
    sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type]


def report_error(error: PoseError | str) -> int:
    """Print one sentence with its remedy on stderr; the exit code."""
    remedy = REMEDIES.get(getattr(error, "argument", ""))
    sentence = f"Error: {error}{f'; {remedy}' if remedy else ''}.".replace("\n", "\\n")  # in file names
    print(printable(sentence), file=sys.stderr)
    return 1


def printable(text: str) -> str:
    """The text with control characters, which file names may hold, as \\x1b and the like; line breaks stay."""
    return CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def report_os_error(error: OSError) -> int:
    if isinstance(error, BrokenPipeError):  # as in `| head`
        return 1
    what = f"{error.filename or 'The output'}: {error.strerror or error}"
    return report_error(f"{what}; check the path and its permissions")


def check_output(folder: Path | str) -> None:
    """PoseError, before any work, where a local folder cannot be created or written."""
    if isinstance(folder, str):
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise PoseError(f"Cannot write {folder}: {error.strerror or error}", "output_dir") from error
