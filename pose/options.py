"""The options that both commands have, and the library's arguments for them.

Imports nothing heavy, so that --help and a mistyped option answer at once.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from . import __version__
from .choices import ACCURACIES, DEVICES, ENGINES, MODES, NETWORKS, PACKAGE, PRECISIONS, STAGES, STYLES
from .media.storage import fingerprint, is_remote
from .networks.cores import core_count

CLONE = PACKAGE.parent
# In a clone the project's folder; where pip installed the package, the current one, for results.
PROJECT = CLONE if (CLONE / "Input").is_dir() else Path()
MAX_NUMBER = 2**31 - 1  # larger ones overflow in the libraries
MAX_PIXELS = 178_956_970  # of a picture; Pillow's limit against decompression bombs
BACKGROUNDS = {"photo": None, "black": 0, "white": 255}
NOT_IN_SETTINGS = [  # options that do not change results
    *"inputs named_inputs model_folder output_dir quiet verbose no_display write_video_with_audio".split(),
    *"resume reconnect recursive skip_existing workers cluster write_table write_coco_json".split(),
]


def show_path(path: Path | str) -> str:
    """The path, relative to the current folder if it is in there."""
    if isinstance(path, str):  # remote
        return path
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):  # outside of it, or the current folder was deleted
        return str(path)


def net_resolution(text: str) -> tuple[int, int]:
    """WxH, from 16 to 4096 each; one may be -1."""
    try:
        w, h = (int(side) for side in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not WxH, such as 368x368 or -1x256") from None
    if any(side != -1 and not 16 <= side <= 4096 for side in (w, h)) or w == h == -1:
        raise argparse.ArgumentTypeError(f"{text!r}: each side goes from 16 to 4096, and one may be -1")
    return w, h


def whole_number(least: int, also: int | None = None) -> Callable[[str], int]:
    """A parser of whole numbers from `least` to MAX_NUMBER, and of `also`."""

    def parse(text: str) -> int:
        if text.removeprefix("-").isdecimal() and (least <= int(text) <= MAX_NUMBER or int(text) == also):
            return int(text)
        other = "" if also is None else f"{also} or "
        raise argparse.ArgumentTypeError(f"{text!r} is not {other}a whole number from {least} to {MAX_NUMBER}")

    return parse


def path_ending(*suffixes: str) -> Callable[[str], Path]:
    """A parser of local paths with one of these suffixes."""

    def parse(text: str) -> Path:
        if is_remote(text):
            raise argparse.ArgumentTypeError(f"{text!r} is not on this machine")
        if Path(text).suffix.lower() in suffixes:
            return Path(text)
        raise argparse.ArgumentTypeError(f"{text!r} does not end in {' or '.join(suffixes)}")

    return parse


def folder(text: str) -> Path | str:
    return text if is_remote(text) else Path(text)


def auto_or(parse: Callable[[str], Any], auto: Any = None) -> Callable[[str], Any]:
    """A parser that also accepts the word auto, for the value `auto`."""
    return lambda text: auto if text == "auto" else parse(text)


def share(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= float(text) <= 1:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")


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
        groups = "input", "network", "people", "clip", "drawing", "output", "many files"
        self.groups = {name: self.add_argument_group(name) for name in groups}
        self.add_common_options()

    def add(
        self, group: str, option: str, help: str, default: Any = None, allowed: Any = None, metavar: str | None = None
    ) -> None:
        """allowed: the values, in capitals or not, or a parser of values; None: the option is a switch."""
        if allowed is None:
            settings: dict[str, Any] = {"action": "store_true"}
        elif callable(allowed):
            settings = {"type": allowed, "metavar": metavar, "default": default}
        else:
            values = {str(value).lower(): value for value in allowed}
            settings = {"type": lambda text: values.get(text.lower(), text), "choices": allowed, "default": default}
        self.groups[group].add_argument(option, help=help, **settings)

    def add_inputs(self, option: str, metavar: str, example: Path, help: str) -> None:
        """Paths, with or without their option; without any, the example."""
        self.example, self.metavar = show_path(example), metavar
        add = self.groups["input"].add_argument
        add("inputs", nargs="*", metavar=metavar, help=f"{help} (default: {self.example})")
        add(option, dest="named_inputs", nargs="+", metavar=metavar, default=[], help="the same, as an option")
        self.add("input", "--max_pixels", "larger pictures are refused", MAX_PIXELS, whole_number(1), "N")

    def add_common_options(self) -> None:
        """The options of both commands."""
        positive, output_dir = whole_number(1), show_path(PROJECT / "Output")
        workers = auto_or(positive, max(1, core_count() // 2))  # on two cores one is faster than two
        size_help = "largest network input; -1 for one side: as the aspect ratio requires"
        workers_help = "processes that share the files; auto: one for every two cores; needs Dask"
        table_help = "everyone in all inputs in a table (.csv, with pyarrow .parquet)"
        options: list[tuple[Any, ...]] = [
            ("network", "--mode", "18 or 15 keypoints", "COCO", MODES),
            ("network", "--network", "auto: openpose where its weights are, else blazepose", "auto", NETWORKS),
            ("network", "--device", "gpu: CUDA or what else works here", "cpu", DEVICES),
            ("network", "--engine", "auto: the fastest that is installed and works on the device", "auto", ENGINES),
            ("network", "--precision", "bf16: half the time, less exact; needs OpenVINO", "auto", PRECISIONS),
            ("network", "--net_resolution", size_help, "auto", auto_or(net_resolution), "WxH"),
            ("network", "--model_folder", "where getModels.sh put the weights", show_path(PACKAGE), Path, "DIR"),
            ("network", "--stages", "stop OpenPose's network early: faster, less exact", STAGES, range(1, STAGES + 1)),
            ("network", "--accuracy", "how many inferences: speed or precision", "balanced", ACCURACIES),
            ("people", "--number_people_max", "-1: everyone; 1: only the main person", -1, whole_number(1, -1), "N"),
            ("people", "--threshold", "keypoints that score less are neither drawn nor written", 0.1, share, "T"),
            ("drawing", "--style", "openpose: for image generators; classic: the tutorials'", "modern", STYLES),
            ("drawing", "--background", "under the skeletons; black for image generators", "photo", BACKGROUNDS),
            ("drawing", "--line_width", "of limbs in pixels; without it by each person's size", None, positive, "N"),
            ("drawing", "--no_face", "leave out nose, eyes and ears"),
            ("drawing", "--show_ids", "write each person's number above their head"),
            ("drawing", "--show_scores", "write each keypoint's score next to it"),
            ("output", "--output_dir", "where results go", output_dir, folder, "DIR"),
            ("output", "--write_json", "also write OpenPose JSON"),
            ("output", "--quiet", "print nothing but errors"),
            ("output", "--no_display", "open no windows"),
            ("many files", "--recursive", "subfolders too; results lie in the same tree below --output_dir"),
            ("many files", "--skip_existing", "leave out files with complete results of the same options"),
            ("many files", "--workers", workers_help, 1, workers, "N"),
            ("many files", "--cluster", "a Dask scheduler, such as tcp://host:8786", None, str, "ADDRESS"),
            ("many files", "--write_table", table_help, None, path_ending(".csv", ".parquet"), "FILE"),
        ]
        for option in options:
            self.add(*option)

    def parse(self, argv: Sequence[str] | None) -> argparse.Namespace:
        words = list(sys.argv[1:] if argv is None else argv)
        if "--net_resolution" in words[:-1]:  # argparse would parse -1x256 as an option
            at = words.index("--net_resolution")
            words[at : at + 2] = ["=".join(words[at : at + 2])]
        args = self.parse_args(words)
        os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(args.max_pixels)  # read when OpenCV is imported
        named = [*args.inputs, *args.named_inputs]
        if not named and PROJECT != CLONE:
            self.error(f"name a {self.metavar}; the examples are in the project's repository, pip installs none")
        args.inputs = named or [self.example]
        if args.cluster and args.workers != 1:
            self.error("--cluster brings its own workers: leave --workers out")
        return args

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see --help.\n")


def estimator_options(args: argparse.Namespace) -> dict[str, Any]:
    """PoseEstimator's arguments."""
    names = "mode network device engine precision model_folder stages accuracy threshold number_people_max".split()
    options = {name: getattr(args, name) for name in names} | {"net_wh": args.net_resolution}
    # A cluster's workers use their own model folder where it is None.
    return {name: value for name, value in options.items() if name != "model_folder" or value}


def result_settings(args: argparse.Namespace, description: str, files: Iterable[Path | str]) -> dict[str, Any]:
    """All that results depend on: options, network, source files, version."""
    options = {option: value for option, value in vars(args).items() if option not in NOT_IN_SETTINGS}
    network = description.partition("\n")[0]  # a second line may hold a hint
    return options | {"network": network, "source": fingerprint(files), "version": __version__}


def drawing_options(args: argparse.Namespace) -> dict[str, Any]:
    """draw_skeleton's arguments."""
    names = "style line_width show_ids show_scores".split()
    return {name: getattr(args, name) for name in names} | {"face": not args.no_face}


def show_results(args: argparse.Namespace, paths: Sequence[Path | str]) -> list[str]:
    """Paths for the screen; unchanged with a cluster, whose workers have another current folder."""
    return [str(path) if args.cluster else show_path(path) for path in paths]
