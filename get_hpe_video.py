#!/usr/bin/env python3
"""Find people's poses in clips: the same clip with everyone's skeleton, in Output/."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence

from pose import cli, inputs
from pose.media.storage import join

CLIP_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".gif", ".3gp", ".ts")
CODECS = ["h264", "mp4v", "vp9", "av1", "mjpg", "gif"]
EXAMPLES = """\
  python get_hpe_video.py clip.mp4
  python get_hpe_video.py squats/ --write_plot --write_json --output_dir results"""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.Parser(__doc__ or "", EXAMPLES)
    example = cli.PROJECT / "Input" / "example_video1.mp4"
    video_help = "clips, folders or patterns of clips, a camera's number, a stream's address, frame_%%04d.png"
    parser.add_inputs("--video_file", "CLIP", example, video_help)
    add = parser.groups["clip"].add_argument
    add("--frame_first", type=cli.whole_number(0), metavar="N", default=0, help="start at this frame")
    add("--frame_last", type=cli.whole_number(0, -1), metavar="N", default=-1, help="end with this frame; -1: the last")
    add("--frame_step", type=cli.whole_number(1), metavar="N", default=1, help="take every Nth frame")
    add("--frame_rotate", type=int, choices=[0, 90, 180, 270], default=0, help="rotate frames, degrees clockwise")
    add("--frame_info", action="store_true", help="write frame number and seconds into the corner")
    step_help = "inference on every Nth frame, poses in between are interpolated; auto: about 15 a second"
    add("--network_step", type=cli.network_step, metavar="N", default="auto", help=step_help)
    add("--no_smooth", action="store_true", help="keypoints as each frame alone gives them")
    add("--no_track", action="store_true", help="no identities, and so no smoothing")
    codec_help = ".mp4 that plays everywhere, .mp4, .webm, .webm, .mov, .gif"
    add("--codec", type=str.lower, choices=CODECS, default=CODECS[0], help=codec_help)
    add("--no_audio", action="store_true", help="leave the sound out")
    add("--write_video_with_audio", action="store_true", help=argparse.SUPPRESS)  # now what happens without it
    add("--resume", action="store_true", help="after Ctrl-C: go on where the same command stopped")
    plot_help = "also write a sheet of the clip's poses and, with matplotlib, the joints' angles over time"
    parser.groups["output"].add_argument("--write_plot", action="store_true", help=plot_help)
    parser.groups["output"].add_argument("--verbose", action="store_true", help="print where the time went")
    args = parser.parse(argv)
    if 0 <= args.frame_last < args.frame_first:
        parser.error(f"--frame_last {args.frame_last} lies before --frame_first {args.frame_first}")
    if args.no_track and (args.network_step or 1) > 1:
        parser.error("--network_step above 1 takes identities, which --no_track leaves out")
    return args


def clips(args: argparse.Namespace) -> list[tuple[str, str]]:
    """Clips, cameras, addresses and numbered pictures, and what their results are called after."""
    from pose.media.sources import is_live, is_numbered, stem_of

    def stem_of_stream(name: str) -> str | None:
        return stem_of(name) if is_live(name) or is_numbered(name) else None

    results = join(args.output_dir, f"Video{args.mode}")
    return list(inputs.find_files(args.inputs, CLIP_SUFFIXES, "--video_file", args.recursive, results, stem_of_stream))


def main(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    from pose.clip import Clips
    from pose.jobs import Progress, open_jobs
    from pose.media.sources import is_live
    from pose.window import Windows

    files = clips(args)
    left = {name for name, _ in files}
    has_workers = bool(args.cluster) or args.workers != 1  # else each clip has a bar of its own
    progress = Progress("clips", args.quiet, lambda: len(files), has_workers)
    with contextlib.ExitStack() as stack:
        windows = stack.enter_context(contextlib.closing(Windows(not args.no_display)))
        jobs = stack.enter_context(open_jobs(Clips, args, windows))
        if not args.quiet:
            print(jobs.description, flush=True)
        cli.check_output(join(args.output_dir, f"Video{args.mode}"))
        try:
            for _, outcome in progress.watch(jobs(files)):
                left.remove(outcome.name)
        except KeyboardInterrupt:
            if not all(map(is_live, left)):
                print("The rest: the same command with --resume.", file=sys.stderr)
            raise
    return progress.finish()


def command() -> int:
    """What `get_hpe_video` runs where pip installed it."""
    return cli.run(main)


if __name__ == "__main__":
    sys.exit(command())
