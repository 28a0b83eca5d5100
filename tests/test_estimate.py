"""Photos and clips to people, by either way."""

from unittest import mock

import cv2
import ground_truth
import numpy as np
import pytest
from scene import Scene, turned
from synthetic_maps import pose_at

from pose import PoseError, estimate
from pose.estimate import PoseEstimator, VideoPoseEstimator
from pose.networks.registry import OPENPOSE
from pose.options import PROJECT
from pose.poses import WORLD
from pose.topdown import ROTATIONS, rotate_people

EXAMPLE = cv2.imread(str(PROJECT / "Input" / "example_image1.png"))
ANKLES = [10, 13]

pytestmark = pytest.mark.usefixtures("networks_loaded_once")


@pytest.fixture(scope="module")
def walk():
    """The example clip's frames from when all of her is in it, with her keypoints where they are labelled."""
    labels = ground_truth.load("walk")
    frames = ground_truth.frames_of("Input/example_video1.mp4", [str(n) for n in range(20, 80)])
    return [(int(number), frame, labels.get(int(number), [None])[0]) for number, frame in frames.items()]


@pytest.mark.parametrize(("mode", "keypoints"), [("COCO", 18), ("MPI", 15)])
def test_a_photo(tmp_path, mode, keypoints):
    estimator = PoseEstimator(mode, model_folder=tmp_path)
    where = f"mobilenet_thin and BlazePose (OpenPose {mode}'s weights are not here; Apache-2.0"
    converted = {"COCO": "", "MPI": "; MPI keypoints worked out from BlazePose's"}[mode]
    assert estimator.description.startswith(f"{where}{converted}) on CPU")
    people = estimator.estimate_3d(EXAMPLE)
    assert (people.shape, people.dtype) == ((1, keypoints, 6), np.float32)
    world = dict(zip(estimator.skeleton.keypoints, people[0, :, WORLD], strict=True))
    assert world["Neck"][1] < -0.4 < 0.6 < world["RAnkle"][1]
    cut = np.ascontiguousarray(EXAMPLE[:350])
    (person,) = estimator.estimate_3d(cut)
    assert np.array_equal(estimator(cut), person[None, :, :3])
    assert (person[ANKLES] == 0).all()  # what is outside is not found
    assert (person[person[:, 2] > 0, 1] <= 349).all()
    if mode == "MPI":  # nor is the top of the head, where a rule puts it outside
        nose_y = ground_truth.load("walker")[0][0][0, 1]
        (person,) = estimator(np.ascontiguousarray(EXAMPLE[round(nose_y) - 8 :]))
        assert person[0].tolist() == [0, 0, 0]


@pytest.mark.parametrize(("mode", "keypoints"), [("COCO", 18), ("MPI", 15)])
def test_nobody(monkeypatch, mode, keypoints):
    scene = Scene([])
    monkeypatch.setattr(estimate, "TopDown", lambda *_: scene.topdown())
    estimator = PoseEstimator(mode, network="blazepose")
    assert estimator(scene.pictures[0]).shape == (0, keypoints, 3)
    assert estimator.estimate_3d(scene.pictures[0]).shape == (0, keypoints, 6)


def test_the_threshold(monkeypatch):
    (all_of_her,) = PoseEstimator(network="blazepose", threshold=0)(EXAMPLE)
    (sure,) = PoseEstimator(network="blazepose", threshold=float(np.sort(all_of_her[:, 2])[5]))(EXAMPLE)
    assert (all_of_her[:, 2] > 0).all()
    assert (sure[:, 2] > 0).sum() == 13
    assert (sure[sure[:, 2] == 0] == 0).all()
    faint = pose_at(250, 100) * np.float32([1, 1, 0.01])
    scene = Scene([faint])
    monkeypatch.setattr(estimate, "TopDown", lambda *_: scene.topdown())
    assert np.array_equal(PoseEstimator(network="blazepose", threshold=0)(scene.pictures[0]), [faint])


def test_the_strongest_first_and_only_so_many():
    picture = cv2.imread(str(PROJECT / "Input" / "example_image2.jpg"))
    everyone = PoseEstimator(network="blazepose")(picture)
    (main,) = PoseEstimator(network="blazepose", number_people_max=1)(picture)
    assert len(everyone) == 2
    assert np.array_equal(main, everyone[0])


@pytest.mark.parametrize(
    ("degrees", "rotation"),
    [
        (0, None),
        (50, None),
        (60, cv2.ROTATE_90_COUNTERCLOCKWISE),
        (90, cv2.ROTATE_90_COUNTERCLOCKWISE),
        (180, cv2.ROTATE_180),
        (270, cv2.ROTATE_90_CLOCKWISE),
        (-60, cv2.ROTATE_90_CLOCKWISE),
    ],
)
def test_openpose_sees_who_lies_in_a_rotated_picture(monkeypatch, tmp_path, degrees, rotation):
    """Where it sees nobody the small networks tell which way to rotate."""
    scene, seen = Scene([turned(pose_at(270, 100), degrees)]), []
    (picture,) = scene.pictures

    def bottom_up(picture):
        seen.append(picture)
        return np.zeros((0, 18, 3), np.float32) if len(seen) == 1 else np.float32([[[10, 20, 1]] * 17 + [[0] * 3]])

    (tmp_path / "coco").mkdir()
    (tmp_path / OPENPOSE["COCO"].weights.name).touch()
    monkeypatch.setattr(estimate, "HeatmapNetwork", mock.Mock())
    openpose = PoseEstimator(network="openpose", model_folder=tmp_path)
    monkeypatch.setattr(openpose, "bottom_up", bottom_up)
    monkeypatch.setattr(openpose, "topdown", scene.topdown())
    people = openpose(picture)
    assert len(seen) == len(people) + 1 == (1 if rotation is None else 2)
    if rotation is not None:
        assert np.array_equal(seen[1], cv2.rotate(picture, rotation))  # upright again
        spot = np.zeros(seen[1].shape[:2], np.uint8)
        spot[20, 10] = 1
        back = cv2.rotate(spot, ROTATIONS[rotation])
        assert not people[0, 17].any()  # what was not found
        assert people[0, 0, :2].astype(int).tolist() == np.argwhere(back)[0, ::-1].tolist()


def follow(frames, **options):
    """People and identities in frames (number, picture), each given the next one."""
    estimator = VideoPoseEstimator(network="blazepose", **options)
    timed = [(number / 30, frame) for number, frame in frames]
    return [estimator(frame, t, after) for (t, frame), after in zip(timed, [*timed[1:], None], strict=True)]


def errors(results, labels):
    """Of all labelled keypoints of the only person."""
    pairs = zip(results, labels, strict=True)
    return np.concatenate([ground_truth.errors(people, label) for (people, _), label in pairs if label is not None])


@pytest.mark.parametrize(("step", "share"), [(1, 0.98), (4, 0.94)])
def test_a_walk_is_followed(walk, step, share):
    results = follow([(number, frame) for number, frame, _ in walk[::step]])
    assert all(ids == [0] for _, ids in results)
    assert (errors(results, [label for *_, label in walk[::step]]) < 0.1).mean() > share


def test_with_and_without_the_next_frame(walk):
    """What is inferred ahead is as good as what is inferred in its turn, and the same every time."""
    frames = [(number, frame) for number, frame, _ in walk[:6]]
    estimator = VideoPoseEstimator(network="blazepose", smooth=False)
    one_by_one = [estimator(frame, number / 30)[0] for number, frame in frames]
    ahead, again = ([people for people, _ in follow(frames, smooth=False)] for _ in range(2))
    for a, b, c in zip(one_by_one, ahead, again, strict=True):
        assert np.array_equal(b, c)
        clear = (a[0, :, 2] > 0.6) & (b[0, :, 2] > 0.6)
        assert np.median(np.abs(a[0, clear] - b[0, clear])[:, :2]) < 2
    assert not np.array_equal(one_by_one[2], ahead[2])  # it was inferred ahead
    assert not np.array_equal(follow(frames[:3])[2][0], ahead[2])  # smoothed


@pytest.mark.parametrize("turn", ROTATIONS)
def test_who_lies_in_a_clip_is_followed(turn, walk):
    frames = [(number, cv2.rotate(frame, turn)) for number, frame, _ in walk[:30:2]]
    results = follow(frames)
    assert all(ids == [0] for _, ids in results)
    upright = [(rotate_people(people, ROTATIONS[turn], frames[0][1]), ids) for people, ids in results]
    assert (errors(upright, [label for *_, label in walk[:30:2]]) < 0.1).mean() > 0.96


def test_a_cartwheel_is_followed(walk):
    """The picture turns by 12 degrees a frame, which is a turn a second."""
    frames, labels = [], []
    for step, (number, frame, label) in enumerate(walk[:40]):
        matrix = cv2.getRotationMatrix2D((428, 212), 12 * step, 0.45)
        frames.append((number, cv2.warpAffine(frame, matrix, (856, 424), borderMode=cv2.BORDER_REPLICATE)))
        if label is not None:
            label = np.column_stack([label[:, :2] @ matrix[:, :2].T + matrix[:, 2], label[:, 2]])
        labels.append(label)
    results = follow(frames)
    assert all(len(people) == 1 for people, _ in results)
    assert (errors(results, labels) < 0.1).mean() > 0.95


def test_without_identities_and_with_an_error_in_the_other_thread(walk, monkeypatch):
    def fail():
        raise PoseError("The file is damaged.")

    estimator, frame = VideoPoseEstimator(network="blazepose", track=False), walk[0][1]
    topdown = estimator.photo_estimator.topdown
    monkeypatch.setattr(topdown, "second_landmarks", topdown.pool.submit(fail))
    people, ids = estimator(frame, 0.0)
    assert (len(people), ids) == (1, None)
    with pytest.raises(PoseError, match="damaged"):
        estimator(frame, 0.1, (0.2, frame))
