#!/usr/bin/env python3
"""Find people's poses in photos: a picture of the keypoints and one of the skeletons for each, in Output/."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from pose import PoseError, cli


def parse(argv: list[str] | None):
    parser = cli.make_parser(__doc__)
    example = [str(cli.PROJECT / "Input" / "example_image1.png")]
    parser.add_argument(
        "--image_file", nargs="+", metavar="PATH", default=example, help="picture files, folders or patterns"
    )
    return parser.parse_args(argv)


def outputs(args, path: Path) -> dict[str, Path]:
    """Where each result of a photo goes."""
    folder = args.output_dir / f"Image{args.mode}"
    return {
        "keypoints": folder / f"{path.stem}-Keypoints-{args.mode}.jpg",
        "skeleton": folder / f"{path.stem}-Skeleton-{args.mode}.jpg",
        "json": folder / f"{path.stem}_keypoints.json",
    }


def main(argv: list[str] | None = None) -> int:
    args = parse(argv)
    from pose.estimate import PoseEstimator
    from pose.picture import SUFFIXES

    paths = cli.find_files(args.image_file, SUFFIXES, "--image_file")
    cli.refuse_collisions((path, outputs(args, path)["skeleton"]) for path in paths)
    estimator = PoseEstimator(**cli.estimator_options(args))
    if not args.quiet:
        print(estimator.description, flush=True)
    cli.check_output(args.output_dir / f"Image{args.mode}")
    failed = 0
    for path in paths:
        try:
            one_photo(args, estimator, path)
        except PoseError as error:  # one bad photo does not stop a folder of them
            failed = cli.complain(str(error))
    return failed


def one_photo(args, estimator, path: Path) -> None:
    """From a photo's file to its results."""
    from pose.draw import draw_keypoints, draw_skeleton, on_background
    from pose.export import people_to_json, save_picture, save_text
    from pose.picture import read_picture

    start = time.perf_counter()
    picture = read_picture(path)
    people = estimator(picture)
    seconds = time.perf_counter() - start
    canvas = on_background(picture, cli.BACKGROUNDS[args.background])
    results = {
        "Keypoints": draw_keypoints(canvas, people, estimator.skeleton),
        "Skeleton": draw_skeleton(canvas, people, estimator.skeleton),
    }
    names = outputs(args, path)
    if args.write_json:
        save_text(names["json"], people_to_json(people))
    save_picture(names["keypoints"], results["Keypoints"])
    save_picture(names["skeleton"], results["Skeleton"])
    if not args.quiet:
        print(summary(path.name, people, seconds, names["skeleton"]), flush=True)
    if cli.can_display(args.no_display):
        cli.show(results, path.name)


def summary(name: str, people, seconds: float, skeleton: Path) -> str:
    count = f"{len(people)} {'person' if len(people) == 1 else 'people'}"
    found = int((people[:, :, 2] > 0).sum())
    return f"{name}: {count}, {found} keypoints, {seconds:.2f} s -> {cli.show_path(skeleton)}"


if __name__ == "__main__":
    sys.exit(cli.run(main))
