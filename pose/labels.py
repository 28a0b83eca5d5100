"""Text in pictures: readable on any background, next to its point, never overlapping."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Colour = tuple[int, int, int]  # blue, green, red

SHIFT = 4  # cv2 draws at 1/16 of a pixel
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
FONT, FONT_HEIGHT = cv2.FONT_HERSHEY_SIMPLEX, 22  # pixels of its capitals at scale 1
MIN_TEXT = 9  # pixels
DOT_SHARE = 0.6  # a keypoint's radius, in limb widths
LABEL_SIDES = np.array([(1, -1), (-1, -1), (1, 1), (-1, 1), (1, 0), (-1, 0), (0, -1), (0, 1)])  # the best first
LABEL_GAPS = 0.5 + np.arange(12)  # from a keypoint to its label, in heights of the text


def draw_labels(
    canvas: np.ndarray, people: np.ndarray, widths: list[int], text_of: Callable[[int, float], str]
) -> None:
    """A text of (keypoint, score) next to each keypoint of people (N, K, 3), clear of keypoints and other texts.

    A text far from its keypoint has a line to it; one without room is left out. widths: the people's limb widths in
    pixels, which set the texts' sizes.
    """
    taken, texts = np.zeros(canvas.shape[:2], bool), []
    for person, width in zip(people, widths, strict=True):
        radius = DOT_SHARE * width
        for x, y in person[person[:, 2] > 0, :2]:
            taken[round(max(0, y - radius)) : round(y + radius), round(max(0, x - radius)) : round(x + radius)] = True
    for person, width in zip(people, widths, strict=True):
        height = text_height(width)
        for k in np.flatnonzero(person[:, 2]):
            text, point = text_of(int(k), float(person[k, 2])), person[k, :2]
            box = free_box(point, text_size(text, height), taken)
            if box:
                x0, y0, x1, y1, is_far = box
                taken[y0:y1, x0:x1] = True
                if is_far:
                    a, b = fixed_point(np.stack([point, point.clip((x0, y0), (x1, y1))])).tolist()
                    cv2.line(canvas, a, b, WHITE, max(1, round(height / 12)), cv2.LINE_AA, SHIFT)
                texts.append((text, np.array([x0, y1]), height))
    for label in texts:  # on top of all lines
        draw_text(canvas, *label)


def free_box(point: np.ndarray, size_wh: np.ndarray, taken: np.ndarray) -> tuple[int, int, int, int, bool] | None:
    """The box (x0, y0, x1, y1) nearest to a point in which nothing is taken (H, W), and whether it is far; or None."""
    (w, h), (height, width) = size_wh.tolist(), taken.shape
    for gap in h * LABEL_GAPS:
        for x0, y0 in (point + LABEL_SIDES * (gap + size_wh / 2) - size_wh / 2).round().astype(int).tolist():
            is_inside = 0 <= x0 <= width - w and 0 <= y0 <= height - h
            if is_inside and not taken[y0 : y0 + h, x0 : x0 + w].any():
                return x0, y0, x0 + w, y0 + h, bool(gap > h)
    return None


def stroke_of(height: float) -> int:
    return max(1, round(height / 9))


def load_font() -> None:
    """OpenCV 5 needs 30 ms for it, in each thread that draws text for the first time."""
    text_size("0", MIN_TEXT)


def text_size(text: str, height: float) -> np.ndarray:
    """Width and height in pixels, outline included."""
    size_wh, _ = cv2.getTextSize(text, FONT, height / FONT_HEIGHT, stroke_of(height))
    return np.array(size_wh) + 2 * stroke_of(height)


def draw_text(canvas: np.ndarray, text: str, at: np.ndarray, height: float, colour: Colour = WHITE) -> None:
    """Text with a dark outline, `height` pixels tall, its bottom left corner at `at`, kept inside the canvas."""
    (w, h), stroke = text_size(text, height).tolist(), stroke_of(height)
    x = round(float(np.clip(at[0], 0, max(0, canvas.shape[1] - w)))) + stroke
    y = round(float(np.clip(at[1], h, max(h, canvas.shape[0] - 1)))) - stroke
    around = [(x + stroke * dx, y + stroke * dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)]
    for corner, shade in [*((corner, BLACK) for corner in around), ((x, y), colour)]:
        cv2.putText(canvas, text, corner, FONT, height / FONT_HEIGHT, shade, stroke, cv2.LINE_AA)


def text_height(width: float) -> float:
    """In pixels, for a person whose limbs have this width."""
    return max(MIN_TEXT, 1.3 * width)


def fixed_point(xy: np.ndarray) -> np.ndarray:
    return np.rint(xy * 2**SHIFT).astype(np.int32)
