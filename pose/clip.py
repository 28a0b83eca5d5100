"""What get_hpe_video.py does with each clip: read, infer, draw, write; stop at Ctrl-C, and go on from there."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import PoseError, __version__, cli
from .draw import draw_frame_info, draw_skeleton, on_background
from .estimate import VideoPoseEstimator
from .media.checkpoint import (
    Checkpoint,
    find_checkpoint,
    free_partial_names,
    is_complete,
    remove_partial,
    settings_tag,
)
from .media.reader import ClipReader
from .media.report import Stopwatch, progress
from .media.results import clip_json, people_to_json, remove_leftovers
from .media.sources import is_live
from .media.writer import CODECS, clip_writer
from .plot import Plot
from .track import PosedFrame, interpolate
from .window import Windows

ESC = 27
CHANGE_NOTHING = (
    "inputs named_inputs model_folder output_dir quiet verbose no_display resume write_video_with_audio write_table"
)


class ClipJob:
    """One clip, from its source to its results. args: of the command line; stem: what the results are called after.

    source.stop() makes run() raise KeyboardInterrupt at the next inference. What was done is kept then, and with
    args.resume a later job goes on from there.
    """

    def __init__(self, args: argparse.Namespace, estimator: VideoPoseEstimator, name: str, stem: str) -> None:
        self.args, self.estimator, self.name, self.clock = args, estimator, name, Stopwatch()
        folder = args.output_dir / f"Video{args.mode}"
        self.json = folder / f"{stem}_json"
        self.paths = {"clip": folder / f"{stem}_skeleton_{args.mode}{CODECS[args.codec].suffix}"}
        self.paths |= {"json": self.json} if args.write_json else {}
        plots = {"poses": folder / f"{stem}_poses_{args.mode}.jpg", "angles": folder / f"{stem}_angles_{args.mode}.png"}
        self.paths |= plots if args.write_plot else {}
        self.source = ClipReader(name, args.frame_first, args.frame_last, args.frame_step, args.frame_rotate)
        options = {option: value for option, value in vars(args).items() if option not in CHANGE_NOTHING.split()}
        network = estimator.description.partition("\n")[0]  # a hint may follow
        others = {"network": network, "source": self.source.fingerprint, "version": __version__}
        others["table"] = bool(args.write_table)
        self.checkpoint = Checkpoint(
            options | others, Plot(estimator.skeleton) if args.write_plot else None, bool(args.write_table)
        )
        self.partial = free_partial_names(self.paths["clip"], self.json)
        self.resumes = False

    def run(self, windows: Windows) -> None:
        if self.args.resume and self.is_done():
            return self.say(f"{self.name} is complete, skipped.")
        if self.args.resume:
            self.resume()
        if self.source.fps_guessed:
            self.say(f"{self.name} does not report its frame rate; taking {self.source.source_fps:g} a second.")
        remove_leftovers([*self.paths.values(), self.json, self.partial.checkpoint])
        with self.source, self.open_sinks() as (write, notes):
            for frame in self.estimate():
                with self.clock("drawing"):
                    picture = self.render(frame)
                with self.clock("writing"):
                    write(picture, frame)
                self.checkpoint.add(frame, picture)
                if windows.show({"Skeleton, q ends": picture}) in (ord("q"), ESC):
                    if is_live(self.name):  # it has no other end
                        break
                    cli.signals.handle(signal.SIGINT, None)
            if not self.checkpoint.last:
                raise PoseError(f"{self.name} holds no frame to read", "frames")
            if self.checkpoint.plot:
                self.checkpoint.plot.save(self.paths["poses"], self.paths["angles"])
        if self.resumes:
            remove_partial(self.partial)
        for note in self.source.notes + notes:
            print(f"Note: {note}.", file=sys.stderr)
        self.report()

    def say(self, sentence: str) -> None:
        if not self.args.quiet:
            print(sentence, flush=True)

    def is_done(self) -> bool:
        """Whether the results are there, made with the same settings. A table needs the people in all frames anew."""
        if self.args.write_table:
            return False
        is_ours = is_complete(self.paths["clip"], self.checkpoint.settings) and not is_live(self.name)
        return is_ours and all(path.exists() for kind, path in self.paths.items() if kind != "angles")

    def resume(self) -> None:
        """Go on from a checkpoint, where there is one."""
        found = find_checkpoint(self.paths["clip"], self.json, self.checkpoint.settings)
        if found is None:
            return self.say(f"{self.name} has nothing to resume, starting at its first frame.")
        self.checkpoint, self.partial = found
        self.resumes = True
        self.source.first = self.checkpoint.last.number + self.args.frame_step
        self.say(f"{self.name} is resumed at frame {self.source.first}.")

    def estimate(self) -> Iterator[PosedFrame]:
        """The source's frames with the people in them."""

        def timed(*frame: Any) -> Any:
            with self.clock("inference"):
                return self.estimator.estimate_3d(*frame)

        self.estimator.restart(self.checkpoint.estimator)
        every_frame = self.args.no_track or self.args.no_smooth
        step = self.args.network_step or (1 if every_frame else self.source.network_step)
        frames = progress(self.source, self.args.quiet)
        return interpolate(frames, timed, step, not is_live(self.name), self.checkpoint.last)

    def render(self, frame: PosedFrame) -> np.ndarray:
        """The frame, or a plain background of its size, with everyone's skeleton."""
        canvas = on_background(frame.picture, cli.BACKGROUNDS[self.args.background])
        options = cli.drawing_options(self.args)
        picture = draw_skeleton(canvas, frame.people, self.estimator.skeleton, frame.ids, **options)
        if self.args.frame_info:
            draw_frame_info(picture, frame.number, frame.t)
        return picture

    @contextlib.contextmanager
    def open_sinks(self) -> Iterator[tuple[Callable[[np.ndarray, PosedFrame], None], list[str]]]:
        """A function that writes a frame's picture into the clip and its people into JSON; notes on what went wrong."""
        args, partial = self.args, self.partial
        options = {
            "with_sound": not args.no_audio,
            "partial": partial.clip,
            "resumes_at": self.checkpoint.summary.first_t if self.resumes else None,
            "comment": settings_tag(self.checkpoint.settings),
        }
        with contextlib.ExitStack() as stack:  # the clip ends first: where it cannot, there is no JSON either
            if not is_live(self.name):
                stack.enter_context(self.checkpoint.saved(partial, self.estimator))
            if args.write_json:
                write_json = stack.enter_context(clip_json(self.json, partial.json, self.resumes))
            writer = stack.enter_context(
                clip_writer(self.paths["clip"], self.source.fps, args.codec, self.source, **options)
            )

            def write(picture: np.ndarray, frame: PosedFrame) -> None:
                if args.write_json:
                    write_json(frame.number, people_to_json(frame.people, frame.ids))
                writer.write(picture, frame.t)

            yield write, writer.notes

    def report(self) -> None:
        made = [cli.show_path(path) for path in self.paths.values() if path.exists()]
        self.say(self.checkpoint.summary.report(self.name, self.source.fps, self.clock, made))
        if self.args.verbose:
            self.say(self.clock.report())
        if self.checkpoint.plot and self.checkpoint.plot.note:
            self.say(self.checkpoint.plot.note)
