import numpy as np
from painting import standing

from pose.track import FORGET_AFTER, Tracker


def person_at(x, y=0.0, scale=1.0):
    points = standing("COCO", (x, y), scale)
    return np.column_stack([points, np.ones(len(points))]).astype(np.float32)


def test_identity_stays_when_the_order_changes():
    tracker = Tracker()
    for frame in range(20):
        a, b = person_at(10 + 3 * frame), person_at(300 - 3 * frame)
        order = [a, b] if frame % 2 else [b, a]
        _, ids = tracker.update(np.stack(order), frame / 30)
        who = dict(zip(ids, (p[0, 0] for p in order), strict=True))
        assert sorted(who) == [0, 1]
        if frame == 0:
            first = {i: x < 150 for i, x in who.items()}
        assert {i: x == a[0, 0] for i, x in who.items()} == first


def test_someone_new_gets_a_new_number_and_a_short_absence_does_not():
    tracker = Tracker()
    tracker.update(person_at(10)[None], 0.0)
    _, ids = tracker.update(np.stack([person_at(400), person_at(12)]), 0.1)
    assert ids == [1, 0]
    tracker.update(np.zeros((0, 18, 3), np.float32), 0.2)
    _, ids = tracker.update(person_at(14)[None], 0.5)
    assert ids == [0]
    _, ids = tracker.update(person_at(14)[None], 0.5 + FORGET_AFTER + 0.1)
    assert ids == [2]


def test_smoothing_halves_the_trembling_of_someone_still():
    rng = np.random.default_rng(0)
    tracker, raw, steady = Tracker(), [], []
    for frame in range(200):
        seen = person_at(100)
        seen[:, :2] += rng.normal(0, 1, (18, 2))
        raw.append(seen[:, :2].copy())
        steady.append(tracker.update(seen[None], frame / 30)[0][0, :, :2])
    jitter = [np.abs(np.diff(series, axis=0)).mean() for series in (raw, steady)]
    assert jitter[1] < 0.5 * jitter[0]


def test_smoothing_lags_less_than_a_frame_behind_a_walk():
    """200 pixels tall, walking at half a body height a second."""
    tracker, step = Tracker(), 100 / 30
    for frame in range(60):
        people, _ = tracker.update(person_at(100 + step * frame)[None], frame / 30)
    lag = person_at(100 + step * 59)[:, 0] - people[0, :, 0]
    assert np.abs(lag).max() < step


def test_smoothing_is_by_seconds_not_frames():
    ends = []
    for fps in (30, 60):
        tracker = Tracker()
        for frame in range(fps):
            people, _ = tracker.update(person_at(100 + 60 * (frame / fps > 0.5))[None], frame / fps)
        ends.append(people[0, 0, 0])
    assert abs(ends[0] - ends[1]) < 0.5


def test_no_smoothing_gives_the_raw_truth():
    tracker = Tracker(smooth=False)
    for frame in range(10):
        seen = person_at(100 + 7 * (frame % 2))[None]
        people, ids = tracker.update(seen, frame / 30)
        assert np.array_equal(people, seen)
        assert ids == [0]


def test_a_missing_keypoint_stays_missing_and_comes_back_where_it_is():
    tracker = Tracker()
    tracker.update(person_at(100)[None], 0.0)
    gone = person_at(100)
    gone[4] = 0
    people, _ = tracker.update(gone[None], 0.03)
    assert people[0, 4].tolist() == [0, 0, 0]
    assert tracker.tracks[0].speed[4].tolist() == [0, 0]
    people, _ = tracker.update(person_at(110)[None], 0.06)
    assert people[0, 4, 0] == person_at(110)[4, 0]


def test_two_frames_at_one_time_do_no_harm():
    tracker = Tracker()
    tracker.update(person_at(100)[None], 0.0)
    people, _ = tracker.update(person_at(105)[None], 0.0)
    assert np.isfinite(people).all()
