import csv
import json
import sys

import ground_truth
import numpy as np
import pytest

import get_hpe_image
import get_hpe_video
from pose import PoseError
from pose.media import tables
from pose.skeletons import COCO, MPI

TWO = np.zeros((2, 18, 3), np.float32)
TWO[0, 0], TWO[0, 4] = (10, 20.25, 0.5), (4, 50, 1)
TWO[1, 1] = (1234.5678, 7, 0.125)

pytestmark = pytest.mark.usefixtures("networks_loaded_once")


def write(path, *rows, skeleton=COCO):
    with tables.table_writer([path], skeleton) as add:
        for row in rows:
            add(*row)
    return path


def rows_of(path):
    """A table's rows as strings, whichever its format."""
    if path.suffix == ".csv":
        with open(path, newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = parquet.read_table(path).to_pylist()
    return [{key: "" if v is None else f"{v:g}" if isinstance(v, float) else str(v) for key, v in row.items()}
            for row in rows]  # fmt: skip


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_row_a_person_and_frame(tmp_path, suffix):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    path = write(tmp_path / f"t{suffix}", ("a ü.mp4", 7, 0.28, TWO, [3, 0]), ("b,\n\udcff.jpg", 0, 0, TWO[:1]))
    first, second, third = rows_of(path)
    assert list(first)[:7] == ["file", "frame", "seconds", "id", "Nose_x", "Nose_y", "Nose_score"]
    assert len(first) == 4 + 18 * 3 + 4 + 8
    assert list(first)[-8:][:3] == ["RElbow_angle", "LElbow_angle", "RShoulder_angle"]
    assert first["RElbow_angle"] == ""  # who has none
    assert [first[key] for key in ("file", "frame", "seconds", "id")] == ["a ü.mp4", "7", "0.28", "3"]
    assert [first[f"Nose_{key}"] for key in ("x", "y", "score")] == ["10", "20.25", "0.5"]
    assert [first[f"LEar_{key}"] for key in ("x", "y", "score")] == ["", "", "0"]
    assert [first[f"box_{key}"] for key in "xywh"] == ["4", "20.25", "6", "29.75"]
    assert (second["id"], second["Neck_x"], second["box_w"], second["box_h"]) == ("0", "1234.57", "0", "0")
    assert (third["file"], third["frame"], third["id"]) == ("b,\n\ufffd.jpg", "0", "-1")
    mpi = write(tmp_path / f"mpi{suffix}", ("a.jpg", 0, 0, np.ones((1, 15, 3))), skeleton=MPI)
    assert rows_of(mpi)[0]["Chest_score"] == "1"


def test_angles_in_the_picture_or_in_space(tmp_path):
    people = np.zeros((1, 18, 6), np.float32)
    people[0, 2:5] = (0, 0, 1, 0, 0, 0), (0, 10, 1, 0, 1, 0), (0, 20, 1, 0, 1, -1)  # a forearm that points at us
    rows = [rows_of(write(tmp_path / f"{n}.csv", ("a.jpg", 0, 0, people[:, :, :n])))[0] for n in (3, 6)]
    assert [row["RElbow_angle"] for row in rows] == ["180.0", "90.0"]
    assert rows[0] | {"RElbow_angle": "90.0"} == rows[1]
    results = [write(tmp_path / f"{n}.json", ("a.jpg", 0, 0, people[:, :, :n])).read_text() for n in (3, 6)]
    assert results[0] == results[1]


def test_parquet_in_groups_is_whole_and_typed(tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(tables, "ROW_GROUP", 4)
    path = write(tmp_path / "t.parquet", *[(f"{n}.jpg", n, 0, TWO) for n in range(5)])
    file = parquet.ParquetFile(path)
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [4, 4, 2]
    assert file.read()["frame"].to_pylist() == [n for n in range(5) for _ in range(2)]
    assert {str(field.type) for field in file.schema_arrow} == {"string", "int64", "double"}
    assert parquet.read_table(write(tmp_path / "nobody.parquet")).num_rows == 0


def test_parquet_without_pyarrow_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(PoseError, match="pip install pyarrow"):
        write(tmp_path / "t.parquet")
    assert list(tmp_path.iterdir()) == []


def test_coco_results_in_cocos_order(tmp_path):
    pose = np.zeros((1, 18, 3), np.float32)
    pose[0, :, 0], pose[0, :, 2] = np.arange(18), 1
    pose[0, 16] = 0
    (result,) = json.loads(write(tmp_path / "t.json", ("a.jpg", 0, 0, pose)).read_text())
    assert set(result) == {"image_id", "category_id", "keypoints", "score", "file_name", "frame"}
    assert (result["category_id"], result["file_name"]) == (1, "a.jpg")
    # nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles; left before right
    assert result["keypoints"][::3] == [0, 15, 14, 17, 0, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10]
    assert result["keypoints"][12:15] == [0, 0, 0]
    assert result["score"] == pytest.approx(16 / 17, abs=1e-5)
    assert json.loads(write(tmp_path / "nobody.json").read_text()) == []


def test_image_ids():
    assert tables.image_id("val/000000000139.jpg", 0) == 139
    assert tables.image_id("COCO_val2014_000000000042.jpg", 0) == 42
    others = [tables.image_id(*at) for at in (("a/1.jpg", 0), ("b/1.jpg", 0), ("a.mp4", 0), ("a.mp4", 1))]
    assert len(set(others)) == 4
    assert max(others) < 2**53
    assert 139 not in (tables.image_id("000000000139.mp4", 5), tables.image_id("scan000000000139.jpg", 0))


def test_each_ctrl_c_leaves_what_was_done_in_a_table_of_its_own(tmp_path):
    paths = [tmp_path / name for name in ("t.csv", "t.json")]
    for file, partial in (("a.jpg", "t-partial"), ("b.jpg", "t-partial2")):
        with pytest.raises(KeyboardInterrupt), tables.table_writer(paths, COCO) as add:
            add(file, 0, 0, TWO)
            raise KeyboardInterrupt
        assert [row["file"] for row in rows_of(tmp_path / f"{partial}.csv")] == [file, file]
        results = json.loads((tmp_path / f"{partial}.json").read_text())
        assert [result["file_name"] for result in results] == [file, file]
    assert len(list(tmp_path.iterdir())) == 4


def test_only_a_tables_own_errors_are_reported_as_its(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    with pytest.raises(BrokenPipeError), tables.table_writer([path], COCO) as add:
        raise BrokenPipeError
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(tables, "table_row", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(PoseError, match=r"Cannot write .*t.csv: No space"), tables.table_writer([path], COCO) as add:
        add("a.jpg", 0, 0, TWO)


def test_tables_of_photos(tmp_path):
    photos = [ground_truth.DATA / name for name in ("pair_198.jpg", "nobody_coins.png", "grace_hopper.jpg")]
    options = ["--network", "blazepose", "--no_display", "--net_resolution", "256x256", "--output_dir", str(tmp_path)]
    for table in ["--write_table", str(tmp_path / "t.csv")], ["--write_coco_json", str(tmp_path / "t.json")]:
        assert get_hpe_image.main([*options, *table, "--image_file", *map(str, photos)]) == 0
    rows, results = rows_of(tmp_path / "t.csv"), json.loads((tmp_path / "t.json").read_text())
    assert [row["file"] for row in rows] == [str(photos[0])] * (len(rows) - 1) + [str(photos[2])]
    assert [result["file_name"] for result in results] == [row["file"] for row in rows]
    assert float(rows[-1]["Nose_x"]) == results[-1]["keypoints"][0] > 0


def test_tables_of_clips(tmp_path):
    """A row a person and frame, numbers and seconds the clip's own; of a clip that cannot be read there is none."""
    clip, table = str(ground_truth.PROJECT / "Input" / "example_video1.mp4"), tmp_path / "t.csv"
    options = ["--network", "blazepose", "--no_display", "--output_dir", str(tmp_path), "--write_table", str(table)]
    (tmp_path / "bad.mp4").write_bytes(b"no clip")
    frames = ["--frame_first", "40", "--frame_last", "48", "--frame_step", "2"]
    assert get_hpe_video.main([*options, *frames, "--write_json", str(tmp_path / "bad.mp4"), clip]) == 1
    rows = rows_of(table)
    assert [row["frame"] for row in rows] == ["40", "42", "44", "46", "48"]
    assert [float(row["seconds"]) for row in rows] == pytest.approx([n / 30 for n in range(40, 50, 2)], abs=1e-4)
    assert {(row["file"], row["id"]) for row in rows} == {(clip, "0")}
    for row, path in zip(rows, sorted((tmp_path / "VideoCOCO" / "example_video1_json").iterdir()), strict=True):
        (person,) = json.loads(path.read_text())["people"]
        assert [float(row[f"LKnee_{value}"]) for value in ("x", "y", "score")] == person["pose_keypoints_2d"][36:39]
        hip, knee, ankle = np.array(person["pose_keypoints_3d"]).reshape(18, 4)[11:14, :3]
        a, b = hip - knee, ankle - knee
        degrees = np.degrees(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))
        assert float(row["LKnee_angle"]) == pytest.approx(degrees, abs=0.2)


@pytest.mark.parametrize(
    "options",
    [
        "--write_table t.xlsx",
        "--write_table s3://bucket/t.csv",
        "--write_coco_json t.txt",
        "--mode MPI --write_coco_json t.json",
        "--skip_existing --write_table t.csv",
    ],
)
def test_tables_that_cannot_be(options, capsys):
    with pytest.raises(SystemExit):
        get_hpe_image.parse(options.split())
    assert "--write_" in capsys.readouterr().err
