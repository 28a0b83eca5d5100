"""The two networks in the box on real pictures: everyone once, in their own keypoints, and nobody where nobody is."""

from unittest import mock

import cv2
import ground_truth
import numpy as np
import pytest
from accuracy import turned
from synthetic_maps import standing

from pose.cli import PROJECT
from pose.media.photos import read_picture
from pose.networks.engines import OpenCV
from pose.skeletons import COCO
from pose.topdown import PRESETS, ROTATIONS, TopDown, elsewhere, is_duplicate, rotate_people

EXAMPLE = cv2.imread(str(PROJECT / "Input" / "example_image1.png"))  # 530x530
CASES = {case.name: case for case in ground_truth.cases() if not case.name.startswith("walk ")}


@pytest.fixture(scope="module")
def topdown():
    return TopDown(OpenCV("cpu", "fp32"), PRESETS["balanced"])


def poses(estimates):
    return np.stack([estimate.pose for estimate in estimates])


def close(found, case, reach=0.1):
    """Share of the labelled keypoints of everyone in a picture that are found within reach."""
    return (np.concatenate([ground_truth.errors(poses(found), person) for person in case.people]) < reach).mean()


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.group == "one person"])
def test_one_person(topdown, name):
    found = topdown.estimate_people(CASES[name].picture)
    assert len(found) == 1
    assert close(found, CASES[name]) >= 0.9


@pytest.mark.parametrize("name", ["two_people 0", "sport 56", "sport 72", "balance 100", "balance 166", "balance 299"])
def test_two_people(topdown, name):
    found = topdown.estimate_people(CASES[name].picture)
    assert len(found) == 2
    assert close(found, CASES[name]) >= 0.97


@pytest.mark.parametrize(("name", "share"), [("pair 336", 0.97), ("pair 360", 0.85), ("pair 148", 0.97)])
def test_who_is_half_behind_another_keeps_their_own_keypoints(topdown, name, share):
    case = CASES[name]
    found = topdown.estimate_people(case.picture)
    assert len(found) == len(case.people)
    assert close(found, case) >= share
    for person in case.people:  # none of it on somebody else
        own = min(poses(found), key=lambda pose: np.nanmean(np.minimum(ground_truth.distances(pose, person), 1)))
        for other in case.people:
            if other is not person:
                assert not (
                    (ground_truth.distances(own, person) > 0.1) & (ground_truth.distances(own, other) < 0.05)
                ).any()


def test_a_pass_that_takes_front_for_back_does_not_count(topdown):
    """In this picture a second pass in the first one's light sees the man's back as his front."""
    assert close(topdown.estimate_people(CASES["balance 233"].picture), CASES["balance 233"]) >= 0.97


@pytest.mark.parametrize("path", sorted(ground_truth.DATA.glob("nobody_*")), ids=lambda path: path.stem)
def test_nobody(topdown, path):
    assert topdown.estimate_people(read_picture(path)) == []


@pytest.mark.parametrize("shape", [(600, 800), (100, 100), (50, 500), (1, 1), (3, 2000)])
def test_nobody_in_noise_and_plain_pictures(topdown, shape):
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    assert topdown.estimate_people(noise) == []
    assert topdown.estimate_people(np.full_like(noise, 90)) == []


@pytest.mark.parametrize("accuracy", ["fast", "best"])
def test_other_accuracies(accuracy):
    topdown = TopDown(OpenCV("cpu", "fp32"), PRESETS[accuracy])
    for name in ("walker 0", "two_people 0", "pair 148"):
        found = topdown.estimate_people(CASES[name].picture)
        assert len(found) == len(CASES[name].people)
        assert close(found, CASES[name]) >= 0.9


def test_who_dives_off_a_roof_while_others_stand_is_found(topdown):
    assert close(topdown.estimate_people(CASES["sport 168"].picture), CASES["sport 168"]) > 0.8


def test_a_picture_in_which_everything_is_explained_is_searched_once(topdown):
    with mock.patch.object(topdown, "detector", wraps=topdown.detector) as detector:
        topdown.estimate_people(EXAMPLE)
    assert detector.call_count == 1


def test_a_small_person_who_leans_by_45_degrees_is_found(topdown):
    case = turned(CASES["sport 28"], 45)
    assert close(topdown.estimate_people(case.picture), case) > 0.9


@pytest.mark.parametrize("turn", ROTATIONS)
def test_who_lies_or_stands_on_their_head_is_found(topdown, turn):
    picture = np.ascontiguousarray(EXAMPLE[:, 50:400])  # not square, so that width and height cannot be mistaken
    (upright,) = topdown.estimate_people(picture)
    (lying,) = topdown.estimate_people(cv2.rotate(picture, turn))
    for k in np.flatnonzero(upright.pose[:, 2] > 0.5):
        dot = np.zeros(picture.shape[:2], np.uint8)  # where it would lie, by OpenCV's own turning
        x, y = np.rint(upright.pose[k, :2]).astype(int)
        dot[y, x] = 1
        ((expected_y, expected_x),) = np.argwhere(cv2.rotate(dot, turn))
        assert np.abs(lying.pose[k, :2] - (expected_x, expected_y)).max() < 20, COCO.keypoints[k]


def test_both_who_lie_are_found(topdown):
    case = CASES["lying 400"]
    found = topdown.estimate_people(case.picture)
    assert len(found) == 2
    assert close(found, case) > 0.9


@pytest.mark.parametrize("turn", ROTATIONS)
def test_people_turn_with_the_picture_and_back(turn):
    pose = np.column_stack([standing("COCO", (60, 60)), np.ones(18)]).astype(np.float32)
    pose[3] = 0
    picture = np.zeros((400, 600, 3), np.uint8)
    turned = rotate_people(pose[None], turn, picture)
    again = rotate_people(turned, ROTATIONS[turn], cv2.rotate(picture, turn))
    assert np.abs(again[0] - pose).max() < 1e-4
    assert (turned[0, 3] == 0).all()


def test_a_small_person_is_found(topdown):
    """She is 50 pixels tall in a picture of 640."""
    picture = np.full((640, 640, 3), 128, np.uint8)
    small = cv2.resize(EXAMPLE, (72, 72), interpolation=cv2.INTER_AREA)
    picture[500:572, 300:372] = small
    (found,) = topdown.estimate_people(picture)
    (label,) = ground_truth.load("walker")[0]
    label = label.copy()
    label[:, :2] = (label[:, :2] + 0.5) * 72 / 530 - 0.5 + (300, 500)
    assert (ground_truth.errors(found.pose[None], label) < 0.1).mean() > 0.9


@pytest.mark.parametrize("light", [0.25, 0.5])
def test_a_dark_picture(topdown, light):
    case = CASES["walker 0"]
    (found,) = topdown.estimate_people((case.picture * light).astype(np.uint8))
    assert (ground_truth.errors(found.pose[None], case.people[0]) < 0.1).mean() > 0.95


def moves():
    """Name, how the picture moves, and how its keypoints (N, 2) go back."""
    for shift in (1, 4, 7):
        matrix = np.float32([[1, 0, shift], [0, 1, shift // 2]])
        yield (
            f"shift {shift}",
            lambda p, m=matrix: cv2.warpAffine(p, m, (530, 530), borderMode=cv2.BORDER_REPLICATE),
            lambda xy, m=matrix: xy - m[:, 2],
        )
    for side in (265, 424, 795, 1060, 2650):
        how = cv2.INTER_AREA if side < 530 else cv2.INTER_LINEAR
        yield (
            f"scale to {side}",
            lambda p, side=side, how=how: cv2.resize(p, (side, side), interpolation=how),
            lambda xy, side=side: (xy + 0.5) * 530 / side - 0.5,
        )
    yield "mirror", lambda p: np.ascontiguousarray(p[:, ::-1]), lambda xy: (529, 0) + xy * (-1, 1)


@pytest.mark.parametrize(
    ("name", "move", "back"), list(moves()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_keypoints_move_with_the_picture(topdown, name, move, back):
    (still,) = topdown.estimate_people(EXAMPLE)
    (found,) = topdown.estimate_people(move(EXAMPLE))
    pose = found.pose[list(COCO.mirrored)] if name == "mirror" else found.pose
    clear = (pose[:, 2] > 0.6) & (still.pose[:, 2] > 0.6)
    assert clear.sum() >= 10
    off = np.linalg.norm(back(pose[clear, :2]) - still.pose[clear, :2], axis=1)
    assert np.median(off) < 4
    assert off.max() < 12


def test_who_is_apart_and_who_is_known(topdown):
    (one,) = topdown.estimate_people(EXAMPLE)
    assert elsewhere([one], [one]) == []
    assert elsewhere([one], []) == [one]
    assert is_duplicate(one.pose, [one.pose])
    assert not is_duplicate(one.pose + np.array([400, 0, 0]), [one.pose])
