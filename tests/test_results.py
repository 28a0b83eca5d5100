import json
import os
import subprocess
import sys
from pathlib import Path

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


def test_a_result_replaces_the_old_one_only_when_complete(tmp_path):
    path = tmp_path / "a ü.txt"
    results.save_text(path, "old")
    with pytest.raises(ZeroDivisionError), results.atomic_write(path) as part:
        part.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    results.save_text(path, "new")
    assert path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["a ü.txt"]


def test_what_ctrl_c_stops_is_kept_under_another_name_where_there_is_one(tmp_path):
    for partial in (None, tmp_path / "clip-partial.mp4"):
        with pytest.raises(KeyboardInterrupt), results.atomic_write(tmp_path / "clip.mp4", partial) as part:
            part.write_text("half")
            raise KeyboardInterrupt
        assert list(tmp_path.iterdir()) == [partial] * bool(partial)
    assert results.add_to_stem(Path("walk.v2_json"), "-partial") == Path("walk.v2_json-partial")  # no suffix


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


def test_what_a_killed_run_left_goes_and_what_another_writes_stays(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    path = tmp_path / "walk.mp4"
    others = [results.hidden(tmp_path / "run.mp4", ended.pid), results.hidden(path, "²")]
    parts = [results.hidden(path, process) for process in (ended.pid, os.getpid(), os.getppid())]
    for part in [*others, *parts]:
        part.write_text("half")
    results.hidden(tmp_path / "walk_json", ended.pid).mkdir()
    results.remove_leftovers([path, tmp_path / "walk_json"])
    assert sorted(tmp_path.iterdir()) == sorted([*others, *parts[1:]])


def test_what_cannot_be_removed_from_a_folder_that_became_read_only_is_named(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    with pytest.raises(PoseError) as caught, results.atomic_write(tmp_path / "a.json") as part:
        part.touch()
        monkeypatch.setattr(os, "replace", refuse)
        monkeypatch.setattr(Path, "unlink", refuse)
    assert str(caught.value).endswith(f"a.json: Permission denied; {part.name} beside it cannot be removed")
    assert part.exists()


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
