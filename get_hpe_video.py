#!/usr/bin/env python3
"""Find people's poses in clips: the same clip with everyone's skeleton, in Output/."""

from __future__ import annotations

import contextlib
import re
import shlex
import sys
from pathlib import Path

from pose import PoseError, cli

CLIP_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".gif", ".3gp", ".ts")


def parse(argv: list[str] | None):
    parser = cli.make_parser(__doc__)
    add = parser.add_argument
    example = [str(cli.PROJECT / "Input" / "example_video1.mp4")]
    video_help = "clips, folders or patterns of clips, a camera's number, a stream's address, frame_%%04d.png"
    add("--video_file", nargs="+", metavar="PATH", default=example, help=video_help)
    add("--frame_first", type=cli.frame_number, metavar="N", default=0, help="start at this frame")
    add("--frame_last", type=cli.last_frame, metavar="N", default=-1, help="end with this frame; -1: the last")
    add("--frame_step", type=cli.frame_step, metavar="N", default=1, help="take every Nth frame")
    add("--frame_rotate", type=int, choices=[0, 90, 180, 270], default=0, help="turn frames, degrees clockwise")
    add("--frame_info", action="store_true", help="write frame number and seconds into the corner")
    step_help = "inference on every Nth frame, poses in between are interpolated; auto: about 15 a second"
    add("--network_step", type=cli.network_step, metavar="N", default="auto", help=step_help)
    add("--no_smooth", action="store_true", help="keypoints as each frame alone gives them")
    add("--no_track", action="store_true", help="no identities, and so no smoothing")
    add("--codec", type=str.lower, choices=["mp4v", "vp9", "mjpg"], default="mp4v", help=".mp4, .webm, .avi")
    add("--write_video_with_audio", action="store_true", help="keep the sound, with the ffmpeg program")
    plot_help = "also write a sheet of the clip's poses and, with matplotlib, the joints' angles over time"
    add("--write_plot", action="store_true", help=plot_help)
    args = parser.parse_args(argv)
    if 0 <= args.frame_last < args.frame_first:
        parser.error(f"--frame_last {args.frame_last} lies before --frame_first {args.frame_first}")
    if args.no_track and (args.network_step or 1) > 1:
        parser.error("--network_step above 1 takes identities, which --no_track leaves out")
    return args


def clips(names: list[str]) -> list[str]:
    """Cameras, addresses and numbered pictures as they are; the clips that paths, folders and patterns name."""
    from pose.video import is_live, is_numbered

    found = []
    for name in names:
        special = is_live(name) or is_numbered(name)
        found += [name] if special else map(str, cli.find_files([name], CLIP_SUFFIXES, "--video_file"))
    return list(dict.fromkeys(found))


def outputs(args, name: str) -> dict[str, Path]:
    """Where each result of a clip goes."""
    from pose.video import CODECS, is_numbered

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


def main(argv: list[str] | None = None) -> int:
    args = parse(argv)
    from pose.estimate import VideoPoseEstimator
    from pose.video import check_codec, check_sound

    names = clips(args.video_file)
    cli.refuse_collisions((Path(name), outputs(args, name)["clip"]) for name in names)
    options = {**cli.estimator_options(args), "track": not args.no_track, "smooth": not args.no_smooth}
    estimator = VideoPoseEstimator(**options)
    if not args.quiet:
        print(estimator.description, flush=True)
    check_codec(args.codec)
    cli.check_output(args.output_dir / f"Video{args.mode}")
    failed = 0
    for name in names:
        try:
            if args.write_video_with_audio:
                check_sound(name)
            one_clip(args, estimator, name, names)
        except PoseError as error:  # one bad clip does not stop a folder of them
            failed = cli.complain(str(error))
    return failed


def one_clip(args, estimator, name: str, names: list[str]) -> None:
    """From a clip, one of those named, to its results."""
    from pose.draw import draw_frame_info
    from pose.export import clip_json, people_to_json
    from pose.plot import Plot
    from pose.track import interpolate
    from pose.video import Sink, Source, Stopwatch, is_live, progress

    paths = outputs(args, name)
    source = Source(name, args.frame_first, args.frame_last, args.frame_step, args.frame_rotate)
    if source.fps_guessed and not args.quiet:
        print(f"{name} does not tell its frame rate; taking {source.source_fps:g} a second.", flush=True)
    estimator.restart()
    raw = args.no_track or args.no_smooth
    step = args.network_step or (1 if raw else source.network_step)
    display, clock, done = cli.can_display(args.no_display), Stopwatch(), source.first

    def estimate(t, frame, upcoming):
        with clock("finding people"):
            return estimator(frame, t, upcoming)

    with contextlib.ExitStack() as stack:
        stack.enter_context(hint_to_go_on(name, names, lambda: done))
        stack.enter_context(source)
        sound = source if args.write_video_with_audio else None
        sink = stack.enter_context(Sink(paths["clip"], source.fps, args.codec, sound))
        write_json = stack.enter_context(clip_json(paths["json"])) if args.write_json else None
        plot = Plot(estimator.skeleton) if args.write_plot else None
        frames = clock.waiting(progress(source, args.quiet), "reading")
        for number, t, frame, people, ids in interpolate(frames, estimate, step, lookahead=not is_live(name)):
            with clock("drawing"):
                picture = drawn(args, estimator.skeleton, frame, people, ids)
                if args.frame_info:
                    draw_frame_info(picture, number, t)
            if plot:
                with clock("plotting"):
                    plot.add(t, picture, people, ids)
            with cli.unbroken, clock("writing"):  # a Ctrl-C leaves clip and JSON equally long
                if write_json:
                    write_json(number, people_to_json(people, ids))
                sink.write(picture, t)
                done = number + args.frame_step
            if display and not cli.show_frame(picture, "Skeleton, q ends"):
                break
        if not source.frames_read:
            raise PoseError(f"{name} holds no frame to read; check --video_file and --frame_first.")
        if plot:
            with clock("plotting"):
                plot.save(paths["poses"], paths["angles"])
    if source.is_cut_off:
        told = f"tells of {len(source)} frames and gave {source.frames_read}"
        print(f"Note: {name} {told}: it may be cut off or damaged.", file=sys.stderr)
    if not args.quiet:
        print(f"{clock.report(source.frames_read)} -> {cli.show_path(paths['clip'])}", flush=True)
        if plot and plot.note:
            print(plot.note)


def drawn(args, skeleton, frame, people, ids):
    """The frame, or a plain background of its size, with everyone's skeleton."""
    from pose.draw import draw_skeleton, on_background

    return draw_skeleton(on_background(frame, cli.BACKGROUNDS[args.background]), people, skeleton, ids)


@contextlib.contextmanager
def hint_to_go_on(name: str, names: list[str], next_frame):
    """After Ctrl-C, say how to do the rest of a clip, unless it is a camera's, and of the names those after it."""
    from pose.video import is_live

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


if __name__ == "__main__":
    sys.exit(cli.run(main))
