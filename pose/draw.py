"""People to pixels: a coloured limb for a limb, an outline that tells people apart, sizes that follow the person's."""

from __future__ import annotations

import cv2
import numpy as np

from .checks import check_people, check_picture
from .poses import size
from .skeletons import Skeleton, rainbow

SHIFT = 4  # cv2 draws at 1/16 of a pixel
LIMB_SHARE = 1 / 45  # a limb's width as a share of the person's size
OUTLINES = (
    (255, 255, 255),
    (0, 0, 0),
    (255, 128, 0),
    (0, 200, 255),
    (200, 0, 200),
    (0, 220, 0),
)  # a person each, in turn
FONT = cv2.FONT_HERSHEY_SIMPLEX
FONT_HEIGHT = 22  # pixels of its capitals at scale 1


def draw_skeleton(
    picture: np.ndarray, people: np.ndarray, skeleton: Skeleton, ids: list[int] | None = None
) -> np.ndarray:
    """A copy of the picture (H, W, 3) with the limbs of people (N, K, 3), the strongest on top.

    ids: their identities, which decide the outlines' colours. ValueError or TypeError for other shapes or types.
    """
    check_picture(picture)
    check_people(people, skeleton)
    canvas = picture.copy()
    colours = rainbow(len(skeleton.drawn_limbs))
    for number, person in reversed(list(enumerate(people))):
        width = limb_width(person, picture)
        outline = OUTLINES[(ids[number] if ids else number) % len(OUTLINES)]
        points, found = np.rint(person[:, :2] * 2**SHIFT).astype(int).tolist(), (person[:, 2] > 0).tolist()
        limbs = [
            (points[limb.start], points[limb.end], colour)
            for limb, colour in zip(skeleton.drawn_limbs, colours, strict=True)
            if found[limb.start] and found[limb.end]
        ]
        for a, b, _ in limbs:
            cv2.line(canvas, a, b, outline, width + 2 * max(1, width // 3), cv2.LINE_AA, SHIFT)
        for a, b, colour in limbs:
            cv2.line(canvas, a, b, colour, width, cv2.LINE_AA, SHIFT)
        for keypoint in person[found]:
            dot(canvas, keypoint, outline, 0.6 * width)
    return canvas


def draw_keypoints(picture: np.ndarray, people: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """A copy of the picture (H, W, 3) with the keypoints of people (N, K, 3) as dots with their numbers.

    ValueError or TypeError for other shapes or types.
    """
    check_picture(picture)
    check_people(people, skeleton)
    canvas = picture.copy()
    colours = rainbow(len(skeleton.keypoints))
    for number, person in reversed(list(enumerate(people))):
        width = limb_width(person, picture)
        for k in np.flatnonzero(person[:, 2]):
            dot(canvas, person[k], OUTLINES[number % len(OUTLINES)], width + max(1, width // 3))
            dot(canvas, person[k], colours[k], width)
        for k in np.flatnonzero(person[:, 2]):
            at = person[k, :2] + (1.3 * width, -0.6 * width)
            write(canvas, str(k), at, height=max(7, 2 * width))
    return canvas


def draw_frame_info(picture: np.ndarray, number: int, t: float) -> None:
    """Write a frame's number and its time, t in seconds, into the picture's top left corner."""
    height = max(8, picture.shape[0] / 28)
    write(picture, f"frame {number}  {t:.2f} s", np.array([height / 2, 1.5 * height]), height)


def on_background(picture: np.ndarray, level: int | None) -> np.ndarray:
    """The picture itself, or a plain one of its size and grey level."""
    return picture if level is None else np.full_like(picture, level)


def limb_width(person: np.ndarray, picture: np.ndarray) -> int:
    """Pixels, from the person's size; someone seen in part is as large as the picture shows."""
    return max(1, round(float(LIMB_SHARE * min(size(person), max(picture.shape[:2])))))


def dot(canvas: np.ndarray, at: np.ndarray, colour: tuple[int, int, int], radius: float) -> None:
    centre = np.rint(at[:2] * 2**SHIFT).astype(int).tolist()
    cv2.circle(canvas, centre, round(radius * 2**SHIFT), colour, cv2.FILLED, cv2.LINE_AA, SHIFT)


def write(canvas: np.ndarray, text: str, at: np.ndarray, height: float) -> None:
    """White text with a dark outline, `height` pixels tall, its bottom left corner at `at`, kept inside the canvas."""
    scale, stroke = height / FONT_HEIGHT, max(1, round(height / 9))
    (w, h), _ = cv2.getTextSize(text, FONT, scale, stroke)
    x = int(np.clip(at[0], 0, max(0, canvas.shape[1] - w)))
    y = int(np.clip(at[1], h, max(h, canvas.shape[0] - 1)))
    for colour, thickness in (((0, 0, 0), stroke + 2 * max(1, stroke // 2)), ((255, 255, 255), stroke)):
        cv2.putText(canvas, text, (x, y), FONT, scale, colour, thickness, cv2.LINE_AA)
