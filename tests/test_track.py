import numpy as np
import pytest
from synthetic_maps import pose_at

from pose.skeletons import COCO
from pose.track import Tracker, interpolate


def test_identity_stays_when_the_order_changes():
    tracker = Tracker(COCO)
    for frame in range(20):
        a, b = pose_at(10 + 3 * frame), pose_at(300 - 3 * frame)
        order = [a, b] if frame % 2 else [b, a]
        _, ids = tracker.update(np.stack(order), frame / 30)
        who = dict(zip(ids, (p[0, 0] for p in order), strict=True))
        assert sorted(who) == [0, 1]
        if frame == 0:
            first = {i: x < 150 for i, x in who.items()}
        assert {i: x == a[0, 0] for i, x in who.items()} == first


def test_someone_new_gets_a_new_number_and_a_short_absence_does_not():
    tracker = Tracker(COCO)
    tracker.update(pose_at(10)[None], 0.0)
    _, ids = tracker.update(np.stack([pose_at(400), pose_at(12)]), 0.1)
    assert ids == [1, 0]
    tracker.update(np.zeros((0, 18, 3), np.float32), 0.2)
    _, ids = tracker.update(pose_at(14)[None], 0.5)
    assert ids == [0]
    _, ids = tracker.update(pose_at(14)[None], 1.6)
    assert ids == [2]


def test_smoothing_halves_the_trembling_of_someone_still():
    rng = np.random.default_rng(0)
    tracker, raw, steady = Tracker(COCO), [], []
    for frame in range(200):
        seen = pose_at(100)
        seen[:, :2] += rng.normal(0, 1, (18, 2))
        raw.append(seen[:, :2].copy())
        steady.append(tracker.update(seen[None], frame / 30)[0][0, :, :2])
    jitter = [np.abs(np.diff(series, axis=0)).mean() for series in (raw, steady)]
    assert jitter[1] < 0.5 * jitter[0]


def test_smoothing_lags_less_than_a_frame_behind_a_walk():
    """200 pixels tall, walking at half a body height a second."""
    tracker, step = Tracker(COCO), 100 / 30
    for frame in range(60):
        people, _ = tracker.update(pose_at(100 + step * frame)[None], frame / 30)
    lag = pose_at(100 + step * 59)[:, 0] - people[0, :, 0]
    assert np.abs(lag).max() < step


def test_smoothing_is_by_seconds_not_frames():
    ends = []
    for fps in (30, 60):
        tracker = Tracker(COCO)
        for frame in range(fps):
            people, _ = tracker.update(pose_at(100 + 60 * (frame / fps > 0.5))[None], frame / fps)
        ends.append(people[0, 0, 0])
    assert abs(ends[0] - ends[1]) < 0.5


def test_no_smoothing_gives_the_raw_truth():
    tracker = Tracker(COCO, smooth=False)
    for frame in range(10):
        seen = pose_at(100 + 7 * (frame % 2))[None]
        people, ids = tracker.update(seen, frame / 30)
        assert np.array_equal(people, seen)
        assert ids == [0]


def test_a_short_gap_is_bridged_along_with_the_person_and_a_long_one_is_not():
    tracker = Tracker(COCO)
    for frame in range(60):
        person = pose_at(100 + 3 * frame)
        if frame >= 30:
            person[4] = 0
        ((steady,), _) = tracker.update(person[None], frame / 30)
        if frame >= 30:
            if frame / 30 - 29 / 30 <= 0.2:
                assert np.abs(steady[4, :2] - pose_at(100 + 3 * frame)[4, :2]).max() < 3
                assert steady[4, 2] > 0
            else:
                assert steady[4].tolist() == [0, 0, 0]
    ((steady,), _) = tracker.update(pose_at(300)[None], 2.0)
    assert np.array_equal(steady[4], pose_at(300)[4])  # back where it is, not on its way from where it was


def test_a_flip_of_left_and_right_is_undone():
    tracker, mirrored = Tracker(COCO), list(COCO.mirrored)
    legs = [8, 9, 10, 11, 12, 13]
    for frame in range(30):
        person = pose_at(100 + 3 * frame)
        seen = person.copy()
        if 10 <= frame < 14:
            seen[legs] = person[mirrored][legs]
        if 20 <= frame < 22:
            seen = person[mirrored]
        ((steady,), _) = tracker.update(seen[None], frame / 30)
        assert np.abs(steady[:, :2] - person[:, :2]).max() < 3, frame


def test_a_flip_that_stays_was_right():
    tracker, mirrored = Tracker(COCO), list(COCO.mirrored)
    for frame in range(90):
        seen = pose_at(100) if frame < 10 else pose_at(100)[mirrored]
        ((steady,), _) = tracker.update(seen[None], frame / 30)
        if frame / 30 > 10 / 30 + 0.8:
            assert np.abs(steady[:, :2] - seen[:, :2]).max() < 1
        elif frame >= 10 and frame / 30 < 10 / 30 + 0.45:
            assert np.abs(steady[:, :2] - pose_at(100)[:, :2]).max() < 1


@pytest.mark.parametrize("looks_a_second", [30, 15])
def test_legs_that_pass_each_other_are_no_flip(looks_a_second):
    tracker = Tracker(COCO)
    for look in range(2 * looks_a_second):
        person, t = pose_at(100, scale=2), look / looks_a_second
        swing = 60 * np.sin(t * 2 * np.pi)
        person[[8, 11], 0] = 200
        person[9, 0], person[12, 0] = 200 + swing / 2, 200 - swing / 2
        person[10, 0], person[13, 0] = 200 + swing, 200 - swing
        ((steady,), _) = tracker.update(person[None], t)
        assert np.abs(steady[:, :2] - person[:, :2]).max() < 16, look


def test_two_who_cross_keep_who_they_are_though_one_is_hidden_behind_the_other():
    tracker = Tracker(COCO)
    for frame in range(60):
        a, b = pose_at(100 + 6 * frame), pose_at(450 - 6 * frame)
        hidden = abs(a[1, 0] - b[1, 0]) < 60
        people = a[None] if hidden else np.stack([a, b] if frame % 2 else [b, a])
        steady, ids = tracker.update(people, frame / 30)
        who = dict(zip(ids, steady[:, 1, 0], strict=True))
        if frame == 0:
            number_a = next(i for i, x in who.items() if abs(x - a[1, 0]) < 1)
        assert abs(who[number_a] - a[1, 0]) < 20, frame
        assert set(ids) <= {0, 1}
    assert len(who) == 2


def inferences(people_at, step, count, lookahead=True):
    """What `interpolate` yields over frames that are their own numbers, and which of them were inferred."""
    seen = []

    def estimate(frame, t, upcoming):
        assert frame == pytest.approx(30 * t)
        seen.append((frame, upcoming))
        return people_at(frame)

    return list(interpolate(((n, n / 30, n) for n in range(count)), estimate, step, lookahead)), seen


@pytest.mark.parametrize("lookahead", [True, False])
def test_poses_between_two_inferences_are_interpolated(lookahead):
    frames, seen = inferences(lambda n: (pose_at(10 * n)[None], [7]), step=3, count=8, lookahead=lookahead)
    assert [frame for frame, _ in seen] == [0, 3, 6, 7]  # every third, and the last
    assert [number for number, *_ in frames] == list(range(8))
    for number, t, frame, people, ids in frames:
        assert frame == number == pytest.approx(30 * t)
        assert ids == [7]
        assert np.abs(people[0] - pose_at(10 * number)).max() < 1e-3


def comes_and_goes(number):
    """One who walks on, and from frame 4 another, whose wrist is not seen at first."""
    a, b = pose_at(10 * number), pose_at(500)
    b[4] = 0 if number == 4 else b[4]
    return (np.stack([a, b]), [0, 1]) if number >= 4 else (a[None], [0])


def test_a_gap_too_long_to_interpolate_shows_nobody():
    frames, _ = inferences(lambda n: (pose_at(10 * n)[None], [7]), step=14, count=29)
    assert [len(people) for *_, people, _ in frames] == [1] * 29
    frames, _ = inferences(lambda n: (pose_at(10 * n)[None], [7]), step=16, count=33)
    assert [number for number, _, _, people, _ in frames if len(people)] == [0, 16, 32]
    assert all(len(people) == len(ids) for *_, people, ids in frames)


def test_who_is_known_by_another_number_after_a_gap_does_not_stand_still_beside_themselves():
    frames, _ = inferences(lambda n: (pose_at(10 * n)[None], [n]), step=14, count=15)
    assert [number for number, _, _, people, _ in frames if len(people)] == [*range(7), *range(8, 15)]


def test_who_only_one_of_two_inferences_sees_is_there_up_to_the_middle():
    frames, _ = inferences(comes_and_goes, step=4, count=9)
    assert [len(people) for *_, people, _ in frames] == [1, 1, 2, 2, 2, 2, 2, 2, 2]
    wrist = [people[1, 4, 2] > 0 for *_, people, _ in frames[4:]]
    assert wrist == [False, False, True, True, True]
    assert inferences(comes_and_goes, step=1, count=0) == ([], [])


@pytest.mark.parametrize("step", [1, 2, 4])
@pytest.mark.parametrize("count", [0, 1, 4, 9, 10])
def test_lookahead_changes_no_item_and_no_order(step, count):
    ahead, seen_ahead = inferences(comes_and_goes, step, count)
    behind, seen_behind = inferences(comes_and_goes, step, count, lookahead=False)
    assert [number for number, *_ in ahead] == [number for number, *_ in behind] == list(range(count))
    assert [frame for frame, _ in seen_ahead] == [frame for frame, _ in seen_behind]
    for (*item, people, ids), (*other, other_people, other_ids) in zip(ahead, behind, strict=True):
        assert (item, ids) == (other, other_ids)
        assert np.array_equal(people, other_people)


@pytest.mark.parametrize(
    ("step", "count", "inferred"),
    [(1, 4, [0, 1, 2, 3]), (3, 8, [0, 3, 6, 7]), (3, 7, [0, 3, 6]), (4, 2, [0, 1]), (4, 1, [0])],
)
def test_an_inference_is_given_the_frame_of_the_next_one(step, count, inferred):
    _, seen = inferences(comes_and_goes, step, count)
    assert seen == [
        (frame, None if following is None else (pytest.approx(following / 30), following))
        for frame, following in zip(inferred, [*inferred[1:], None], strict=True)
    ]
    _, seen = inferences(comes_and_goes, step, count, lookahead=False)
    assert seen == [(frame, None) for frame in inferred]


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


def test_two_frames_at_one_time_do_no_harm():
    tracker = Tracker(COCO)
    tracker.update(pose_at(100)[None], 0.0)
    people, _ = tracker.update(pose_at(105)[None], 0.0)
    assert np.isfinite(people).all()


def test_who_comes_in_far_from_where_another_left_is_someone_new():
    tracker = Tracker(COCO)
    tracker.update(pose_at(100)[None], 0.0)
    _, ids = tracker.update(pose_at(250)[None], 0.1)  # 0.8 of a person's size away in a tenth of a second
    assert ids == [1]


def test_one_keypoint_that_jumps_does_not_lose_who_is_hidden_for_a_while():
    """The prediction is the median of the keypoints' motion."""
    tracker = Tracker(COCO)
    for frame in range(20):
        person = pose_at(100 + 2 * frame)
        person[[4, 10], 1] -= 40 * max(0, frame - 16)  # a wrist and an ankle jump up along something else
        tracker.update(person[None], frame / 30)
    tracker.update(np.zeros((0, 18, 3), np.float32), 20 / 30)
    there = tracker.tracks[0].predicted(30 / 30)
    assert np.abs(there[1, :2] - pose_at(100 + 2 * 30)[1, :2]).max() < 20


def test_who_is_hidden_is_not_expected_further_than_half_a_second_away():
    tracker = Tracker(COCO)
    for frame in range(30):
        tracker.update(pose_at(100 + 6 * frame)[None], frame / 30)
    (track,) = tracker.tracks
    assert track.predicted(29 / 30 + 0.5)[1, 0] == pytest.approx(track.predicted(29 / 30 + 0.9)[1, 0])
    assert track.predicted(29 / 30 + 0.5)[1, 0] > track.predicted(29 / 30 + 0.25)[1, 0] + 20


def test_a_swap_is_undone_also_where_the_person_has_moved_meanwhile():
    """Exchanged, the legs are a third as far from where they were expected: near enough to be the same legs."""
    tracker, mirrored = Tracker(COCO), list(COCO.mirrored)
    for frame in range(10):
        tracker.update(pose_at(100, scale=2)[None], frame / 30)
    legs = [8, 9, 10, 11, 12, 13]
    seen = pose_at(112, scale=2)
    seen[legs] = pose_at(112, scale=2)[mirrored][legs]
    ((steady,), _) = tracker.update(seen[None], 10 / 30)
    assert steady[10, 0] < steady[13, 0]
