"""People of a made-up scene from frame to frame; real clips are in test_estimate.py."""

from dataclasses import replace

import numpy as np
import pytest
from scene import Scene, turned
from synthetic_maps import pose_at

from pose import VideoPoseEstimator, estimate
from pose.crop import crop_around
from pose.crop_tracking import CropTracker, TrackedPerson, is_near, without_duplicates

FPS = 32  # so that times are exact


def run(scene, lookahead=False, accuracy="balanced"):
    """The tracker after all frames of a scene, and how many people it found in each."""
    tracker, counts = CropTracker(scene.topdown(accuracy)), []
    for number, picture in enumerate(scene.pictures):
        after = ((number + 1) / FPS, scene.pictures[number + 1]) if number + 1 < len(scene.pictures) else None
        counts.append(len(tracker(picture, number / FPS, after if lookahead else None)))
    return tracker, counts


def test_a_crop_moves_on_as_fast_as_the_person():
    scene = Scene(*([pose_at(60 + 24 * n, 100)] for n in range(12)))
    assert run(scene)[1] == [1] * 12
    ahead = scene.crops[-1].centre - crop_around(scene.frames[-1][0]).centre
    assert np.abs(ahead).max() < 1


@pytest.mark.parametrize(("degrees", "behind"), [(12, 0), (1, 1)])
def test_a_crop_turns_on_with_a_cartwheel_and_not_with_a_sway(degrees, behind):
    scene = Scene(*([turned(pose_at(250, 100), degrees * n)] for n in range(12)))
    run(scene)
    used, now = scene.crops[-1].up, crop_around(scene.frames[-1][0]).up
    assert np.degrees(np.arcsin(used[0] * now[1] - used[1] * now[0])) == pytest.approx(behind, abs=0.5)


@pytest.mark.parametrize(("presence", "confidence", "stays"), [(0.3, 0.9, 0), (0.6, 0.38, 0), (0.6, 0.45, 1)])
def test_who_is_tracked_may_be_less_clear_than_who_is_new(presence, confidence, stays):
    scene = Scene([pose_at(250, 100)], [pose_at(250, 100)])
    tracker = CropTracker(scene.topdown())
    assert len(tracker(scene.pictures[0], 0.0)) == 1
    scene.presence, scene.confidence = presence, confidence
    assert len(tracker(scene.pictures[1], 1 / FPS)) == stays


def test_the_next_frame_is_inferred_once():
    scene = Scene(*([pose_at(100 + 6 * n, 100)] for n in range(12)))
    assert run(scene, lookahead=True, accuracy="best")[1] == [1] * 12
    assert len(scene.crops) == 12
    assert all(how["mirrored"] for how in scene.options)


def test_what_was_inferred_ahead_does_not_count_where_the_person_has_jumped():
    """By a quarter of the crop's half side, once: the inference of the frame after that is repeated."""
    half_side = crop_around(pose_at()).half_side
    frames = [[pose_at(100 + 0.25 * half_side * (n > 4), 100)] for n in range(12)]
    scene = Scene(*frames)
    assert run(scene, lookahead=True)[1] == [1] * 12
    assert len(scene.crops) > 12
    for frame, person in zip(frames[-3:], [scene.crops[-1]] * 3, strict=True):
        assert np.abs(person.centre - crop_around(frame[0]).centre).max() < 5


def test_crops_that_give_the_same_pose():
    crop = crop_around(pose_at())
    for shift, zoom, degrees, expected in (
        *((0.05, 1, 0, True), (0.2, 1, 0, False)),
        *((0, 1.05, 0, True), (0, 1.2, 0, False)),
        *((0, 1, 10, True), (0, 1, 30, False)),
    ):
        other = crop_around(turned(pose_at(scale=zoom), degrees))
        moved = other.moved(crop.centre - other.centre + (shift * crop.half_side, 0), 0)
        assert is_near(moved, crop) == expected, (shift, zoom, degrees)


def test_of_two_crops_on_one_person_the_better_predicted_one_stays():
    scene = Scene([pose_at(100, 100), pose_at(400, 100)])
    one, other = (scene.estimate(scene.pictures[0], crop_around(pose)) for pose in scene.frames[0])

    def tracked(person, velocity):
        return TrackedPerson(person, 0.0, np.array([velocity, 0.0]), 0.0)

    found = [(0.4, tracked(one, 1.0)), (0.1, tracked(one, 2.0)), (0.2, tracked(other, 3.0))]
    assert [person.velocity[0] for person in without_duplicates(found)] == [2, 3]


def test_a_crop_whose_person_has_left_does_not_stay_on_another():
    """Also where the network sees whom the mask covers."""
    both, one = [pose_at(200, 100), pose_at(320, 100)], [pose_at(210, 100)]
    tracker, counts = run(Scene(both, both, one, masks_work=False))
    assert counts == [2, 2, 1]
    assert tracker.people[0].velocity[0] > 0  # the one who has moved a little, not the other far


def test_who_is_in_front_is_masked_in_the_crop_of_who_is_behind():
    """In front is who was seen more clearly in the frame before."""
    scene = Scene(*[[pose_at(250, 100), pose_at(310, 100)]] * 2)
    tracker, clear = CropTracker(scene.topdown()), scene.frames[0][1]

    def seen(person):
        confidence = 0.95 if np.array_equal(person.estimate.pose[:, :3], clear) else 0.6
        return replace(person, estimate=replace(person.estimate, confidence=confidence))

    tracker(scene.pictures[0], 0)
    tracker.people = [seen(person) for person in tracker.people]
    assert len(tracker(scene.pictures[1], 1 / FPS)) == 2
    front, (masked,) = scene.masked[-2:]
    assert front == [] and np.array_equal(masked[:, :3], clear)


@pytest.fixture
def video(monkeypatch):
    """A VideoPoseEstimator to which a scene is given as its networks."""

    def make(scene):
        monkeypatch.setattr(estimate, "TopDown", lambda *_: scene.topdown())
        return VideoPoseEstimator(network="blazepose")

    return make


LEFT, RIGHT = pose_at(100, 100), pose_at(450, 100)


def test_a_newcomer_is_found_soon_and_who_leaves_is_gone_at_once(video):
    scene = Scene([LEFT], [LEFT, RIGHT], [RIGHT], [])
    alone, both, other, nobody = scene.pictures
    estimator = video(scene)
    for t, picture, expected in (
        (0.0, alone, [0]),
        (0.5, both, [0]),
        (1.0, both, [0]),
        (1.5, both, [0, 1]),
        (1.6, other, [1]),
        (1.7, nobody, []),
    ):
        people, ids = estimator(picture, t)
        assert sorted(ids) == expected, t
    estimator.restart()
    people, ids = estimator(other, 0.0)
    assert ids == [0]
    assert np.array_equal(people[0, :, :3], RIGHT)


def test_who_was_hidden_for_a_third_of_a_second_is_the_same_person(video):
    scene = Scene([LEFT, RIGHT], [LEFT])
    both, one = scene.pictures
    estimator = video(scene)
    counts = [len(estimator(one if 3 <= n < 13 else both, n / FPS)[0]) for n in range(22)]
    assert counts == [2] * 3 + [1] * 10 + counts[13:20] + [2] * 2
    assert sorted(estimator(both, 0.8)[1]) == [0, 1]


def test_how_soon_newcomers_are_searched():
    """Of 3 seconds: every 1.5; every 0.2 where nobody is, and in turned pictures every second.

    Also every 0.2 in the second after somebody was lost.
    """
    alone, nobody = (Scene(*[people] * (3 * FPS)) for people in ([LEFT], []))
    left_alone = Scene([LEFT, RIGHT], *[[LEFT]] * (3 * FPS - 1))
    for scene, count in ((alone, 2), (nobody, 14 + 3 * 3), (left_alone, 1 + 5 + 1)):
        run(scene)
        assert scene.detections == count
    assert len(alone.crops) == 3 * FPS  # who is known is not inferred again
