import numpy as np
import pytest
from synthetic_maps import paint, standing
from synthetic_weights import KEYPOINTS, LIMBS

from pose.skeletons import COCO, MPI, SKELETONS, rainbow


@pytest.mark.parametrize(("name", "channels"), [("COCO", 57), ("MPI", 44)])
def test_limbs_and_fields_are_openposes(name, channels):
    skeleton = SKELETONS[name]
    assert tuple(((limb.start, limb.end), limb.fields) for limb in skeleton.limbs) == LIMBS[name]
    assert len(skeleton.keypoints) == KEYPOINTS[name]
    assert skeleton.channels == channels


def test_keypoint_names_are_openposes():
    body = "Neck RShoulder RElbow RWrist LShoulder LElbow LWrist RHip RKnee RAnkle LHip LKnee LAnkle".split()
    assert COCO.keypoints == ("Nose", *body, "REye", "LEye", "REar", "LEar")
    assert MPI.keypoints == ("Head", *body, "Chest")


def test_shoulder_to_ear_helps_grouping_but_is_not_drawn():
    assert [(limb.start, limb.end) for limb in COCO.limbs if not limb.drawn] == [(2, 16), (5, 17)]
    assert all(limb.drawn for limb in MPI.limbs)


def test_mirror_swaps_left_and_right():
    assert COCO.mirrored == (0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16)
    assert MPI.mirrored == (0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 14)


@pytest.mark.parametrize("name", ["COCO", "MPI"])
def test_maps_of_a_mirrored_picture_turn_into_the_pictures_own(name):
    person = standing(name, at=(60, 40))
    picture_w = 46 * 8
    mirrored = person * (-1, 1) + (picture_w - 1, 0)
    mirrored = mirrored[list(SKELETONS[name].mirrored)]  # what was the right hand is now the left one
    values = SKELETONS[name].mirror_maps(paint(name, [mirrored], (46, 46)).values)
    assert np.abs(values - paint(name, [person], (46, 46)).values).max() < 1e-5


def test_sigmas_are_cocos():
    """Those of the COCO evaluation (pycocotools' kpt_oks_sigmas), by its own order of the keypoints."""
    parts = "Nose Eye Ear Shoulder Elbow Wrist Hip Knee Ankle".split()
    cocos = dict(zip(parts, (0.026, 0.025, 0.035, 0.079, 0.072, 0.062, 0.107, 0.087, 0.089), strict=True))
    for skeleton in SKELETONS.values():
        assert len(skeleton.sigmas) == len(skeleton.keypoints)
        for name, sigma in zip(skeleton.keypoints, skeleton.sigmas, strict=True):
            part = name if name in parts else name[1:]
            if part in cocos:
                assert sigma == cocos[part], name
            else:  # COCO labels neither head top, neck nor chest
                assert min(cocos.values()) <= sigma <= max(cocos.values())
    assert [COCO.sigmas[k] for k in COCO.mirrored] == list(COCO.sigmas)


def test_the_limbs_of_arms_and_legs_from_the_trunk_outwards():
    pairs = [((right.start, right.end), (left.start, left.end)) for right, left in COCO.paired_limbs]
    assert pairs == [((2, 3), (5, 6)), ((3, 4), (6, 7)), ((8, 9), (11, 12)), ((9, 10), (12, 13))]
    assert len(MPI.paired_limbs) == 4


def test_colours_differ():
    assert len(set(rainbow(17))) == 17
    assert rainbow(3) == ((0, 0, 255), (0, 255, 0), (255, 0, 0))
