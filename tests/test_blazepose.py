"""Crops, landmarks and what is made of them; the network itself on the example photo."""

import cv2
import ground_truth
import numpy as np
import pytest
from synthetic_maps import standing

from pose import blazepose
from pose.blazepose import (
    CENTRE,
    LANDMARKS,
    MIRRORED,
    RIM,
    LandmarkNetwork,
    next_crop_of,
    refine_by_heatmaps,
)
from pose.cli import PROJECT
from pose.crop import SIDE, crop_around, make_crop
from pose.networks.engines import OpenCV
from pose.networks.registry import BLAZEPOSE, PACKAGE
from pose.poses import coco_to_mpi
from pose.skeletons import COCO, MPI

PICTURE = cv2.imread(str(PROJECT / "Input" / "example_image1.png"))  # 530x530
UP = np.array([0.0, -1.0])


def unit(degrees):
    return np.array([np.sin(np.radians(degrees)), -np.cos(np.radians(degrees))])


def standing_pose(at=(60, 60), scale=1.0):
    return np.column_stack([standing("COCO", at, scale), np.ones(18)]).astype(np.float32)


@pytest.fixture(scope="module")
def landmarks():
    return LandmarkNetwork.load(OpenCV("cpu", "fp32"))


@pytest.mark.skipif(cv2.__version__ < "5", reason="OpenCV 4 counts layers before it joins them")
def test_every_activation_is_computed_within_its_convolution():
    """Each one beside its convolution costs two changes of layout, a sixth of the whole time."""
    names = cv2.dnn.readNetFromONNX(str(PACKAGE / BLAZEPOSE.name)).getLayerNames()
    assert not [name for name in names if name.startswith(("Clip", "HardSigmoid"))]
    assert len(names) < 110


@pytest.mark.parametrize("degrees", [0, 30, 90, 180, 250])
def test_in_a_crop_up_is_up_and_there_and_back_is_the_same_place(degrees):
    crop = make_crop(np.array([100.0, 80.0]), 64, 3 * unit(degrees))
    middle = (SIDE - 1) / 2
    assert np.allclose(crop.to_input(np.array([100.0, 80.0])), (middle, middle))
    assert np.allclose(crop.to_input(np.array([100.0, 80.0]) + 10 * unit(degrees)), (middle, middle - 20))
    assert np.allclose(crop.to_input(np.array([100.0, 80.0]) + 10 * unit(degrees + 90)), (middle + 20, middle))
    points = np.random.default_rng(0).uniform(0, 200, (9, 2))
    assert np.allclose(crop.to_picture(crop.to_input(points)), points)


@pytest.mark.parametrize("half_side", [40, 128, 300, 900])
@pytest.mark.parametrize("degrees", [0, 37])
def test_a_cut_shows_what_lies_there(half_side, degrees):
    """A soft dot in a large picture lands where to_input says, at any size: large crops are averaged first."""
    at = np.array([1100.0, 700.0])
    grid = np.stack(np.meshgrid(np.arange(2000), np.arange(1400)), axis=-1)
    dot = 255 * np.exp(-((grid - at) ** 2).sum(axis=2) / (2 * (half_side / 12) ** 2))
    picture = np.repeat(dot.astype(np.uint8)[:, :, None], 3, axis=2)
    crop = make_crop(at + np.array([half_side / 3, -half_side / 4]), half_side, unit(degrees))
    cut = crop.extract(picture)[:, :, 0].astype(float)
    assert cut.shape == (SIDE, SIDE)
    y, x = np.mgrid[:SIDE, :SIDE]
    centre = np.array([(cut * x).sum(), (cut * y).sum()]) / cut.sum()
    assert np.abs(centre - crop.to_input(at)).max() < 0.3


def test_beyond_the_picture_its_border_goes_on():
    picture = np.full((100, 100, 3), 77, np.uint8)
    assert (make_crop(np.array([0.0, 0.0]), 150, unit(20)).extract(picture) == 77).all()


def test_the_crop_of_a_whole_pose_holds_it():
    pose = standing_pose()
    crop = crop_around(pose)
    hips = pose[[8, 11], :2].mean(axis=0)
    assert np.allclose(crop.centre, hips)
    assert np.allclose(crop.up, UP, atol=0.01)
    assert crop.half_side == pytest.approx(1.25 * np.linalg.norm(pose[:, :2] - hips, axis=1).max())


def test_the_crop_turns_with_the_pose():
    pose, turn = standing_pose(), cv2.getRotationMatrix2D((100, 100), -70, 1)
    upright = crop_around(pose)
    pose[:, :2] = pose[:, :2] @ turn[:, :2].T + turn[:, 2]
    crop = crop_around(pose)
    assert np.allclose(crop.centre, turn[:, :2] @ upright.centre + turn[:, 2])
    assert np.allclose(crop.up, turn[:, :2] @ upright.up)
    assert crop.half_side == pytest.approx(upright.half_side)


@pytest.mark.parametrize(
    "names", [["Nose", "Neck", "RShoulder", "LShoulder"], ["Nose", "REye", "LEye"], ["RHip", "RKnee", "RAnkle"]]
)
def test_the_crop_of_a_part_is_where_the_person_is(names):
    pose, whole = standing_pose(), crop_around(standing_pose())
    pose[[name not in names for name in COCO.keypoints]] = 0
    crop = crop_around(pose)
    assert (np.abs(crop.to_input(pose[pose[:, 2] > 0, :2]) - SIDE / 2) < SIDE / 2).all()
    if "RShoulder" in names:  # head and shoulders tell where the hips are
        assert np.linalg.norm(crop.centre - whole.centre) < 0.2 * whole.half_side
        assert np.allclose(crop.up, UP, atol=0.1)


def test_a_crop_after_landmarks_is_the_circle_they_describe():
    xy = np.zeros((LANDMARKS, 2))
    xy[CENTRE], xy[RIM] = (200, 100), (200 + 40, 100)
    crop = next_crop_of(xy)
    assert crop.centre.tolist() == [200, 100]
    assert crop.up.tolist() == [1, 0]
    assert crop.half_side == 50


def test_landmarks_are_sharpened_by_their_heatmaps():
    landmarks, heatmaps = np.full((LANDMARKS, 2), 128.0), np.full((LANDMARKS, 64, 64), -20.0, np.float32)
    landmarks[3] = (2, 254)  # at the border
    y, x = np.mgrid[:64, :64]
    for landmark, (px, py) in ((0, (131.0, 122.0)), (3, (4.2, 248.2))):  # both near enough
        distance = (4 * x + 0.2 - px) ** 2 + (4 * y + 0.2 - py) ** 2
        heatmaps[landmark] = 4 - distance / 8
    heatmaps[5, 10, 10] = 9  # too far from its landmark to count
    heatmaps[6, 32, 32] = -0.1  # too faint: below one half
    sharp, peaks = refine_by_heatmaps(landmarks, heatmaps)
    assert np.abs(sharp[0] - (131, 122)).max() < 0.5
    assert np.abs(sharp[3] - (4.2, 248.2)).max() < 0.5
    assert (sharp[[1, 5, 6]] == 128).all()
    assert peaks[0] > 0.9
    assert peaks[5] < 0.01
    assert 0.4 < peaks[6] < 0.5


def test_left_and_right_landmarks_of_a_mirrored_picture():
    assert [MIRRORED[MIRRORED[k]] for k in range(LANDMARKS)] == list(range(LANDMARKS))
    of = blazepose.LANDMARK_OF
    for k, other in enumerate(COCO.mirrored):
        assert MIRRORED[of[k]] == of[other]


def test_the_example_against_labels(landmarks):
    (label,) = ground_truth.load("walker")[0]
    estimate = landmarks(PICTURE, crop_around(np.column_stack([label[:, :2], label[:, 2] > 0])))
    assert estimate.presence > 0.99
    assert estimate.confidence > 0.7
    assert (ground_truth.errors(estimate.pose[None], label) < 0.05).all()
    assert np.linalg.norm(estimate.next_crop.centre - label[[8, 11], :2].mean(axis=0)) < 15
    assert np.allclose(estimate.next_crop.up, UP, atol=0.2)
    mirrored = landmarks(PICTURE, crop_around(np.column_stack([label[:, :2], label[:, 2] > 0])), mirrored=True)
    assert (ground_truth.errors(mirrored.pose[None], label) < 0.05).all()
    assert not np.array_equal(mirrored.pose, estimate.pose)


@pytest.mark.parametrize("degrees", range(0, 360, 45))
def test_a_turned_person_has_the_same_keypoints(landmarks, degrees):
    (label,) = ground_truth.load("walker")[0]
    matrix = cv2.getRotationMatrix2D((264.5, 264.5), degrees, 0.7)
    turned = cv2.warpAffine(PICTURE, matrix, (530, 530))
    label = label.copy()
    label[:, :2] = label[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    estimate = landmarks(turned, crop_around(np.column_stack([label[:, :2], label[:, 2] > 0])))
    assert (ground_truth.errors(estimate.pose[None], label) < 0.06).all()


def test_what_lies_outside_the_picture_scores_nothing(landmarks):
    (label,) = ground_truth.load("walker")[0]
    crop = crop_around(np.column_stack([label[:, :2], label[:, 2] > 0]))
    pose = landmarks(np.ascontiguousarray(PICTURE[:350]), crop).pose
    assert (pose[[10, 13], 2] == 0).all()  # the ankles, below
    assert (pose[[10, 13], 1] > 349).all()
    assert pose[0, 2] > 0.5


def test_the_face_of_a_head_seen_from_behind_is_not_found(landmarks):
    """The man with the cap in frame 333 turns his back to us; she in the example shows her face."""
    (label,) = ground_truth.load("balance")[333]
    picture = cv2.imread(str(ground_truth.DATA / "balance_333.jpg"))
    behind = landmarks(picture, crop_around(np.column_stack([label[:, :2], label[:, 2] > 0]))).pose
    assert (behind[[0, 14, 15], 2] == 0).all()
    assert (behind[2:14, 2] > 0).all()
    (label,) = ground_truth.load("walker")[0]
    front = landmarks(PICTURE, crop_around(np.column_stack([label[:, :2], label[:, 2] > 0]))).pose
    assert (front[[0, 15], 2] > 0.5).all()


def test_nobody_in_an_empty_crop(landmarks):
    estimate = landmarks(np.full((300, 300, 3), 120, np.uint8), make_crop(np.array([150.0, 150]), 140, UP))
    assert estimate.presence < 0.5
    assert estimate.confidence < 0.3


@pytest.mark.parametrize("degrees", [0, 60])
def test_who_is_painted_over_is_covered_and_nothing_else(degrees):
    pose = standing_pose((100, 50), 1.5)
    crop = make_crop(np.array([175.0, 200.0]), 220, unit(degrees))
    cut = np.full((SIDE, SIDE, 3), 255, np.uint8)
    blazepose.mask_person(cut, pose, crop)
    points = crop.to_input(pose[:, :2])
    for limb in COCO.drawn_limbs:
        for share in (0, 0.5, 1):
            x, y = np.rint(points[limb.start] + share * (points[limb.end] - points[limb.start])).astype(int)
            assert (cut[y, x] == 128).all()
    hips_and_shoulders = points[[2, 5, 8, 11]].mean(axis=0).astype(int)
    assert (cut[hips_and_shoulders[1], hips_and_shoulders[0]] == 128).all()
    painted = np.argwhere((cut == 128).all(axis=2))[:, ::-1]
    far = np.linalg.norm(painted[:, None] - points[None], axis=2).min(axis=1)
    assert far.max() < 0.2 * np.ptp(points, axis=0).max()  # white elsewhere
    assert 0.02 < len(painted) / SIDE**2 < 0.4


def test_what_was_not_found_is_not_painted():
    cut = np.full((SIDE, SIDE, 3), 255, np.uint8)
    blazepose.mask_person(cut, np.zeros((18, 3), np.float32), make_crop(np.array([0.0, 0.0]), 100, UP))
    assert (cut == 255).all()


def test_mpi_from_coco_against_labels(landmarks):
    for name, label_name in (("example_image1", "walker"), ("example_image2", "two_people")):
        picture = cv2.imread(str(next((PROJECT / "Input").glob(f"{name}.*"))))
        for label, points in zip(ground_truth.load(label_name)[0], ground_truth.read("mpi")[name], strict=True):
            estimate = landmarks(picture, crop_around(np.column_stack([label[:, :2], label[:, 2] > 0])))
            pose, size = coco_to_mpi(estimate.pose), ground_truth.size_of(label)
            for point in ("Head", "Neck", "Chest"):
                off = np.linalg.norm(pose[MPI.keypoints.index(point), :2] - points[point.lower()])
                assert off < 0.08 * size, (name, point)
            assert np.array_equal(pose[MPI.keypoints.index("RKnee")], estimate.pose[COCO.keypoints.index("RKnee")])


def test_mpi_keypoints_are_as_sure_as_those_they_are_worked_out_from():
    pose = standing_pose()
    pose[:, 2] = np.linspace(0.3, 0.9, 18)
    pose[COCO.keypoints.index("RHip"), 2] = 0
    found = coco_to_mpi(pose)
    assert found[MPI.keypoints.index("Chest"), 2] == 0
    assert found[MPI.keypoints.index("Neck"), 2] == pose[1, 2]
    assert found[MPI.keypoints.index("Head"), 2] == pose[1, 2]
