import pytest
from synthetic_weights import KEYPOINTS, LIMBS

from pose.skeletons import COCO, MPI, SKELETONS


@pytest.mark.parametrize(("name", "channels"), [("COCO", 57), ("MPI", 44)])
def test_limbs_and_fields_are_openposes(name, channels):
    skeleton = SKELETONS[name]
    assert tuple(((limb.start, limb.end), limb.fields) for limb in skeleton.limbs) == LIMBS[name]
    assert len(skeleton.keypoints) == KEYPOINTS[name]
    assert skeleton.channels == channels


def test_keypoints_and_the_limbs_that_are_drawn_are_openposes():
    body = "Neck RShoulder RElbow RWrist LShoulder LElbow LWrist RHip RKnee RAnkle LHip LKnee LAnkle".split()
    assert COCO.keypoints == ("Nose", *body, "REye", "LEye", "REar", "LEar")
    assert MPI.keypoints == ("Head", *body, "Chest")
    assert [(limb.start, limb.end) for limb in COCO.limbs if not limb.drawn] == [(2, 16), (5, 17)]  # for grouping only
    assert all(limb.drawn for limb in MPI.limbs)


def test_mirror_swaps_left_and_right():
    limbs = (0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10)
    assert (COCO.mirrored, MPI.mirrored) == ((*limbs, 15, 14, 17, 16), (*limbs, 14))


@pytest.mark.parametrize("skeleton", [COCO, MPI])
def test_arms_legs_and_face_in_which_left_and_right_may_be_mistaken(skeleton):
    pairs = [((right.start, right.end), (left.start, left.end)) for right, left in skeleton.paired_limbs]
    assert pairs == [((2, 3), (5, 6)), ((3, 4), (6, 7)), ((8, 9), (11, 12)), ((9, 10), (12, 13))]  # from the trunk on
    arms, legs, *face = map(set, skeleton.sided_groups)
    assert (arms, legs) == ({2, 3, 4, 5, 6, 7}, {8, 9, 10, 11, 12, 13})
    assert face == ([{14, 15, 16, 17}] if skeleton is COCO else [])
