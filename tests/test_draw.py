import cv2
import numpy as np
import pytest
from synthetic_maps import pose_at

from pose.draw import draw_frame_info, draw_keypoints, draw_skeleton, on_background
from pose.skeletons import COCO, MPI, SKELETONS

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


@pytest.mark.parametrize("name", ["COCO", "MPI"])
def test_skeletons(name, photo, golden):
    golden(f"skeleton_{name}", draw_skeleton(photo, group(name), SKELETONS[name]))


@pytest.mark.parametrize("name", ["COCO", "MPI"])
def test_keypoints(name, photo, golden):
    golden(f"keypoints_{name}", draw_keypoints(photo, group(name), SKELETONS[name]), has_text=True)


def test_identities_keep_their_look(photo, golden):
    golden("skeleton_ids", draw_skeleton(photo, group("COCO"), COCO, ids=[4, 0, 2]))


def test_large_pictures(golden):
    canvas = np.zeros((2800, 3200, 3), np.uint8)
    picture = draw_skeleton(canvas, np.stack([pose_at(300, 300, 11), pose_at(900, 500, 10)]), COCO)
    golden("skeleton_large", cv2.resize(picture, (320, 280), interpolation=cv2.INTER_AREA))


def test_frame_info(photo, golden):
    draw_frame_info(photo, 12, 0.4)
    golden("frame_info", photo, has_text=True)


def test_the_given_picture_stays_as_it_was(photo):
    before = photo.copy()
    draw_skeleton(photo, group("COCO"), COCO)
    draw_keypoints(photo, group("COCO"), COCO)
    assert np.array_equal(photo, before)


def test_nobody_leaves_the_picture_as_it_is(photo):
    assert np.array_equal(draw_skeleton(photo, NOBODY, COCO), photo)
    assert np.array_equal(draw_keypoints(photo, NOBODY, COCO), photo)


def test_missing_keypoints_are_not_drawn(photo):
    person = pose_at(60, 30)
    person[4] = 0
    drawn = draw_skeleton(photo, person[None], COCO)
    assert np.array_equal(drawn[:20, :20], photo[:20, :20])  # no line to 0, 0
    x, y = pose_at(60, 30)[4, :2].astype(int)
    assert np.array_equal(drawn[y - 3 : y + 4, x - 3 : x + 4], photo[y - 3 : y + 4, x - 3 : x + 4])


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (200, 200)])
def test_tiny_pictures_and_people_outside(size):
    picture = np.zeros((*size, 3), np.uint8)
    people = np.stack([pose_at(-50, -50), pose_at(1000, 1000)])
    assert draw_skeleton(picture, people, COCO).shape == picture.shape
    assert draw_keypoints(picture, people, COCO).shape == picture.shape
    draw_frame_info(picture, 12, 0.4)


@pytest.mark.parametrize("draw", [draw_skeleton, draw_keypoints])
def test_wrong_arguments_are_named(draw, photo):
    with pytest.raises(ValueError, match=r"people must be \(N, 15, 3\), .* of MPI's keypoints, not \(3, 18, 3"):
        draw(photo, group("COCO"), MPI)
    with pytest.raises(TypeError, match="picture must be a numpy array, not None"):
        draw(None, NOBODY, COCO)


def test_backgrounds(photo):
    assert on_background(photo, None) is photo
    assert (on_background(photo, 0) == 0).all()
    assert (on_background(photo, 255) == 255).all()
