"""Geometry of poses (K, 3 or 6): size, distance, strength. Depends on no network and no picture."""

from __future__ import annotations

import math

import numpy as np

from .skeletons import COCO, MPI, Skeleton

WORLD = slice(3, 6)  # columns of a pose that has X, Y, Z in metres
AREA = 0.25  # of a person, in squares of their size, as COCO's of standing people
JOINTS = {  # the angle at the middle keypoint
    "Elbow": ("Shoulder", "Elbow", "Wrist"),
    "Shoulder": ("Elbow", "Shoulder", "Hip"),
    "Hip": ("Shoulder", "Hip", "Knee"),
    "Knee": ("Hip", "Knee", "Ankle"),
}
ANGLES = tuple(side + joint for joint in JOINTS for side in "RL")  # right and left of each joint
# MPI's keypoints; the first three numbers fitted to 13 people labelled by hand, the last to OpenPose's own MPI output.
HEAD_TOP = 1.7  # head = neck + HEAD_TOP * (ears - neck) + HEAD_BACK * (ears - nose); ears: the middle of both
HEAD_BACK = 0.8
UPPER_NECK = 0.45  # of the way from COCO's neck to the ears' middle
CHEST = 0.45  # of the way from the neck to the hips' middle


def size(pose: np.ndarray) -> float:
    """Longer side of the box of a pose's (K, 3) found keypoints, in pixels, at least 1."""
    found = pose[pose[:, 2] > 0, :2]
    return max(1.0, float(np.ptp(found, axis=0).max())) if len(found) else 1.0


def strength(pose: np.ndarray) -> float:
    """The sum of a pose's (K, 3) scores times its size."""
    return float(pose[:, 2].sum()) * size(pose)


def strongest_first(people: np.ndarray, number_people_max: int = -1) -> np.ndarray:
    """People (N, K, 3) with any keypoint, in the order of their strength, number_people_max of them; -1: all."""
    people = people[people[:, :, 2].any(axis=1)]
    order = sorted(range(len(people)), key=lambda number: -strength(people[number]))
    return people[order if number_people_max < 0 else order[:number_people_max]]


def pose_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Mean distance of the keypoints that both poses (K, 3) have, in sizes of the larger one; inf without any."""
    both = (a[:, 2] > 0) & (b[:, 2] > 0)
    if not both.any():
        return math.inf
    return float(np.linalg.norm(a[both, :2] - b[both, :2], axis=1).mean() / max(size(a), size(b)))


def similarity(a: np.ndarray, b: np.ndarray, skeleton: Skeleton) -> float:
    """Object keypoint similarity of two poses (K, 3), 0 to 1; with left and right swapped if that is higher.

    A network may confuse a person's back with the front.
    """
    area = AREA * max(size(a), size(b)) ** 2
    best = 0.0
    for other in (b, b[list(skeleton.mirrored)]):
        both = (a[:, 2] > 0) & (other[:, 2] > 0)
        if both.any():
            squares = ((a[both, :2] - other[both, :2]) ** 2).sum(axis=1)
            spread = 2 * np.array(skeleton.sigmas)[both]
            best = max(best, float(np.exp(-squares / (2 * area * spread**2)).mean()))
    return best


def extrapolate(before: np.ndarray, pose: np.ndarray, which: np.ndarray) -> None:
    """Give the pose (K, 3) its missing keypoints `which` (K,) from the pose before, moved as the others have moved."""
    both = (before[:, 2] > 0) & (pose[:, 2] > 0)
    which = which & (before[:, 2] > 0) & (pose[:, 2] == 0)
    moved = np.median(pose[both, :2] - before[both, :2], axis=0) if both.any() else 0
    pose[which] = before[which]
    pose[which, :2] += moved


def joint_keypoints(skeleton: Skeleton) -> list[list[int]]:
    """(8, 3): the keypoints of each of ANGLES, the joint in the middle."""
    return [[skeleton.keypoints.index(name[0] + part) for part in JOINTS[name[1:]]] for name in ANGLES]


def joint_angles(people: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """(N, 8) degrees at the joints ANGLES of people (N, K, 3 or 6), 180 when stretched; nan where they are not seen.

    In space where there are metres, else in the picture.
    """
    columns = WORLD if people.shape[2] == 6 else slice(2)
    points = people[:, joint_keypoints(skeleton)]  # (N, 8, 3, 3 or 6)
    middle = points[:, :, 1, columns]
    a, b = (points[:, :, end, columns] - middle for end in (0, 2))
    along, lengths = (a * b).sum(axis=2), np.linalg.norm(a, axis=2) * np.linalg.norm(b, axis=2)
    across = np.sqrt(np.maximum(lengths**2 - along**2, 0))
    return np.where((points[..., 2] > 0).all(axis=2), np.degrees(np.arctan2(across, along)), np.nan)


def coco_to_mpi(pose: np.ndarray) -> np.ndarray:
    """A COCO pose (18, 3 or 6) as MPI's (15, 3 or 6), of which head, neck and chest are computed."""
    of = dict(zip(COCO.keypoints, pose.astype(float), strict=True))
    neck, nose, ears, hips = of["Neck"], of["Nose"], (of["REar"] + of["LEar"]) / 2, (of["RHip"] + of["LHip"]) / 2
    head = neck + HEAD_TOP * (ears - neck) + HEAD_BACK * (ears - nose)
    head[2] = min(neck[2], max(nose[2], of["REar"][2], of["LEar"][2]))
    upper_neck, chest = neck + UPPER_NECK * (ears - neck), neck + CHEST * (hips - neck)
    upper_neck[2], chest[2] = neck[2], min(neck[2], of["RHip"][2], of["LHip"][2])
    computed = {"Head": head, "Neck": upper_neck, "Chest": chest}
    return np.array([computed.get(name, of.get(name)) for name in MPI.keypoints], np.float32)
