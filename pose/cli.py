"""What both commands share: options, output names, signals, and how an error reaches the person.

Imports nothing heavy, so that --help and a mistyped option answer at once.
"""

from __future__ import annotations

import argparse
import contextlib
import glob
import itertools
import os
import signal
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from . import PoseError, __version__

PACKAGE = Path(__file__).parent
CLONE = PACKAGE.parent
# Where pip installed the package, results go where one stands.
PROJECT = CLONE if (CLONE / "Input").is_dir() else Path()
STAGES = range(1, 7)
NETWORKS = ["auto", "openpose", "blazepose"]
ENGINES = ["auto", "opencv", "openvino", "onnxruntime"]
PRECISIONS = ["auto", "fp32", "bf16"]
ACCURACIES = ["fast", "balanced", "best"]
BACKGROUNDS = {"photo": None, "black": 0, "white": 255}
STDIN = "-"  # in the place of a path: a list of paths comes there
LIST_SUFFIX = ".txt"
MAX_STEM = 180  # bytes; file systems allow 255, and results' names have endings
REMEDIES = {  # by PoseError.argument
    "codec": "choose another --codec",
    "device": "use --device cpu",
    "engine": "or leave --engine out",
    "precision": "leave --precision out",
    "image": "check --image_file",
    "model_folder": "check --model_folder",
    "net_wh": "try another --net_resolution or --device cpu",
    "network": "--model_folder says where else it is, and --network blazepose needs no download",
    "output_dir": "choose another --output_dir",
    "stages": "leave --stages out",
    "table": "or let --write_table end in .csv",
    "video": "check --video_file",
}


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Shows defaults, but not those of switches, and the examples line by line."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        has_default = action.nargs != 0 and action.default not in (None, [])
        return super()._get_help_string(action) if has_default else action.help


class Parser(argparse.ArgumentParser):
    """The options that both commands have, in groups. args.inputs are the paths, with or without their option."""

    def __init__(self, description: str, examples: str) -> None:
        super().__init__(
            usage="%(prog)s [options] [paths]",
            description=description,
            epilog=f"examples:\n{examples}",
            formatter_class=HelpFormatter,
            allow_abbrev=False,
        )
        self.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
        self.groups = {name: self.add_argument_group(name) for name in ("input", "network", "people", "clip", "output")}
        self.add_network_options()
        self.add_people_options()
        self.add_output_options()

    def add_inputs(self, option: str, metavar: str, example: Path, help: str) -> None:
        """Paths by themselves or after their option; the example where there are none."""
        self.example = show_path(example)
        self.groups["input"].add_argument(
            "inputs", nargs="*", metavar=metavar, help=f"{help} (default: {self.example})"
        )
        named_help = "the same, as an option"
        self.groups["input"].add_argument(
            option, dest="named_inputs", nargs="+", metavar=metavar, default=[], help=named_help
        )

    def add_network_options(self) -> None:
        add = self.groups["network"].add_argument
        add("--mode", type=str.upper, choices=["COCO", "MPI"], default="COCO", help="18 or 15 keypoints")
        add(
            "--device",
            type=str.lower,
            choices=["cpu", "gpu"],
            default="cpu",
            help="gpu: CUDA and others, the first that works",
        )
        engine_help = "auto: the fastest that is installed and works on the device"
        add("--engine", type=str.lower, choices=ENGINES, default="auto", help=engine_help)
        precision_help = "bf16: twice as fast, a little less exact; takes OpenVINO and a recent processor"
        add("--precision", type=str.lower, choices=PRECISIONS, default="auto", help=precision_help)
        network_help = (
            "auto, openpose or blazepose; auto: OpenPose's where its weights are, else the two in the box, "
            "mobilenet_thin and BlazePose"
        )
        add("--network", type=network_name, metavar="NAME", default="auto", help=network_help)
        size_help = "network input; -1 for one side keeps the aspect ratio; auto: the network's own"
        add("--net_resolution", type=net_resolution, metavar="WxH", default="auto", help=size_help)
        folder_help = "where getModels.sh put the weights"
        add("--model_folder", type=Path, metavar="DIR", default=show_path(PACKAGE), help=folder_help)
        stages_help = "stop OpenPose's network early: faster, less exact"
        add("--stages", type=int, choices=STAGES, default=STAGES[-1], help=stages_help)
        accuracy_help = "how many inferences: speed or precision"
        add("--accuracy", type=str.lower, choices=ACCURACIES, default="balanced", help=accuracy_help)

    def add_people_options(self) -> None:
        add = self.groups["people"].add_argument
        people_help = "-1: everyone; 1: only the main person"
        add("--number_people_max", type=whole_number(1, -1), metavar="N", default=-1, help=people_help)
        threshold_help = "keypoints that score less are neither drawn nor written"
        add("--threshold", type=share, metavar="T", default=0.1, help=threshold_help)

    def add_output_options(self) -> None:
        add = self.groups["output"].add_argument
        output_help = "where results go"
        add("--output_dir", type=Path, metavar="DIR", default=show_path(PROJECT / "Output"), help=output_help)
        add("--write_json", action="store_true", help="also write OpenPose JSON")
        add("--background", choices=list(BACKGROUNDS), default="photo", help="what the skeleton is drawn on")
        add("--quiet", action="store_true", help="print nothing but errors")
        add("--no_display", action="store_true", help="open no windows")

    def add_many_files_options(self) -> None:
        recursive_help = "subfolders too; results lie in the same tree below --output_dir"
        self.groups["input"].add_argument("--recursive", action="store_true", help=recursive_help)
        add = self.groups["output"].add_argument
        table_help = "also write a table of everyone in all inputs (.csv; with pyarrow installed .parquet)"
        add("--write_table", type=path_ending(".csv", ".parquet"), metavar="FILE", help=table_help)
        coco_help = "also write everyone in all inputs as COCO's keypoint results (.json)"
        add("--write_coco_json", type=path_ending(".json"), metavar="FILE", help=coco_help)

    def parse(self, argv: Sequence[str] | None) -> argparse.Namespace:
        words = list(sys.argv[1:] if argv is None else argv)
        if "--net_resolution" in words[:-1]:  # argparse would take -1x256 for an option of its own
            at = words.index("--net_resolution")
            words[at : at + 2] = ["=".join(words[at : at + 2])]
        args = self.parse_args(words)
        args.inputs = [*args.inputs, *args.named_inputs] or [self.example]
        return args

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see --help.\n")


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


def whole_number(least: int, also: int | None = None) -> Callable[[str], int]:
    """A parser of whole numbers from `least`, and of one more that stands for all."""

    def parse(text: str) -> int:
        if text.removeprefix("-").isdecimal() and (int(text) >= least or int(text) == also):
            return int(text)
        other = "" if also is None else f"{also} or "
        raise argparse.ArgumentTypeError(f"{text!r} is not {other}a whole number from {least}")

    return parse


def path_ending(*suffixes: str) -> Callable[[str], Path]:
    """A parser of paths that end so."""

    def parse(text: str) -> Path:
        if Path(text).suffix.lower() in suffixes:
            return Path(text)
        raise argparse.ArgumentTypeError(f"{text!r} does not end in {' or '.join(suffixes)}")

    return parse


def network_step(text: str) -> int | None:
    return None if text == "auto" else whole_number(1)(text)


def share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return value


class Signals:
    """Ctrl-C, kill, a closed terminal: the first raises KeyboardInterrupt; later ones must not disturb the clean-up."""

    received: int | None = None
    is_deferring = False
    then: Callable[[], None]
    numbers = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

    def listen(self) -> None:
        self.received = None
        for number in self.numbers:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self.handle)

    def ignore(self) -> None:
        for number in self.numbers:
            signal.signal(number, signal.SIG_IGN)

    def handle(self, number: int, _: object) -> None:
        if self.received is None:
            self.received = number
            if not self.is_deferring:
                raise KeyboardInterrupt
            self.then()

    def check(self) -> None:
        """Where a deferred signal may interrupt."""
        if self.received is not None:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def deferred(self, then: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Signals call `then` and wait until the block checks for them or is done, all of it."""
        self.then, self.is_deferring = then, True
        try:
            yield
        finally:
            self.is_deferring = False
            self.check()


signals = Signals()


def run(main: Callable[[], int]) -> int:
    """main's exit code; an error is one sentence on stderr and 1, Ctrl-C 130, another signal 128 + its number."""
    prepare_process()
    signals.listen()
    try:
        return translate_errors(main)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 128 + (signals.received or signal.SIGINT)
    finally:
        signals.ignore()  # while Python ends


def translate_errors(main: Callable[[], int]) -> int:
    try:
        return main()
    except ImportError as error:
        signals.check()  # numpy makes an ImportError of a Ctrl-C
        return report_error(f"The Python package {error.name} is missing; run: pip install -r requirements.txt")
    except PoseError as error:
        return report_error(error)
    except MemoryError:
        return report_error("Not enough memory; try a smaller --net_resolution or picture")
    except OSError as error:
        return report_os_error(error)


def prepare_process() -> None:
    for stream in filter(None, (sys.stdout, sys.stderr)):  # one that is closed is None
        stream.reconfigure(errors="backslashreplace")  # for consoles that cannot print a file's name
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # we report errors; OpenCV's lines name its source files
    os.environ.setdefault("SVT_LOG", "0")  # the AV1 encoder's own lines
    os.environ.setdefault("QT_LOGGING_RULES", "*=false")


def report_error(error: PoseError | str) -> int:
    """Print one sentence with its remedy on stderr; the exit code."""
    remedy = REMEDIES.get(getattr(error, "argument", ""))
    print(f"Error: {error}{f'; {remedy}' if remedy else ''}.", file=sys.stderr)
    return 1


def report_os_error(error: OSError) -> int:
    try:
        sys.stdout.flush()
    except OSError:  # it is the output that cannot be written: let Python not try again when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):  # its reader has gone, as in `| head`
        return 1
    return report_error(
        f"{error.filename or 'The output'}: {error.strerror or error}; check the path and its permissions"
    )


def find_files(
    names: Sequence[str], suffixes: tuple[str, ...], option: str, recursive: bool = False, output: Path = Path()
) -> Iterator[tuple[Path, str]]:
    """The files that paths, folders, patterns and lists of paths name, in order, each once; and their results' names.

    PoseError, before the first, where a name stands for none. recursive: subfolders too, but not the output folder.
    """
    for name in names:
        if not name:
            raise PoseError(f"An empty name is no path; check {option}")
        if Path(name).is_dir() and not any(expand(name, suffixes, recursive, output)):
            raise PoseError(f"The folder {Path(name)} holds none of {', '.join(suffixes)}; check {option}")
        if name != STDIN and not Path(name).exists() and not glob.glob(name):
            raise PoseError(f"{Path(name)} is not there; check {option}")
    return each_once(file for name in names for file in expand(name, suffixes, recursive, output))


def each_once(files: Iterable[tuple[Path, Path]]) -> Iterator[tuple[Path, str]]:
    """Files with distinct names for their results. Of those before only hashes are kept, as there may be millions."""
    seen: set[int] = set()
    names = ResultNames()
    for path, below in files:
        identity = hash(os.path.realpath(path))
        if identity not in seen:
            seen.add(identity)
            yield path, names.take(str(below.parent / below.stem))


def expand(name: str, suffixes: tuple[str, ...], recursive: bool, output: Path) -> Iterator[tuple[Path, Path]]:
    """A word's files, each with its path below the folder of results: recursive mirrors the tree, else it is flat."""
    is_list = name == STDIN or (name.lower().endswith(LIST_SUFFIX) and Path(name).is_file())
    for word in read_lines(name) if is_list else [name]:
        path = Path(word)
        if path.is_dir():
            for file in walk(path, suffixes, recursive, output):
                yield file, file.relative_to(path)
        else:
            matches = [] if is_list or path.exists() else sorted(map(Path, glob.glob(word)))
            for file in matches or [path]:  # a list's file that is not there is an error when its turn comes
                parts = [part for part in file.parts if part not in (file.anchor, "..")]
                yield file, Path(*parts) if recursive else Path(file.name)


def walk(folder: Path, suffixes: tuple[str, ...], recursive: bool, output: Path) -> Iterator[Path]:
    """A folder's files, sorted, then those of its subfolders. A subfolder that cannot be read comes as a file."""
    unreadable: list[str] = []
    for parent, folders, files in os.walk(folder, onerror=lambda error: unreadable.append(error.filename)):
        paths = (Path(parent, name) for name in sorted(files))
        yield from (path for path in paths if path.suffix.lower() in suffixes and path.is_file())
        inner = (name for name in sorted(folders) if Path(parent, name).resolve() != output.resolve())
        folders[:] = inner if recursive else ()
    yield from map(Path, unreadable)


def read_lines(name: str) -> Iterator[str]:
    """The paths in a list, one a line, of a file or of standard input; they may hold any bytes but line ends."""
    with open(sys.stdin.fileno() if name == STDIN else name, "rb", closefd=name != STDIN) as lines:
        yield from filter(None, (os.fsdecode(line.rstrip(b"\r\n")) for line in lines))


class ResultNames:
    """Names for results, by inputs' names: those that are too long are cut, and the second of a name is NAME-2."""

    def __init__(self) -> None:
        self.taken: set[int] = set()  # hashes

    def take(self, stem: str) -> str:
        folder, last = os.path.split(stem)
        name = os.fsencode(last)
        if len(name) > MAX_STEM:
            stem = os.path.join(folder, f"{name[:MAX_STEM].decode('utf-8', 'ignore')}-{zlib.crc32(name):08x}")
        numbered = (stem if number == 1 else f"{stem}-{number}" for number in itertools.count(1))
        free = next(one for one in numbered if hash(one.casefold()) not in self.taken)  # some file systems fold case
        self.taken.add(hash(free.casefold()))
        return free


def distinct(stems: Iterable[str]) -> list[str]:
    return list(map(ResultNames().take, stems))


def check_output(folder: Path) -> None:
    """PoseError, before any work, where the folder cannot be made or written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise PoseError(f"Cannot write {folder}: {error.strerror or error}", "output_dir") from error


def estimator_options(args: argparse.Namespace) -> dict[str, Any]:
    """What PoseEstimator takes of the command line."""
    names = "mode network device engine precision model_folder stages accuracy threshold number_people_max".split()
    return {name: getattr(args, name) for name in names} | {"net_wh": args.net_resolution}


def show_path(path: Path) -> str:
    """The path as short as it is clear from the present folder."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):  # elsewhere, or the present folder is gone
        return str(path)
