#!/usr/bin/env python3
"""Find people's poses in photos: a picture of the keypoints and one of the skeletons for each, in Output/."""

from __future__ import annotations

import os
import signal
import sys

# As a command, installed or not, and until cli.run listens: Ctrl-C ends it at once, without a traceback of imports.
is_command = os.path.basename(sys.argv[0]).startswith("get_hpe_")
if is_command and signal.getsignal(signal.SIGINT) == signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pose import PoseError, cli, inputs

if TYPE_CHECKING:
    import numpy as np

    from pose import PoseEstimator
    from pose.media.report import Stopwatch

EXAMPLES = """\
  python get_hpe_image.py photo.jpg
  python get_hpe_image.py holiday/ "team*.jpg" --mode MPI --write_json --output_dir results"""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.Parser(__doc__ or "", EXAMPLES)
    example = cli.PROJECT / "Input" / "example_image1.png"
    parser.add_inputs(
        "--image_file",
        "PHOTO",
        example,
        "picture files, folders, patterns, a .txt list of them, or -: a list on standard input",
    )
    parser.add_many_files_options()
    heatmaps_help = "also write what the network saw: all keypoints' heatmaps, one keypoint's by its name, or fields"
    parser.add("output", "--heatmaps", heatmaps_help, None, str, "all|fields|KEYPOINT")
    args = parser.parse(argv)
    if args.write_coco_json and args.mode != "COCO":
        parser.error("--write_coco_json takes --mode COCO")
    return args


def outputs(args: argparse.Namespace, stem: str) -> dict[str, Path]:
    """Where each result of a photo goes."""
    folder = args.output_dir / f"Image{args.mode}"
    return {
        "keypoints": folder / f"{stem}-Keypoints-{args.mode}.jpg",
        "skeleton": folder / f"{stem}-Skeleton-{args.mode}.jpg",
        "heatmaps": folder / f"{stem}-Heatmaps-{args.mode}.jpg",
        "json": folder / f"{stem}_keypoints.json",
    }


def main(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    from pose import PoseEstimator
    from pose.media.photos import SUFFIXES
    from pose.media.tables import table_writer
    from pose.window import Windows

    results = args.output_dir / f"Image{args.mode}"
    photos = inputs.find_files(args.inputs, SUFFIXES, "--image_file", args.recursive, results)
    estimator = PoseEstimator(**cli.estimator_options(args))
    maps_of = ["all", "fields", *estimator.heatmap_network.skeleton.keypoints]
    if args.heatmaps not in (None, *maps_of):
        raise PoseError(f"--heatmaps takes {', '.join(maps_of)}, not {args.heatmaps}")
    if not args.quiet:
        print(cli.describe_run(args.mode, estimator), flush=True)
    cli.check_output(results)
    exit_code = 0
    tables = filter(None, [args.write_table, args.write_coco_json])
    with table_writer(tables, estimator.skeleton) as write, contextlib.closing(Windows(not args.no_display)) as windows:
        for path, stem in photos:
            try:
                with cli.memory_errors(str(path)):
                    people, pictures = process_photo(args, estimator, path, stem)
            except PoseError as error:  # one bad photo does not stop a folder of them
                exit_code = cli.report_error(error)
            else:
                write(str(path), 0, 0, people)
                windows.show(
                    {f"{title}, {path.name}, a key goes on": picture for title, picture in pictures.items()}, wait=True
                )
    return exit_code


def process_photo(
    args: argparse.Namespace, estimator: PoseEstimator, path: Path, stem: str
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """From a photo's file to its results, which are written: the people in it, and the pictures of them."""
    from pose import draw_heatmaps, draw_keypoints, draw_skeleton
    from pose.draw import on_background
    from pose.media.photos import read_picture
    from pose.media.report import Stopwatch
    from pose.media.results import people_to_json, save_picture, save_text

    clock = Stopwatch()
    picture = read_picture(path)
    with clock("inference"):
        people = estimator.estimate_3d(picture)
    canvas = on_background(picture, cli.BACKGROUNDS[args.background])
    results = {
        "Keypoints": draw_keypoints(
            canvas, people, estimator.skeleton, face=not args.no_face, show_scores=args.show_scores
        ),
        "Skeleton": draw_skeleton(canvas, people, estimator.skeleton, **cli.drawing_options(args)),
    }
    if args.heatmaps:
        network = estimator.heatmap_network
        results["Heatmaps"] = draw_heatmaps(picture, network(picture), network.skeleton, args.heatmaps)
    names = outputs(args, stem)
    written = [names[title.lower()] for title in results]
    for name, result in zip(written, results.values(), strict=True):
        save_picture(name, result)
    if args.write_json:
        save_text(names["json"], people_to_json(people))
        written.append(names["json"])
    if not args.quiet:
        print(summary(path, picture, people, clock, written), flush=True)
    return people, results


def summary(path: Path, picture: np.ndarray, people: np.ndarray, clock: Stopwatch, written: list[Path]) -> str:
    from pose.media.report import file_report
    from pose.media.results import count_people

    h, w = picture.shape[:2]
    found = f"{count_people(len(people))}, {int((people[:, :, 2] > 0).sum())} keypoints"
    return file_report(f"{path}, {w}x{h}", found, clock, map(cli.show_path, written))


def command() -> int:
    """What `get_hpe_image` runs where pip installed it."""
    return cli.run(main)


if __name__ == "__main__":
    sys.exit(command())
