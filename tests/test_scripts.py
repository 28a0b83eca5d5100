"""The two commands as people run them, from another folder."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace
from unittest import mock

import av
import cv2
import ground_truth
import numpy as np
import pytest
from synthetic_weights import painted_figures, seeing_weights, write_caffemodel
from test_clips import make_clip

import get_hpe_image
import get_hpe_video
from pose import COCO, PoseEstimator, cli, draw_heatmaps, draw_keypoints, draw_skeleton
from pose.media.codecs import CODECS
from pose.media.photos import read_picture
from pose.options import PROJECT

EXAMPLE = PROJECT / "Input" / "example_image1.png"
HIPS = [8, 11]
QUICK = ["--network", "blazepose", "--net_resolution", "96x96"]  # where nobody is to be found


@pytest.fixture
def run(tmp_path, monkeypatch, capfd, restored_signals):
    """A command with options in an empty folder, without a display or a GPU, results into its Output/; how it ended."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cv2.ocl, "haveOpenCL", lambda: False)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)

    def run(command, *options):
        code = cli.run(lambda: command.main(["--output_dir", "Output", *map(str, options)]))
        return SimpleNamespace(code=code, **capfd.readouterr()._asdict())

    return run


@pytest.fixture
def run_process(tmp_path):
    """The same in a process of its own."""

    def run(command, *options, **environment):
        words = [sys.executable, command.__file__, "--no_display", "--output_dir", "Output", *options]
        env = {name: value for name, value in os.environ.items() if name != "OPENCV_LOG_LEVEL"} | environment
        return subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True)

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


def test_a_photo_gives_two_pictures(run_process, tmp_path):
    shutil.copy(EXAMPLE, tmp_path / "my photo ü.v2.png")
    # A console that cannot print the name, and a folder without OpenPose's weights.
    done = run_process(get_hpe_image, "my photo ü.v2.png", "--model_folder", ".", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    names = ["Output/ImageCOCO/my photo ü.v2-Keypoints-COCO.jpg", "Output/ImageCOCO/my photo ü.v2-Skeleton-COCO.jpg"]
    assert results(tmp_path) == names
    first, *_, photo, paths = done.stdout.replace("\\xfc", "ü").splitlines()
    reason = r"OpenPose COCO's weights are not here; Apache-2\.0"
    engine = r"CPU, (OpenCV|OpenVINO|ONNX Runtime) \d[\d.]*, (f32|bf16)"
    assert re.fullmatch(rf"COCO keypoints by mobilenet_thin and BlazePose \({reason}\) on {engine}", first)
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
    done = run(get_hpe_image, "--network", "blazepose", "--write_json", "--image_file", PROJECT / "Input")
    assert done.code == 0
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
    done = run(get_hpe_video, "--network", "blazepose", "--write_json", "--frame_info")
    first, *_, clip, paths = done.out.splitlines()
    assert first.startswith("COCO keypoints by mobilenet_thin and BlazePose (as asked; Apache-2.0) on CPU, OpenCV ")
    assert "example_video1.mp4, 856x424, 96 frames at 30 fps (3.2 s): 1 person, seen for 3.2 s; inference " in clip
    made = [f"Output/VideoCOCO/example_video1{ending}" for ending in ("_skeleton_COCO.mp4", "_json")]
    assert paths == f"  -> {', '.join(made)}"
    folder = tmp_path / "Output" / "VideoCOCO"
    files = sorted((folder / "example_video1_json").iterdir())
    assert len(results(tmp_path)) == 1 + len(files)
    assert [path.name for path in files] == [f"example_video1_{n:012}_keypoints.json" for n in range(96)]
    assert all(len(poses(path)) >= 1 and in_space(path)[0].shape == (18, 4) for path in files)
    labels = ground_truth.load("walk").items()
    off = np.concatenate([ground_truth.errors(poses(files[n]), person) for n, people in labels for person in people])
    assert (off < 0.1).mean() > 0.99 and (off < 0.05).mean() > 0.975
    assert len({json.loads(path.read_text())["people"][0]["person_id"][0] for path in files}) == 1
    drawn, fps = frames_of(folder / "example_video1_skeleton_COCO.mp4")
    source, source_fps = frames_of(PROJECT / "Input" / "example_video1.mp4")
    assert (len(drawn), drawn[0].shape, fps) == (96, source[0].shape, source_fps)
    for a, b in zip(drawn, source, strict=True):
        changed = np.abs(a.astype(int) - b).max(axis=2) > 90
        assert changed[30:].sum() > 300  # a skeleton
        assert changed[:25, :200].sum() > 50  # frame number and seconds


def test_two_who_cross_keep_their_identities(run, tmp_path):
    done = run(get_hpe_video, "--network", "blazepose", "--write_json", PROJECT / "Input" / "example_video2.mp4")
    assert "77 frames at 30 fps (2.6 s): 2 people" in done.out
    neck_x = {0: [], 1: []}  # by identity
    folder = tmp_path / "Output" / "VideoCOCO"
    drawn, _ = frames_of(folder / "example_video2_skeleton_COCO.mp4")
    for path, picture in zip(sorted((folder / "example_video2_json").iterdir()), drawn, strict=True):
        people = json.loads(path.read_text())["people"]
        for person in people:
            (who,), (x, y) = person["person_id"], person["pose_keypoints_2d"][3:5]
            neck_x[who].append(x)
            if len(people) == 1:  # the colour of the trunk is that of the identity: light grey or yellow
                assert (picture[round(y), round(x), 0] > 150) == (who == 0)
    to_the_right, to_the_left = sorted(neck_x.values(), key=lambda xs: xs[0])
    assert max(to_the_right[0], to_the_left[-1]) < 200
    assert min(to_the_right[-1], to_the_left[0]) > 600


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
@pytest.mark.parametrize("command", [get_hpe_image, get_hpe_video])
def test_with_stderr_closed(tmp_path, command):
    words = [sys.executable, command.__file__, "--output_dir", tmp_path, "--no_display"]
    words += ["--frame_last", "2"] if command is get_hpe_video else []
    shell = ["sh", "-c", 'exec "$@" 2>&-', "sh"]
    assert subprocess.run([*shell, *words], stdout=subprocess.DEVNULL, timeout=120).returncode == 0
    assert len(list(tmp_path.glob("*COCO/*"))) >= 1


def test_what_the_network_saw(run, tmp_path):
    done = run(get_hpe_image, EXAMPLE, "--network", "blazepose", "--mode", "MPI", "--heatmaps", "Nose")
    assert (done.code, done.err) == (0, "")
    drawn = cv2.imread(str(tmp_path / "Output" / "ImageMPI" / "example_image1-Heatmaps-MPI.jpg")).astype(int)
    nose = ground_truth.load("walker")[0][0][0, :2]
    light = (drawn - 0.4 * cv2.imread(str(EXAMPLE))).sum(axis=2)  # of what lies over the photo
    warm = np.argwhere(light > 200)[:, ::-1]
    assert 100 < len(warm) < 10_000
    assert np.linalg.norm(np.median(warm, axis=0) - nose) < 15
    done = run(get_hpe_image, EXAMPLE, "--network", "blazepose", "--heatmaps", "Wrist")
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert done.err.startswith("Error: Heatmaps are of all, fields, Nose, Neck, RShoulder,")
    assert done.err.endswith("LEar, not of Wrist; choose another --heatmaps.\n")


def test_nobody_is_no_error(run, tmp_path):
    cv2.imwrite("plain.png", np.full((200, 300, 3), 90, np.uint8))
    done = run(get_hpe_image, "plain.png", "--write_json", *QUICK)
    assert done.code == 0
    assert "plain.png, 300x200: 0 people, 0 keypoints; " in done.out
    assert poses(tmp_path / "Output" / "ImageCOCO" / "plain_keypoints.json").shape[0] == 0


@pytest.mark.parametrize(
    ("command", "options", "label", "made"),
    [
        (get_hpe_image, "", "walker 0", ["-Keypoints-MPI.jpg", "-Skeleton-MPI.jpg", "_keypoints.json"]),
        (get_hpe_video, "--frame_last 0", "walk 0", ["_json", "_skeleton_MPI.mp4"]),
    ],
)
def test_mpi_on_a_fresh_clone(run, tmp_path, command, options, label, made):
    done = run(command, "--mode", "MPI", "--model_folder", ".", "--write_json", *options.split())
    assert (done.code, done.err) == (0, "")
    assert "MPI keypoints worked out from BlazePose's" in done.out
    (folder,) = (tmp_path / "Output").glob("*MPI")
    assert sorted(re.sub("example_(image|video)1", "", path.name) for path in folder.iterdir()) == made
    name, number = label.split()
    ((person,),) = (poses(path) for path in folder.rglob("*.json"))
    (label,) = ground_truth.load(name)[int(number)]
    assert person.shape == (15, 3) and (person[:, 2] > 0).all()
    limbs = slice(2, 14)  # the same numbers in COCO
    assert ground_truth.errors(person[None, limbs], label[limbs]).max() < 0.06
    head, neck, chest = person[[0, 1, 14], :2]
    assert head[1] < label[0, 1] < neck[1] < label[[2, 5], 1].max() < chest[1] < label[[8, 11], 1].min()


def test_bad_photos_do_not_stop_the_others(run, tmp_path, monkeypatch):
    """One is none, one too long for a JPEG, and one stands for what needs too much memory."""
    (tmp_path / "a.jpg").write_text("Dear diary")
    cv2.imwrite("b.png", np.full((66_000, 2, 3), 90, np.uint8))
    for name in ("c.png", "d.png"):
        shutil.copy(EXAMPLE, name)

    def read(path):
        picture = read_picture(path)
        return cv2.resize(picture, (1 << 20, 1 << 30)) if path.name == "c.png" else picture

    monkeypatch.setattr("pose.photo.read_picture", read)
    done = run(get_hpe_image, "--image_file", "a.jpg", "b.png", "c.png", "d.png")
    assert done.code == 1
    no_picture, too_long, too_large = done.err.splitlines()
    assert no_picture.startswith("Error: a.jpg is not a picture")
    assert re.fullmatch(r"Error: A picture of 2x66000 pixels is too large for .*; make the photo smaller\.", too_long)
    message = "There is not enough memory for c.png; try a smaller --net_resolution or picture."
    assert too_large == f"Error: {message}"
    assert results(tmp_path) == [f"Output/ImageCOCO/d-{kind}-COCO.jpg" for kind in ("Keypoints", "Skeleton")]


@pytest.mark.skipif(os.name == "nt", reason="its file system has no such names")
def test_what_is_not_in_pythons_path_or_printable(tmp_path):
    """python -I leaves out the script's folder; a name must not command the terminal."""
    name = "a\n\x1b[31m.png"
    shutil.copy(EXAMPLE, tmp_path / name)
    command = [sys.executable, "-I", get_hpe_image.__file__, "--no_display", "--output_dir", "Output", name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 person" in done.stdout and "\\x1b[31m.png" in done.stdout and "\x1b" not in done.stdout


def test_pictures_with_too_many_pixels_are_refused(run_process, tmp_path):
    for width in (51, 52):
        cv2.imwrite(str(tmp_path / f"{width}.png"), np.full((20, width, 3), 90, np.uint8))
    done = run_process(get_hpe_image, *QUICK, "--max_pixels", "1020", "51.png", "52.png")
    assert done.stderr == "Error: 52.png has too many pixels; raise --max_pixels or make it smaller.\n"


def test_options_of_drawing(run, monkeypatch):
    """They reach each picture that is written and shown."""
    windows = mock.Mock()
    monkeypatch.setattr("pose.window.Windows", lambda wanted: windows if wanted else mock.Mock())
    options = "--network blazepose --threshold 0.7 --background white --no_face --show_scores --style classic "
    options += "--line_width 9 --show_ids"
    done = run(get_hpe_image, EXAMPLE, *options.split(), "--heatmaps", "fields")
    ((shown,), how), estimator = windows.show.call_args, PoseEstimator(network="blazepose", threshold=0.7)
    assert list(shown) == [f"{kind}, {EXAMPLE}, any key: next" for kind in ("Keypoints", "Heatmaps", "Skeleton")]
    assert how == {"wait": True}
    photo = cv2.imread(str(EXAMPLE))
    white, people = np.full_like(photo, 255), estimator(photo)
    expected = [
        draw_keypoints(white, people, COCO, face=False, show_scores=True),
        draw_heatmaps(photo, estimator.heatmap_network(photo), COCO, "fields"),
        draw_skeleton(white, people, COCO, face=False, show_scores=True, style="classic", line_width=9, show_ids=True),
    ]
    assert all(map(np.array_equal, shown.values(), expected))
    assert f": 1 person, {(people[:, :, 2] > 0).sum()} keypoints; " in done.out
    assert (people[:, :, 2] == 0).any()
    heatmaps = "Output/ImageCOCO/example_image1-Heatmaps-COCO.jpg"
    of_fields = cv2.imread(heatmaps)
    run(get_hpe_image, EXAMPLE, "--no_display", "--network", "blazepose", "--heatmaps", "fields")
    assert np.array_equal(cv2.imread(heatmaps), of_fields)  # on the photo, without the skeleton
    run(get_hpe_image, EXAMPLE, "--no_display", "--network", "blazepose", "--background", "black")
    assert windows.show.call_count == 1
    assert np.median(cv2.imread("Output/ImageCOCO/example_image1-Skeleton-COCO.jpg")) <= 1


def missing(name):
    """What is said where OpenPose's weights are asked for and missing."""
    return rf"is not there; .*\./getModels\.sh {name}; --model_folder .*, and --network blazepose"


IMAGE_MISTAKES = {
    "--image_file none.jpg": "none.jpg is not there",
    "--image_file photos": "holds none of",
    "--image_file photo.png --network openpose --model_folder photos": missing("coco"),
    "--image_file photo.png --network openpose --mode MPI --model_folder photos": missing("mpi"),
    "--image_file photo.png --model_folder nowhere": "nowhere is not a folder; check --model_folder",
    "--image_file photo.png --device gpu": "--device cpu",
    "--image_file photo.png --output_dir text.mp4": "Cannot write",
}
VIDEO_MISTAKES = {
    "--video_file none.mp4": "none.mp4 is not there",
    "--video_file=": "empty name",
    "--video_file photos": "holds none of",
    "--video_file http://127.0.0.1:9/a.mp4": "a.mp4 cannot be opened as a clip .Connection refused",
    "--video_file text.mp4": "text.mp4 cannot be opened as a clip",
    "--video_file empty.jpg": "empty.jpg cannot be opened",
    "--video_file cut.mp4": "cut.mp4 cannot be opened",
    "--video_file 97": "Camera 97",
    "--frame_first 5000": "no frame to read; check --video_file and --frame_first",
    "--network openpose --model_folder photos": missing("coco"),
    "--device gpu": "--device cpu",
    "--output_dir text.mp4": "Cannot write",
}


@pytest.mark.parametrize(("command", "mistakes"), [(get_hpe_image, IMAGE_MISTAKES), (get_hpe_video, VIDEO_MISTAKES)])
def test_a_mistake_is_one_sentence_and_leaves_no_file(run, tmp_path, command, mistakes):
    cv2.imwrite("photo.png", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "photos").mkdir()
    (tmp_path / "text.mp4").write_text("Dear diary")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "cut.mp4").write_bytes((PROJECT / "Input" / "example_video1.mp4").read_bytes()[:5000])
    for options, message in mistakes.items():
        done = run(command, *options.split())
        lines = [line for line in re.split(r"[\r\n]+", done.err) if line.strip() and "frames" not in line]
        assert (done.code, len(lines)) == (1, 1), (options, done.err)
        assert re.search(message, lines[0]), options
        assert results(tmp_path) == [], options


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
    cv2.imwrite("painted.png", picture)
    done = run(get_hpe_image, *options.split(), "--model_folder", seeing_models, "--write_json", "painted.png")
    assert (done.code, done.err) == (0, "")
    reason = "its weights are here, but are not the published ones; non-commercial research only"
    assert done.out.startswith(f"{mode} keypoints by OpenPose {mode} ({reason}) on CPU, ")
    path = tmp_path / "Output" / f"Image{mode}" / "painted_keypoints.json"
    found = poses(path)
    assert len(found) == 2
    assert not any(map(len, in_space(path)))
    found = found[np.argsort(found[:, 1, 0])]
    assert (found[:, :, 2] > 0).all()
    assert np.abs(found[:, :, :2] - truth_xy).max() < 5


def test_a_clip_with_made_weights(run, tmp_path, seeing_models):
    picture, truth_xy = painted_figures("MPI", (400, 400), [(200, 200, 370)])
    writer = cv2.VideoWriter("clip.mp4", cv2.VideoWriter_fourcc(*"mp4v"), 12.5, (400, 400))
    for _ in range(3):
        writer.write(picture)
    writer.release()
    options = "--mode MPI --write_json --net_resolution 256x256 --stages 2 --video_file clip.mp4"
    assert run(get_hpe_video, *options.split(), "--model_folder", seeing_models).code == 0
    folder = tmp_path / "Output" / "VideoMPI"
    assert frames_of(folder / "clip_skeleton_MPI.mp4")[1] == 12.5
    for path in sorted((folder / "clip_json").iterdir()):
        (person,) = poses(path)
        assert np.abs(person[:, :2] - truth_xy[0]).max() < 5


def test_several_clips_and_one_bad_one(run, tmp_path, monkeypatch):
    """And one whose sound cannot be kept."""
    monkeypatch.setitem(CODECS, "h264", CODECS["h264"]._replace(sounds=("opus",), sound_encoder="no_such_codec"))
    folder = tmp_path / "clips"
    (folder / "more").mkdir(parents=True)
    make_clip(folder / "one.mp4", sound="aac")
    make_clip(folder / "more" / "two.avi", codec="mjpeg")
    (folder / "bad.mov").write_text("no clip")
    (folder / "notes.txt").write_text("none either")
    done = run(get_hpe_video, *QUICK, "--recursive", "--video_file", folder)
    error, note = done.err.splitlines()
    assert done.code == 1 and error.startswith(f"Error: {folder / 'bad.mov'} cannot be opened")
    assert note.startswith(f"Note: The sound of {folder / 'one.mp4'} could not be kept (")
    assert results(tmp_path) == [f"Output/VideoCOCO/{name}_skeleton_COCO.mp4" for name in ("more/two", "one")]


@pytest.mark.parametrize(("command", "options"), [(get_hpe_image, []), (get_hpe_video, ["--frame_last", "1"])])
def test_quiet(run, monkeypatch, command, options):
    """Also in a terminal, where there would be a bar."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    done = run(command, "--quiet", *options)
    assert (done.code, done.out, done.err) == (0, "", "")


def test_numbered_pictures_are_a_clip(run, tmp_path):
    for n in range(5):
        cv2.imwrite(f"frame_{n:04}.png", np.full((48, 64, 3), 40 * n, np.uint8))
    guess = "frame_%04d.png does not report its frame rate; taking 30 a second.\n"
    for options, says in (["--quiet"], False), ([], True):
        done = run(get_hpe_video, *QUICK, *options, "--video_file", "frame_%04d.png")
        assert (done.code, done.err, guess in done.out, bool(done.out)) == (0, "", says, says)
    assert results(tmp_path) == ["Output/VideoCOCO/frame_skeleton_COCO.mp4"]
    assert len(frames_of(tmp_path / results(tmp_path)[0])[0]) == 5


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system that allows any bytes")
def test_odd_and_long_names_and_two_of_one_name(run, tmp_path):
    clip = make_clip(tmp_path / "a.mp4", frames=2)
    odd = [os.fsdecode(b"x\xff\n."), "q" * 250, "ä" * 125, "-b %d: 'c'\"", "walk", "Walk"]
    (tmp_path / "in" / "walk").mkdir(parents=True)
    for stem in [*odd, "walk/walk"]:
        shutil.copy(clip, tmp_path / "in" / f"{stem}.mp4")
    done = run(get_hpe_video, *QUICK, "--write_json", "--video_file", "in", "in/walk/walk.mp4")
    assert (done.code, done.err) == (0, "")
    folder = tmp_path / "Output" / "VideoCOCO"
    names = {path.name for path in folder.iterdir()}
    assert len(names) == 14
    expected = [odd[0], odd[3], "Walk", "walk-2", "walk-3"]
    assert names >= {f"{stem}{ending}" for stem in expected for ending in ("_skeleton_COCO.mp4", "_json")}
    assert all(len(list(path.iterdir())) == 2 for path in folder.iterdir() if path.is_dir())


def test_a_picture_of_the_motion(run, tmp_path):
    done = run(get_hpe_video, "--network", "blazepose", "--write_plot", "--frame_last", "40")
    assert (done.code, done.err) == (0, "")
    folder = tmp_path / "Output" / "VideoCOCO"
    sheet = cv2.imread(str(folder / "example_video1_poses_COCO.jpg"))
    assert sheet.shape == (3 * (238 + 34), 4 * 480, 3)
    has_matplotlib = importlib.util.find_spec("matplotlib") is not None
    assert (folder / "example_video1_angles_COCO.png").exists() == has_matplotlib
    assert ("matplotlib is not installed" in done.out) != has_matplotlib


@pytest.mark.parametrize(("option", "expected"), [("--write_video_with_audio", 30 / 25), ("--no_audio", 0)])
def test_sound(run, tmp_path, monkeypatch, option, expected):
    """Without a program that converts it."""
    monkeypatch.setenv("PATH", "/nowhere")
    clip = make_clip(tmp_path / "a.mp4", frames=40, codec="libx264", sound="aac")
    done = run(get_hpe_video, *QUICK, option, "--frame_first", "10", "--write_plot", "--verbose", "--video_file", clip)
    assert (done.code, done.err) == (0, "")
    assert re.search("No picture of the joints' angles: (nobody was found|matplotlib is not installed)", done.out)
    assert "_poses_COCO.jpg" in done.out and "_angles_COCO.png" not in done.out
    assert sum(map(int, re.findall(r" (\d+) %", done.out.split("Time: ")[1]))) == pytest.approx(100, abs=5)
    path = tmp_path / "Output" / "VideoCOCO" / "a_skeleton_COCO.mp4"
    assert len(frames_of(path)[0]) == 30
    with av.open(str(path)) as made:
        frames = made.decode(audio=0) if made.streams.audio else []
        assert abs(sum(frame.samples / frame.sample_rate for frame in frames) - expected) < (0.05 if expected else 1e-9)


def test_json_of_a_turned_clip_is_in_the_pixels_of_the_clip_that_is_written(run, tmp_path):
    folder, xy = tmp_path / "Output" / "VideoCOCO", {}
    for turn in (0, 90):
        run(get_hpe_video, "--network", "blazepose", "--write_json", "--frame_last", "0", "--frame_rotate", str(turn))
        (person,) = json.loads(next((folder / "example_video1_json").iterdir()).read_text())["people"]
        keypoints = np.reshape(person["pose_keypoints_2d"], (-1, 3))
        xy[turn] = keypoints[:, :2][keypoints[:, 2] > 0].mean(axis=0)
    (frame, *_), _ = frames_of(folder / "example_video1_skeleton_COCO.mp4")
    assert frame.shape[:2] == (856, 424)
    x, y = xy[0]
    assert xy[90] == pytest.approx([423 - y, x], abs=10)


def test_missing_packages_are_one_sentence(tmp_path):
    """Python without site-packages has no OpenCV."""
    command = [sys.executable, "-S", "-E", get_hpe_image.__file__]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install -r requirements.txt" in done.stderr
    assert done.stderr.count("\n") == 1
