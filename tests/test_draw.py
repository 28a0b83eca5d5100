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
    picture = np.ascontiguousarray(photo[:24])
    draw_frame_info(picture, 12, 0.4)
    golden("frame_info", picture, has_text=True)


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
@pytest.mark.parametrize(
    ("picture", "people", "error", "says"),
    [
        (np.zeros((9, 9, 3), np.uint8), group("COCO"), ValueError, r"people must be \(N, 15, 3\), .* not \(3, 18, 3"),
        (np.zeros((9, 9, 3), np.uint8), [], TypeError, r"people must be a numpy array, not \[\]"),
        (None, group("MPI"), TypeError, "picture must be a numpy array, not None"),
    ],
)
def test_wrong_arguments_are_named(draw, picture, people, error, says):
    with pytest.raises(error, match=says):
        draw(picture, people, MPI)


def test_backgrounds(photo):
    assert on_background(photo, None) is photo
    for level in (0, 255):
        assert (on_background(photo, level) == level).all()
