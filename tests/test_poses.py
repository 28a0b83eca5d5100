"""Geometry of poses, on someone painted standing."""

import math

import numpy as np
import pytest
from synthetic_maps import pose_at

from pose.poses import ANGLES, extrapolate, joint_angles, pose_distance, similarity, size, strength, strongest_first
from pose.skeletons import COCO, SKELETONS

R_WRIST = 4


def without(pose, *keypoints):
    pose = pose.copy()
    pose[list(keypoints)] = 0
    return pose


def test_size_is_the_longer_side_of_what_was_found():
    assert size(pose_at()) == pytest.approx(191)
    assert size(pose_at(70, -300, 2)) == pytest.approx(382)
    assert size(without(pose_at(), 10, 13)) == pytest.approx(144)  # to the knees
    assert size(without(pose_at(), *range(1, 18))) == 1
    assert size(np.zeros((18, 3), np.float32)) == 1


def test_large_and_well_seen_comes_first():
    small, large, faint = pose_at(), pose_at(300, 0, 2), pose_at(700)
    faint[:, 2] = 0.3
    people = np.stack([faint, small, large])
    assert strength(large) > strength(small) > strength(faint)
    assert np.array_equal(strongest_first(people), [large, small, faint])
    assert np.array_equal(strongest_first(people, 1), [large])
    assert strongest_first(people[:0], 1).shape == (0, 18, 3)


def test_distance_is_in_sizes_of_the_larger_one():
    assert pose_distance(pose_at(), pose_at()) == 0
    assert pose_distance(pose_at(), pose_at(19.1)) == pytest.approx(0.1)
    assert pose_distance(pose_at(0, 0, 2), pose_at(38.2, 0, 2)) == pytest.approx(0.1)
    one_far_off = without(pose_at(), *range(2, 18))
    one_far_off[1, 1] += 357  # 382 tall beside 191: one keypoint in its place, one 357 off
    assert pose_distance(pose_at(), one_far_off) == pose_distance(one_far_off, pose_at())
    assert pose_distance(pose_at(), one_far_off) == pytest.approx(357 / 2 / 382)
    assert pose_distance(without(pose_at(), 4), pose_at(19.1)) == pytest.approx(0.1)
    assert pose_distance(without(pose_at(), *range(9)), without(pose_at(), *range(9, 18))) == math.inf


@pytest.mark.parametrize("name", SKELETONS)
def test_the_same_pose_is_wholly_similar_and_someone_elsewhere_is_not(name):
    pose, skeleton = pose_at(name=name), SKELETONS[name]
    assert similarity(pose, pose, skeleton) == pytest.approx(1)
    assert similarity(pose, pose[list(skeleton.mirrored)], skeleton) == pytest.approx(1)  # left and right exchanged
    assert similarity(pose, without(pose, R_WRIST, 9), skeleton) == pytest.approx(1)  # only what both have counts
    assert similarity(pose, pose_at(150, name=name), skeleton) < 0.1
    small, nobody = pose_at(0, 0, 0.3, name), np.zeros_like(pose)
    assert 0.3 > similarity(pose, small, skeleton) == pytest.approx(similarity(small, pose, skeleton))
    assert similarity(pose, nobody, skeleton) == similarity(nobody, nobody, skeleton) == 0


def test_similarity_is_cocos_for_its_typical_area():
    """Someone 191 pixels tall covers about a quarter of a square of that side; sigmas from 0.025 to 0.107."""
    sigmas = np.array(
        [0.026, 0.079, *[0.079, 0.072, 0.062] * 2, *[0.107, 0.087, 0.089] * 2, *[0.025] * 2, *[0.035] * 2]
    )
    expected = np.exp(-(20**2) / (2 * 0.25 * 191**2 * (2 * sigmas) ** 2)).mean()
    assert similarity(pose_at(), pose_at(0, 20), COCO) == pytest.approx(expected, rel=1e-3)


def test_missing_keypoints_move_along_with_the_others():
    before, now = without(pose_at(), 17), without(pose_at(30, 5), 4, 10, 17)
    now[13, 0] += 900  # one that jumps does not count
    seen, which = now.copy(), np.ones(18, bool)
    which[10] = False
    extrapolate(before, now, which)
    assert np.allclose(now[4], pose_at(30, 5)[4])
    assert np.array_equal(np.delete(now, 4, axis=0), np.delete(seen, 4, axis=0))  # 10 not asked for, 17 never there


@pytest.mark.parametrize(
    ("corner", "degrees"),
    [([(0, 0), (0, 10), (0, 20)], 180), ([(0, 0), (0, 10), (10, 10)], 90), ([(0, 0), (0, 10), (0.001, 0)], 0)],
)
def test_angles(corner, degrees):
    pose, elbow = pose_at(), ANGLES.index("LElbow")
    pose[[5, 6, 7], :2] = corner
    in_space = np.column_stack([pose, np.zeros(18), pose[:, :2] / 100])  # in another plane
    for person in (pose, in_space):
        assert joint_angles(person[None], COCO)[0, elbow] == pytest.approx(degrees, abs=0.1)
    pose[7] = 0
    angles = joint_angles(np.stack([pose]), COCO)[0]
    assert np.isnan(angles).nonzero()[0].tolist() == [elbow]
