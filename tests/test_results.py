import json

import cv2
import numpy as np
import pytest

from pose import PoseError
from pose.media import results


def test_one_person_to_the_letter_and_nobody():
    people = np.array([[[0, 0, 0], [1234.5678, 10, 0.123456789]]], np.float32)
    assert results.people_to_json(people) == (
        '{"version":1.3,"people":[{"person_id":[-1],"pose_keypoints_2d":[0,0,0,1234.57,10,0.123457],'
        '"face_keypoints_2d":[],"hand_left_keypoints_2d":[],"hand_right_keypoints_2d":[],"pose_keypoints_3d":[],'
        '"face_keypoints_3d":[],"hand_left_keypoints_3d":[],"hand_right_keypoints_3d":[]}]}'
    )
    assert results.people_to_json(people[:0]) == '{"version":1.3,"people":[]}'


def test_metres_with_their_score_and_identities():
    people = np.array([[[0] * 6, [10, 20, 0.5, -0.25, 0.123456789, 1]]], np.float32)
    (person,) = json.loads(results.people_to_json(people))["people"]
    assert person["pose_keypoints_2d"] == [0, 0, 0, 10, 20, 0.5]
    assert person["pose_keypoints_3d"] == [0, 0, 0, 0, -0.25, 0.123457, 1, 0.5]
    assert list(person)[4:6] == ["hand_right_keypoints_2d", "pose_keypoints_3d"]
    two = json.loads(results.people_to_json(np.ones((2, 15, 3), np.float32), ids=[7, 0]))["people"]
    assert [person["person_id"] for person in two] == [[7], [0]]


def test_what_ctrl_c_stops_before_anything_was_done_leaves_nothing(tmp_path):
    folders = tmp_path / "walk_json", tmp_path / "walk_json-partial"
    with pytest.raises(KeyboardInterrupt), results.clip_json(*folders):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_json_is_replaced_whole(tmp_path):
    folder = tmp_path / "walk_json"
    for frames in (5, 2):
        with results.clip_json(folder) as write:
            for number in range(frames):
                write(number, "{}")
    assert sorted(p.name for p in folder.iterdir()) == [f"walk_{n:012}_keypoints.json" for n in range(2)]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_with_something_else_in_it_is_not_replaced(tmp_path):
    folder = tmp_path / "walk_json"
    folder.mkdir()
    (folder / "walk_000000000000_keypoints.json").write_text("{}")
    (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(PoseError, match=r"walk_json holds thesis.txt, .*move it away"), results.clip_json(folder):
        pass
    assert len(list(folder.iterdir())) == 2
    (tmp_path / "run_json").write_text("years of work")
    with pytest.raises(PoseError, match="run_json is a file"), results.clip_json(tmp_path / "run_json"):
        pass
    assert (tmp_path / "run_json").read_text() == "years of work"


def test_pictures_are_written_and_look_the_same(tmp_path):
    rng = np.random.default_rng(0)
    picture = cv2.resize(rng.integers(0, 256, (5, 8, 3), np.uint8), (80, 50), interpolation=cv2.INTER_CUBIC)
    results.save_picture(tmp_path / "new folder" / "a.jpg", picture)
    assert cv2.absdiff(cv2.imread(str(tmp_path / "new folder" / "a.jpg")), picture).mean() < 3


@pytest.mark.parametrize("columns", [3, 6])
def test_json_there_and_back(columns):
    people = np.random.default_rng(0).uniform(-1000, 1000, (2, 18, columns)).astype(np.float32)
    assert np.allclose(results.people_from_json(results.people_to_json(people)), people, rtol=1e-5)
    assert results.people_from_json(results.people_to_json(people[:0])).shape[0] == 0
