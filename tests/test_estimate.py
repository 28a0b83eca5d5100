"""Photos and clips to people, by either way."""

import math
from concurrent.futures import Future

import cv2
import ground_truth
import numpy as np
import pytest
from synthetic_weights import painted_figures, seeing_weights, write_caffemodel

from pose import PoseError
from pose.cli import PROJECT
from pose.estimate import PoseEstimator, VideoPoseEstimator
from pose.networks.registry import OPENPOSE
from pose.topdown import ROTATIONS, rotate_people

EXAMPLE = cv2.imread(str(PROJECT / "Input" / "example_image1.png"))


@pytest.fixture(scope="module")
def walk():
    """The example clip's frames from when all of her is in it, with her keypoints where they are labelled."""
    labels = ground_truth.load("walk")
    frames = ground_truth.frames_of("Input/example_video1.mp4", [str(n) for n in range(20, 80)])
    return [(int(number), frame, labels.get(int(number), [None])[0]) for number, frame in frames.items()]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A model folder with weights for OpenPose COCO that see painted figures."""
    folder = tmp_path_factory.mktemp("weights")
    (folder / "coco").mkdir()
    write_caffemodel(folder / OPENPOSE["COCO"].weights.name, seeing_weights("COCO"))
    return folder


def test_it_answers_with_people(tmp_path):
    estimator = PoseEstimator(model_folder=tmp_path)
    people = estimator(EXAMPLE)
    assert people.shape == (1, 18, 3)
    assert people.dtype == np.float32
    assert (
        "mobilenet_thin and BlazePose (OpenPose COCO's weights are not here; Apache-2.0) on CPU"
        in estimator.description
    )
    assert estimator(np.full_like(EXAMPLE, 120)).shape == (0, 18, 3)


def test_mpi_is_worked_out(tmp_path):
    estimator = PoseEstimator("MPI", model_folder=tmp_path)
    assert estimator(EXAMPLE).shape == (1, 15, 3)
    assert estimator(np.full_like(EXAMPLE, 120)).shape == (0, 15, 3)
    assert "worked out from BlazePose's" in estimator.description


def test_what_is_not_found_is_zero():
    cut = np.ascontiguousarray(EXAMPLE[:350])
    for mode in ("COCO", "MPI"):
        (person,) = PoseEstimator(mode, "blazepose")(cut)
        assert (person[[10, 13]] == 0).all()  # ankles, outside
        assert (person[person[:, 2] > 0, 1] <= 349).all()


def test_the_threshold():
    (all_of_her,) = PoseEstimator(network="blazepose", threshold=0)(EXAMPLE)
    threshold = float(np.sort(all_of_her[:, 2])[5])
    (sure,) = PoseEstimator(network="blazepose", threshold=threshold)(EXAMPLE)
    assert (all_of_her[:, 2] > 0).all()
    assert (sure[:, 2] > 0).sum() == 13
    assert (sure[sure[:, 2] == 0] == 0).all()


def test_the_strongest_first_and_only_so_many():
    picture = cv2.imread(str(PROJECT / "Input" / "example_image2.jpg"))
    everyone = PoseEstimator(network="blazepose")(picture)
    (main,) = PoseEstimator(network="blazepose", number_people_max=1)(picture)
    assert len(everyone) == 2
    assert np.array_equal(main, everyone[0])


def test_unknown_words_and_missing_weights(tmp_path):
    with pytest.raises(PoseError, match=r"getModels\.sh coco"):
        PoseEstimator(network="openpose", model_folder=tmp_path)


def test_openpose_finds_who_stands_and_who_lies(weights):
    """A painted figure on a photo of her: the detector sees her, OpenPose's stand-in the figure."""
    estimator = PoseEstimator(network="openpose", model_folder=weights)
    picture, (label,) = painted_figures("COCO", (400, 600), [(200, 300, 300)])
    (person,) = estimator(picture)
    found = person[:, 2] > 0
    assert found.sum() >= 15
    assert np.abs(person[found, :2] - label[found]).max() < 10
    assert len(estimator(EXAMPLE)) == 0  # weights that know only painted figures


@pytest.mark.parametrize("turn", ROTATIONS)
def test_openpose_sees_who_lies_in_a_turned_picture(weights, turn, monkeypatch):
    """Where it sees nobody the small networks say which way to turn; here they see her."""
    estimator, seen = PoseEstimator(network="openpose", model_folder=weights), []
    monkeypatch.setattr(
        estimator, "bottom_up", lambda picture: seen.append(picture) or np.zeros((0, 18, 3), np.float32)
    )
    lying = cv2.rotate(EXAMPLE, turn)
    estimator(lying)
    assert len(seen) == 2
    assert np.array_equal(seen[1], EXAMPLE)  # upright again
    seen.clear()
    estimator(EXAMPLE)
    estimator(np.full_like(EXAMPLE, 120))
    assert len(seen) == 2  # one each: she stands, and in the other nobody is


def follow(frames, **options):
    estimator, results = VideoPoseEstimator(network="blazepose", **options), []
    for index, (number, frame) in enumerate(frames):
        next_frame = (frames[index + 1][0] / 30, frames[index + 1][1]) if index + 1 < len(frames) else None
        results.append(estimator(frame, number / 30, next_frame))
    return results


@pytest.mark.parametrize("step", [1, 2, 4])
def test_a_walk_is_followed(walk, step):
    results = follow([(number, frame) for number, frame, _ in walk[::step]])
    assert all(ids == [0] for _, ids in results)
    errors = [
        ground_truth.errors(people, label)
        for (people, _), (*_, label) in zip(results, walk[::step], strict=True)
        if label is not None
    ]
    assert (np.concatenate(errors) < 0.1).mean() > (0.98 if step < 4 else 0.94)


def test_with_and_without_the_next_frame(walk):
    """What is inferred ahead is as good as what is inferred in its turn, and the same every time."""
    frames = [(number, frame) for number, frame, _ in walk[:20]]
    estimator = VideoPoseEstimator(network="blazepose", smooth=False)
    one_by_one = [estimator(frame, number / 30)[0] for number, frame in frames]
    ahead, again = ([people for people, _ in follow(frames, smooth=False)] for _ in range(2))
    for a, b, c in zip(one_by_one, ahead, again, strict=True):
        assert np.array_equal(b, c)
        clear = (a[0, :, 2] > 0.6) & (b[0, :, 2] > 0.6)
        assert np.median(np.abs(a[0, clear] - b[0, clear])[:, :2]) < 2
    assert not np.array_equal(one_by_one[2], ahead[2])  # it was inferred ahead


@pytest.mark.parametrize("turn", ROTATIONS)
def test_who_lies_in_a_clip_is_followed(turn, walk):
    errors = []
    frames = [(number, cv2.rotate(frame, turn)) for number, frame, _ in walk[::2]]
    for (people, ids), (_, lying), (*_, label) in zip(follow(frames), frames, walk[::2], strict=True):
        assert ids == [0]
        if label is not None:
            errors.append(ground_truth.errors(rotate_people(people, ROTATIONS[turn], lying), label))
    assert (np.concatenate(errors) < 0.1).mean() > 0.96


def test_a_cartwheel_is_followed(walk):
    """The picture turns by 12 degrees a frame, which is a turn a second."""
    frames, labels = [], []
    for step, (number, frame, label) in enumerate(walk):
        matrix = cv2.getRotationMatrix2D((428, 212), 12 * step, 0.45)
        frames.append((number, cv2.warpAffine(frame, matrix, (856, 424), borderMode=cv2.BORDER_REPLICATE)))
        if label is not None:
            label = label.copy()
            label[:, :2] = label[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        labels.append(label)
    results = follow(frames)
    assert all(len(people) == 1 for people, _ in results)
    errors = [
        ground_truth.errors(people, label)
        for (people, _), label in zip(results, labels, strict=True)
        if label is not None
    ]
    assert (np.concatenate(errors) < 0.1).mean() > 0.95


def test_a_newcomer_is_found_soon_and_who_leaves_is_gone_at_once(walk):
    frame = walk[20][1]
    mirror = np.ascontiguousarray(frame[:, ::-1])
    alone = np.hstack([frame, np.full_like(frame, 127)])
    both, other = np.hstack([frame, mirror]), np.hstack([np.full_like(frame, 127), mirror])
    estimator = VideoPoseEstimator(network="blazepose")
    assert len(estimator(alone, 0.0)[0]) == 1
    assert len(estimator(both, 0.5)[0]) == 1
    assert len(estimator(both, 1.0)[0]) == 1
    people, ids = estimator(both, 1.5)
    assert sorted(ids) == [0, 1]
    people, ids = estimator(other, 1.6)
    assert ids == [1]
    assert people[0, people[0, :, 2] > 0, 0].min() > frame.shape[1]
    assert len(estimator(np.full_like(other, 127), 1.7)[0]) == 0
    estimator.restart()
    assert estimator(other, 0.0)[1] == [0]


def test_where_nobody_was_a_newcomer_is_found_within_a_few_frames(walk):
    frame = walk[20][1]
    estimator = VideoPoseEstimator(network="blazepose")
    assert all(len(estimator(np.full_like(frame, 127), n / 30)[0]) == 0 for n in range(10))
    assert any(len(estimator(frame, n / 30)[0]) for n in range(10, 17))


def test_people_who_cross_keep_who_they_are(walk):
    """She and a mirrored, smaller copy of her walk towards each other, and she passes in front."""
    path = {0: [], 1: []}
    estimator = VideoPoseEstimator(network="blazepose")
    for number, frame, _ in walk:
        small = cv2.warpAffine(
            frame, np.float32([[-0.8, 0, 990], [0, 0.8, 40]]), (856, 424), borderMode=cv2.BORDER_REPLICATE
        )
        truth_of = ground_truth.load("walk").get(number)
        mask = np.zeros(frame.shape[:2], np.uint8)
        people = estimator(frame, number / 30)[0]
        if len(people):
            found = people[0, people[0, :, 2] > 0, :2]
            cv2.fillConvexPoly(mask, cv2.convexHull(found.astype(np.int32)), 255)
        assert truth_of is None or len(people) == 1
        mask = cv2.dilate(mask, np.ones((25, 25), np.uint8))
        path.setdefault("frames", []).append((number, np.where(mask[..., None] > 0, frame, small)))
    centres = []
    estimator = VideoPoseEstimator(network="blazepose")
    for number, picture in path["frames"]:
        people, ids = estimator(picture, number / 30)
        centres.append({who: people[n, [8, 11], 0].mean() for n, who in enumerate(ids) if people[n, [8, 11], 2].all()})
    first, last = ([frame for frame in centres if len(frame) == 2][at] for at in (0, -1))
    shared = sorted(first.keys() & last.keys())
    assert len(shared) == 2
    a, b = shared
    assert math.copysign(1, first[a] - first[b]) != math.copysign(1, last[a] - last[b])  # they have passed each other
    for who in shared:  # and each goes on in their direction
        xs = [frame[who] for frame in centres if who in frame]
        steps = np.diff(xs)
        assert (np.sign(np.median(steps[:10])) == np.sign(np.median(steps[-10:]))) and abs(np.median(steps)) > 0.5


def test_what_goes_wrong_in_the_other_thread_is_said(walk):
    estimator, frame = VideoPoseEstimator(network="blazepose"), walk[0][1]
    estimator.photo.topdown.second_landmarks = Future()
    estimator.photo.topdown.second_landmarks.set_exception(PoseError("The file is damaged."))
    estimator(frame, 0.0)
    with pytest.raises(PoseError, match="damaged"):
        estimator(frame, 0.1, (0.2, frame))


def test_no_identities():
    people, ids = VideoPoseEstimator(network="blazepose", track=False)(EXAMPLE, 0.0)
    assert len(people) == 1
    assert ids is None


def test_who_is_half_behind_another_is_followed_too():
    """A still picture as a clip: both stay, each with their own keypoints."""
    case = next(case for case in ground_truth.cases() if case.name == "pair 336")
    for people, ids in follow([(number, case.picture) for number in range(12)]):
        assert sorted(ids) == [0, 1]
        for person in case.people:
            assert (ground_truth.errors(people, person) < 0.1).mean() > 0.9


def test_who_was_lost_is_searched_again_and_again(walk):
    """Behind something for a third of a second; the next search of everyone would be a second later."""
    frame = walk[20][1]
    mirror = np.ascontiguousarray(frame[:, ::-1])
    both, alone = np.hstack([frame, mirror]), np.hstack([frame, np.full_like(frame, 127)])
    estimator = VideoPoseEstimator(network="blazepose")
    assert len(estimator(both, 0.0)[0]) == 2
    counts = [len(estimator(alone if n < 10 else both, 0.1 + n / 30)[0]) for n in range(20)]
    assert counts[:10] == [1] * 10
    assert counts[17:] == [2] * 3
    assert sorted(estimator(both, 0.8)[1]) == [0, 1]


def test_who_lies_is_found_when_they_come_into_an_empty_clip(walk):
    """Upside down, which only a turned search sees; it runs every second where nobody is."""
    lying = cv2.rotate(walk[20][1], cv2.ROTATE_180)
    estimator = VideoPoseEstimator(network="blazepose")
    assert all(len(estimator(np.full_like(lying, 127), n / 10)[0]) == 0 for n in range(5))
    assert any(len(estimator(lying, n / 10)[0]) for n in range(5, 12))
