#!/usr/bin/env python3
"""Find people's poses in photos: a picture of the keypoints and one of the skeletons for each, in Output/."""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # which python -I leaves out
from pose.startup import end_at_once

end_at_once()

import argparse
import contextlib
import functools
from collections.abc import Sequence
from typing import NoReturn

from pose import cli, inputs, options

EXAMPLES = """\
  python get_hpe_image.py photo.jpg
  python get_hpe_image.py holiday/ "team*.jpg" --mode MPI --write_json --output_dir results"""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = options.Parser(__doc__ or "", EXAMPLES)
    example = options.PROJECT / "Input" / "example_image1.png"
    photo_help = "picture files, folders, patterns, a .txt list of them, or -: a list on standard input"
    parser.add_inputs("--image_file", "PHOTO", example, photo_help)
    coco_help = "everyone in all inputs as COCO's keypoint results (.json)"
    parser.add("many files", "--write_coco_json", coco_help, None, options.path_ending(".json"), "FILE")
    heatmaps_help = "also write the heatmaps: of all keypoints, of one by its name, or the part affinity fields"
    parser.add("output", "--heatmaps", heatmaps_help, None, str, "all|fields|KEYPOINT")
    args = parser.parse(argv)
    if args.write_coco_json and args.mode != "COCO":
        parser.error("--write_coco_json needs --mode COCO")
    if args.skip_existing and (args.write_table or args.write_coco_json) and not args.write_json:
        parser.error("a table with --skip_existing needs --write_json, for the rows of skipped photos")
    return args


def main(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    from pose.jobs import Progress, in_order, open_jobs
    from pose.media.photos import SUFFIXES
    from pose.media.results import people_from_json
    from pose.media.storage import join
    from pose.media.tables import table_writer
    from pose.photo import Photos
    from pose.skeletons import SKELETONS
    from pose.window import Windows

    results = join(args.output_dir, f"Image{args.mode}")
    photos = inputs.find_files(args.inputs, SUFFIXES, "image", args.recursive, results)
    tables = filter(None, [args.write_table, args.write_coco_json])
    with contextlib.ExitStack() as stack:
        jobs = stack.enter_context(open_jobs(Photos, args))
        if not args.quiet:
            print(f"{args.mode} keypoints by {jobs.description}", flush=True)
        cli.check_output(results)
        write = stack.enter_context(table_writer(tables, SKELETONS[args.mode]))
        windows = stack.enter_context(contextlib.closing(Windows(not args.no_display)))
        count = functools.partial(inputs.count_files, args.inputs, SUFFIXES, args.recursive, results)
        progress = Progress("photos", args.quiet, count)
        for outcome in in_order(progress.watch(jobs(photos))):
            if outcome.people_json:
                write(outcome.name, 0, 0, people_from_json(outcome.people_json))
            titles = {f"{kind}, {outcome.name}, any key: next": picture for kind, picture in outcome.pictures.items()}
            if titles:
                windows.show(titles, wait=True)
    return progress.finish()


def command() -> NoReturn:
    """What `get_hpe_image` runs where pip installed it."""
    cli.leave(cli.run(main))


if __name__ == "__main__":
    command()
