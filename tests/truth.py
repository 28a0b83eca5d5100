"""Keypoints labelled by hand (tests/data/*.json) and how far people found are from them."""

import json
from pathlib import Path

import numpy as np

DATA = Path(__file__).parent / "data"
NECK, SHOULDERS = 1, (2, 5)


def load(name: str) -> dict[int, list[np.ndarray]]:
    """Frame number (0 for a photo) to the people (K, 3) in it: x, y, and 2 seen, 1 hidden, 0 not labelled."""
    labels = json.loads((DATA / f"{name}.json").read_text())
    frames = labels.get("frames", {"0": labels})
    return {int(number): [pose_of(person) for person in frame["people"]] for number, frame in frames.items()}


def pose_of(person: dict) -> np.ndarray:
    """A labelled person as (18, 3). The neck is the shoulders' midpoint, as the networks were trained."""
    pose = np.zeros((18, 3))
    for keypoint, values in person["keypoints"].items():
        pose[int(keypoint)] = values
    if pose[SHOULDERS, 2].all():
        pose[NECK] = pose[SHOULDERS, :].mean(axis=0)
        pose[NECK, 2] = pose[SHOULDERS, 2].min()
    return pose


def errors(people: np.ndarray, truth: np.ndarray, seen_only: bool = True) -> np.ndarray:
    """Distance of each labelled keypoint to the nearest person's, in shares of the truth's size; inf where missed."""
    labelled = truth[:, 2] >= (2 if seen_only else 1)
    size = np.ptp(truth[truth[:, 2] > 0, :2], axis=0).max()
    best = np.full(labelled.sum(), np.inf)
    for person in people:
        distance = np.linalg.norm(person[labelled, :2] - truth[labelled, :2], axis=1) / size
        distance[person[labelled, 2] == 0] = np.inf
        if np.minimum(distance, 1).sum() < np.minimum(best, 1).sum():
            best = distance
    return best
