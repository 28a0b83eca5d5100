"""Two runs on the same input give the same bytes, on one machine and engine."""

from pathlib import Path

import pytest
from test_clips import make_clip

import get_hpe_image
import get_hpe_video
from pose.cli import PROJECT

SUFFIXES = {"h264": ".mp4", "mp4v": ".mp4", "vp9": ".webm", "av1": ".webm", "mjpg": ".mov", "gif": ".gif"}


def results_of(main, folder, *words):
    assert main([*map(str, words), "--no_display", "--network", "blazepose", "--output_dir", str(folder)]) == 0
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_photos_give_the_same_bytes(tmp_path):
    names = [PROJECT / "Input" / f"example_image{n}" for n in ("1.png", "2.jpg")]
    options = ["--write_json", "--write_table"]
    runs = []
    for number in (1, 2):
        table = tmp_path / f"{number}.csv"
        runs.append(results_of(get_hpe_image.main, tmp_path / str(number), *names, *options, table))
        runs[-1]["table"] = table.read_bytes()
    assert len(runs[0]) == 7
    assert runs[0] == runs[1]


@pytest.mark.parametrize("codec", SUFFIXES)
def test_clips_give_the_same_bytes(tmp_path, codec):
    """Their encoders' threads, too."""
    clip = make_clip(tmp_path / "a.mp4", frames=20, size_wh=(640, 360), codec="libx264", sound="aac")
    options = [clip, "--write_json", "--write_plot", "--codec", codec]
    first, second = (results_of(get_hpe_video.main, tmp_path / folder, *options) for folder in "ab")
    assert len(first) >= 22
    assert Path("VideoCOCO", f"a_skeleton_COCO{SUFFIXES[codec]}") in first
    assert [str(path) for path in first if first[path] != second[path]] == []
