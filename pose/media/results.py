"""Results to files: pictures and OpenPose's JSON."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .. import PoseError
from .atomic import atomic_write
from .storage import Name, open_file

UNUSED = ("face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d")
UNUSED_3D = ("face_keypoints_3d", "hand_left_keypoints_3d", "hand_right_keypoints_3d")
JPEG_QUALITY = 95
COMMENT_WITHIN = 256  # bytes from a JPEG's start


def people_to_json(people: np.ndarray, ids: list[int] | None = None) -> str:
    """OpenPose's JSON (version 1.3) of people (N, K, 3 or 6). ids: -1, "without identity", where there are none."""
    entries = [
        {
            "person_id": [ids[number] if ids else -1],
            "pose_keypoints_2d": flat(person[:, :3]),
            **{key: [] for key in UNUSED},
            "pose_keypoints_3d": flat(person[:, [3, 4, 5, 2]]) if person.shape[1] == 6 else [],
            **{key: [] for key in UNUSED_3D},
        }
        for number, person in enumerate(people)
    ]
    return json.dumps({"version": 1.3, "people": entries}, separators=(",", ":"))


def flat(points: np.ndarray) -> list[float | int]:
    return [rounded(value) for value in points.ravel().tolist()]


def rounded(value: float) -> float | int:
    """Six significant digits, and no decimal point on whole numbers, as OpenPose writes them."""
    number = float(f"{value:.6g}")
    return int(number) if number.is_integer() else number


def settings_tag(settings: dict[str, Any]) -> str:
    """The comment of complete results. Options that are off are left out, so that a new option changes none."""
    on = sorted(item for item in settings.items() if item[1])
    return f"opencv-hpe {zlib.crc32(repr(on).encode(errors='replace')):08x}"


def save_picture(path: Path, picture: np.ndarray, comment: str = "") -> None:
    """comment: for a JPEG, see has_comment()."""
    encoded, array = cv2.imencode(path.suffix, picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not encoded:
        h, w = picture.shape[:2]
        raise PoseError(f"A picture of {w}x{h} pixels is too large for {path}; make the photo smaller")
    data = array.tobytes()
    if comment:
        head = 4 + int.from_bytes(data[4:6], "big")  # after the two markers and the first one's segment, JFIF's
        data = data[:head] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment.encode() + data[head:]
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def has_comment(path: Name, comment: str) -> bool:
    with contextlib.suppress(OSError), open_file(path) as file:
        return comment.encode() in file.read(COMMENT_WITHIN)
    return False


def people_from_json(text: str) -> np.ndarray:
    """People (N, K, 3 or 6) of a photo's OpenPose JSON, strongest first."""
    people = json.loads(text)["people"]
    if not people:
        return np.zeros((0, 0, 3))
    poses, in_space = (
        np.array([person[f"pose_keypoints_{n}d"] for person in people]).reshape(len(people), -1, n + 1) for n in (2, 3)
    )
    return np.concatenate([poses, in_space[..., :3]], axis=2) if in_space.size else poses


def save_text(path: Path, text: str) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def clip_json(folder: Path, partial: Path | None = None, resume: bool = False) -> Iterator[Callable[[int, str], None]]:
    """A function of (frame number, JSON) that fills `folder`, which appears when complete.

    partial: where it is kept after Ctrl-C; resume: continue what is there.
    """
    stem = folder.name.removesuffix("_json")
    ours = re.compile(re.escape(stem) + r"_\d{12}_keypoints\.json").fullmatch
    foreign = sorted(path.name for path in folder.glob("*") if not ours(path.name))
    if foreign or folder.is_file():
        what = f"holds {foreign[0]}, which is not OpenPose JSON of this clip" if foreign else "is a file"
        raise PoseError(f"{folder} {what} and would be deleted; move it away", "output_dir")
    with atomic_write(folder, partial) as temporary:
        if partial and resume:
            shutil.copytree(partial, temporary)
        temporary.mkdir(exist_ok=True)

        def write(number: int, text: str) -> None:
            (temporary / f"{stem}_{number:012}_keypoints.json").write_text(text, "utf-8")

        yield write
