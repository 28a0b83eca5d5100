#!/usr/bin/env python3
"""Find people's poses in clips: the same clip with everyone's skeleton, in Output/."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pose import PoseError, cli

if TYPE_CHECKING:
    import numpy as np

    from pose import VideoPoseEstimator
    from pose.media.reader import ClipReader
    from pose.media.report import Stopwatch
    from pose.plot import Plot
    from pose.skeletons import Skeleton
    from pose.track import PosedFrame
    from pose.window import Windows

CLIP_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".gif", ".3gp", ".ts")
CODECS = ["h264", "mp4v", "vp9", "av1", "mjpg", "gif"]
ESC = 27
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
    plot_help = "also write a sheet of the clip's poses and, with matplotlib, the joints' angles over time"
    parser.groups["output"].add_argument("--write_plot", action="store_true", help=plot_help)
    parser.groups["output"].add_argument("--verbose", action="store_true", help="print where the time went")
    args = parser.parse(argv)
    if 0 <= args.frame_last < args.frame_first:
        parser.error(f"--frame_last {args.frame_last} lies before --frame_first {args.frame_first}")
    if args.no_track and (args.network_step or 1) > 1:
        parser.error("--network_step above 1 takes identities, which --no_track leaves out")
    return args


def clips(names: list[str]) -> list[str]:
    """Cameras, addresses and numbered pictures as they are; the clips that paths, folders and patterns name."""
    from pose.media.reader import is_live, is_numbered

    found: list[str] = []
    for name in names:
        special = is_live(name) or is_numbered(name)
        files = [] if special else cli.find_files([name], CLIP_SUFFIXES, "--video_file")
        found += [name] if special else [str(path) for path, _ in files]
    return list(dict.fromkeys(found))


def stem_of(name: str) -> str:
    """What results are called after: a file's name, an address's last part, or the camera."""
    from pose.media.reader import NUMBER, is_numbered

    stem = Path(name.split("?")[0] if "://" in name else name).stem
    if name.isdecimal():
        return f"camera{name}"
    return NUMBER.sub("", stem).strip("-_") or "frames" if is_numbered(name) else stem


def outputs(args: argparse.Namespace, stem: str) -> dict[str, Path]:
    """Where each result of a clip goes."""
    from pose.media.writer import CODECS

    folder = args.output_dir / f"Video{args.mode}"
    return {
        "clip": folder / f"{stem}_skeleton_{args.mode}{CODECS[args.codec].suffix}",
        "json": folder / f"{stem}_json",
        "poses": folder / f"{stem}_poses_{args.mode}.jpg",
        "angles": folder / f"{stem}_angles_{args.mode}.png",
    }


def main(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    from pose import VideoPoseEstimator
    from pose.media.writer import check_codec
    from pose.window import Windows

    names = clips(args.inputs)
    stems = dict(zip(names, cli.distinct(map(stem_of, names)), strict=True))
    options = {**cli.estimator_options(args), "track": not args.no_track, "smooth": not args.no_smooth}
    estimator = VideoPoseEstimator(**options)
    if not args.quiet:
        print(estimator.description, flush=True)
    check_codec(args.codec)
    cli.check_output(args.output_dir / f"Video{args.mode}")
    exit_code = 0
    with contextlib.closing(Windows(not args.no_display)) as windows:
        for name in names:
            try:
                process_clip(args, estimator, windows, name, stems)
            except PoseError as error:  # one bad clip does not stop a folder of them
                exit_code = cli.report_error(error)
    return exit_code


def process_clip(
    args: argparse.Namespace, estimator: VideoPoseEstimator, windows: Windows, name: str, stems: dict[str, str]
) -> None:
    """From a clip, one of those named, to its results: source, estimate, render, sinks. stems: the results' names."""
    from pose.media.reader import is_live
    from pose.media.report import Stopwatch, Summary
    from pose.media.results import remove_leftovers
    from pose.plot import Plot

    paths, source, clock, summary = outputs(args, stems[name]), open_source(args, name), Stopwatch(), Summary()
    remove_leftovers(paths.values())
    plot = Plot(estimator.skeleton) if args.write_plot else None
    next_frame: int | None = source.first
    with hint_to_continue(args, name, stems, lambda: next_frame), cli.signals.deferred(source.stop):
        with source, open_sinks(args, paths, source) as (write, notes):
            for frame in estimate(args, estimator, source, clock):
                cli.signals.check()
                with clock("drawing"):
                    picture = render(args, estimator.skeleton, frame)
                with clock("plotting"):
                    if plot:
                        plot.add(frame.t, picture, frame.people, frame.ids)
                with clock("writing"):
                    write(picture, frame)
                next_frame = frame.number + args.frame_step
                summary.add(frame.t, frame.people, frame.ids)
                if windows.show({"Skeleton, q ends": picture}) in (ord("q"), ESC):
                    if is_live(name):  # it has no other end
                        break
                    raise KeyboardInterrupt
            if not source.ended:
                cli.signals.check()
            if not source.frames_read:
                raise PoseError(f"{name} holds no frame to read; check --video_file and --frame_first")
            if plot:
                with clock("plotting"):
                    plot.save(paths["poses"], paths["angles"])
        next_frame = None  # nothing is left to do
        for note in source.notes + notes:
            print(f"Note: {note}.", file=sys.stderr)
        if not args.quiet:
            report(args, summary.report(name, clock, results_of(args, paths)), clock, plot)


def results_of(args: argparse.Namespace, paths: dict[str, Path]) -> dict[str, str]:
    """The results that this run has made."""
    made = {"clip", *["json"] * args.write_json, *["poses", "angles"] * args.write_plot}
    return {kind: cli.show_path(path) for kind, path in paths.items() if kind in made and path.exists()}


def report(args: argparse.Namespace, summary: str, clock: Stopwatch, plot: Plot | None) -> None:
    print(summary, flush=True)
    if args.verbose:
        print(clock.report())
    if plot and plot.note:
        print(plot.note)


def open_source(args: argparse.Namespace, name: str) -> ClipReader:
    from pose.media.reader import ClipReader

    source = ClipReader(name, args.frame_first, args.frame_last, args.frame_step, args.frame_rotate)
    if source.fps_guessed and not args.quiet:
        print(f"{name} does not report its frame rate; taking {source.source_fps:g} a second.", flush=True)
    return source


def estimate(
    args: argparse.Namespace, estimator: VideoPoseEstimator, source: ClipReader, clock: Stopwatch
) -> Iterator[PosedFrame]:
    """The source's frames with the people in them."""
    from pose.media.reader import is_live
    from pose.media.report import progress
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
) -> Iterator[tuple[Callable[[np.ndarray, PosedFrame], None], list[str]]]:
    """A function that writes a frame's picture into the clip and its people into JSON; notes on what went wrong."""
    from pose.media.results import clip_json, people_to_json
    from pose.media.writer import clip_writer

    with contextlib.ExitStack() as stack:  # the clip ends first: where it cannot, there is no JSON either
        write_json = stack.enter_context(clip_json(paths["json"])) if args.write_json else None
        writer = stack.enter_context(clip_writer(paths["clip"], source.fps, args.codec, source, not args.no_audio))

        def write(picture: np.ndarray, frame: PosedFrame) -> None:
            if write_json:
                write_json(frame.number, people_to_json(frame.people, frame.ids))
            writer.write(picture, frame.t)

        yield write, writer.notes


@contextlib.contextmanager
def hint_to_continue(
    args: argparse.Namespace, name: str, stems: dict[str, str], next_frame: Callable[[], int | None]
) -> Iterator[None]:
    """After Ctrl-C, say how to do the rest of a clip, unless it is live or complete, and the clips after it."""
    from pose.media.reader import is_live

    try:
        yield
    except KeyboardInterrupt:
        names, steps = list(stems), []
        at = names.index(name)
        for part in (names[at : at + 1], names[at + 1 :]):
            words = ["--video_file", *part] if len(names) > 1 else []
            if (part == [name] and (is_live(name) or next_frame() is None)) or not part:
                continue
            if part == [name]:
                words += ["--frame_first", str(next_frame())]
            if [stems[one] for one in part] != cli.distinct(map(stem_of, part)):
                # under their names alone they would replace others' results
                words += ["--output_dir", str(args.output_dir / stems[part[0]])]
            steps.append(shlex.join(words))
        if steps:
            print(f"The rest: the same command with {', and with '.join(steps)}.", file=sys.stderr)
        raise


def command() -> int:
    """What `get_hpe_video` runs where pip installed it."""
    return cli.run(main)


if __name__ == "__main__":
    sys.exit(command())
