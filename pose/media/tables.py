"""Everyone in many photos and clips in one file: a table (CSV, Parquet) or COCO's JSON, written person by person."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import itertools
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .. import PoseError
from ..poses import ANGLES, joint_angles
from ..skeletons import Skeleton
from .atomic import add_to_stem, atomic_write, write_errors
from .results import flat, rounded

ROW_GROUP = 10_000  # rows of a Parquet file that are kept in memory
COCO_KEYPOINTS = (
    *("Nose", "LEye", "REye", "LEar", "REar", "LShoulder", "RShoulder", "LElbow", "RElbow", "LWrist", "RWrist"),
    *("LHip", "RHip", "LKnee", "RKnee", "LAnkle", "RAnkle"),
)
COCO_NAME = re.compile(r"(?:.*_)?(\d{12})").fullmatch  # of COCO's pictures

AddPerson = Callable[[str, int, float, int, np.ndarray], Any]  # file, frame number, seconds, identity or -1, pose


@contextlib.contextmanager
def table_writer(paths: Iterable[Path], skeleton: Skeleton) -> Iterator[Callable[..., None]]:
    """A function of (file, frame number, seconds, people (N, K, 3 or 6), ids=None) that fills files.

    They appear when complete, after Ctrl-C as NAME-partial.
    .csv and .parquet: a row for each person and frame; .json: COCO's keypoint results.
    """
    try:
        with contextlib.ExitStack() as stack:
            files = {path: stack.enter_context(atomic_write(path, free_partial(path))) for path in paths}
            writers = {
                path: stack.enter_context(FORMATS[path.suffix.lower()](file, skeleton)) for path, file in files.items()
            }

            def write(file: str, frame: int, t: float, people: np.ndarray, ids: list[int] | None = None) -> None:
                file = os.fsencode(file).decode("utf-8", "replace")  # names need not be UTF-8
                for path, add_person in writers.items():
                    with write_errors(path):
                        for number, pose in enumerate(people):
                            add_person(file, frame, t, ids[number] if ids else -1, pose)

            try:
                yield write
            except OSError as error:
                raise CallerError from error
    except CallerError as error:
        assert error.__cause__
        raise error.__cause__ from None


class CallerError(Exception):
    """Carries an OSError of the caller through atomic_write, which would report it as one of the table."""


def free_partial(path: Path) -> Path:
    """NAME-partial, or with a number the first that does not exist."""
    names = (add_to_stem(path, f"-partial{number}") for number in itertools.chain([""], itertools.count(2)))
    return next(name for name in names if not name.exists())


def table_columns(skeleton: Skeleton) -> list[str]:
    keypoints = [f"{name}_{value}" for name in skeleton.keypoints for value in ("x", "y", "score")]
    angles = [f"{name}_angle" for name in ANGLES]
    return ["file", "frame", "seconds", "id", *keypoints, "box_x", "box_y", "box_w", "box_h", *angles]


def table_row(skeleton: Skeleton, file: str, frame: int, t: float, identity: int, pose: np.ndarray) -> list:
    """A keypoint that was not found has score 0 and no x, y or angle; the box is that of the others."""
    row: list[Any] = [file, frame, rounded(t), identity]
    for x, y, score in pose[:, :3].tolist():
        row += [rounded(x), rounded(y), rounded(score)] if score else [None, None, 0]
    xy = pose[pose[:, 2] > 0, :2]
    row += flat(np.stack([xy.min(axis=0), np.ptp(xy, axis=0)]))
    return row + [None if np.isnan(a) else round(a, 1) for a in joint_angles(pose[None], skeleton)[0].tolist()]


@contextlib.contextmanager
def open_csv(path: Path, skeleton: Skeleton) -> Iterator[AddPerson]:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(table_columns(skeleton))
        yield lambda *person: writer.writerow(table_row(skeleton, *person))


@contextlib.contextmanager
def open_parquet(path: Path, skeleton: Skeleton) -> Iterator[AddPerson]:
    try:
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter
    except ImportError as error:
        raise PoseError("Parquet needs the package pyarrow (pip install pyarrow)", "table") from error
    columns = table_columns(skeleton)
    rows: list[dict[str, Any]] = []
    kinds = {"file": pa.string(), "frame": pa.int64(), "id": pa.int64()}
    schema = pa.schema([(name, kinds.get(name, pa.float64())) for name in columns])

    def write_rows() -> None:
        writer.write_table(pa.Table.from_pylist(rows, schema))
        rows.clear()

    def add_person(*person: Any) -> None:
        rows.append(dict(zip(columns, table_row(skeleton, *person), strict=True)))
        if len(rows) == ROW_GROUP:
            write_rows()

    with ParquetWriter(path, schema) as writer, contextlib.ExitStack() as stack:
        stack.callback(write_rows)
        yield add_person


@contextlib.contextmanager
def open_coco_json(path: Path, skeleton: Skeleton) -> Iterator[AddPerson]:
    """17 keypoints in COCO's order, one that was not found is 0, 0, 0; the person's score is the mean of all 17."""
    order = [skeleton.keypoints.index(name) for name in COCO_KEYPOINTS]
    with open(path, "w", encoding="utf-8") as file, contextlib.ExitStack() as stack:
        separator = "[\n"

        def add_person(name: str, frame: int, t: float, identity: int, pose: np.ndarray) -> None:
            nonlocal separator
            result = {
                "image_id": image_id(name, frame),
                "category_id": 1,  # person
                "keypoints": flat(pose[order, :3]),
                "score": rounded(pose[order, 2].mean().item()),
                "file_name": name,
                "frame": frame,
            }
            file.write(separator + json.dumps(result, separators=(",", ":")))
            separator = ",\n"

        stack.callback(lambda: file.write("[]\n" if separator == "[\n" else "\n]\n"))
        yield add_person


def image_id(name: str, frame: int) -> int:
    """The number in a name such as COCO's pictures have, else one made from file and frame."""
    coco_name = COCO_NAME(Path(name).stem)
    if coco_name and frame == 0:
        return int(coco_name[1])
    return int(hashlib.sha256(f"{name}:{frame}".encode()).hexdigest()[:12], 16)  # 48 bits, which a float holds exactly


FORMATS = {".csv": open_csv, ".parquet": open_parquet, ".json": open_coco_json}
