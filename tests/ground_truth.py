"""Keypoints labelled by hand (tests/data/*.json), and how far people found are from them."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

PROJECT = Path(__file__).parent.parent
sys.path.insert(0, str(PROJECT))
from pose.media.photos import read_picture  # noqa: E402

DATA = Path(__file__).parent / "data"
NAMES = ("walker", "walk", "two_people", "sport", "balance", "grace_hopper", "astronaut", "camera")
UNSEEN = ("pair", "lying", "sport_unseen")  # labelled after the thresholds were chosen
GROUPS = ("one person", "two people", "hard", "unseen")
NECK, SHOULDERS = 1, (2, 5)
SEEN, HIDDEN = 2, 1


@dataclass
class Case:
    """A labelled picture."""

    name: str
    group: str
    picture: np.ndarray  # (H, W, 3) uint8
    people: list[np.ndarray]  # (K, 3) each: x, y, and SEEN, HIDDEN but judged, or 0: not labelled
    ignore: list[list[float]]  # x0, y0, x1, y1 of people who are not labelled


def load(name: str) -> dict[int, list[np.ndarray]]:
    """Frame number (0 for a photo) to the people in it, as in Case."""
    return {int(n): [pose_of(person) for person in frame["people"]] for n, frame in read(name)["frames"].items()}


def read(name: str, folder: Path = DATA) -> dict:
    return json.loads((folder / f"{name}.json").read_text())


def cases() -> Iterator[Case]:
    """All labelled pictures and frames."""
    for name in NAMES + UNSEEN:
        labels = read(name)
        frames = labels["frames"]
        pictures = frames_of(labels["pictures"], frames) if labels["pictures"].endswith(".mp4") else {}
        for number, frame in frames.items():
            picture = pictures.get(number)
            if picture is None:
                picture = read_picture(PROJECT / labels["pictures"].format(int(number)))
            people = [pose_of(person) for person in frame["people"]]
            group = "one person" if len(people) == 1 else "two people"
            group = "unseen" if name in UNSEEN else "hard" if frame.get("hard") else group
            yield Case(f"{name} {number}", group, picture, people, frame.get("ignore", []))


def frames_of(clip: str, numbers) -> dict[str, np.ndarray]:
    """The frames of a clip that have these numbers."""
    capture, pictures, number = cv2.VideoCapture(str(PROJECT / clip)), {}, 0
    while (read := capture.read())[0]:
        if str(number) in numbers:
            pictures[str(number)] = read[1]
        number += 1
    return pictures


def second_pass() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The same people as labelled first and, by fresh eyes, again."""
    for name, frames in read("second_pass").items():
        first = load(name)
        for number, frame in frames.items():
            again = [pose_of(person) for person in frame["people"]]
            yield from zip(first[int(number)], again, strict=True)


def pose_of(person: dict) -> np.ndarray:
    """A labelled person as (18, 3). The neck is the shoulders' midpoint, as the networks were trained."""
    pose = np.zeros((18, 3))
    for keypoint, values in person["keypoints"].items():
        pose[int(keypoint)] = values
    if pose[SHOULDERS, 2].all():
        pose[NECK] = pose[SHOULDERS, :].mean(axis=0)
        pose[NECK, 2] = pose[SHOULDERS, 2].min()
    return pose


def size_of(labels: np.ndarray) -> float:
    """Longer side of the box of all labelled keypoints (K, 3), in pixels."""
    return np.ptp(labels[labels[:, 2] > 0, :2], axis=0).max()


def distances(person: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(K,): how far each keypoint is off, in shares of the truth's size; inf if not found, nan if not labelled."""
    distance = np.linalg.norm(person[:, :2] - truth[:, :2], axis=1) / size_of(truth)
    distance[person[:, 2] == 0] = np.inf
    distance[truth[:, 2] == 0] = np.nan
    return distance


def errors(people: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """distances of the seen keypoints from the nearest person's; inf where nobody is near."""
    seen = truth[:, 2] == SEEN
    candidates = [distances(person, truth)[seen] for person in people]
    return min(candidates, key=lambda d: np.minimum(d, 1).sum(), default=np.full(seen.sum(), np.inf))
