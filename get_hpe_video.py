#!/usr/bin/env python3
"""Find people's poses in a clip: the same clip with everyone's skeleton, in Output/."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path

from pose import PoseError, cli


def parse(argv: list[str] | None):
    parser = cli.make_parser(__doc__)
    add = parser.add_argument
    example = str(cli.PROJECT / "Input" / "example_video1.mp4")
    add("--video_file", metavar="PATH", default=example, help="a clip, a camera's number or a stream's address")
    add("--frame_first", type=cli.frame_number, metavar="N", default=0, help="start at this frame")
    add("--frame_last", type=cli.last_frame, metavar="N", default=-1, help="end with this frame; -1: the last")
    add("--frame_step", type=cli.frame_step, metavar="N", default=1, help="take every Nth frame")
    add("--frame_rotate", type=int, choices=[0, 90, 180, 270], default=0, help="turn frames, degrees clockwise")
    add("--frame_info", action="store_true", help="write frame number and seconds into the corner")
    add("--no_smooth", action="store_true", help="keypoints as each frame alone gives them")
    add("--no_track", action="store_true", help="no identities, and so no smoothing")
    args = parser.parse_args(argv)
    if 0 <= args.frame_last < args.frame_first:
        parser.error(f"--frame_last {args.frame_last} lies before --frame_first {args.frame_first}")
    return args


def outputs(args) -> tuple[Path, Path]:
    """Where the clip and the folder of JSON files go, and the name all begin with."""
    name = args.video_file
    stem = f"camera{name}" if name.isdecimal() else Path(name.split("?")[0] if "://" in name else name).stem
    folder = args.output_dir / f"Video{args.mode}"
    return folder / f"{stem}_skeleton_{args.mode}.mp4", folder / f"{stem}_json"


def main(argv: list[str] | None = None) -> int:
    args = parse(argv)
    from pose.draw import draw_frame_info, draw_skeleton, on_background
    from pose.export import clip_json, people_to_json
    from pose.look import Follower
    from pose.network import Network, choose_model
    from pose.track import Tracker
    from pose.video import Sink, Source, progress

    clip, json_folder = outputs(args)
    source = Source(args.video_file, args.frame_first, args.frame_last, args.frame_step, args.frame_rotate)
    model, why = choose_model(args.mode, args.network, args.model_folder)
    network = Network(model, args.model_folder, args.device, args.net_resolution, args.stages, args.accuracy)
    print(cli.describe(network, why), flush=True)
    cli.check_output(clip.parent)
    if source.fps_guessed:
        print(f"{args.video_file} does not tell its frame rate; taking {source.source_fps:g} a second.", flush=True)
    find = Follower(network, args.threshold, args.number_people_max)
    tracker = None if args.no_track else Tracker(smooth=not args.no_smooth)
    display = cli.can_display(args.no_display)
    start, stopped = time.perf_counter(), False
    with contextlib.ExitStack() as stack:
        stack.enter_context(source)
        sink = stack.enter_context(Sink(clip, source.fps))
        write_json = stack.enter_context(clip_json(json_folder)) if args.write_json else None
        for number, frame in progress(source):
            t = number / source.source_fps
            people, ids = find(frame, t), None
            if tracker:
                people, ids = tracker.update(people, t)
            canvas = on_background(frame, cli.BACKGROUNDS[args.background])
            picture = draw_skeleton(canvas, people, network.skeleton, ids)
            if args.frame_info:
                draw_frame_info(picture, number, t)
            sink.write(picture)
            if write_json:
                write_json(number, people_to_json(people, ids))
            if display and not cli.show_frame(picture, "Skeleton, q ends"):
                stopped = True
                break
        if not source.frames_read:
            raise PoseError(f"{args.video_file} holds no frame to read; check --video_file and --frame_first.")
    if source.frames_read < 0.9 * len(source) and not stopped:
        told = f"tells of {len(source)} frames and gave {source.frames_read}"
        print(f"Note: {args.video_file} {told}: it is cut off or damaged.", file=sys.stderr)
    seconds = time.perf_counter() - start
    rate = source.frames_read / seconds
    print(f"{source.frames_read} frames, {seconds:.1f} s, {rate:.0f} a second -> {cli.show_path(clip)}")
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
