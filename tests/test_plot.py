import cv2
import numpy as np
import pytest
from painting import standing

from pose.plot import Plot, angle
from pose.skeletons import COCO

NOBODY = np.zeros((0, 18, 3), np.float32)


def grey(level):
    return np.full((90, 160, 3), level, np.uint8)


@pytest.mark.parametrize(("frames", "rows", "last"), [(1, 1, 0), (5, 2, 4), (12, 3, 11), (300, 3, 288)])
def test_the_sheet_spreads_over_the_clip(frames, rows, last):
    plot = Plot(COCO)
    for number in range(frames):
        plot.add(number / 30, grey(number * 200 // 300), NOBODY, [])
    sheet = plot.sheet()
    assert sheet.shape == (rows * 270, 4 * 480, 3)
    levels = [sheet[270 * (n // 4) + 200, 480 * (n % 4) + 240, 0] for n in range(4 * rows)]
    shown = [level for level in levels if level != 255]
    assert len(shown) == min(frames, 12)
    assert shown == sorted(shown)
    assert shown[0] == 0
    assert shown[-1] >= (last - 8) * 200 // 300
    assert len(plot.tiles) < 24  # however long the clip


@pytest.mark.parametrize(
    ("corner", "degrees"),
    [([(0, 0), (0, 10), (0, 20)], 180), ([(0, 0), (0, 10), (10, 10)], 90), ([(0, 0), (0, 10), (0.001, 0)], 0)],
)
def test_angles(corner, degrees):
    seen = np.column_stack([corner, np.ones(3)])
    assert angle(seen[None])[0] == pytest.approx(degrees, abs=0.1)
    seen[2] = 0
    assert np.isnan(angle(seen[None])[0])


def test_angles_of_whoever_is_seen_longest(tmp_path):
    pytest.importorskip("matplotlib")
    plot = Plot(COCO)
    person = np.column_stack([standing("COCO"), np.ones(18)]).astype(np.float32)
    for number in range(20):
        people, ids = (np.stack([person, person]), [3, 5]) if number < 5 else (person[None], [5])
        plot.add(number / 30, grey(0), people, ids)
    plot.save(tmp_path / "poses.jpg", tmp_path / "angles ü.png")
    picture = cv2.imdecode(np.fromfile(tmp_path / "angles ü.png", np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[1] == 1200
    assert plot.note == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["angles ü.png", "poses.jpg"]


def test_nobody_is_said(tmp_path, monkeypatch):
    plot = Plot(COCO)
    plot.add(0, grey(9), NOBODY, None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    plot.save(tmp_path / "poses.jpg", tmp_path / "angles.png")
    assert "nobody" in plot.note
    assert [path.name for path in tmp_path.iterdir()] == ["poses.jpg"]
