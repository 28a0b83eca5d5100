"""The example results in Output/ are what the commands write. Git's are compared: the files may be from another run."""

import json
import shutil
import subprocess

import ground_truth
import numpy as np
import pytest

from pose.options import PROJECT

pytest.importorskip("matplotlib")
import pictures

MAX_MEDIAN = 0.005  # from one engine to the next, as a share of the person's size


def committed(name):
    """A file's bytes as git has them."""
    return subprocess.run(["git", "show", f":./{name}"], cwd=PROJECT, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory, networks_loaded_once):
    """A folder of results made now from copies of the examples, and git's results by name."""
    if shutil.which("git") is None or not (PROJECT / ".git").exists():
        pytest.skip("not a clone")
    listed = subprocess.run(["git", "ls-files", "Output"], cwd=PROJECT, capture_output=True, text=True, check=True)
    names = listed.stdout.split()
    folder = tmp_path_factory.mktemp("made")
    shutil.copytree(PROJECT / "Input", folder / "Input", copy_function=shutil.copyfile)  # with times of their own
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "INPUT", folder / "Input")
        pictures.save_results(folder / "Output")
    return folder, {name: committed(name) for name in names if name.count("/") > 1}


def people_of(data):
    """(N, K, 3) of JSON, found keypoints marked as those that labellers saw."""
    people = json.loads(data)["people"]
    poses = np.array([person["pose_keypoints_2d"] for person in people]).reshape(len(people), -1, 3)
    poses[:, :, 2] = np.where(poses[:, :, 2] > 0, ground_truth.SEEN, 0)
    return poses


def test_names_and_numbers_are_those_of_a_run(made):
    folder, expected = made
    names = {path.relative_to(folder).as_posix() for path in folder.glob("Output/*/**/*") if path.is_file()}
    assert names == set(expected)
    off = []
    for name in (name for name in expected if name.endswith(".json")):
        found, people = people_of((folder / name).read_bytes()), people_of(expected[name])
        assert len(found) == len(people)
        off += [ground_truth.errors(found, person) for person in people]
    assert np.median(np.concatenate(off)) < MAX_MEDIAN


def test_the_same_versions_give_the_same_bytes(made):
    folder, expected = made
    versions = committed("Output/versions.txt").decode()
    if versions != (folder / "Output" / "versions.txt").read_text():
        pytest.skip(f"made with {', '.join(versions.splitlines())}")
    assert [name for name, data in expected.items() if (folder / name).read_bytes() != data] == []
