"""What an interrupted clip leaves, so that a later run continues it.

Next to NAME-partial.mp4 and NAME_json-partial/ is NAME-partial.checkpoint: the estimator's state, the
summary and the plot so far, and the settings, which must be the same to continue.
"""

from __future__ import annotations

import base64
import contextlib
import glob
import importlib
import itertools
import json
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import PoseError
from ..skeletons import SKELETONS, Skeleton
from .atomic import add_to_stem, atomic_write
from .report import Summary

CLASSES = {  # that a checkpoint may hold, and their modules
    **{"Crop": "crop", "PersonEstimate": "blazepose", "TrackedPerson": "crop_tracking", "Track": "track"},
    **{"Tracker": "track", "PosedFrame": "track", "Plot": "plot", "Summary": "media.report"},
}


class Partial(NamedTuple):
    """The files of an interrupted clip."""

    clip: Path
    json: Path
    checkpoint: Path


def partial_names(clip: Path, json: Path, number: str | int) -> Partial:
    """NAME-partial and so on, with a number or "" for the first."""
    ending = f"-partial{number}"
    checkpoint = clip.with_name(f"{clip.stem}{ending}.checkpoint")
    return Partial(add_to_stem(clip, ending), add_to_stem(json, ending), checkpoint)


def free_partial_names(clip: Path, json: Path) -> Partial:
    """The first names of which no file exists."""
    numbers: Iterator[str | int] = itertools.chain([""], itertools.count(2))
    names = (partial_names(clip, json, number) for number in numbers)
    return next(partial for partial in names if not any(path.exists() for path in partial))


class Checkpoint:
    """How much of a clip is done. settings: what must be the same to continue, by name.

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
        """After Ctrl-C in the block, save this next to the partial clip, with the estimator's state."""
        try:
            yield
        except KeyboardInterrupt:
            if self.last and partial.clip.exists():
                self.estimator, self.clip_bytes = estimator.state, partial.clip.stat().st_size
                with atomic_write(partial.checkpoint) as temporary:
                    temporary.write_bytes(to_bytes(vars(self) | {"settings": reprs(self.settings)}))
            raise


def find_checkpoint(clip: Path, json: Path, settings: dict[str, Any]) -> tuple[Checkpoint, Partial] | None:
    """The checkpoint with the most frames; None without any, PoseError where none has these settings."""
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
        vars(checkpoint).update(from_bytes(partial.checkpoint.read_bytes()))
    except Exception as error:  # a damaged file may raise any
        raise PoseError(f"{partial.checkpoint} cannot be read", "resume") from error
    before, now = checkpoint.settings, reprs(settings)
    others = [name for name in now if before.get(name) != now[name]]
    if others:
        raise PoseError(f"{partial.checkpoint} is of another {' and another '.join(others)}", "resume")
    jsons = len(list(partial.json.glob("*"))) if settings.get("write_json") else checkpoint.summary.frames
    clip_bytes = partial.clip.stat().st_size if partial.clip.exists() else 0
    if (clip_bytes, jsons) != (checkpoint.clip_bytes, checkpoint.summary.frames):
        raise PoseError(f"{partial.clip} or its JSON no longer matches {partial.checkpoint.name}", "resume")
    checkpoint.settings = settings
    checkpoint.summary.resumed_from = checkpoint.summary.frames
    return checkpoint


def reprs(settings: dict[str, Any]) -> dict[str, str]:
    return {name: repr(value) for name, value in settings.items()}


def to_bytes(value: Any) -> bytes:
    """A line with a checksum, then JSON, as reading it runs no code, unlike pickle."""
    text = json.dumps(encode(value), separators=(",", ":")).encode()
    return b"%08x\n%s" % (zlib.crc32(text), text)


def from_bytes(data: bytes) -> Any:
    checksum, text = data.split(b"\n", 1)
    if int(checksum, 16) != zlib.crc32(text):
        raise ValueError("The checksum differs")
    return decode(json.loads(text))


def encode(value: Any) -> Any:
    """A value that JSON has as itself; any other as an object whose only key is its kind."""
    kind = type(value).__name__
    if value is None or kind in ("bool", "int", "float", "str"):
        return value
    if kind == "list":
        return [encode(item) for item in value]
    if kind == "tuple":
        return {kind: encode(list(value))}
    if isinstance(value, (np.ndarray, np.generic)):
        data = base64.b64encode(value.tobytes()).decode()
        return {"array" if kind == "ndarray" else "number": [value.dtype.str, list(value.shape), data]}
    if isinstance(value, Skeleton):
        return {"Skeleton": value.name}
    if kind in CLASSES:
        value = value._asdict() if isinstance(value, tuple) else vars(value)  # type: ignore[attr-defined]
    if isinstance(value, dict):
        return {kind: [[encode(key), encode(item)] for key, item in value.items()]}
    raise TypeError(f"A checkpoint cannot hold {value!r}")


def decode(value: Any) -> Any:
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind in ("array", "number"):
        dtype, shape, data = content
        array = np.frombuffer(base64.b64decode(data), np.dtype(dtype)).reshape(shape).copy()
        return array if kind == "array" else array[()]
    if kind == "Skeleton":
        return SKELETONS[content]
    if kind == "tuple":
        return tuple(decode(content))
    fields = dict(decode(content))
    if kind in ("dict", "Counter"):
        return Counter(fields) if kind == "Counter" else fields
    made_of = getattr(importlib.import_module(f"pose.{CLASSES[kind]}"), kind)
    if issubclass(made_of, tuple):
        return made_of(**fields)
    made = made_of.__new__(made_of)  # its constructor is not run
    vars(made).update(fields)
    return made
