"""What get_hpe_video.py does with each clip: read, infer, draw, write; stop at Ctrl-C, resume."""

from __future__ import annotations

import argparse
import contextlib
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from . import PoseError, cli
from .crop_tracking import NextFrame
from .draw import draw_frame_info, draw_skeleton, on_background
from .estimate import VideoPoseEstimator
from .jobs import Outcome
from .media import storage
from .media.atomic import remove, remove_leftovers, set_aside
from .media.checkpoint import Checkpoint, find_checkpoint, free_partial_names
from .media.codecs import CODECS
from .media.reader import ClipReader
from .media.report import Stopwatch, progress
from .media.results import clip_json, people_to_json, settings_tag
from .media.sources import is_live, source_files
from .media.writer import clip_writer, has_comment
from .options import BACKGROUNDS, drawing_options, estimator_options, result_settings, show_results
from .plot import Plot
from .skeletons import Skeleton
from .track import PosedFrame, Tracked, interpolate
from .window import Windows

ESC = 27


class Estimator(Protocol):
    """What work on clips needs of a VideoPoseEstimator; pieces.TrackedPieces has the same."""

    skeleton: Skeleton

    @property
    def description(self) -> str: ...
    @property
    def state(self) -> Any: ...
    def restart(self, state: Any = None) -> None: ...
    def estimate_3d(self, picture: np.ndarray, t: float, next_frame: NextFrame = None, /) -> Tracked: ...


class Clips:
    """Call it with a clip's name and the stem of its results' names. args: of the command line.

    windows: where the clip is shown; None on a worker. estimator: None for a VideoPoseEstimator.
    """

    def __init__(
        self, args: argparse.Namespace, windows: Windows | None = None, estimator: Estimator | None = None
    ) -> None:
        self.args, self.windows = args, windows
        options = {"track": not args.no_track, "smooth": not args.no_smooth}
        self.estimator = estimator or VideoPoseEstimator(**estimator_options(args), **options)
        self.description = self.estimator.description
        self.source: ClipReader | None = None  # of the clip in progress

    def __call__(self, name: str, stem: str) -> Outcome:
        args, names = self.args, result_names(self.args, stem)
        files = source_files(name)
        settings = result_settings(args, self.description, files) | {"table": bool(args.write_table)}
        may_skip = (args.resume or args.skip_existing) and files and not args.write_table  # which takes all frames
        if may_skip and is_done(args.output_dir, names, settings):
            return Outcome(name, f"{name} is complete, skipped.", skipped=True)
        with storage.local_copies(name, args.output_dir, names["clip"]) as (source, folder):
            job = ClipJob(self, source, stem, folder, settings)
            self.source = job.source
            notes = job.run()
            report = job.report().replace(source, name).replace(str(folder), str(args.output_dir))
            if args.write_json:
                storage.remove_remote(storage.join(args.output_dir, names["json"]))
        frames = [(frame.number, frame.t, frame.people, frame.ids) for frame in job.checkpoint.frames]
        return Outcome(name, report, tuple(note.replace(source, name) for note in notes), frames=frames)

    def stop(self) -> None:
        """The clip in progress raises KeyboardInterrupt at the next inference."""
        if self.source:
            self.source.stop()

    def open(self, name: str, first: int, last: int, on_lost: Callable[[str], None] | None = None) -> ClipReader:
        return ClipReader(name, first, last, self.args.frame_step, self.args.frame_rotate, on_lost)

    def network_step(self, source: ClipReader) -> int:
        """Frames of the source from one inference to the next."""
        every_frame = self.args.no_track or self.args.no_smooth
        return self.args.network_step or (1 if every_frame else source.network_step)

    def restart(self, source: ClipReader, state: Any) -> None:
        """Prepare the estimator for a clip's first frame, or with a state for the frame after it."""
        self.estimator.restart(state)


def result_names(args: argparse.Namespace, stem: str) -> dict[str, str]:
    """Each result's path in the output folder."""
    path = f"Video{args.mode}/{stem}"
    names = {"clip": f"{path}_skeleton_{args.mode}{CODECS[args.codec].suffix}"}
    names |= {"json": f"{path}_json"} if args.write_json else {}
    plots = {"poses": f"{path}_poses_{args.mode}.jpg", "angles": f"{path}_angles_{args.mode}.png"}
    return names | (plots if args.write_plot else {})


def is_done(folder: storage.Name, names: dict[str, str], settings: dict[str, Any]) -> bool:
    """Whether all results exist and have these settings."""
    paths = {kind: storage.join(folder, name) for kind, name in names.items() if kind != "angles"}
    return all(map(storage.exists, paths.values())) and has_comment(paths["clip"], settings_tag(settings))


class ClipJob:
    """One clip, from its source to its results.

    source.stop() makes run() raise KeyboardInterrupt at the next inference. What was done is kept then, and with
    args.resume a later job with the same settings continues it.
    """

    def __init__(self, clips: Clips, name: str, stem: str, folder: Path, settings: dict[str, Any]) -> None:
        self.name, self.clock = name, Stopwatch()
        self.clips, self.args, self.estimator, self.windows = clips, clips.args, clips.estimator, clips.windows
        args = self.args
        self.messages: list[str] = []
        self.paths = {kind: folder / path for kind, path in result_names(args, stem).items()}
        self.json = folder / f"Video{args.mode}" / f"{stem}_json"
        on_lost = self.notify if args.reconnect else None
        self.source = clips.open(name, args.frame_first, args.frame_last, on_lost)
        plot = Plot(self.estimator.skeleton) if args.write_plot else None
        self.checkpoint = Checkpoint(settings, plot, keeps_frames=bool(args.write_table))
        self.partial = free_partial_names(self.paths["clip"], self.json)
        self.resumes = False

    def run(self) -> list[str]:
        """Returns notes on what went wrong."""
        if self.args.resume:
            self.resume()
        if self.source.fps_guessed:
            self.notify(f"{self.name} does not report its frame rate; taking {self.source.source_fps:g} a second.")
        remove_leftovers([*self.paths.values(), self.json, self.partial.checkpoint])
        with self.source, self.open_sinks() as (write, notes):
            for frame in self.estimate():
                with self.clock("drawing"):
                    picture = self.render(frame)
                with self.clock("writing"):
                    write(picture, frame)
                self.checkpoint.add(frame, picture)
                if self.windows and self.windows.show({"Skeleton, q ends": picture}) in (ord("q"), ESC):
                    if is_live(self.name):  # q is its regular end
                        break
                    cli.signals.handle(signal.SIGINT, None)  # q stops a clip as Ctrl-C does
            if not self.checkpoint.last:
                raise PoseError(f"{self.name} holds no frame to read", "frames")
            if self.checkpoint.plot:
                self.checkpoint.plot.save(self.paths["poses"], self.paths["angles"])
        if self.resumes:
            for path in self.partial:
                remove(path)
        return self.source.notes + notes

    def notify(self, sentence: str) -> None:
        """Print a sentence now, or on a worker with the report."""
        if self.windows is None:
            self.messages.append(sentence)
        elif not self.args.quiet:
            print(cli.printable(sentence), flush=True)

    def resume(self) -> None:
        """Continue from a checkpoint, where there is one."""
        found = find_checkpoint(self.paths["clip"], self.json, self.checkpoint.settings)
        if found is None:
            return self.notify(f"{self.name} has nothing to resume, starting at its first frame.")
        self.checkpoint, self.partial = found
        self.resumes = True
        self.source.first = self.checkpoint.last.number + self.args.frame_step
        self.source.size_wh = self.checkpoint.summary.size_wh
        self.notify(f"{self.name} is resumed at frame {self.source.first}.")

    def estimate(self) -> Iterator[PosedFrame]:
        """The source's frames with the people in them."""

        def timed(*frame: Any) -> Any:
            with self.clock("inference"):
                return self.estimator.estimate_3d(*frame)

        self.clips.restart(self.source, self.checkpoint.estimator)
        step = self.clips.network_step(self.source)
        frames = progress(self.source, self.args.quiet or self.windows is None)
        return interpolate(frames, timed, step, not is_live(self.name), self.checkpoint.last)

    def render(self, frame: PosedFrame) -> np.ndarray:
        """The frame itself, or a plain background of its size, with everyone's skeleton."""
        canvas = on_background(frame.picture, BACKGROUNDS[self.args.background])
        options = drawing_options(self.args) | {"copy": False}  # saves a 4K frame of memory
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
        with contextlib.ExitStack() as stack:  # the clip is closed first; if that fails, there is no JSON either
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
            writer.close()
            if args.write_json:
                set_aside(self.json)  # a kill must not leave older JSON with the new clip

    def report(self) -> str:
        """Lines for the screen."""
        made = show_results(self.args, [path for path in self.paths.values() if path.exists()])
        lines = [*self.messages, self.checkpoint.summary.report(self.name, self.source.fps, self.clock, made)]
        if self.args.verbose:
            lines.append(self.clock.report())
        if self.checkpoint.plot and self.checkpoint.plot.note:
            lines.append(self.checkpoint.plot.note)
        return "\n".join(lines)
