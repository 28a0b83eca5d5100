import numpy as np
import pytest
from synthetic_maps import pose_at

from pose.poses import size
from pose.skeletons import COCO
from pose.track import Tracker, interpolate

NOBODY = np.zeros((0, 18, 3), np.float32)
MIRRORED = list(COCO.mirrored)
LEGS = [8, 9, 10, 11, 12, 13]


def track(poses, fps=30, tracker=None):
    """The only person's smoothed pose in each frame, and the tracker."""
    tracker = tracker or Tracker(COCO)
    return np.array([tracker.update(pose[None], n / fps)[0][0] for n, pose in enumerate(poses)]), tracker


def test_two_who_cross_keep_who_they_are_though_one_is_hidden_behind_the_other():
    """And in whatever order they come."""
    tracker = Tracker(COCO)
    for frame in range(60):
        a, b = pose_at(100 + 6 * frame), pose_at(450 - 6 * frame)
        hidden = abs(a[1, 0] - b[1, 0]) < 60
        people = a[None] if hidden else np.stack([b, a] if frame % 2 else [a, b])
        steady, ids = tracker.update(people, frame / 30)
        who = dict(zip(ids, steady[:, 1, 0], strict=True))
        assert abs(who[0] - a[1, 0]) < 20, frame
    assert sorted(who) == [0, 1]


def test_without_smoothing_poses_stay_as_they_are():
    poses = np.array([pose_at(100 + 7 * (frame % 2)) for frame in range(10)])
    assert np.array_equal(track(poses, tracker=Tracker(COCO, smooth=False))[0], poses)


def test_someone_new_gets_a_new_number_and_a_short_absence_does_not():
    tracker = Tracker(COCO)
    for t, people, expected in (
        (0.0, [pose_at(10)], [0]),
        (0.1, [pose_at(400), pose_at(12)], [1, 0]),
        (0.2, NOBODY, []),
        (0.5, [pose_at(14)], [0]),
        (1.6, [pose_at(14)], [2]),
        (1.7, [pose_at(104)], [3]),  # half a person's size away in a tenth of a second
        (1.7, [pose_at(109)], [3]),  # two frames at one time do no harm
    ):
        found, ids = tracker.update(np.array(people), t)
        assert ids == expected
        assert np.isfinite(found).all()


def test_whoever_comes_wholly_into_view_is_the_same_person():
    head, whole = pose_at(400, 300), pose_at(400, 300)
    head[[3, 4, *range(6, 14)]] = 0
    tracker = Tracker(COCO)
    assert [tracker.update(pose[None], n / 30)[1] for n, pose in enumerate([head] * 5 + [whole] * 5)] == [[0]] * 10


def test_of_two_near_one_track_the_nearer_one_is_that_person():
    tracker = Tracker(COCO)
    tracker.update(pose_at(10)[None], 0.0)
    assert tracker.update(np.array([pose_at(40), pose_at(12)]), 0.1)[1] == [1, 0]


def trembling(poses, columns):
    return np.abs(np.diff(poses[:, :, columns], axis=0)).mean()


def test_smoothing_leaves_a_quarter_of_the_trembling_of_someone_still():
    raw = np.repeat(pose_at(100)[None], 200, axis=0)
    raw[:, :, :2] += np.random.default_rng(0).normal(0, 1, (200, 18, 2))
    assert trembling(track(raw)[0], slice(2)) < 0.25 * trembling(raw, slice(2))


def test_smoothing_lags_less_than_a_frame_behind_a_walk():
    """200 pixels tall, standing and then walking at half a body height a second; from a sixth of a second on."""
    walk = [pose_at(100 + 100 / 30 * max(0, frame - 20)) for frame in range(60)]
    assert np.abs(track(walk)[0] - walk)[25:].max() < 100 / 30


def test_metres_are_smoothed_as_pixels_are():
    still = np.repeat(pose_at(100)[None], 200, axis=0)
    shaken = np.dstack([still, np.random.default_rng(0).normal(0, 0.01, (200, 18, 3))])
    assert trembling(track(shaken)[0], slice(3, 6)) < 0.5 * trembling(shaken, slice(3, 6))
    scale = 1.7 / size(still[0])  # of someone of 1.7 metres
    walk = np.array([pose_at(3 * frame) for frame in range(60)])
    walk[:, 4, 1] += 40 * np.sin(np.arange(60) / 5)
    smoothed = track(np.dstack([walk, scale * walk[:, :, :2], walk[:, :, 2]]))[0]
    assert np.abs(smoothed[:, :, 3:5] - scale * smoothed[:, :, :2]).max() < 0.01
    towards_us = np.dstack([still[:60], np.zeros((60, 18, 3))])
    towards_us[:, 4, 5] = -np.arange(60) / 30  # a hand, at a metre a second, in one place of the picture
    smoothed = track(towards_us)[0]
    assert 0 < (smoothed[-1] - towards_us[-1])[4, 5] < 1 / 30
    assert np.abs(smoothed[:, 5:] - towards_us[:, 5:]).max() < 1e-5


def test_smoothing_is_by_seconds_not_frames():
    ends = [track([pose_at(100 + 60 * (n / fps > 0.5)) for n in range(fps)], fps)[0][-1, 0, 0] for fps in (30, 60)]
    assert abs(ends[0] - ends[1]) < 0.5


def test_a_short_gap_is_bridged_along_with_the_person_and_a_long_one_is_not():
    walk = np.array([*(pose_at(100 + 3 * frame) for frame in range(60)), pose_at(300)])
    seen = walk.copy()
    seen[30:60, 4] = 0
    steady, _ = track(seen)
    assert np.abs(steady[30:35, 4] - walk[30:35, 4]).max() < 3
    assert not steady[36:60, 4].any()
    assert np.array_equal(steady[60, 4], walk[60, 4])  # back where it is, not on its way from where it was


def test_a_swap_of_left_and_right_is_undone():
    walk = np.array([pose_at(100 + 3 * frame) for frame in range(40)])
    seen = walk.copy()
    seen[10:14, LEGS] = walk[10:14, MIRRORED][:, LEGS]
    seen[30:32] = walk[30:32, MIRRORED]
    assert np.abs(track(seen)[0] - walk).max() < 3
    # Exchanged, the legs are a third as far from where they were expected: near enough to be the same legs.
    moved = pose_at(112, scale=2)
    moved[LEGS] = moved[MIRRORED][LEGS]
    steady, _ = track([*[pose_at(100, scale=2)] * 10, moved])
    assert steady[-1, 10, 0] < steady[-1, 13, 0]


def test_a_swap_that_stays_was_right():
    steady, _ = track([pose_at(100)] * 10 + [pose_at(100)[MIRRORED]] * 30)
    assert np.abs(steady[:25] - pose_at(100)).max() < 1  # up to 0.47 s
    assert np.abs(steady[30:] - pose_at(100)[MIRRORED]).max() < 1  # from 0.67 s


@pytest.mark.parametrize(("inferences_a_second", "reach", "farthest"), [(30, 60, 16), (15, 60, 16), (15, 150, 80)])
def test_legs_that_pass_each_other_are_no_swap(inferences_a_second, reach, farthest):
    walk = np.repeat(pose_at(100, scale=2)[None], 2 * inferences_a_second, axis=0)
    swing = reach * np.sin(np.arange(len(walk)) / inferences_a_second * 2 * np.pi)
    walk[:, [8, 11], 0] = 200
    walk[:, 9:14, 0] = 200 + np.stack([swing / 2, swing, 0 * swing, -swing / 2, -swing], axis=1)
    assert np.abs(track(walk, inferences_a_second)[0] - walk).max() < farthest


def test_one_keypoint_that_jumps_does_not_lose_who_is_hidden_for_a_while():
    """The prediction is the median of the keypoints' motion."""
    poses = np.array([pose_at(100 + 2 * frame) for frame in range(20)])
    poses[17:, [4, 10], 1] -= 40 * np.arange(1, 4)[:, None]  # a wrist and an ankle jump up along something else
    _, tracker = track(poses)
    tracker.update(NOBODY, 20 / 30)
    assert np.abs(tracker.tracks[0].predicted(1)[1] - pose_at(100 + 2 * 30)[1]).max() < 20


def test_who_is_hidden_is_not_expected_further_than_half_a_second_away():
    _, tracker = track([pose_at(100 + 6 * frame) for frame in range(30)])
    quarter, half, more = (tracker.tracks[0].predicted(29 / 30 + t)[1, 0] for t in (0.25, 0.5, 0.9))
    assert half > quarter + 20
    assert half == pytest.approx(more)


def inferences(people_at, step, count, lookahead=True):
    """What `interpolate` yields over frames that are their own numbers, and which of them were inferred."""
    seen = []

    def estimate(frame, t, upcoming):
        assert frame == pytest.approx(30 * t)
        seen.append((frame, upcoming))
        return people_at(frame)

    return list(interpolate(((n, n / 30, n) for n in range(count)), estimate, step, lookahead)), seen


def walks_on(number):
    return pose_at(10 * number)[None], [7]


def comes_and_goes(number):
    """One who walks on, and from frame 4 another, whose wrist is not seen at first."""
    a, b = pose_at(10 * number), pose_at(500)
    b[4] = 0 if number == 4 else b[4]
    return (np.stack([a, b]), [0, 1]) if number >= 4 else (a[None], [0])


@pytest.mark.parametrize("lookahead", [True, False])
@pytest.mark.parametrize(
    ("step", "count", "inferred"),
    [(1, 4, [0, 1, 2, 3]), (3, 8, [0, 3, 6, 7]), (3, 7, [0, 3, 6]), (4, 2, [0, 1]), (4, 1, [0]), (2, 0, [])],
)
def test_every_step_th_frame_and_the_last_are_inferred_and_given_the_next_one(step, count, inferred, lookahead):
    frames, seen = inferences(walks_on, step, count, lookahead)
    following = [(pytest.approx(n / 30), n) if lookahead else None for n in inferred[1:]]
    assert seen == list(zip(inferred, [*following, None], strict=False))
    assert [frame.picture for frame in frames] == [frame.number for frame in frames] == list(range(count))
    for number, t, _, people, ids in frames:  # poses in between are interpolated
        assert (t, ids) == (pytest.approx(number / 30), [7])
        assert np.abs(people[0] - pose_at(10 * number)).max() < 1e-3


@pytest.mark.parametrize(
    ("people_at", "step", "count", "shown"),
    [
        (walks_on, 14, 29, [*range(29)]),
        (walks_on, 16, 33, [0, 16, 32]),  # a gap of more than half a second
        (lambda n: (walks_on(n)[0], [n]), 14, 15, [*range(7), *range(8, 15)]),  # not two of them side by side
    ],
)
def test_a_gap_too_long_to_interpolate_shows_nobody(people_at, step, count, shown):
    frames, _ = inferences(people_at, step, count)
    assert [frame.number for frame in frames if len(frame.people)] == shown
    assert all(len(frame.people) == len(frame.ids) for frame in frames)


@pytest.mark.parametrize("lookahead", [True, False])
def test_who_only_one_of_two_inferences_sees_is_there_up_to_the_middle(lookahead):
    frames, _ = inferences(comes_and_goes, 4, 9, lookahead)
    assert [len(frame.people) for frame in frames] == [1, 1, 2, 2, 2, 2, 2, 2, 2]
    assert [frame.people[1, 4, 2] > 0 for frame in frames[4:]] == [False, False, True, True, True]  # their wrist


@pytest.mark.parametrize(("lookahead", "taken"), [(False, [1, 4, 4, 4, 7]), (True, [4, 7, 7, 7, 10])])
def test_a_camera_need_not_wait_for_later_frames(lookahead, taken):
    """How many frames have been taken when each of the first five comes out."""
    count = 0

    def camera():
        nonlocal count
        for count in range(1, 20):
            yield count - 1, count / 30, count - 1

    frames = interpolate(camera(), lambda frame, t, upcoming: comes_and_goes(frame), 3, lookahead)
    assert [(next(frames)[0], count) for _ in range(5)] == list(enumerate(taken))
