"""Crops, landmarks and what is made of them; the network itself on the example photo."""

import cv2
import ground_truth
import numpy as np
import pytest
from synthetic_maps import pose_at

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
from pose.choices import PACKAGE
from pose.crop import CROP_SIDE, crop_around, make_crop
from pose.networks.engines import OpenCV
from pose.networks.registry import BLAZEPOSE
from pose.options import PROJECT
from pose.poses import WORLD, coco_to_mpi, joint_angles
from pose.skeletons import COCO, MPI

EXAMPLE = cv2.imread(str(PROJECT / "Input" / "example_image1.png"))  # 530x530
UP = np.array([0.0, -1.0])
R_HIP = 8
FACE, ANKLES, HIPS = [0, 14, 15], [10, 13], [8, 11]


def unit(degrees):
    return np.array([np.sin(np.radians(degrees)), -np.cos(np.radians(degrees))])


def crop_of(label):
    """The crop of a labelled person (18, 3)."""
    return crop_around(np.column_stack([label[:, :2], label[:, 2] > 0]))


def moved(label, matrix):
    return np.column_stack([label[:, :2] @ matrix[:, :2].T + matrix[:, 2], label[:, 2]])


@pytest.fixture(scope="module")
def landmarks():
    return LandmarkNetwork(OpenCV("cpu", "fp32"), BLAZEPOSE.read(PACKAGE))


@pytest.fixture
def walker():
    (label,) = ground_truth.load("walker")[0]
    return label


@pytest.mark.parametrize("half_side", [40, 128, 300, 900])
@pytest.mark.parametrize("degrees", [0, 37])
def test_a_cut_shows_what_lies_there(half_side, degrees):
    """A soft dot lands where to_input says, at any size: large crops are averaged first."""
    at = np.array([700.0, 500.0])
    x, y = np.meshgrid(np.arange(1300, dtype=np.float32), np.arange(900, dtype=np.float32))
    dot = 255 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * (half_side / 12) ** 2))
    crop = make_crop(at + np.array([half_side / 3, -half_side / 4]), half_side, unit(degrees))
    cut = crop.extract(np.dstack([dot.astype(np.uint8)] * 3))[:, :, 0].astype(float)
    assert cut.shape == (CROP_SIDE, CROP_SIDE)
    y, x = np.mgrid[:CROP_SIDE, :CROP_SIDE]
    centre = np.array([(cut * x).sum(), (cut * y).sum()]) / cut.sum()
    assert np.abs(centre - crop.to_input(at)).max() < 0.3


def test_a_large_crop_is_averaged_and_beyond_the_picture_its_border_goes_on():
    stripes = np.zeros((1800, 1800, 3), np.uint8)
    stripes[:, ::2] = 255
    cut = make_crop(np.array([900.0, 900.0]), 880, UP).extract(stripes)
    assert np.abs(cut.astype(int) - 128).max() < 40
    plain = np.full((100, 100, 3), 77, np.uint8)
    assert (make_crop(np.array([0.0, 0.0]), 150, unit(20)).extract(plain) == 77).all()


@pytest.mark.parametrize("degrees", [0, -70])
def test_the_crop_of_a_whole_pose_turns_with_it_and_holds_it(degrees):
    matrix = cv2.getRotationMatrix2D((100, 100), degrees, 1)
    pose = moved(pose_at(60, 60), matrix)
    crop, hips = crop_around(pose), pose[[8, 11], :2].mean(axis=0)
    assert np.allclose(crop.centre, hips)
    assert np.allclose(crop.up, matrix[:, :2] @ UP, atol=0.01)
    assert crop.half_side == pytest.approx(1.25 * np.linalg.norm(pose[:, :2] - hips, axis=1).max())


@pytest.mark.parametrize(
    "names", [["Nose", "Neck", "RShoulder", "LShoulder"], ["Nose", "REye", "LEye"], ["RHip", "RKnee", "RAnkle"]]
)
def test_the_crop_of_a_part_is_where_the_person_is(names):
    pose, whole = pose_at(60, 60), crop_around(pose_at(60, 60))
    pose[[name not in names for name in COCO.keypoints]] = 0
    crop = crop_around(pose)
    assert (np.abs(crop.to_input(pose[pose[:, 2] > 0, :2]) - CROP_SIDE / 2) < CROP_SIDE / 2).all()
    if "RShoulder" in names:  # head and shoulders tell where the hips are
        assert np.linalg.norm(crop.centre - whole.centre) < 0.2 * whole.half_side
        assert np.allclose(crop.up, UP, atol=0.1)


def test_a_crop_after_landmarks_is_the_circle_they_describe():
    xy = np.zeros((LANDMARKS, 2))
    xy[CENTRE], xy[RIM] = (200, 100), (200 + 40, 100)
    crop = next_crop_of(xy)
    assert (crop.centre.tolist(), crop.up.tolist(), crop.half_side) == ([200, 100], [1, 0], 50)


def test_landmarks_are_sharpened_by_their_heatmaps():
    landmarks, heatmaps = np.full((LANDMARKS, 2), 128.0), np.full((LANDMARKS, 64, 64), -20.0, np.float32)
    landmarks[3] = (2, 254)  # at the border
    y, x = np.mgrid[:64, :64]
    near = {0: (131.0, 122.0), 3: (4.2, 248.2)}
    for landmark, (px, py) in near.items():
        heatmaps[landmark] = 4 - ((4 * x + 0.2 - px) ** 2 + (4 * y + 0.2 - py) ** 2) / 8
    heatmaps[5, 10, 10] = 9  # too far from its landmark to count
    heatmaps[6, 32, 32] = -0.1  # too faint: below one half
    sharp, peaks = refine_by_heatmaps(landmarks, heatmaps)
    for landmark, at in near.items():
        assert np.abs(sharp[landmark] - at).max() < 0.5
    assert (sharp[[1, 5, 6]] == 128).all()
    assert peaks[0] > 0.9 > 0.5 > peaks[6] > 0.4 > 0.01 > peaks[5]


def test_left_and_right_landmarks_of_a_mirrored_picture():
    assert [MIRRORED[MIRRORED[k]] for k in range(LANDMARKS)] == list(range(LANDMARKS))
    of = blazepose.LANDMARK_OF
    assert [MIRRORED[of[k]] for k in range(18)] == [of[k] for k in COCO.mirrored]


def test_the_example_against_labels(landmarks, walker):
    estimate = landmarks(EXAMPLE, crop_of(walker))
    assert estimate.presence > 0.99
    assert estimate.confidence > 0.7
    assert (estimate.pose[FACE[::2], 2] > 0.5).all()
    assert np.linalg.norm(estimate.next_crop.centre - walker[[8, 11], :2].mean(axis=0)) < 15
    assert np.allclose(estimate.next_crop.up, UP, atol=0.2)
    mirrored = landmarks(EXAMPLE, crop_of(walker), mirrored=True)
    for pose in (estimate.pose, mirrored.pose):
        world = dict(zip(COCO.keypoints, pose[:, WORLD], strict=True))
        assert np.abs(world["RHip"] + world["LHip"]).max() < 0.02  # between them is the origin
        assert world["Nose"][1] < -0.5 and world["LAnkle"][1] > 0.5  # Y down,
        assert world["LWrist"][0] < -0.1 < 0.1 < world["LAnkle"][0]  # X to the right: she walks to the left,
        assert world["LShoulder"][2] + 0.2 < world["RShoulder"][2]  # Z away: her left side is nearer to the camera
        for start, end, metres in (("Hip", "Knee", 0.37), ("Knee", "Ankle", 0.36), ("Shoulder", "Elbow", 0.27)):
            for side in "RL":
                assert np.linalg.norm(world[side + start] - world[side + end]) == pytest.approx(metres, abs=0.05)
    for pose in (estimate.pose, mirrored.pose):
        assert (ground_truth.errors(pose[None], walker) < 0.05).all()
    assert not np.array_equal(mirrored.pose, estimate.pose)


def test_a_crop_and_its_mirror_image_are_averaged_where_they_agree():
    def inference(xy, peak):
        xyz = np.column_stack([xy, xy[:, 0]])
        return xyz, xy.copy(), xyz / 100, np.full(LANDMARKS, peak), 1.0

    def mirrored(xy, peak):
        landmarks, refined, world, *others = inference(xy, peak)
        for points, width in ((landmarks, CROP_SIDE - 1), (refined, CROP_SIDE - 1), (world, 0)):
            points[:, 0] = width - points[:, 0]
        return landmarks[MIRRORED], refined[MIRRORED], world[MIRRORED], *others

    xy = np.random.default_rng(0).uniform(0, 200, (LANDMARKS, 2))
    landmarks, refined, world, peaks, _ = blazepose.merge_mirrored(inference(xy, 0.4), mirrored(xy + 2, 0.6))
    assert np.allclose(landmarks[:, :2], xy + 1) and np.allclose(refined, xy + 1) and np.allclose(peaks, 0.5)
    assert np.allclose(world[:, [0, 2]], xy[:, :1] / 100 + 0.01) and np.allclose(world[:, 1], xy[:, 1] / 100 + 0.01)
    for peak, expected in ((0.3, xy), (0.6, xy + 12)):  # else the clearer one counts
        merged = blazepose.merge_mirrored(inference(xy, 0.4), mirrored(xy + 12, peak))
        assert np.allclose(merged[1], expected)
        assert np.allclose(merged[2][:, :2], expected / 100)


@pytest.mark.parametrize("degrees", range(0, 360, 45))
def test_a_turned_person_has_the_same_keypoints(landmarks, walker, degrees):
    matrix = cv2.getRotationMatrix2D((264.5, 264.5), degrees, 0.7)
    label = moved(walker, matrix)
    pose = landmarks(cv2.warpAffine(EXAMPLE, matrix, (530, 530)), crop_of(label)).pose
    assert (ground_truth.errors(pose[None], label) < 0.06).all()
    upright = landmarks(EXAMPLE, crop_of(walker)).pose
    expected = upright[:, WORLD].copy()
    expected[:, :2] = upright[:, 3:5] @ (matrix[:, :2] / 0.7).T  # X and Y are the picture's
    assert np.linalg.norm(pose[:, WORLD] - expected, axis=1).max() < 0.03
    assert np.abs(np.subtract(*joint_angles(np.stack([pose, upright]), COCO))).max() < 5


def test_x_and_y_in_metres_are_those_of_the_picture(landmarks, walker):
    pose = landmarks(EXAMPLE, crop_of(walker)).pose
    pixels, metres = (pose[:, columns] - pose[HIPS, columns].mean(axis=0) for columns in (slice(2), slice(3, 5)))
    assert np.allclose(metres, pixels * np.linalg.norm(metres) / np.linalg.norm(pixels), atol=1e-4)


def test_what_lies_outside_the_picture_scores_nothing(landmarks, walker):
    pose = landmarks(np.ascontiguousarray(EXAMPLE[:350]), crop_of(walker)).pose
    assert (pose[ANKLES, 2] == 0).all()
    assert (pose[ANKLES, 1] > 349).all()


def test_the_face_of_a_head_seen_from_behind_is_not_found(landmarks):
    """The man with the cap turns his back to us."""
    (label,) = ground_truth.load("balance")[333]
    behind = landmarks(cv2.imread(str(ground_truth.DATA / "balance_333.jpg")), crop_of(label)).pose
    assert (behind[FACE, 2] == 0).all()
    assert (behind[2:14, 2] > 0).all()


def test_who_is_in_the_dark_is_found_as_in_the_light(landmarks):
    (label,) = ground_truth.load("sport")[14]
    night = cv2.imread(str(ground_truth.DATA / "sport_014.jpg")) // 4
    assert (ground_truth.errors([landmarks(night, crop_of(label)).pose], label) < 0.05).all()


@pytest.mark.parametrize("degrees", [0, 60])
def test_who_is_masked_is_covered_and_nothing_else(degrees):
    pose = pose_at(100, 50, 1.5)
    crop = make_crop(np.array([175.0, 200.0]), 220, unit(degrees))
    cut = np.full((CROP_SIDE, CROP_SIDE, 3), 255, np.uint8)
    blazepose.mask_person(cut, np.zeros_like(pose), crop)
    assert (cut == 255).all()  # what was not found is not covered
    blazepose.mask_person(cut, pose, crop)
    points = crop.to_input(pose[:, :2])
    on_limbs = [points[limb.start] * share + points[limb.end] * (1 - share)
                for limb in COCO.drawn_limbs for share in (0, 0.5, 1)]  # fmt: skip
    x, y = np.rint([*on_limbs, 0.05 * (points[2] + points[5]) + 0.45 * (points[8] + points[11])]).astype(int).T
    assert (cut[y, x] == 128).all()
    masked = np.argwhere((cut == 128).all(axis=2))[:, ::-1]
    far = np.linalg.norm(masked[:, None] - points[None], axis=2).min(axis=1)
    assert far.max() < 0.2 * np.ptp(points, axis=0).max()
    assert 0.02 < len(masked) / CROP_SIDE**2 < 0.4
    shank, head = pose[[9, 10], :2].mean(axis=0), pose[[0, 14, 15, 16, 17], :2].mean(axis=0)
    for at, reach in ((shank, (-0.09 / 2, 0)), (head, (0, -0.09 * 0.8))):  # of the person's size: limbs, and the head
        near, far = (
            crop.to_input(at + np.multiply(share * 191 * 1.5, reach)).round().astype(int) for share in (0.9, 1.3)
        )
        assert cut[near[1], near[0], 0] == 128 and cut[far[1], far[0], 0] == 255


@pytest.mark.parametrize(
    ("name", "label_name", "head_within"),
    [("example_image1.png", "walker", 0.03), ("example_image2.jpg", "two_people", 0.02)],
)
def test_mpi_from_coco_against_labels(landmarks, name, label_name, head_within):
    """They are as sure as those that they are worked out from."""
    picture, mpi = cv2.imread(str(PROJECT / "Input" / name)), ground_truth.read("mpi")[name.split(".")[0]]
    for label, points in zip(ground_truth.load(label_name)[0], mpi, strict=True):
        coco = landmarks(picture, crop_of(label)).pose
        found = dict(zip(MPI.keypoints, coco_to_mpi(coco), strict=True))
        for keypoint in ("Head", "Neck", "Chest"):
            off = np.linalg.norm(found[keypoint][:2] - points[keypoint.lower()]) / ground_truth.size_of(label)
            assert off < (head_within if keypoint == "Head" else 0.03), keypoint
        assert np.array_equal(found["RKnee"], coco[COCO.keypoints.index("RKnee")])
    coco[:, 2] = np.linspace(0.3, 0.9, 18)
    coco[R_HIP, 2] = 0
    head, neck, *_, chest = coco_to_mpi(coco)[:, 2]
    assert (chest, neck, head) == (0, coco[1, 2], coco[1, 2])


def test_the_neck_lies_between_the_shoulders_and_is_as_sure_as_the_less_sure_one():
    xy, scores = np.zeros((LANDMARKS, 2)), np.full(LANDMARKS, 0.5)
    xy[11], xy[12], scores[11] = (40, 10), (20, 30), 0.9  # left and right shoulder
    world = np.column_stack([xy, xy[:, 0] + 2])
    assert blazepose.coco_pose(xy, scores, world)[1].tolist() == [30, 20, 0.5, 30, 20, 32]
