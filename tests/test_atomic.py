import os
import subprocess
import sys
from pathlib import Path

import pytest

from pose import PoseError
from pose.media import atomic
from pose.media.results import save_text


def test_a_result_replaces_the_old_one_only_when_complete(tmp_path):
    path = tmp_path / "a ü.txt"
    save_text(path, "old")
    with pytest.raises(ZeroDivisionError), atomic.atomic_write(path) as part:
        part.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    save_text(path, "new")
    assert path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["a ü.txt"]


def test_what_ctrl_c_stops_is_kept_under_another_name_where_there_is_one(tmp_path):
    for partial in (None, tmp_path / "clip-partial.mp4"):
        with pytest.raises(KeyboardInterrupt), atomic.atomic_write(tmp_path / "clip.mp4", partial) as part:
            part.write_text("half")
            raise KeyboardInterrupt
        assert list(tmp_path.iterdir()) == [partial] * bool(partial)
    assert atomic.add_to_stem(Path("walk.v2_json"), "-partial") == Path("walk.v2_json-partial")  # no suffix


def test_what_a_killed_run_left_goes_and_what_another_writes_stays(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    path = tmp_path / "walk.mp4"
    others = [atomic.hidden_path(tmp_path / "run.mp4", ended.pid), atomic.hidden_path(path, "²")]
    parts = [atomic.hidden_path(path, process) for process in (ended.pid, os.getpid(), os.getppid())]
    for part in [*others, *parts]:
        part.write_text("half")
    atomic.hidden_path(tmp_path / "walk_json", ended.pid).mkdir()
    atomic.remove_leftovers([path, tmp_path / "walk_json"])
    assert sorted(tmp_path.iterdir()) == sorted([*others, *parts[1:]])


def test_what_cannot_be_removed_from_a_folder_that_became_read_only_is_named(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    with pytest.raises(PoseError) as caught, atomic.atomic_write(tmp_path / "a.json") as part:
        part.touch()
        monkeypatch.setattr(os, "replace", refuse)
        monkeypatch.setattr(Path, "unlink", refuse)
    assert str(caught.value).endswith(f"a.json: Permission denied; {part.name} next to it cannot be removed")
    assert part.exists()
