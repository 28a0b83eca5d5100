#!/usr/bin/env python3
"""Find people's poses in clips: the same clip with everyone's skeleton, in Output/."""

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
from functools import partial

from pose import PoseError, cli, inputs
from pose.choices import CODECS

CLIP_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".gif", ".3gp", ".ts")
EXAMPLES = """\
  python get_hpe_video.py clip.mp4
  python get_hpe_video.py squats/ --write_plot --write_json --output_dir results"""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.Parser(__doc__ or "", EXAMPLES)
    example = cli.PROJECT / "Input" / "example_video1.mp4"
    video_help = "clips, folders or patterns of clips, a camera's number, a stream's address, frame_%%04d.png"
    parser.add_inputs("--video_file", "CLIP", example, video_help)
    add = partial(parser.add, "clip")
    add("--frame_first", "start at this frame", 0, cli.whole_number(0), "N")
    add("--frame_last", "end with this frame; -1: the last", -1, cli.whole_number(0, -1), "N")
    add("--frame_step", "take every Nth frame", 1, cli.whole_number(1), "N")
    add("--frame_rotate", "rotate frames, degrees clockwise", 0, [0, 90, 180, 270])
    add("--frame_info", "write frame number and seconds into the corner")
    step_help = "inference on every Nth frame, poses in between are interpolated; auto: about 15 a second"
    add("--network_step", step_help, "auto", cli.network_step, "N")
    add("--no_smooth", "keypoints as each frame alone gives them")
    add("--no_track", "no identities, and so no smoothing")
    add("--codec", ".mp4 that plays everywhere, .mp4, .webm, .webm, .mov, .gif", CODECS[0], CODECS)
    add("--no_audio", "leave the sound out")
    add("--write_video_with_audio", argparse.SUPPRESS)  # now what happens without it
    add("--resume", "after Ctrl-C: go on where the same command stopped")
    plot_help = "also write a sheet of the clip's poses and, with matplotlib, the joints' angles over time"
    parser.add("output", "--write_plot", plot_help)
    parser.add("output", "--verbose", "print where the time went")
    args = parser.parse(argv)
    if 0 <= args.frame_last < args.frame_first:
        parser.error(f"--frame_last {args.frame_last} lies before --frame_first {args.frame_first}")
    if args.no_track and (args.network_step or 1) > 1:
        parser.error("--network_step above 1 takes identities, which --no_track leaves out")
    return args


def clips(names: list[str]) -> list[str]:
    """Cameras, addresses and numbered pictures as they are; the clips that paths, folders and patterns name."""
    from pose.media.sources import is_live, is_numbered

    found: list[str] = []
    for name in names:
        if is_live(name) or is_numbered(name):
            found.append(name)
        else:
            found += [str(path) for path, _ in inputs.find_files([name], CLIP_SUFFIXES, "--video_file")]
    return list(dict.fromkeys(found))


def main(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    from pose import VideoPoseEstimator
    from pose.clip import ClipJob
    from pose.media.sources import is_live, stem_of
    from pose.media.tables import table_writer
    from pose.window import Windows

    names = clips(args.inputs)
    options = {**cli.estimator_options(args), "track": not args.no_track, "smooth": not args.no_smooth}
    estimator = VideoPoseEstimator(**options)
    if not args.quiet:
        print(cli.describe_run(args.mode, estimator), flush=True)
    cli.check_output(args.output_dir / f"Video{args.mode}")
    exit_code, rest = 0, list(names)
    tables = filter(None, [args.write_table])
    with table_writer(tables, estimator.skeleton) as write, contextlib.closing(Windows(not args.no_display)) as windows:
        for name, stem in zip(names, inputs.distinct(map(stem_of, names)), strict=True):
            try:
                job = ClipJob(args, estimator, name, stem)
                with cli.signals.deferred(job.source.stop), cli.memory_errors(name):
                    job.run(windows)
                    rest.remove(name)
                for frame in job.checkpoint.frames:
                    write(name, frame.number, frame.t, frame.people, frame.ids)
            except PoseError as error:  # one bad clip does not stop a folder of them
                exit_code = cli.report_error(error)
            except KeyboardInterrupt:
                if not all(map(is_live, rest)):
                    print("The rest: the same command with --resume.", file=sys.stderr)
                raise
    return exit_code


def command() -> int:
    """What `get_hpe_video` runs where pip installed it."""
    return cli.run(main)


if __name__ == "__main__":
    sys.exit(command())
