"""What an interrupted clip leaves, so that a later run goes on as if nothing had happened.

Beside NAME-partial.mp4 and NAME_json-partial/ stands NAME-partial.checkpoint: the people as the estimator knows them,
who was seen, the plot so far, and the settings that must be the same to go on.
"""

from __future__ import annotations

import contextlib
import glob
import itertools
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np

from .. import PoseError
from .report import Summary
from .results import add_to_stem, atomic_write, remove, settings_tag
from .sources import ANY_TEXT
from .storage import Name, open_file

NUMPY_NAMES = ("ndarray", "dtype", "scalar", "_reconstruct", "_frombuffer")  # what its arrays and numbers are made with


class Partial(NamedTuple):
    """What is kept of an interrupted clip."""

    clip: Path
    json: Path
    checkpoint: Path


def partial_names(clip: Path, json: Path, number: str | int) -> Partial:
    """NAME-partial and so on, with a number or "" for the first."""
    ending = f"-partial{number}"
    checkpoint = clip.with_name(f"{clip.stem}{ending}.checkpoint")
    return Partial(add_to_stem(clip, ending), add_to_stem(json, ending), checkpoint)


def free_partial_names(clip: Path, json: Path) -> Partial:
    """The first of which nothing exists."""
    numbers: Iterator[str | int] = itertools.chain([""], itertools.count(2))
    names = (partial_names(clip, json, number) for number in numbers)
    return next(partial for partial in names if not any(path.exists() for path in partial))


class Checkpoint:
    """How far the work on a clip is. settings: what must be the same to go on, by name.

    frames: those that have been written, without their pictures, if they are kept.
    """

    def __init__(self, settings: dict[str, Any], plot: Any = None, keeps_frames: bool = False) -> None:
        self.settings, self.plot, self.summary = settings, plot, Summary()
        self.keeps_frames, self.frames = keeps_frames, list[Any]()
        self.last: Any = None  # the last frame that was written, without its picture
        self.estimator: Any = None  # its state after that frame
        self.clip_bytes = 0

    def add(self, frame: Any, picture: np.ndarray) -> None:
        """A frame has been written, as the picture that is drawn (H, W, 3)."""
        self.summary.add(frame.t, picture.shape[1::-1], frame.people, frame.ids)
        if self.plot:
            self.plot.add(frame.t, picture, frame.people, frame.ids)
        self.last = frame._replace(picture=None)
        if self.keeps_frames:
            self.frames.append(self.last)

    @contextlib.contextmanager
    def saved(self, partial: Partial, estimator: Any) -> Iterator[None]:
        """After Ctrl-C in the block, save this beside the partial clip, with the estimator's state."""
        try:
            yield
        except KeyboardInterrupt:
            if self.last and partial.clip.exists():
                self.estimator, self.clip_bytes = estimator.state, partial.clip.stat().st_size
                with atomic_write(partial.checkpoint) as part:
                    part.write_bytes(pickle.dumps(vars(self)))
            raise


def find_checkpoint(clip: Path, json: Path, settings: dict[str, Any]) -> tuple[Checkpoint, Partial] | None:
    """The checkpoint of the clip that got farthest; None without any, PoseError where none has these settings."""
    found, error = [], None
    for path in clip.parent.glob(f"{glob.escape(clip.stem)}-partial*.checkpoint"):
        partial = partial_names(clip, json, path.stem.rpartition("-partial")[2])
        try:
            found.append((load_checkpoint(partial, settings), partial))
        except PoseError as reason:
            error = reason
    if error and not found:
        raise error
    return max(found, key=lambda pair: pair[0].summary.frames, default=None)


def load_checkpoint(partial: Partial, settings: dict[str, Any]) -> Checkpoint:
    checkpoint = Checkpoint({})
    try:
        with partial.checkpoint.open("rb") as file:
            vars(checkpoint).update(Unpickler(file).load())
    except Exception as error:  # whatever a damaged file makes pickle raise
        raise PoseError(f"{partial.checkpoint} cannot be read", "resume") from error
    others = [name for name in settings if checkpoint.settings.get(name) != settings[name]]
    if others:
        raise PoseError(f"{partial.checkpoint} is of another {' and another '.join(others)}", "resume")
    jsons = len(list(partial.json.glob("*"))) if settings.get("write_json") else checkpoint.summary.frames
    clip_bytes = partial.clip.stat().st_size if partial.clip.exists() else 0
    if (clip_bytes, jsons) != (checkpoint.clip_bytes, checkpoint.summary.frames):
        raise PoseError(f"{partial.clip} or its JSON is no longer what {partial.checkpoint.name} says", "resume")
    checkpoint.summary.resumed_from = checkpoint.summary.frames
    return checkpoint


class Unpickler(pickle.Unpickler):
    """Makes nothing but arrays and this package's objects: a file from elsewhere must not run code."""

    def find_class(self, module: str, name: str) -> Any:
        package = module.partition(".")[0]
        if (module, name) == ("collections", "Counter") or (package == "numpy" and name in NUMPY_NAMES):
            return super().find_class(module, name)
        found = super().find_class(module, name) if package == "pose" else None
        if isinstance(found, type) and found.__module__.startswith("pose."):
            return found
        raise pickle.UnpicklingError(f"{module}.{name}")


def is_complete(clip: Name, settings: dict[str, Any]) -> bool:
    """Whether a clip was made with these settings. A GIF carries no comment."""
    with (
        contextlib.suppress(av.FFmpegError, OSError),
        open_file(clip) as file,
        av.open(file, **ANY_TEXT) as container,
    ):
        return settings_tag(settings) in container.metadata.values()
    return False


def remove_partial(partial: Partial) -> None:
    for path in partial:
        remove(path)
