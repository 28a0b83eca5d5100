"""The two commands as people run them: in a process of their own, from another folder."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys

import av
import cv2
import ground_truth
import numpy as np
import pytest
from synthetic_weights import painted_figures, seeing_weights, write_caffemodel
from test_clips import make_clip, read

import get_hpe_image
from pose.choices import CODECS
from pose.cli import PROJECT

IMAGE, VIDEO = PROJECT / "get_hpe_image.py", PROJECT / "get_hpe_video.py"
EXAMPLE = PROJECT / "Input" / "example_image1.png"
HIPS = [8, 11]


@pytest.fixture
def run(tmp_path):
    """Run a script with options in an empty folder, results into its Output/; the finished process."""

    def run(script, *options, **environment):
        command = [sys.executable, script, "--output_dir", "Output", *map(str, options)]
        env = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
        env["OPENCV_OPENCL_RUNTIME"] = "disabled"  # a machine without a GPU
        return subprocess.run(command, cwd=tmp_path, env=env | environment, capture_output=True, text=True, timeout=300)

    return run


def poses(path):
    """People (N, K, 3) of a JSON file."""
    people = json.loads(path.read_text())["people"]
    return np.array([person["pose_keypoints_2d"] for person in people]).reshape(len(people), -1 if people else 18, 3)


def in_space(path):
    """Of each person of a JSON file X, Y, Z and score (N, K, 4), or as many empty lists."""
    return [np.array(p["pose_keypoints_3d"]).reshape(-1, 4) for p in json.loads(path.read_text())["people"]]


def frames_of(path):
    capture, frames = cv2.VideoCapture(str(path)), []
    while (got := capture.read())[0]:
        frames.append(got[1])
    return frames, capture.get(cv2.CAP_PROP_FPS)


def results(tmp_path):
    return sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "Output").rglob("*") if path.is_file())


@pytest.mark.parametrize("script", [IMAGE, VIDEO])
def test_help(run, script):
    done = run(script, "--help")
    assert done.returncode == 0
    assert done.stderr == ""
    options = """--mode --device --engine --precision --network --net_resolution --model_folder --stages --accuracy
        --number_people_max --threshold --output_dir --write_json --background --no_display"""
    for word in [*options.split(), "COCO"]:
        assert word in done.stdout


def test_a_photo_gives_two_pictures(run, tmp_path):
    shutil.copy(EXAMPLE, tmp_path / "my photo ü.v2.png")
    done = run(IMAGE, "my photo ü.v2.png", PYTHONIOENCODING="ascii")  # a console that cannot print the name
    assert (done.returncode, done.stderr) == (0, "")
    names = ["Output/ImageCOCO/my photo ü.v2-Keypoints-COCO.jpg", "Output/ImageCOCO/my photo ü.v2-Skeleton-COCO.jpg"]
    assert results(tmp_path) == names
    *_, photo, paths = done.stdout.replace("\\xfc", "ü").splitlines()
    assert photo.startswith("my photo ü.v2.png, 530x530: 1 person, 18 keypoints; ")
    assert re.search(r"; inference \d+\.\d\d s, in all \d+\.\d\d s$", photo)
    assert paths == f"  -> {', '.join(names)}"
    source, (person,) = cv2.imread(str(EXAMPLE)), ground_truth.load("walker")[0]
    found = person[person[:, 2] > 0, :2]
    for name in results(tmp_path):
        drawn = cv2.imdecode(np.fromfile(tmp_path / name, np.uint8), cv2.IMREAD_COLOR)
        assert drawn.shape == source.shape
        changed = np.argwhere(np.abs(drawn.astype(int) - source).max(axis=2) > 90)[:, ::-1]
        assert np.abs(changed.min(axis=0) - found.min(axis=0)).max() < 50  # the skeleton lies on her,
        assert np.abs(changed.max(axis=0) - found.max(axis=0)).max() < 50  # a number beside the last ankle


def test_the_examples_against_labels(run, tmp_path):
    done = run(IMAGE, "--network", "blazepose", "--write_json", "--image_file", PROJECT / "Input")
    assert done.returncode == 0
    folder = tmp_path / "Output" / "ImageCOCO"
    for example, label in (("example_image1", "walker"), ("example_image2", "two_people")):
        found, people = poses(folder / f"{example}_keypoints.json"), ground_truth.load(label)[0]
        assert len(found) == len(people)
        for person, world in zip(found, in_space(folder / f"{example}_keypoints.json"), strict=True):
            assert np.array_equal(world[:, 3], person[:, 2])
            assert np.abs(world[HIPS, :3].sum(axis=0)).max() < 0.05 and 1 < np.ptp(world[:, 1]) < 2  # metres
        for person in people:
            assert ground_truth.errors(found, person).max() < 0.045
    for example, count in (("example_image4", 6), ("example_image5", 1), ("example_image6", 1), ("example_image7", 1)):
        assert len(poses(folder / f"{example}_keypoints.json")) == count
    (astronaut,), (label,) = poses(folder / "example_image3_keypoints.json"), ground_truth.load("astronaut")[0]
    face = [0, 14, 15, 16, 17]  # the rest is under a space suit
    assert (ground_truth.distances(astronaut, label)[face] < 0.045).all()


def test_the_example_clip_against_labels(run, tmp_path):
    done = run(VIDEO, "--network", "blazepose", "--write_json", "--frame_info")
    assert done.returncode == 0
    *_, clip, paths = done.stdout.splitlines()
    assert "example_video1.mp4, 856x424, 96 frames at 30 fps (3.2 s): 1 person, seen for 3.2 s; inference " in clip
    made = [f"Output/VideoCOCO/example_video1{ending}" for ending in ("_skeleton_COCO.mp4", "_json")]
    assert paths == f"  -> {', '.join(made)}"
    folder = tmp_path / "Output" / "VideoCOCO"
    assert sorted(path.name for path in folder.iterdir()) == [
        "example_video1_json",
        "example_video1_skeleton_COCO.mp4",
    ]
    files = sorted((folder / "example_video1_json").iterdir())
    assert [path.name for path in files] == [f"example_video1_{n:012}_keypoints.json" for n in range(96)]
    assert all(len(poses(path)) >= 1 and in_space(path)[0].shape == (18, 4) for path in files)
    off = [
        ground_truth.errors(poses(files[number]), person)
        for number, people in ground_truth.load("walk").items()
        for person in people
    ]
    assert (np.concatenate(off) < 0.1).mean() > 0.99
    assert (np.concatenate(off) < 0.05).mean() > 0.975
    assert len({json.loads(path.read_text())["people"][0]["person_id"][0] for path in files}) == 1
    drawn, fps = frames_of(folder / "example_video1_skeleton_COCO.mp4")
    source, source_fps = frames_of(PROJECT / "Input" / "example_video1.mp4")
    assert (len(drawn), drawn[0].shape, fps) == (96, source[0].shape, source_fps)
    for a, b in zip(drawn, source, strict=True):
        changed = np.abs(a.astype(int) - b).max(axis=2) > 90
        assert changed[30:].sum() > 300  # a skeleton
        assert changed[:25, :200].sum() > 50  # frame number and seconds


def test_two_who_cross_keep_their_identities(run, tmp_path):
    done = run(VIDEO, "--network", "blazepose", "--write_json", PROJECT / "Input" / "example_video2.mp4")
    assert "77 frames at 30 fps (2.6 s): 2 people" in done.stdout
    neck_x = {0: [], 1: []}  # by identity
    for path in sorted((tmp_path / "Output" / "VideoCOCO" / "example_video2_json").iterdir()):
        for person in json.loads(path.read_text())["people"]:
            neck_x[person["person_id"][0]].append(person["pose_keypoints_2d"][3])
    to_the_right, to_the_left = sorted(neck_x.values(), key=lambda xs: xs[0])
    assert max(to_the_right[0], to_the_left[-1]) < 200
    assert min(to_the_right[-1], to_the_left[0]) > 600


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
@pytest.mark.parametrize(("script", "folder"), [(IMAGE, "ImageCOCO"), (VIDEO, "VideoCOCO")])
def test_with_stderr_closed(tmp_path, script, folder):
    command = ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, script, "--output_dir", tmp_path, "--no_display"]
    options = ["--frame_last", "2"] if script == VIDEO else []
    assert subprocess.run([*command, *options], stdout=subprocess.DEVNULL, timeout=120).returncode == 0
    assert list((tmp_path / folder).iterdir())


def test_what_the_network_saw(run, tmp_path):
    done = run(IMAGE, EXAMPLE, "--network", "blazepose", "--mode", "MPI", "--heatmaps", "Nose")
    assert (done.returncode, done.stderr) == (0, "")
    drawn = cv2.imread(str(tmp_path / "Output" / "ImageMPI" / "example_image1-Heatmaps-MPI.jpg")).astype(int)
    nose = ground_truth.load("walker")[0][0][0, :2]
    light = (drawn - 0.4 * cv2.imread(str(EXAMPLE))).sum(axis=2)  # of what lies over the photo
    warm = np.argwhere(light > 200)[:, ::-1]
    assert 100 < len(warm) < 10_000
    assert np.linalg.norm(np.median(warm, axis=0) - nose) < 15
    done = run(IMAGE, EXAMPLE, "--network", "blazepose", "--heatmaps", "Wrist")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("Error: --heatmaps takes all, fields, Nose, Neck, RShoulder,")


def test_nobody_is_no_error(run, tmp_path):
    cv2.imwrite(str(tmp_path / "plain.png"), np.full((200, 300, 3), 90, np.uint8))
    done = run(IMAGE, "--image_file", "plain.png", "--write_json")
    assert done.returncode == 0
    assert "plain.png, 300x200: 0 people, 0 keypoints; " in done.stdout
    assert poses(tmp_path / "Output" / "ImageCOCO" / "plain_keypoints.json").shape[0] == 0


@pytest.mark.parametrize(
    ("script", "options", "says"),
    [
        (IMAGE, "", "mobilenet_thin and BlazePose (OpenPose COCO's weights are not here; Apache-2.0)"),
        (VIDEO, "--frame_last 1", "mobilenet_thin and BlazePose (OpenPose COCO's weights are not here; Apache-2.0)"),
        (VIDEO, "--frame_last 1 --network blazepose", "mobilenet_thin and BlazePose (as asked; Apache-2.0)"),
    ],
)
def test_the_first_line_says_which_networks_and_why(run, script, options, says):
    done = run(script, *options.split(), "--model_folder", ".")
    assert (done.returncode, done.stderr) == (0, "")
    first = done.stdout.splitlines()[0]
    assert first.startswith(f"COCO keypoints by {says}")
    assert re.search(r" on CPU, (OpenCV|OpenVINO|ONNX Runtime) \d[\d.]*, (f32|bf16)$", first)


FROM_COCO = "MPI keypoints worked out from BlazePose's"


def assert_mpi(found, label):
    """One person with MPI's keypoints: limbs where COCO's labels are, head, neck and chest between them."""
    (person,) = found
    assert person.shape == (15, 3)
    assert (person[:, 2] > 0).all()
    limbs = slice(2, 14)  # the same numbers in COCO
    assert ground_truth.errors(person[None, limbs], label[limbs]).max() < 0.06
    head, neck, chest = person[[0, 1, 14], :2]
    assert head[1] < label[0, 1] < neck[1] < label[[2, 5], 1].max() < chest[1] < label[[8, 11], 1].min()


def test_mpi_on_a_fresh_clone(run, tmp_path):
    done = run(IMAGE, "--mode", "MPI", "--model_folder", ".", "--write_json")
    assert (done.returncode, done.stderr) == (0, "")
    assert FROM_COCO in done.stdout
    assert "1 person, 15 keypoints" in done.stdout
    folder = tmp_path / "Output" / "ImageMPI"
    found, (label,) = poses(folder / "example_image1_keypoints.json"), ground_truth.load("walker")[0]
    assert_mpi(found, label)
    for name, at in ground_truth.read("mpi")["example_image1"][0].items():
        keypoint = {"head": 0, "neck": 1, "chest": 14}[name]
        assert np.linalg.norm(found[0, keypoint, :2] - at) < 0.06 * ground_truth.size_of(label), name
    assert sorted(path.name for path in folder.iterdir()) == [
        "example_image1-Keypoints-MPI.jpg",
        "example_image1-Skeleton-MPI.jpg",
        "example_image1_keypoints.json",
    ]


def test_mpi_of_a_clip_on_a_fresh_clone(run, tmp_path):
    done = run(VIDEO, "--mode", "MPI", "--model_folder", ".", "--write_json", "--frame_last", "8")
    assert done.returncode == 0
    assert FROM_COCO in done.stdout
    folder = tmp_path / "Output" / "VideoMPI"
    assert len(frames_of(folder / "example_video1_skeleton_MPI.mp4")[0]) == 9
    files = sorted((folder / "example_video1_json").iterdir())
    assert len(files) == 9
    labelled = {number: people for number, people in ground_truth.load("walk").items() if number <= 8}
    assert len(labelled) >= 2
    for number, (label,) in labelled.items():
        assert_mpi(poses(files[number]), label)


def test_one_bad_photo_does_not_stop_the_others(run, tmp_path):
    (tmp_path / "a.jpg").write_text("Dear diary")
    shutil.copy(EXAMPLE, tmp_path / "b.png")
    done = run(IMAGE, "--image_file", "a.jpg", "b.png")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: a.jpg is not a picture")
    assert done.stderr.count("\n") == 1
    assert results(tmp_path) == [f"Output/ImageCOCO/b-{kind}-COCO.jpg" for kind in ("Keypoints", "Skeleton")]


def test_a_photo_too_large_for_the_memory_does_not_stop_the_others(tmp_path, monkeypatch, capsys):
    def read_picture(path):
        return cv2.resize(cv2.imread(str(EXAMPLE)), (1 << 20, 1 << 30) if path.name == "a.png" else (99, 99))

    monkeypatch.setattr("pose.photo.read_picture", read_picture)
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    assert get_hpe_image.main(["a.png", "b.png", "--no_display", "--output_dir", "Output"]) == 1
    says = "Error: There is not enough memory for a.png; try a smaller --net_resolution or picture.\n"
    assert capsys.readouterr().err == says
    assert results(tmp_path) == [f"Output/ImageCOCO/b-{kind}-COCO.jpg" for kind in ("Keypoints", "Skeleton")]


def test_a_picture_too_long_for_a_jpeg(run, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((66_000, 2, 3), 90, np.uint8))
    done = run(IMAGE, "a.png")
    assert done.returncode == 1
    assert re.match(r"Error: A picture of 2x66000 pixels is too large for .*; make the photo smaller\.\n$", done.stderr)
    assert results(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="its file system has no such names")
def test_what_is_not_in_pythons_path_or_printable(tmp_path):
    """python -I leaves out the script's folder; a name must not command the terminal."""
    name = "a\n\x1b[31m.png"
    shutil.copy(EXAMPLE, tmp_path / name)
    command = [sys.executable, "-I", IMAGE, "--no_display", "--output_dir", "Output", name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 person" in done.stdout and "\\x1b[31m.png" in done.stdout and "\x1b" not in done.stdout


def test_pictures_with_too_many_pixels_are_refused(run, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((20, 51, 3), 90, np.uint8))
    said = [run(IMAGE, "--max_pixels", pixels, "a.png") for pixels in (1019, 1020)]
    assert [done.returncode for done in said] == [1, 0]
    assert said[0].stderr == "Error: a.png has too many pixels; raise --max_pixels or make it smaller.\n"


@pytest.mark.parametrize("background", ["black", "white"])
def test_background(run, tmp_path, background):
    done = run(IMAGE, "--background", background)
    assert done.returncode == 0
    drawn = cv2.imread(str(tmp_path / "Output" / "ImageCOCO" / "example_image1-Skeleton-COCO.jpg"))
    assert abs(int(np.median(drawn)) - {"black": 0, "white": 255}[background]) <= 1


def missing(name):
    """What is said where OpenPose's weights are asked for and missing."""
    return rf"is not there; .*\./getModels\.sh {name}; --model_folder .*, and --network blazepose"


def make_mistakes(folder):
    cv2.imwrite(str(folder / "photo.png"), np.zeros((8, 8, 3), np.uint8))
    (folder / "photos").mkdir()
    (folder / "text.jpg").write_text("Dear diary")
    (folder / "text.mp4").write_text("Dear diary")
    (folder / "empty.jpg").touch()
    data = (PROJECT / "Input" / "example_video1.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(data[:5000])


@pytest.mark.parametrize(
    ("script", "options", "code", "says"),
    [
        (IMAGE, "--image_file none.jpg", 1, "none.jpg is not there"),
        (IMAGE, "--image_file photos", 1, "holds none of"),
        (IMAGE, "--image_file text.jpg", 1, "text.jpg is not a picture"),
        (IMAGE, "--image_file photo.png --network openpose --model_folder photos", 1, missing("coco")),
        (IMAGE, "--image_file photo.png --model_folder nowhere", 1, "nowhere is not a folder; check --model_folder"),
        (IMAGE, "--image_file photo.png --network openpose --mode MPI --model_folder photos", 1, missing("mpi")),
        (IMAGE, "--image_file photo.png --device gpu", 1, "--device cpu"),
        (IMAGE, "--image_file photo.png --output_dir text.jpg", 1, "Cannot write"),
        (VIDEO, "--frame_step 0", 2, "whole number from 1"),
        (VIDEO, "--video_file none.mp4", 1, "none.mp4 is not there"),
        (VIDEO, "--video_file=", 1, "empty name"),
        (VIDEO, "--video_file photos", 1, "holds none of"),
        (VIDEO, "--video_file http://127.0.0.1:9/a.mp4", 1, "a.mp4 cannot be opened as a clip .Connection refused"),
        (VIDEO, "--video_file text.jpg", 1, "text.jpg"),
        (VIDEO, "--video_file text.mp4", 1, "text.mp4 cannot be opened as a clip"),
        (VIDEO, "--video_file empty.jpg", 1, "cannot be opened"),
        (VIDEO, "--video_file cut.mp4", 1, "cannot be opened"),
        (VIDEO, "--video_file 97", 1, "Camera 97"),
        (VIDEO, "--frame_first 5000", 1, "no frame"),
        (VIDEO, "--network openpose --model_folder photos", 1, missing("coco")),
        (VIDEO, "--device gpu", 1, "--device cpu"),
        (VIDEO, "--output_dir text.jpg", 1, "Cannot write"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_no_file(run, tmp_path, script, options, code, says):
    make_mistakes(tmp_path)
    done = run(script, *options.split())
    assert done.returncode == code
    lines = [line for line in re.split(r"[\r\n]+", done.stderr) if line.strip() and "frames" not in line]
    assert len(lines) == 1, done.stderr
    assert re.search(says, lines[0])
    assert results(tmp_path) == []


@pytest.fixture(scope="module")
def seeing_models(tmp_path_factory):
    """A model folder with made weights, of full size, that see painted figures."""
    folder = tmp_path_factory.mktemp("models ü")
    for mode, name in (("COCO", "coco/pose_iter_440000"), ("MPI", "mpi/pose_iter_160000")):
        path = folder / f"{name}.caffemodel"
        path.parent.mkdir()
        write_caffemodel(path, seeing_weights(mode))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("options", ["--mode mpi --stages 4", "--mode COCO", "--mode COCO --stages 1"])
def test_openposes_networks_see_two_painted_figures(run, tmp_path, seeing_models, options):
    mode = options.split()[1].upper()
    picture, truth_xy = painted_figures(mode, (1000, 600), [(280, 300, 480), (750, 310, 420)])
    cv2.imwrite(str(tmp_path / "painted.png"), picture)
    done = run(IMAGE, *options.split(), "--model_folder", seeing_models, "--write_json", "--image_file", "painted.png")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(
        f"{mode} keypoints by OpenPose {mode} (its weights are here, but are not the published ones; non-commercial "
        "research only) on CPU, "
    )
    found = poses(tmp_path / "Output" / f"Image{mode}" / "painted_keypoints.json")
    assert len(found) == 2
    assert not any(map(len, in_space(tmp_path / "Output" / f"Image{mode}" / "painted_keypoints.json")))
    found = found[np.argsort(found[:, 1, 0])]
    assert (found[:, :, 2] > 0).all()
    assert np.abs(found[:, :, :2] - truth_xy).max() < 5


def test_a_clip_with_made_weights(run, tmp_path, seeing_models):
    picture, truth_xy = painted_figures("MPI", (400, 400), [(200, 200, 370)])
    clip = tmp_path / "clip.mp4"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter_fourcc(*"mp4v"), 12.5, (400, 400))
    for _ in range(3):
        writer.write(picture)
    writer.release()
    options = ["--mode", "MPI", "--write_json", "--net_resolution", "256x256", "--stages", "2"]
    done = run(VIDEO, *options, "--model_folder", seeing_models, "--video_file", clip)
    assert done.returncode == 0
    folder = tmp_path / "Output" / "VideoMPI"
    assert frames_of(folder / "clip_skeleton_MPI.mp4")[1] == 12.5
    for path in sorted((folder / "clip_json").iterdir()):
        (person,) = poses(path)
        assert np.abs(person[:, :2] - truth_xy[0]).max() < 5


def test_several_clips_and_one_bad_one(run, tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    make_clip(folder / "one.mp4")
    make_clip(folder / "two.avi", codec="mjpeg")
    (folder / "bad.mov").write_text("no clip")
    (folder / "notes.txt").write_text("none either")
    done = run(VIDEO, "--network", "blazepose", "--video_file", folder)
    assert done.returncode == 1
    assert done.stderr.count("Error") == 1
    assert "bad.mov" in done.stderr
    assert results(tmp_path) == [
        "Output/VideoCOCO/one_skeleton_COCO.mp4",
        "Output/VideoCOCO/two_skeleton_COCO.mp4",
    ]


@pytest.mark.parametrize("codec", CODECS)
def test_codec(run, tmp_path, codec):
    done = run(VIDEO, "--network", "blazepose", "--codec", codec, "--video_file", make_clip(tmp_path / "clip.mp4"))
    assert (done.returncode, done.stderr) == (0, "")
    suffix = {"vp9": ".webm", "av1": ".webm", "mjpg": ".mov", "gif": ".gif"}.get(codec, ".mp4")
    frames = read(tmp_path / "Output" / "VideoCOCO" / f"clip_skeleton_COCO{suffix}")[0]
    assert len(frames) == (5 if codec == "gif" else 10)


@pytest.mark.parametrize(("script", "options"), [(IMAGE, []), (VIDEO, ["--frame_last", "1"])])
def test_quiet(run, script, options):
    done = run(script, "--quiet", *options)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_numbered_pictures_are_a_clip(run, tmp_path):
    for n in range(5):
        cv2.imwrite(str(tmp_path / f"frame_{n:04}.png"), np.full((48, 64, 3), 40 * n, np.uint8))
    done = run(VIDEO, "--network", "blazepose", "--video_file", "frame_%04d.png")
    assert done.returncode == 0, done.stderr
    (clip,) = (tmp_path / "Output" / "VideoCOCO").iterdir()
    assert clip.name == "frame_skeleton_COCO.mp4"
    assert len(frames_of(clip)[0]) == 5


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system that allows any bytes")
def test_odd_and_long_names_and_two_of_one_name(run, tmp_path):
    clip = make_clip(tmp_path / "a.mp4", frames=2)
    odd = [os.fsdecode(b"x\xff\n."), "q" * 250, "ä" * 125, "-b %d: 'c'\"", "walk", "Walk"]
    (tmp_path / "in").mkdir()
    for stem in odd:
        shutil.copy(clip, tmp_path / "in" / f"{stem}.mp4")
    (tmp_path / "in" / "walk").mkdir()
    shutil.copy(clip, tmp_path / "in" / "walk" / "walk.mp4")
    done = run(VIDEO, "--network", "blazepose", "--write_json", "--video_file", "in", "in/walk/walk.mp4")
    assert (done.returncode, done.stderr) == (0, "")
    folder = tmp_path / "Output" / "VideoCOCO"
    names = {path.name for path in folder.iterdir()}
    assert len(names) == 14
    for stem in [odd[0], odd[3], "Walk", "walk-2", "walk-3"]:
        assert f"{stem}_skeleton_COCO.mp4" in names
        assert f"{stem}_json" in names
    assert all(len(list(path.iterdir())) == 2 for path in folder.iterdir() if path.is_dir())


def test_a_picture_of_the_motion(run, tmp_path):
    done = run(VIDEO, "--network", "blazepose", "--write_plot", "--frame_last", "40")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "Output" / "VideoCOCO"
    sheet = cv2.imread(str(folder / "example_video1_poses_COCO.jpg"))
    assert sheet.shape == (3 * (238 + 34), 4 * 480, 3)
    has_matplotlib = importlib.util.find_spec("matplotlib") is not None
    assert (folder / "example_video1_angles_COCO.png").exists() == has_matplotlib
    assert ("matplotlib is not installed" in done.stdout) != has_matplotlib


@pytest.mark.parametrize("option", ["--write_video_with_audio", "--no_audio"])
def test_sound(run, tmp_path, option):
    clip = make_clip(tmp_path / "a.mp4", frames=40, codec="libx264", sound="aac")
    done = run(VIDEO, "--network", "blazepose", option, "--frame_first", "10", "--video_file", clip, PATH="/nowhere")
    assert (done.returncode, done.stderr) == (0, "")
    (clip,) = (tmp_path / "Output" / "VideoCOCO").iterdir()
    assert len(frames_of(clip)[0]) == 30
    if option == "--no_audio":
        assert frames_and_sound(clip) == (30, 0)
    else:
        frames, seconds = frames_and_sound(clip)
        assert frames == 30
        assert abs(seconds - 30 / 25) < 0.05


def frames_and_sound(path):
    """How many frames a clip has, and for how many seconds it sounds."""
    with av.open(str(path)) as clip:
        frames = sum(1 for _ in clip.decode(video=0))
        clip.seek(0)
        return frames, sum(f.samples / f.sample_rate for f in clip.decode(audio=0)) if clip.streams.audio else 0


def test_missing_packages_are_one_sentence(tmp_path):
    """Python without site-packages has no OpenCV."""
    done = subprocess.run([sys.executable, "-S", "-E", IMAGE], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install -r requirements.txt" in done.stderr
    assert done.stderr.count("\n") == 1
