"""Two runs on the same input give the same bytes, on one machine and engine, whatever the files' age and folder."""

import os
import shutil
from pathlib import Path

import pytest
from test_clips import make_clip

import get_hpe_image
import get_hpe_video
from pose.options import PROJECT

SUFFIXES = {"h264": ".mp4", "mp4v": ".mp4", "vp9": ".webm", "av1": ".webm", "mjpg": ".mov", "gif": ".gif"}

pytestmark = pytest.mark.usefixtures("networks_loaded_once")


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A command's results on a copy of a file, by name, of two runs that have to be equal."""

    def results(main, source, *options):
        runs = []
        for seconds in (1, 2):
            folder = tmp_path / str(seconds)
            folder.mkdir()
            os.utime(shutil.copy(source, folder), (seconds, seconds))
            monkeypatch.chdir(folder)
            assert main([source.name, *options, "--no_display", "--network", "blazepose", "--output_dir", "."]) == 0
            Path(source.name).unlink()
            runs.append({str(path): path.read_bytes() for path in Path().rglob("*.*")})
        assert runs[0].keys() == runs[1].keys()
        assert [name for name, data in runs[0].items() if data != runs[1][name]] == []
        return set(runs[0])

    return results


def test_photos_give_the_same_bytes(results):
    example = PROJECT / "Input" / "example_image2.jpg"
    names = results(get_hpe_image.main, example, "--write_json", "--write_table", "t.csv")
    assert len(names) == 4


@pytest.mark.parametrize("codec", SUFFIXES)
def test_clips_give_the_same_bytes(tmp_path, results, codec):
    """Their encoders' threads, too."""
    clip = Path(make_clip(tmp_path / "a.mp4", frames=20, size_wh=(640, 360), codec="libx264", sound="aac"))
    plot = ["--write_plot"] if codec == "h264" else []
    names = results(get_hpe_video.main, clip, "--write_json", "--codec", codec, "--net_resolution", "96x96", *plot)
    assert len(names) == 21 + len(plot)
    assert f"VideoCOCO/a_skeleton_COCO{SUFFIXES[codec]}" in names
