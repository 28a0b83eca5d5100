#!/usr/bin/env python3
"""Find people's poses in clips: the same clip with everyone's skeleton, in Output/."""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # which python -I leaves out
from pose.startup import end_at_once

end_at_once()

import argparse
import contextlib
from collections.abc import Sequence
from functools import partial
from typing import NoReturn

from pose import cli, inputs, options
from pose.choices import CODECS
from pose.media.storage import join

CLIP_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".gif", ".3gp", ".ts")
EXAMPLES = """\
  python get_hpe_video.py clip.mp4
  python get_hpe_video.py squats/ --write_plot --write_json --output_dir results"""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = options.Parser(__doc__ or "", EXAMPLES)
    example = options.PROJECT / "Input" / "example_video1.mp4"
    video_help = "clips, folders or patterns of clips, a camera's number, a stream's address, frame_%%04d.png"
    parser.add_inputs("--video_file", "CLIP", example, video_help)
    add = partial(parser.add, "clip")
    add("--frame_first", "start at this frame", 0, options.whole_number(0), "N")
    add("--frame_last", "end with this frame; -1: the last", -1, options.whole_number(0, -1), "N")
    add("--frame_step", "take every Nth frame", 1, options.whole_number(1), "N")
    add("--frame_rotate", "rotate frames, degrees clockwise", 0, [0, 90, 180, 270])
    add("--frame_info", "write frame number and seconds into the corner")
    step_help = "inference on every Nth frame, poses in between are interpolated; auto: about 15 a second"
    add("--network_step", step_help, "auto", options.auto_or(options.whole_number(1)), "N")
    add("--no_smooth", "keypoints of each frame by itself")
    add("--no_track", "no identities, and so no smoothing")
    add("--codec", ".mp4 that plays everywhere, .mp4, .webm, .webm, .mov, .gif", CODECS[0], CODECS)
    add("--no_audio", "leave the sound out")
    add("--reconnect", "wait for a camera or address that stops sending, and continue the same clip")
    add("--write_video_with_audio", argparse.SUPPRESS)  # now the default
    add("--resume", "after Ctrl-C: continue where the same command stopped")
    plot_help = "also write a sheet of the clip's poses and, with matplotlib, the joints' angles over time"
    parser.add("output", "--write_plot", plot_help)
    parser.add("output", "--verbose", "print where the time went")
    args = parser.parse(argv)
    if 0 <= args.frame_last < args.frame_first:
        parser.error(f"--frame_last {args.frame_last} lies before --frame_first {args.frame_first}")
    if args.no_track and (args.network_step or 1) > 1:
        parser.error("--network_step above 1 needs identities, which --no_track leaves out")
    return args


def clips(args: argparse.Namespace) -> list[tuple[str, str]]:
    """Clips, cameras, addresses and numbered pictures, and the stems of their results' names."""
    from pose.media.sources import is_live, is_numbered, stem_of

    def stem_of_stream(name: str) -> str | None:
        return stem_of(name) if is_live(name) or is_numbered(name) else None

    results = join(args.output_dir, f"Video{args.mode}")
    return list(inputs.find_files(args.inputs, CLIP_SUFFIXES, "video", args.recursive, results, stem_of_stream))


def main(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    from pose.clip import Clips
    from pose.jobs import Progress, in_order, open_jobs
    from pose.media.sources import is_live
    from pose.media.tables import table_writer
    from pose.skeletons import SKELETONS
    from pose.window import Windows

    files = clips(args)
    remaining = {name for name, _ in files}
    has_workers = bool(args.cluster) or args.workers != 1  # else each clip has a bar of its own
    progress = Progress("clips", args.quiet, lambda: len(files), has_workers and len(files) > 1)
    with contextlib.ExitStack() as stack:
        windows = stack.enter_context(contextlib.closing(Windows(not args.no_display)))
        jobs = stack.enter_context(open_jobs(Clips, args, windows))
        if not args.quiet:
            print(f"{args.mode} keypoints by {jobs.description}", flush=True)
        cli.check_output(join(args.output_dir, f"Video{args.mode}"))
        write = stack.enter_context(table_writer(filter(None, [args.write_table]), SKELETONS[args.mode]))
        try:
            for outcome in in_order(progress.watch(jobs(files))):
                remaining.remove(outcome.name)
                for frame in outcome.frames:
                    write(outcome.name, *frame)
        except KeyboardInterrupt:
            if not all(map(is_live, remaining)):
                print("The rest: the same command with --resume.", file=sys.stderr)
            raise
    return progress.finish()


def command() -> NoReturn:
    """What `get_hpe_video` runs where pip installed it."""
    cli.leave(cli.run(main))


if __name__ == "__main__":
    command()
