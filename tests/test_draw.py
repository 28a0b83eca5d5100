import dataclasses

import cv2
import numpy as np
import pytest
from synthetic_maps import paint, pose_at

from pose.choices import STYLES
from pose.draw import draw_frame_info, draw_heatmaps, draw_keypoints, draw_skeleton, on_background
from pose.labels import draw_text, free_box
from pose.skeletons import COCO, MPI, SKELETONS, rainbow

NOBODY = np.zeros((0, 18, 3), np.float32)


@pytest.fixture
def photo():
    """A picture with dark, bright and coloured parts."""
    picture = np.zeros((280, 320, 3), np.uint8)
    picture[:, 80:160], picture[:, 160:240], picture[:, 240:] = 255, (60, 120, 60), (150, 170, 220)
    return picture


def group(name):
    """Two who overlap, and a smaller one with a missing wrist; the first is the strongest."""
    people = np.stack([pose_at(30, 30, 1.1, name), pose_at(90, 50, 1.0, name), pose_at(220, 120, 0.6, name)])
    people[2, 4] = 0
    return people


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", ["COCO", "MPI"])
def test_skeletons(name, style, photo, golden):
    golden(f"{style}_{name}", draw_skeleton(photo, group(name), SKELETONS[name], style=style))


@pytest.mark.parametrize(
    ("name", "draw", "skeleton", "options"),
    [
        ("keypoints_COCO", draw_keypoints, COCO, {}),
        ("keypoints_MPI", draw_keypoints, MPI, {}),
        ("keypoint_scores", draw_keypoints, COCO, {"face": False, "show_scores": True}),
        ("scores", draw_skeleton, COCO, {"face": False, "show_scores": True, "line_width": 2}),
        ("ids", draw_skeleton, COCO, {"ids": [10, 0, 2], "show_ids": True}),  # each has a tone
    ],
)
def test_texts(name, draw, skeleton, options, photo, golden):
    golden(name, draw(photo, group(skeleton.name), skeleton, **options), has_text=True)


def test_openposes_style_is_what_image_generators_take():
    """In a picture of 512 pixels: limbs of 4 pixels' half width at 0.6 of their colour, under dots of radius 4."""
    person = np.zeros((18, 3), np.float32)
    person[[2, 3]] = (100.7, 200.2, 1), (180.9, 260.6, 0.5)  # the right upper arm, the third limb
    expected = np.zeros((512, 512, 3), np.uint8)
    limb = cv2.ellipse2Poly(
        (140, 230), (50, 4), -143, 0, 360, 1
    )  # half of 100.4 pixels, from the elbow to the shoulder
    cv2.fillConvexPoly(expected, limb, (0, 102, 153))
    cv2.circle(expected, (100, 200), 4, (0, 170, 255), cv2.FILLED)
    cv2.circle(expected, (180, 260), 4, (0, 255, 255), cv2.FILLED)
    canvas = np.zeros_like(expected)
    assert np.array_equal(draw_skeleton(canvas, person[None], COCO, style="openpose"), expected)
    person[:] = [(20 + 25 * k, 30, 1) for k in range(18)]
    dots = draw_skeleton(canvas, person[None], COCO, style="openpose")[30, 20::25][:18]
    assert dots.tolist() == [list(colour) for colour in rainbow(18)]


@pytest.mark.parametrize(("start", "end"), [(2, 3), (6, 7), (8, 9), (12, 13)])
def test_arms_and_legs_taper(start, end):
    person = np.zeros((18, 3), np.float32)
    person[[start, end]] = (100, 100, 1), (500, 100, 1)
    drawn = draw_skeleton(np.zeros((200, 600, 3), np.uint8), person[None], COCO, line_width=80)
    thick, thin = (drawn.max(axis=2) > 100)[:, [200, 400]].sum(axis=0)  # its edge is darker
    assert thick > 1.1 * thin


def test_the_strongest_persons_keypoints_are_on_top():
    people = np.zeros((2, 18, 3), np.float32)
    people[0, 3] = people[1, 7] = (50, 50, 1)
    assert tuple(draw_keypoints(np.zeros((99, 99, 3), np.uint8), people, COCO)[50, 50]) == rainbow(18)[3]


@pytest.mark.parametrize("at", [(-99, -99), (999, 999)])
def test_texts_stay_inside_the_picture(at):
    canvas, middle = np.zeros((2, 100, 100, 3), np.uint8)
    draw_text(canvas, "7", np.array(at), 20)
    draw_text(middle, "7", np.array([50, 50]), 20)
    assert (canvas > 0).sum() == (middle > 0).sum() > 0


def test_a_text_has_room_in_the_picture_or_is_left_out():
    taken, text_wh = np.zeros((120, 160), bool), np.array([14, 9])
    for point in ((2.0, 60.0), (150.0, 60.0), (80.0, 2.0), (80.0, 118.0)):
        x0, y0, x1, y1, _ = free_box(np.array(point), text_wh, taken)
        assert 0 <= x0 < x1 <= 160 and 0 <= y0 < y1 <= 120
    assert free_box(np.array([80.0, 55.0]), text_wh, ~taken) is None


@pytest.mark.parametrize("shown", ["all", "fields", "LWrist"])
def test_heatmaps(shown, photo, golden):
    people = group("COCO")[:, :, :2].astype(float)
    people[2, 4] = np.nan
    golden(f"heatmaps_{shown}", draw_heatmaps(photo, paint("COCO", list(people), (40, 35)), COCO, shown))


def test_a_heatmap_is_warmest_at_its_keypoint():
    """Also where the map's cells are not square, and left, right, top and bottom differ."""
    wrist = pose_at()[7, :2].astype(float)
    maps = paint("MPI", [pose_at(name="MPI")[:, :2].astype(float)], (40, 35))
    picture = np.zeros((560, 240, 3), np.uint8)
    maps = dataclasses.replace(maps, cell_wh=(6.0, 16.0), picture_wh=(240, 560))
    drawn = draw_heatmaps(picture, maps, MPI, "LWrist").astype(int)
    y, x = np.argwhere(drawn[:, :, 2] - drawn[:, :, 0] > 100).mean(axis=0)  # red
    assert np.abs(np.array([x, y]) - ((wrist + 0.5) / 8 * maps.cell_wh - 0.5)).max() < 1


def test_heatmaps_of_what_there_is_not(photo):
    with pytest.raises(ValueError, match=r"shown must be one of 'all', 'fields', 'Head', .*, 'Chest', not 'Nose'"):
        draw_heatmaps(photo, paint("MPI", [], (40, 35)), MPI, "Nose")


def test_large_pictures(golden):
    """The letters grow with the people."""
    canvas = np.zeros((1400, 1600, 3), np.uint8)
    people = np.stack([pose_at(150, 150, 5.5), pose_at(850, 250, 5)])
    picture = draw_skeleton(canvas, people, COCO, show_scores=True, face=False)
    golden("large", cv2.resize(picture, (320, 280), interpolation=cv2.INTER_AREA), has_text=True)


def test_texts_that_have_to_move_away_have_a_line_to_their_keypoint(golden):
    canvas = np.zeros((160, 160, 3), np.uint8)
    golden("crowd", draw_keypoints(canvas, pose_at(60, 60, 0.2)[None], COCO), has_text=True)


def test_small_people(golden):
    people = np.stack([pose_at(5, 5, 0.1), pose_at(25, 5, 0.2), pose_at(55, 5, 0.3)])
    golden("small", draw_skeleton(np.zeros((70, 90, 3), np.uint8), people, COCO))


def test_frame_info(photo, golden):
    picture = np.ascontiguousarray(photo[:24])
    draw_frame_info(picture, 12, 0.4)
    golden("frame_info", picture, has_text=True)
    large = np.zeros((560, 400, 3), np.uint8)
    draw_frame_info(large, 12, 0.4)
    assert np.ptp(large.any(axis=(1, 2)).nonzero()[0]) == pytest.approx(560 / 28, abs=3)


@pytest.mark.parametrize("options", [{"style": style} for style in STYLES] + [{"show_scores": True, "show_ids": True}])
def test_people_in_space_are_drawn_as_others(photo, options):
    people = group("COCO")
    in_space = np.dstack([people, np.ones((3, 18, 3), np.float32)])
    assert np.array_equal(
        draw_skeleton(photo, in_space, COCO, **options), draw_skeleton(photo, people, COCO, **options)
    )


@pytest.mark.parametrize("draw", [draw_skeleton, draw_keypoints])
def test_the_given_picture_stays_as_it_was(draw, photo):
    before = photo.copy()
    draw(photo, group("COCO"), COCO)
    assert np.array_equal(photo, before)
    assert np.array_equal(draw(photo, NOBODY, COCO), before)


@pytest.mark.parametrize("draw", [draw_skeleton, draw_keypoints])
@pytest.mark.parametrize("size", [(1, 1), (3, 500), (200, 200)])
def test_tiny_pictures_people_outside_and_someone_seen_in_part(draw, size):
    picture = np.zeros((*size, 3), np.uint8)
    assert draw(picture, np.stack([pose_at(-50, -50), pose_at(1000, 1000)]), COCO).shape == picture.shape
    if size == (200, 200):  # lines are no wider than for someone as large as the picture
        assert draw(picture, pose_at(-2000, -2000, 40)[None], COCO).any(axis=2).mean() < 0.3


@pytest.mark.parametrize("draw", [draw_skeleton, draw_keypoints])
def test_wrong_arguments_are_named(draw, photo):
    people = group("COCO")
    with pytest.raises(ValueError, match=r"people must be \(N, 15, 3 or 6\), .* not \(3, 18, 3"):
        draw(photo, people, MPI)
    with pytest.raises(TypeError, match=r"people must be a numpy array, not \[\]"):
        draw(photo, [], MPI)
    with pytest.raises(TypeError, match="picture must be a numpy array, not None"):
        draw(None, people, COCO)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"style": "stick"}, "style must be one of 'modern', 'openpose', 'classic', not 'stick'"),
        ({"line_width": 0}, "line_width must be from 1 to inf, not 0"),
    ],
)
def test_wrong_options_are_named(photo, options, message):
    with pytest.raises(ValueError, match=message):
        draw_skeleton(photo, NOBODY, COCO, **options)


def test_lines_may_be_as_wide_as_the_picture(photo):
    draw_skeleton(photo, group("COCO"), COCO, style="classic", line_width=99_999)


def test_backgrounds(photo):
    assert on_background(photo, None) is photo
    for level in (0, 255):
        assert (on_background(photo, level) == level).all()
