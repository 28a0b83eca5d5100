import cv2
import numpy as np
import pytest
from synthetic_maps import pose_at

from pose.draw import draw_skeleton
from pose.plot import Plot, angle, angles_figure
from pose.skeletons import COCO

NOBODY = np.zeros((0, 18, 3), np.float32)


def grey(level):
    return np.full((90, 160, 3), level, np.uint8)


@pytest.mark.parametrize(("frames", "rows"), [(1, 1), (5, 2), (12, 3), (300, 3)])
def test_the_sheet_spreads_over_the_clip(frames, rows):
    plot = Plot(COCO)
    for number in range(frames):
        plot.add(number / 30, grey(number * 200 // 300), NOBODY, [])
    sheet = plot.sheet()
    assert sheet.shape == (rows * 270, 4 * 480, 3)
    levels = [int(sheet[270 * (n // 4) + 200, 480 * (n % 4) + 240, 0]) for n in range(4 * rows)]
    shown = [level for level in levels if level != 255]
    assert (len(shown), shown[0]) == (min(frames, 12), 0)
    if frames > 1:
        assert shown[-1] >= (frames - 20) * 200 // 300  # of up to 24 kept, and so every 16th of 300
        gaps = np.diff(shown)
        assert gaps.min() >= 0
        assert gaps.max() <= 2 * gaps.min() + 2
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
    plot, two = Plot(COCO), np.stack([pose_at(), pose_at()])
    for number in range(20):
        people, ids = (two, [3, 5]) if number < 5 else (two[:1], [5])
        plot.add(number / 30, grey(0), people, ids)
    plot.save(tmp_path / "poses.jpg", tmp_path / "angles ü.png")
    picture = cv2.imdecode(np.fromfile(tmp_path / "angles ü.png", np.uint8), cv2.IMREAD_COLOR)
    assert (picture.shape[1], plot.note) == (1200, "")
    figure = angles_figure(plot.poses, COCO)
    assert figure.axes[0].get_title().endswith("person 5")
    assert len(figure.axes[0].lines[0].get_xdata()) == 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["angles ü.png", "poses.jpg"]


def test_without_identities_the_strongest_counts():
    plot = Plot(COCO)
    plot.add(0.0, grey(0), np.stack([pose_at(), pose_at(50)]), None)
    ((t, who, pose),) = plot.poses
    assert (t, who) == (0, 0) and np.array_equal(pose, pose_at())


def test_the_plotted_angles_are_the_persons():
    """An arm that opens steadily: the left elbow's line says so, all others stay."""
    pytest.importorskip("matplotlib")
    degrees = np.linspace(30, 170, 8)
    poses = []
    for number, angle_at in enumerate(np.radians(degrees)):
        pose = pose_at()
        pose[5:8, :2] = [[70, 36], [70, 86], [70 + 50 * np.sin(angle_at), 86 - 50 * np.cos(angle_at)]]
        poses.append((number / 10, 0, pose))
    figure = angles_figure(poses, COCO)
    lines = {(a.get_ylabel().split(",")[0], line.get_label()): line for a in figure.axes for line in a.lines}
    assert np.allclose(lines["elbow", "left"].get_ydata(), degrees, atol=0.1)
    assert np.allclose(lines["elbow", "left"].get_xdata(), np.arange(8) / 10)
    for joint, expected in (("elbow", 175), ("shoulder", 20), ("hip", 174), ("knee", 176)):
        assert np.ptp(lines[joint, "right"].get_ydata()) < 1e-6
        assert lines[joint, "right"].get_ydata()[0] == pytest.approx(expected, abs=15), joint


def test_the_sheet_of_a_walk(golden):
    plot = Plot(COCO)
    for number in range(5):
        people = pose_at(10 + 25 * number, 5, 0.4)[None]
        plot.add(number / 30, draw_skeleton(grey(120), people, COCO), people, [0])
    golden("sheet", cv2.resize(plot.sheet(), None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA), has_text=True)


def test_nobody_is_said(tmp_path, monkeypatch):
    plot = Plot(COCO)
    plot.add(0, grey(9), NOBODY, None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    plot.save(tmp_path / "poses.jpg", tmp_path / "angles.png")
    assert "nobody" in plot.note
    assert [path.name for path in tmp_path.iterdir()] == ["poses.jpg"]
