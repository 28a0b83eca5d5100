"""Draws people: skeletons in three styles, keypoints with their numbers, by each person's size; and heatmaps.

modern     tapering, see-through limbs: the person's right side warm, the left one cool, the trunk in a light tone of
           the person's own; thin lines on the face
openpose   OpenPose's ellipses and colours, pixel for pixel what image generators are conditioned on (ControlNet)
classic    the cyan lines and blue dots of the OpenCV tutorials
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from .checks import check_choice, check_number, check_people, check_picture
from .choices import STYLES
from .labels import BLACK, DOT_SHARE, SHIFT, Colour, draw_labels, draw_text, fixed_point, text_height
from .maps import Maps
from .poses import size
from .skeletons import FACE, Limb, Skeleton, rainbow

LIMB_SHARE = 1 / 40  # a limb's width as a share of the person's size
OPACITY, EDGE_LIGHT = 0.75, 0.4  # of limbs, and how much darker their edges are
SIDE_COLOURS = {"R": ((40, 80, 240), (50, 170, 255)), "L": ((240, 120, 30), (255, 205, 60))}  # upper, lower
TONES = (  # of people's trunks, in turn
    *((225, 225, 225), (90, 225, 250), (140, 225, 120)),
    *((240, 150, 220), (200, 190, 120), (150, 170, 255)),
)
# A limb's widths at its start and end, in the person's limb widths; of arms and legs by the keypoint at the end.
TAPER = {"Elbow": (1.0, 0.75), "Wrist": (0.75, 0.5), "Knee": (1.2, 0.85), "Ankle": (0.85, 0.55)}
TRUNK_TAPER, FACE_TAPER = (0.8, 0.8), (0.3, 0.3)
ROUND_END = np.radians(np.linspace(90, 270, 9))
OPENPOSE_SIDE, OPENPOSE_RADIUS, OPENPOSE_LIGHT = 512, 4, 0.6  # a picture's side, limbs' half width in it, their light
HEATMAP_OPACITY = 0.6
CYAN, BLUE = (255, 255, 0), (255, 0, 0)


def draw_skeleton(
    picture: np.ndarray,
    people: np.ndarray,
    skeleton: Skeleton,
    ids: list[int] | None = None,
    *,
    style: str = "modern",
    line_width: int | None = None,
    face: bool = True,
    show_ids: bool = False,
    show_scores: bool = False,
    copy: bool = True,
) -> np.ndarray:
    """A copy of the picture (H, W, 3) with the limbs of people (N, K, 3), the strongest on top.

    ids: their identities, which set their tones. style: modern, openpose or classic. line_width: pixels; None: by
    each person's size. face: with nose, eyes and ears. copy: False draws on the picture itself. ValueError
    or TypeError for other values.
    """
    check_picture(picture)
    check_people(people, skeleton)
    check_choice("style", style, STYLES)
    if line_width is not None:
        check_number("line_width", line_width, 1, math.inf)
        line_width = min(line_width, max(picture.shape[:2]))
    canvas, people = picture.copy() if copy else picture, people if face else without_face(people, skeleton)
    ids = ids if ids is not None else list(range(len(people)))
    tones = [TONES[identity % len(TONES)] for identity in ids]
    draw_person = {"modern": draw_modern, "openpose": draw_openpose, "classic": draw_classic}[style]
    for person, tone in reversed(list(zip(people, tones, strict=True))):
        draw_person(canvas, person, skeleton, tone, line_width)
    widths = [limb_width(person, canvas) for person in people]
    if show_scores:
        draw_labels(canvas, people, widths, lambda _, score: f"{score:.2f}")
    if show_ids:
        for person, identity, tone, width in zip(people, ids, tones, widths, strict=True):
            height = 1.5 * text_height(width)
            top = min(person[person[:, 2] > 0, :2].tolist(), key=lambda xy: xy[1], default=None)
            if top:
                draw_text(canvas, str(identity), np.array(top) - (height / 3, height), height, tone)
    return canvas


def draw_keypoints(
    picture: np.ndarray, people: np.ndarray, skeleton: Skeleton, *, face: bool = True, show_scores: bool = False
) -> np.ndarray:
    """A copy of the picture (H, W, 3) with the keypoints of people (N, K, 3) as dots with their numbers.

    ValueError or TypeError for other values.
    """
    check_picture(picture)
    check_people(people, skeleton)
    canvas, people = picture.copy(), people if face else without_face(people, skeleton)
    widths = [limb_width(person, canvas) for person in people]
    for person, width in reversed(list(zip(people, widths, strict=True))):
        radius = DOT_SHARE * width
        for keypoint, colour in zip(person, rainbow(len(person)), strict=True):
            if keypoint[2] > 0:
                dot(canvas, keypoint, BLACK, radius + max(1, radius / 4))
                dot(canvas, keypoint, colour, radius)
    draw_labels(canvas, people, widths, lambda k, score: f"{k} {score:.2f}" if show_scores else str(k))
    return canvas


def draw_heatmaps(picture: np.ndarray, maps: Maps, skeleton: Skeleton, shown: str = "all") -> np.ndarray:
    """A copy of the picture (H, W, 3) with a network's maps laid over it; warmer colours are higher values.

    shown: all keypoints' heatmaps, one keypoint's by its name, or fields, the strength of the part affinity fields.
    """
    check_choice("shown", shown, ("all", "fields", *skeleton.keypoints))
    k = len(skeleton.keypoints)
    if shown == "fields":
        x_and_y = maps.values[k + 1 :].reshape(-1, 2, *maps.values.shape[1:])
        values = np.linalg.norm(x_and_y, axis=1).max(axis=0)
    else:
        values = maps.values[:k].max(axis=0) if shown == "all" else maps.values[skeleton.keypoints.index(shown)]
    to_picture = np.array([(side, 0, (side - 1) / 2) for side in maps.cell_wh])
    to_picture[1, :2] = to_picture[1, 1::-1]
    large = cv2.warpAffine(values, to_picture, maps.picture_wh, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    colours = cv2.applyColorMap((255 * large.clip(0, 1)).astype(np.uint8), cv2.COLORMAP_TURBO)
    return cv2.addWeighted(picture, 1 - HEATMAP_OPACITY, colours, HEATMAP_OPACITY, 0)


def draw_frame_info(picture: np.ndarray, number: int, t: float) -> None:
    """Write a frame's number and time, t in seconds, into the picture's top left corner."""
    height = max(8, picture.shape[0] / 28)
    draw_text(picture, f"frame {number}  {t:.2f} s", np.array([height / 2, 1.5 * height]), height)


def on_background(picture: np.ndarray, level: int | None) -> np.ndarray:
    """The picture itself, or a plain one of its size and grey level."""
    return picture if level is None else np.full_like(picture, level)


def without_face(people: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    people = people.copy()
    people[:, [name in FACE for name in skeleton.keypoints]] = 0
    return people


def draw_modern(
    canvas: np.ndarray, person: np.ndarray, skeleton: Skeleton, tone: Colour, line_width: int | None
) -> None:
    width, found = line_width or limb_width(person, canvas), person[:, 2] > 0
    if not found.any():
        return
    corners = person[found, :2].min(axis=0) - width, person[found, :2].max(axis=0) + width + 1
    (x0, y0), (x1, y1) = np.clip(corners, 0, canvas.shape[1::-1]).astype(int)
    part = canvas[y0:y1, x0:x1]
    if not part.size:
        return
    layer = part.copy()  # blended as a whole, so that overlapping limbs stay as transparent
    limbs = found_limbs(person, skeleton)
    styles = [limb_style(skeleton.keypoints[limb.end], tone) for limb in limbs]
    ends = person[[(limb.start, limb.end) for limb in limbs], :2].reshape(-1, 2, 2) - (x0, y0)
    radii = np.array([taper for _, taper in styles]).reshape(-1, 2) * width / 2
    edges, insides = outlines(ends, radii + max(1, width / 8)), outlines(ends, radii)
    for (colour, _), edge, inside in zip(styles, edges, insides, strict=True):
        cv2.fillConvexPoly(layer, edge, dimmed(colour, EDGE_LIGHT), cv2.LINE_AA, SHIFT)
        cv2.fillConvexPoly(layer, inside, colour, cv2.LINE_AA, SHIFT)
    cv2.addWeighted(layer, OPACITY, part, 1 - OPACITY, 0, dst=part)
    for k in np.flatnonzero(found):
        colour, (_, end) = limb_style(skeleton.keypoints[k], tone)
        dot(canvas, person[k], colour, max(1, 0.45 * end * width))


def limb_style(end: str, tone: Colour) -> tuple[Colour, tuple[float, float]]:
    """Colour of the limb that ends at a keypoint, and its widths at start and end, in the person's limb widths."""
    part, upper = end[1:], end[1:] in ("Elbow", "Knee")
    if end in FACE:
        return tone, FACE_TAPER
    return (SIDE_COLOURS[end[0]][0 if upper else 1], TAPER[part]) if part in TAPER else (tone, TRUNK_TAPER)


def outlines(ends: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Outlines (L, points, 2) for cv2 of limbs between ends (L, 2, 2), which are round with radii (L, 2)."""
    x, y = (ends[:, 1] - ends[:, 0]).T
    angles = np.arctan2(y, x)[:, None] + ROUND_END
    back = np.stack([np.cos(angles), np.sin(angles)], axis=2)  # a half circle, away from the limb's end
    start, end = (ends[:, n, None] + sign * radii[:, n, None, None] * back for n, sign in ((0, 1), (1, -1)))
    return fixed_point(np.concatenate([start, end], axis=1))


def draw_openpose(
    canvas: np.ndarray, person: np.ndarray, skeleton: Skeleton, _: Colour, line_width: int | None
) -> None:
    scaled = OPENPOSE_RADIUS * min(canvas.shape[:2]) / OPENPOSE_SIDE
    radius = max(1, round(line_width / 2 if line_width else scaled))
    colours, points = rainbow(18), person[:, :2].astype(float)
    for limb in found_limbs(person, skeleton):
        x, y = (points[limb.start] + points[limb.end]) / 2
        dx, dy = points[limb.start] - points[limb.end]
        axes, angle = (int(math.hypot(dx, dy) / 2), radius), int(math.degrees(math.atan2(dy, dx)))
        outline = np.array(cv2.ellipse2Poly((int(x), int(y)), axes, angle, 0, 360, 1))
        colour = colours[skeleton.drawn_limbs.index(limb)]
        cv2.fillConvexPoly(canvas, outline, dimmed(colour, OPENPOSE_LIGHT))
    for (x, y, score), colour in zip(person[:, :3].tolist(), colours, strict=False):
        if score > 0:
            cv2.circle(canvas, (int(x), int(y)), radius, colour, cv2.FILLED)


def draw_classic(canvas: np.ndarray, person: np.ndarray, skeleton: Skeleton, _: Colour, line_width: int | None) -> None:
    width, points = line_width or max(1, round(0.5 * limb_width(person, canvas))), fixed_point(person[:, :2])
    for limb in found_limbs(person, skeleton):
        cv2.line(canvas, points[limb.start].tolist(), points[limb.end].tolist(), CYAN, width, cv2.LINE_AA, SHIFT)
    for keypoint in person[person[:, 2] > 0]:
        dot(canvas, keypoint, BLUE, 1.5 * width)


def found_limbs(person: np.ndarray, skeleton: Skeleton) -> list[Limb]:
    """The drawn limbs of which a person (K, 3) has both ends."""
    found = person[:, 2] > 0
    return [limb for limb in skeleton.drawn_limbs if found[limb.start] and found[limb.end]]


def limb_width(person: np.ndarray, picture: np.ndarray) -> int:
    """In pixels, by the person's size, at most the picture's."""
    return max(2, round(float(LIMB_SHARE * min(size(person), max(picture.shape[:2])))))


def dimmed(colour: Colour, light: float) -> Colour:
    blue, green, red = (int(value * light) for value in colour)
    return blue, green, red


def dot(canvas: np.ndarray, at: np.ndarray, colour: Colour, radius: float) -> None:
    cv2.circle(canvas, fixed_point(at[:2]).tolist(), round(radius * 2**SHIFT), colour, cv2.FILLED, cv2.LINE_AA, SHIFT)
