"""Angles through a clip: smooth, without lag, with gaps; what repeats is counted."""

import numpy as np
import pytest
from synthetic_maps import pose_at

from pose.motion import Motion, motion_of
from pose.poses import ANGLES
from pose.skeletons import COCO

L_WRIST = 7


def motion(t, **curves):
    """A Motion whose joints rest at 170 degrees but for those that are given."""
    degrees = np.full((len(t), 8), 170.0)
    for name, curve in curves.items():
        degrees[:, ANGLES.index(name)] = curve
    return Motion(t, degrees, np.ones((len(t), 8), bool), True)


def bends(t, seconds, depth=80.0, phase=0.0):
    """From 170 degrees down and up again, once in so many seconds."""
    return 170 - depth * (1 - np.cos(2 * np.pi * (t / seconds - phase))) / 2


def test_squats_are_counted():
    t = np.arange(300) / 30
    noise = np.random.default_rng(0).normal(0, 3, 300)
    squats = motion(t, RKnee=bends(t, 2), LKnee=bends(t, 2) + noise, RHip=bends(t, 2, 60))
    assert squats.summary() == "5 repetitions, one every 2.0 s (knee)"
    assert [round(squats.t[n]) for n in squats.repetitions("RKnee")] == [1, 3, 5, 7, 9]
    assert len(squats.repetitions("LKnee")) == 5
    assert squats.repetitions("LElbow") == []
    jolt = bends(t, 2, 50)
    jolt[150] = 0  # one wrong frame changes nothing
    assert motion(t, RKnee=jolt).summary() == squats.summary()
    shaky = motion(t, RKnee=bends(t, 2, 110) + 20 * np.cos(2 * np.pi * 3 * t))  # nor does what is small beside them
    assert shaky.summary() == squats.summary()
    bows = motion(t, RKnee=bends(t, 1, 50), RHip=bends(t, 2, 100))  # what moves most counts
    assert bows.summary() == "5 repetitions, one every 2.0 s (hip)"


def test_steps_are_knees_that_bend_in_turn():
    t = np.arange(120) / 30
    walk = motion(t, RKnee=bends(t, 1.2), LKnee=bends(t, 1.2, phase=0.5), RElbow=bends(t, 1.2, 120))
    assert walk.summary() == "6 steps, 100 a minute"
    limp = motion(t, RKnee=bends(t, 1.2))
    assert limp.summary() == "3 repetitions, one every 1.2 s (knee)"


@pytest.mark.parametrize("phase", [0.0, 0.25, 0.5])
def test_repetitions_are_whole(phase):
    """From rest, from halfway, and of a joint that rests where others turn: a leg that is stretched, sitting."""
    t = np.arange(241) / 30  # 4 times there and back
    arms = motion(t, RShoulder=200 - bends(t, 2, phase=phase), LShoulder=200 - bends(t, 2, phase=phase))
    assert len(arms.repetitions("RShoulder")) == 4
    if phase == 0.25:  # highs and lows are as many: arms are raised, and knees bent
        assert arms.degrees[arms.repetitions("RShoulder"), ANGLES.index("RShoulder")].min() > 100
        knees = motion(t, RKnee=bends(t, 2, phase=phase))
        assert knees.degrees[knees.repetitions("RKnee"), ANGLES.index("RKnee")].max() < 100
    assert "(shoulder)" in arms.summary()
    assert len(motion(t, RKnee=bends(t, 2, phase=phase)).repetitions("RKnee")) == 4


def test_who_stands_repeats_nothing():
    t = np.arange(300) / 30
    trembles = motion(t, RKnee=160 + np.random.default_rng(0).normal(0, 4, 300), LHip=bends(t, 1, 20))
    assert trembles.summary() == ""
    assert motion(t, RKnee=np.nan).summary() == ""
    assert motion(t[:1]).summary() == ""


def waving(t, hertz=1.0):
    """Someone whose left elbow swings by 40 degrees to both sides of 120."""
    poses, degrees = np.stack([pose_at()] * len(t)), 120 + 40 * np.sin(2 * np.pi * hertz * t)
    poses[:, 5:7, :2] = (70, 36), (70, 86)
    turn = np.radians(degrees)
    poses[:, L_WRIST, :2] = np.stack([70 + 50 * np.sin(turn), 86 - 50 * np.cos(turn)], axis=1)
    return poses, degrees


@pytest.mark.parametrize("fps", [15, 30, 60])
def test_smooth_without_lag(fps):
    t = np.arange(4 * fps) / fps
    poses, truth = waving(t)
    degrees, _ = motion_of(t, poses, COCO).side("LElbow")
    middle = slice(fps // 4, -fps // 4)
    assert np.abs(degrees - truth)[middle].max() < 3  # a lag of 10 ms would make 2.5
    shaken = poses.copy()
    shaken[:, L_WRIST, :2] += np.random.default_rng(0).normal(0, 3, (len(t), 2))
    before, after = (
        np.std(series - truth) for series in (angle_of(shaken), motion_of(t, shaken, COCO).side("LElbow")[0])
    )
    assert after < (0.6 if fps == 60 else 0.75 if fps == 30 else 0.95) * before


def angle_of(poses):
    a, b = (poses[:, k, :2] - poses[:, 6, :2] for k in (5, L_WRIST))
    return np.degrees(np.arccos((a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)))


def test_what_is_not_seen_is_a_gap_and_what_is_uncertain_is_no_limit():
    t = np.arange(60) / 30
    poses, _ = waving(t)
    poses[20:30, L_WRIST] = 0
    poses[30:, L_WRIST, 2] = 0.5
    seen = motion_of(t, poses, COCO)
    degrees, certain = seen.side("LElbow")
    assert np.isnan(degrees[20:30]).all() and np.isfinite(degrees[:20]).all() and np.isfinite(degrees[30:]).all()
    assert certain[:17].all() and not certain[20:].any()
    low, high = seen.limits("LElbow")
    assert low > np.nanmin(degrees) and high == np.nanmax(degrees[:17])
    poses[45, L_WRIST, 2] = 0.65  # a frame alone makes nothing certain
    assert not motion_of(t, poses, COCO).side("LElbow")[1][20:].any()
    poses[:, L_WRIST, 2] = 0.5
    assert np.isnan(motion_of(t, poses, COCO).limits("LElbow")).all()


def test_a_person_who_is_away_for_a_while_leaves_a_gap():
    t = np.append(np.arange(10), np.arange(20, 30)) / 30
    poses, _ = waving(t)
    away = motion_of(t, poses, COCO)
    assert len(away.t) == 21 and np.isnan(away.degrees[10]).all()
    assert np.isfinite(np.delete(away.degrees, 10, axis=0)).all()


def test_uncertain_frames_count_less():
    t = np.arange(31) / 30
    poses, _ = waving(np.zeros(31))
    poses[15, L_WRIST] = (70, 60, 0.05)  # an elbow wholly bent
    assert motion_of(t, poses, COCO).side("LElbow")[0][14] == pytest.approx(120, abs=3)
