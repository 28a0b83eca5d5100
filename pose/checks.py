"""What the public functions accept: TypeError or ValueError that names the argument and what is allowed."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from .skeletons import Skeleton


def check_choice(name: str, value: object, allowed: Collection[object]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, not {value!r}")


def check_number(name: str, value: float, low: float, high: float, also: float | None = None) -> None:
    """The value must be a number from low to high, or `also`."""
    if not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, not {value!r}")
    if not low <= value <= high and value != also:
        other = "" if also is None else f"{also} or "
        raise ValueError(f"{name} must be {other}from {low} to {high}, not {value!r}")


def check_picture(picture: object) -> None:
    """A picture is (H, W, 3) uint8, blue, green, red, as cv2.imread returns it."""
    if not isinstance(picture, np.ndarray):
        raise TypeError(f"picture must be a numpy array, not {picture!r}; cv2.imread returns None where it cannot read")
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
        raise ValueError(f"picture must be (height, width, 3) uint8, not {picture.shape} {picture.dtype}")


def check_people(people: object, skeleton: Skeleton) -> None:
    if not isinstance(people, np.ndarray):
        raise TypeError(f"people must be a numpy array, not {people!r}")
    k = len(skeleton.keypoints)
    if people.ndim != 3 or people.shape[1:] not in ((k, 3), (k, 6)):
        what = f"(N, {k}, 3 or 6), x, y and score of {skeleton.name}'s keypoints"
        raise ValueError(f"people must be {what}, not {people.shape}")
