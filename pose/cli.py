"""What both commands share: options, output names, signals, and how an error reaches the person.

Imports nothing heavy, so that --help and a mistyped option answer at once.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from . import PoseError, __version__
from .media.storage import is_remote

if TYPE_CHECKING:
    from . import PoseEstimator, VideoPoseEstimator

PACKAGE = Path(__file__).parent
CLONE = PACKAGE.parent
# Where pip installed the package, results go where one stands.
PROJECT = CLONE if (CLONE / "Input").is_dir() else Path()
STAGES = range(1, 7)
MODES = ["COCO", "MPI"]
NETWORKS = ["auto", "openpose", "blazepose"]
DEVICES = ["cpu", "gpu"]
ENGINES = ["auto", "opencv", "openvino", "onnxruntime", "tensorrt"]
PRECISIONS = ["auto", "fp32", "bf16"]
ACCURACIES = ["fast", "balanced", "best"]
STYLES = ["modern", "openpose", "classic"]
BACKGROUNDS = {"photo": None, "black": 0, "white": 255}
CHANGE_NOTHING = [  # of the results
    *"inputs named_inputs model_folder output_dir quiet verbose no_display resume write_video_with_audio".split(),
    *"recursive skip_existing workers cluster write_table write_coco_json".split(),
]
REMEDIES = {  # by PoseError.argument
    "cluster": "check --cluster",
    "codec": "choose another --codec",
    "device": "use --device cpu",
    "engine": "or leave --engine out",
    "frames": "check --video_file and --frame_first",
    "precision": "leave --precision out",
    "image": "check --image_file",
    "model_folder": "check --model_folder",
    "net_wh": "try another --net_resolution or --device cpu",
    "network": "--model_folder says where else it is, and --network blazepose needs no download",
    "output_dir": "choose another --output_dir",
    "resume": "give the same options again, or leave --resume out to start anew",
    "stages": "leave --stages out",
    "table": "or let --write_table end in .csv",
    "video": "check --video_file",
    "workers": "or leave --workers and --cluster out",
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
        self.groups = {
            name: self.add_argument_group(name)
            for name in ("input", "network", "people", "clip", "drawing", "output", "many files")
        }
        self.add_network_options()
        self.add_people_options()
        self.add_drawing_options()
        self.add_output_options()
        self.add_many_files_options()

    def add_inputs(self, option: str, metavar: str, example: Path, help: str) -> None:
        """Paths by themselves or after their option; the example where there are none."""
        self.example = show_path(example)
        add = self.groups["input"].add_argument
        add("inputs", nargs="*", metavar=metavar, help=f"{help} (default: {self.example})")
        option_help = "the same, as an option"
        add(option, dest="named_inputs", nargs="+", metavar=metavar, default=[], help=option_help)

    def add_network_options(self) -> None:
        add, lower = self.groups["network"].add_argument, str.lower
        add("--mode", type=str.upper, choices=MODES, default="COCO", help="18 or 15 keypoints")
        network_help = "auto: OpenPose's where its weights are, else the two in the box, mobilenet_thin and BlazePose"
        add("--network", type=lower, choices=NETWORKS, default="auto", help=network_help)
        add("--device", type=lower, choices=DEVICES, default="cpu", help="gpu: CUDA or what else works here")
        engine_help = "auto: the fastest that is installed and works on the device"
        add("--engine", type=lower, choices=ENGINES, default="auto", help=engine_help)
        precision_help = "bf16: twice as fast, a little less exact; takes OpenVINO and a recent processor"
        add("--precision", type=lower, choices=PRECISIONS, default="auto", help=precision_help)
        size_help = "network input; -1 for one side keeps the aspect ratio; auto: the network's own"
        add("--net_resolution", type=net_resolution, metavar="WxH", default="auto", help=size_help)
        folder_help = "where getModels.sh put the weights"
        add("--model_folder", type=Path, metavar="DIR", default=show_path(PACKAGE), help=folder_help)
        stages_help = "stop OpenPose's network early: faster, less exact"
        add("--stages", type=int, choices=STAGES, default=STAGES[-1], help=stages_help)
        accuracy_help = "how many inferences: speed or precision"
        add("--accuracy", type=lower, choices=ACCURACIES, default="balanced", help=accuracy_help)

    def add_people_options(self) -> None:
        add = self.groups["people"].add_argument
        people_help = "-1: everyone; 1: only the main person"
        add("--number_people_max", type=whole_number(1, -1), metavar="N", default=-1, help=people_help)
        threshold_help = "keypoints that score less are neither drawn nor written"
        add("--threshold", type=share, metavar="T", default=0.1, help=threshold_help)

    def add_drawing_options(self) -> None:
        add = self.groups["drawing"].add_argument
        style_help = "openpose: what image generators take, with --background black; classic: the tutorials'"
        add("--style", type=str.lower, choices=STYLES, default=STYLES[0], help=style_help)
        add("--background", type=str.lower, choices=BACKGROUNDS, default="photo", help="what skeletons are drawn on")
        width_help = "of limbs, in pixels, in place of one that follows each person's size"
        add("--line_width", type=whole_number(1), metavar="N", help=width_help)
        add("--no_face", action="store_true", help="leave out nose, eyes and ears")
        add("--show_ids", action="store_true", help="write each person's number above their head")
        add("--show_scores", action="store_true", help="write each keypoint's score beside it")

    def add_output_options(self) -> None:
        add = self.groups["output"].add_argument
        output_dir = show_path(PROJECT / "Output")
        add("--output_dir", type=folder, metavar="DIR", default=output_dir, help="where results go")
        add("--write_json", action="store_true", help="also write OpenPose JSON")
        add("--quiet", action="store_true", help="print nothing but errors")
        add("--no_display", action="store_true", help="open no windows")

    def add_many_files_options(self) -> None:
        recursive_help = "subfolders too; results lie in the same tree below --output_dir"
        self.groups["input"].add_argument("--recursive", action="store_true", help=recursive_help)
        add = self.groups["many files"].add_argument
        skip_help = "leave out files that have complete results, made with the same options of the same file"
        add("--skip_existing", action="store_true", help=skip_help)
        workers_help = "processes that share the files; auto: one for each core; takes Dask"
        add("--workers", type=worker_count, metavar="N|auto", default=1, help=workers_help)
        cluster_help = "let the workers of a Dask scheduler do it, such as tcp://host:8786"
        add("--cluster", metavar="ADDRESS", help=cluster_help)

    def add_table_options(self) -> None:
        add = self.groups["many files"].add_argument
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
        if args.cluster and args.workers != 1:
            self.error("--cluster brings its own workers: leave --workers out")
        return args

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see --help.\n")


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


def folder(text: str) -> Path | str:
    """A Path, or a str where it lies elsewhere."""
    return text if is_remote(text) else Path(text)


def worker_count(text: str) -> int | None:
    return None if text == "auto" else whole_number(1)(text)


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
    # OpenVINO goes on without its model converters, which take half of its import and report usage.
    sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type]


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


def check_output(folder: Path | str) -> None:
    """PoseError, before any work, where a folder here cannot be made or written to."""
    if isinstance(folder, str):
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise PoseError(f"Cannot write {folder}: {error.strerror or error}", "output_dir") from error


def estimator_options(args: argparse.Namespace) -> dict[str, Any]:
    """What PoseEstimator takes of the command line."""
    names = "mode network device engine precision model_folder stages accuracy threshold number_people_max".split()
    options = {name: getattr(args, name) for name in names} | {"net_wh": args.net_resolution}
    return {name: value for name, value in options.items() if name != "model_folder" or value}


def settings(args: argparse.Namespace, **others: object) -> dict[str, Any]:
    """What a file's results depend on, to know whether they are there: options, others, and the version."""
    options = {option: value for option, value in vars(args).items() if option not in CHANGE_NOTHING}
    return options | others | {"version": __version__}


def describe_run(mode: str, estimator: PoseEstimator | VideoPoseEstimator) -> str:
    """What is the same for every file: keypoints, networks, device, engine."""
    return f"{mode} keypoints by {estimator.description}"


def drawing_options(args: argparse.Namespace) -> dict[str, Any]:
    """What draw_skeleton takes of the command line."""
    names = "style line_width show_ids show_scores".split()
    return {name: getattr(args, name) for name in names} | {"face": not args.no_face}


def show_path(path: Path | str) -> str:
    """The path as short as it is clear from the present folder."""
    if isinstance(path, str):
        return path
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):  # elsewhere, or the present folder is gone
        return str(path)


def show_results(args: argparse.Namespace, paths: Sequence[Path | str]) -> list[str]:
    """Paths for the screen; on a cluster's worker, whose folder is another, as they are."""
    return [str(path) if args.cluster else show_path(path) for path in paths]
