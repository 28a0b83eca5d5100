import numpy as np
import pytest
from painting import standing

from pose.draw import RIMS, draw_frame_info, draw_keypoints, draw_skeleton, limb_width, on_background
from pose.skeletons import COCO, MPI, SKELETONS, rainbow


def person_of(name, at, scale=1.0):
    points = standing(name, at, scale)
    return np.column_stack([points, np.ones(len(points))]).astype(np.float32)


@pytest.fixture
def grey():
    return np.full((260, 300, 3), 127, np.uint8)


@pytest.mark.parametrize("name", ["COCO", "MPI"])
def test_every_drawn_limb_has_its_colour_at_its_middle(name):
    person = person_of(name, (60, 30), scale=10)
    drawn = draw_skeleton(np.full((2100, 1200, 3), 127, np.uint8), person[None], SKELETONS[name])
    limbs = SKELETONS[name].drawn_limbs
    for limb, colour in zip(limbs, rainbow(len(limbs)), strict=True):
        x, y = np.rint(person[[limb.start, limb.end], :2].mean(axis=0)).astype(int)
        assert drawn[y, x].tolist() == list(colour)


def test_the_given_picture_stays_as_it_was(grey):
    before = grey.copy()
    people = person_of("COCO", (60, 30))[None]
    draw_skeleton(grey, people, COCO)
    draw_keypoints(grey, people, COCO)
    assert np.array_equal(grey, before)


def test_nobody_leaves_the_picture_as_it_is(grey):
    nobody = np.zeros((0, 18, 3), np.float32)
    assert np.array_equal(draw_skeleton(grey, nobody, COCO), grey)
    assert np.array_equal(draw_keypoints(grey, nobody, COCO), grey)


def test_missing_keypoints_are_not_drawn(grey):
    person = person_of("COCO", (60, 30))
    person[4] = 0
    drawn = draw_skeleton(grey, person[None], COCO)
    assert (drawn[:20, :20] == 127).all()  # no line to 0, 0
    x, y = standing("COCO", (60, 30))[4].astype(int)
    assert (drawn[y - 3 : y + 4, x - 3 : x + 4] == 127).all()


def test_two_people_have_different_rims_that_follow_identity(grey):
    people = np.stack([person_of("MPI", (20, 30)), person_of("MPI", (160, 30))])
    first, swapped = draw_skeleton(grey, people, MPI), draw_skeleton(grey, people, MPI, ids=[1, 0])
    joint = people[0, 12, :2].astype(int)
    assert first[joint[1], joint[0]].tolist() == list(RIMS[0])
    assert swapped[joint[1], joint[0]].tolist() == list(RIMS[1])


def test_width_follows_the_person():
    picture = np.zeros((4000, 3000, 3), np.uint8)
    widths = [limb_width(person_of("COCO", (0, 0), scale), picture) for scale in (0.2, 1, 4, 20)]
    assert widths == sorted(widths)
    assert widths[0] == 1
    assert 3 <= widths[1] <= 6
    assert 60 <= widths[3] <= 4000 / 45


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (200, 200)])
def test_tiny_pictures_and_people_outside(size):
    picture = np.zeros((*size, 3), np.uint8)
    people = np.stack([person_of("COCO", (-50, -50)), person_of("COCO", (1000, 1000))])
    assert draw_skeleton(picture, people, COCO).shape == picture.shape
    assert draw_keypoints(picture, people, COCO).shape == picture.shape
    draw_frame_info(picture, 12, 0.4)


def test_frame_info_is_in_the_top_left_corner(grey):
    drawn = grey.copy()
    draw_frame_info(drawn, 12, 0.4)
    changed = np.argwhere((drawn != grey).any(axis=2))
    assert changed[:, 0].max() < 40
    assert changed[:, 1].max() < 240


def test_backgrounds(grey):
    assert on_background(grey, None) is grey
    assert (on_background(grey, 0) == 0).all()
    assert (on_background(grey, 255) == 255).all()
