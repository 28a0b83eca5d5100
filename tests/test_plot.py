import cv2
import numpy as np
import pytest
from synthetic_maps import pose_at

from pose.draw import draw_skeleton
from pose.plot import Plot, angles_figure
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
    tile = 270 + 34  # with its caption
    assert sheet.shape == (rows * tile, 4 * 480, 3)
    levels = [int(sheet[tile * (n // 4) + 200, 480 * (n % 4) + 240, 0]) for n in range(4 * rows)]
    assert all((sheet[tile * row + 34 : tile * row + 300, :480] == levels[4 * row]).all() for row in range(rows))
    shown = [level for level in levels if level != 255]
    assert (len(shown), shown[0]) == (min(frames, 12), 0)
    if frames > 1:
        assert shown[-1] >= (frames - 20) * 200 // 300  # of up to 24 kept, and so every 16th of 300
        gaps = np.diff(shown)
        assert gaps.min() >= 0
        assert gaps.max() <= 2 * gaps.min() + 2
    assert len(plot.tiles) < 24  # however long the clip


def test_angles_of_whoever_is_seen_longest(tmp_path):
    pytest.importorskip("matplotlib")
    plot, two = Plot(COCO), np.stack([pose_at(), pose_at()])
    for number in range(20):
        people, ids = (two, [3, 5]) if number < 5 else (two[:1], [5])
        plot.add(number / 30, grey(0), people, ids)
    plot.save(tmp_path / "poses.jpg", tmp_path / "angles ü.png")
    picture = cv2.imdecode(np.fromfile(tmp_path / "angles ü.png", np.uint8), cv2.IMREAD_COLOR)
    assert (picture.shape[1], plot.note) == (1320, "")
    figure = angles_figure(plot.poses, COCO)
    assert figure.get_suptitle() == "Person 5: angles as seen in the picture: OpenPose's networks estimate no depth"
    assert len(figure.axes[0].lines[0].get_xdata()) == 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["angles ü.png", "poses.jpg"]


def test_without_identities_the_strongest_counts():
    plot = Plot(COCO)
    plot.add(0.0, grey(0), np.stack([pose_at(), pose_at(50)]), None)
    ((t, who, pose),) = plot.poses
    assert (t, who) == (0, 0) and np.array_equal(pose, pose_at())


def squats():
    """Ten seconds of knees that bend towards us, the right one less and for a while unseen, the left one uncertain."""
    t = np.arange(300) / 30
    poses = np.dstack([np.stack([pose_at()] * 300), np.zeros((300, 18, 3))])
    poses[:, :, 3:5] = poses[:, :, :2] / 100
    bend = np.radians(90 * (1 - np.cos(np.pi * t)) / 2)
    for ankle, knee_bend in ((10, bend / 2), (13, bend)):
        poses[:, ankle, 4] = poses[:, ankle - 1, 4] + 0.47 * np.cos(knee_bend)
        poses[:, ankle, 5] = 0.47 * np.sin(knee_bend)
    poses[120:150, 9] = 0
    poses[200:240, 12, 2] = 0.4
    return [(seconds, 0, pose) for seconds, pose in zip(t.tolist(), poses, strict=True)], 180 - np.degrees(bend)


def test_the_plotted_angles_are_the_persons():
    pytest.importorskip("matplotlib")
    poses, degrees = squats()
    figure = angles_figure(poses, COCO)
    assert figure.get_suptitle() == "Person 0: angles in space\n5 repetitions, one every 2.0 s (knee)"
    elbow, _, shoulder, _, _, _, knee, table = figure.axes
    dashed_right, right, _, dashed_left, left, turns, *_ = (line.get_ydata() for line in knee.lines)
    assert np.abs(left - degrees)[:200].max() < 5 and np.abs(dashed_left - degrees).max() < 5
    assert np.isnan(right[120:150]).all() and np.isnan(dashed_right[120:150]).all()
    assert np.isnan(left[200:240]).all() and np.isfinite(left[:200]).all()
    assert len(turns) == 5 and turns.max() < 95
    for axes, expected in ((elbow, 175), (shoulder, 20)):
        assert np.ptp(axes.lines[0].get_ydata()) < 1e-6
        assert axes.lines[0].get_ydata()[0] == pytest.approx(expected, abs=15)
    cells = {at: cell.get_text().get_text() for at, cell in table.tables[0].get_celld().items()}
    assert [cells[0, column] for column in range(4)] == ["min", "max", "range", "times"]
    assert cells[2, -1] == "left" and cells[2, 3] == "5"
    assert 85 <= float(cells[2, 0].rstrip("°")) <= 95 < 120 < float(cells[1, 0].rstrip("°"))


def test_the_picture_of_angles(golden):
    pytest.importorskip("matplotlib", "3.11")  # older ones place texts elsewhere
    figure = angles_figure(squats()[0], COCO)
    figure.set_dpi(60)
    figure.canvas.draw()
    picture = cv2.cvtColor(np.asarray(figure.canvas.buffer_rgba()), cv2.COLOR_RGBA2BGR)
    golden("angles", cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))


def test_the_sheet_of_a_walk(golden):
    plot = Plot(COCO)
    for number in range(5):
        people = pose_at(10 + 25 * number, 5, 0.4)[None]
        plot.add(number / 30, draw_skeleton(grey(120), people, COCO), people, [0])
    golden("sheet", cv2.resize(plot.sheet(), None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA), has_text=True)
