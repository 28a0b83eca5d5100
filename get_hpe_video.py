#!/usr/bin/env python3
"""Find people's poses in clips: the same clip with everyone's skeleton, in Output/."""

from __future__ import annotations

import argparse
import contextlib
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pose import PoseError, cli

if TYPE_CHECKING:
    import numpy as np

    from pose import VideoPoseEstimator
    from pose.media.clips import ClipReader, Stopwatch
    from pose.skeletons import Skeleton
    from pose.track import PosedFrame

CLIP_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".gif", ".3gp", ".ts")
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
    add("--codec", type=str.lower, choices=["mp4v", "vp9", "mjpg"], default="mp4v", help=".mp4, .webm, .avi")
    add("--write_video_with_audio", action="store_true", help="keep the sound, with the ffmpeg program")
    plot_help = "also write a sheet of the clip's poses and, with matplotlib, the joints' angles over time"
    parser.groups["output"].add_argument("--write_plot", action="store_true", help=plot_help)
    args = parser.parse(argv)
    if 0 <= args.frame_last < args.frame_first:
        parser.error(f"--frame_last {args.frame_last} lies before --frame_first {args.frame_first}")
    if args.no_track and (args.network_step or 1) > 1:
        parser.error("--network_step above 1 takes identities, which --no_track leaves out")
    return args


def clips(names: list[str]) -> list[str]:
    """Cameras, addresses and numbered pictures as they are; the clips that paths, folders and patterns name."""
    from pose.media.clips import is_live, is_numbered

    found: list[str] = []
    for name in names:
        special = is_live(name) or is_numbered(name)
        found += [name] if special else map(str, cli.find_files([name], CLIP_SUFFIXES, "--video_file"))
    return list(dict.fromkeys(found))


def outputs(args: argparse.Namespace, name: str) -> dict[str, Path]:
    """Where each result of a clip goes."""
    from pose.media.clips import CODECS, is_numbered

    stem = Path(name.split("?")[0] if "://" in name else name).stem
    if name.isdecimal():
        stem = f"camera{name}"
    elif is_numbered(name):
        stem = re.sub(r"[-_]?%\d*d", "", stem) or "frames"
    folder = args.output_dir / f"Video{args.mode}"
    return {
        "clip": folder / f"{stem}_skeleton_{args.mode}{CODECS[args.codec][0]}",
        "json": folder / f"{stem}_json",
        "poses": folder / f"{stem}_poses_{args.mode}.jpg",
        "angles": folder / f"{stem}_angles_{args.mode}.png",
    }


def main(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    from pose import VideoPoseEstimator
    from pose.media.clips import check_codec, check_sound

    names = clips(args.inputs)
    cli.refuse_collisions((Path(name), outputs(args, name)["clip"]) for name in names)
    options = {**cli.estimator_options(args), "track": not args.no_track, "smooth": not args.no_smooth}
    estimator = VideoPoseEstimator(**options)
    if not args.quiet:
        print(estimator.description, flush=True)
    check_codec(args.codec)
    cli.check_output(args.output_dir / f"Video{args.mode}")
    exit_code = 0
    for name in names:
        try:
            if args.write_video_with_audio:
                check_sound(name)
            process_clip(args, estimator, name, names)
        except PoseError as error:  # one bad clip does not stop a folder of them
            exit_code = cli.report_error(error)
    return exit_code


def process_clip(args: argparse.Namespace, estimator: VideoPoseEstimator, name: str, names: list[str]) -> None:
    """From a clip, one of those named, to its results: source, estimate, render, sinks."""
    from pose.media.clips import Stopwatch
    from pose.plot import Plot

    paths, source, clock = outputs(args, name), open_source(args, name), Stopwatch()
    plot = Plot(estimator.skeleton) if args.write_plot else None
    display, next_frame = cli.can_display(args.no_display), source.first
    with hint_to_continue(name, names, lambda: next_frame), source, open_sinks(args, paths, source) as write:
        for frame in estimate(args, estimator, source, clock):
            with clock("drawing"):
                picture = render(args, estimator.skeleton, frame)
            if plot:
                with clock("plotting"):
                    plot.add(frame.t, picture, frame.people, frame.ids)
            with cli.signals.deferred(), clock("writing"):  # after a Ctrl-C clip and JSON are equally long
                write(picture, frame)
                next_frame = frame.number + args.frame_step
            if display and not cli.show_frame(picture, "Skeleton, q ends"):
                break
        if not source.frames_read:
            raise PoseError(f"{name} holds no frame to read; check --video_file and --frame_first")
        if plot:
            with clock("plotting"):
                plot.save(paths["poses"], paths["angles"])
    if source.is_cut_off:
        counts = f"gave {source.frames_read} frames of the {len(source)} that its container reports"
        print(f"Note: {name} {counts}: it may be cut off or damaged.", file=sys.stderr)
    if not args.quiet:
        print(f"{clock.report(source.frames_read)} -> {cli.show_path(paths['clip'])}", flush=True)
        if plot and plot.note:
            print(plot.note)


def open_source(args: argparse.Namespace, name: str) -> ClipReader:
    from pose.media.clips import ClipReader

    source = ClipReader(name, args.frame_first, args.frame_last, args.frame_step, args.frame_rotate)
    if source.fps_guessed and not args.quiet:
        print(f"{name} does not report its frame rate; taking {source.source_fps:g} a second.", flush=True)
    return source


def estimate(
    args: argparse.Namespace, estimator: VideoPoseEstimator, source: ClipReader, clock: Stopwatch
) -> Iterator[PosedFrame]:
    """The source's frames with the people in them."""
    from pose.media.clips import is_live, progress
    from pose.track import interpolate

    def timed(*frame: Any) -> Any:
        with clock("inference"):
            return estimator(*frame)

    estimator.restart()
    step = args.network_step or (1 if args.no_track or args.no_smooth else source.network_step)
    frames = clock.waiting(progress(source, args.quiet), "reading")
    return interpolate(frames, timed, step, lookahead=not is_live(source.name))


def render(args: argparse.Namespace, skeleton: Skeleton, frame: PosedFrame) -> np.ndarray:
    """The frame, or a plain background of its size, with everyone's skeleton."""
    from pose.draw import draw_frame_info, draw_skeleton, on_background

    canvas = on_background(frame.picture, cli.BACKGROUNDS[args.background])
    picture = draw_skeleton(canvas, frame.people, skeleton, frame.ids)
    if args.frame_info:
        draw_frame_info(picture, frame.number, frame.t)
    return picture


@contextlib.contextmanager
def open_sinks(
    args: argparse.Namespace, paths: dict[str, Path], source: ClipReader
) -> Iterator[Callable[[np.ndarray, PosedFrame], None]]:
    """A function that writes a frame's picture into the clip and its people into JSON."""
    from pose.media.clips import clip_writer
    from pose.media.results import clip_json, people_to_json

    with contextlib.ExitStack() as stack:
        sound_of = source if args.write_video_with_audio else None
        writer = stack.enter_context(clip_writer(paths["clip"], source.fps, args.codec, sound_of))
        write_json = stack.enter_context(clip_json(paths["json"])) if args.write_json else None

        def write(picture: np.ndarray, frame: PosedFrame) -> None:
            if write_json:
                write_json(frame.number, people_to_json(frame.people, frame.ids))
            writer.write(picture, frame.t)

        yield write


@contextlib.contextmanager
def hint_to_continue(name: str, names: list[str], next_frame: Callable[[], int]) -> Iterator[None]:
    """After Ctrl-C, say how to do the rest of a clip, unless it is a camera's, and of the names those after it."""
    from pose.media.clips import is_live

    try:
        yield
    except KeyboardInterrupt:
        later, steps = names[names.index(name) + 1 :], []
        if not is_live(name):
            which = f"--video_file {shlex.quote(name)} " if len(names) > 1 else ""
            steps.append(f"{which}--frame_first {next_frame()}")
        if later:
            steps.append(f"--video_file {shlex.join(later)}")
        if steps:
            print(f"The rest: the same command with {', and with '.join(steps)}.", file=sys.stderr)
        raise


def command() -> int:
    """What `get_hpe_video` runs where pip installed it."""
    return cli.run(main)


if __name__ == "__main__":
    sys.exit(command())
