"""How fast the commands and networks are here, with each engine, and against others: tables for tests/README.md.

    python tests/benchmark.py [--only limits/clips/photos/networks] [--runs N] [--device cpu/gpu] [--model_folder DIR]
                              [--opencv4 PYTHON] [--mediapipe PYTHON]

Everything in a table is run in turn, round after round, so that a machine that slows down slows all alike. A cell has
the median, in brackets the median of the ratios to the first column within a round, and a command's peak memory. Where
OpenPose's weights are absent made ones stand in, which find a painted figure in place of the photo's person: the
network's speed does not depend on their values. The plain method of the tutorials (stretch to 368×368, the whole
network, maxima, draw) needs OpenCV 4: give a Python that has it with --opencv4 where this one has OpenCV 5.
"""

import argparse
import contextlib
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from synthetic_weights import painted_figures, seeing_weights, write_caffemodel

PROJECT = Path(__file__).parent.parent
sys.path.insert(0, str(PROJECT))
from pose import PoseError  # noqa: E402
from pose.blazepose import LandmarkNetwork  # noqa: E402
from pose.choices import PACKAGE, STAGES  # noqa: E402
from pose.networks import registry  # noqa: E402
from pose.networks.engine_choice import choose_engine  # noqa: E402
from pose.networks.engines import Engine  # noqa: E402
from pose.networks.heatmap_network import HeatmapNetwork  # noqa: E402
from pose.networks.registry import BLAZEPOSE, MOBILENET  # noqa: E402

OPENPOSE = registry.OPENPOSE["COCO"]
ENGINES = (
    ("opencv", "cpu", "fp32"),
    ("onnxruntime", "cpu", "fp32"),
    ("openvino", "cpu", "fp32"),
    ("openvino", "cpu", "bf16"),
)
SIDE = 368
PHOTO, CLIP = PROJECT / "Input" / "example_image1.png", PROJECT / "Input" / "example_video1.mp4"
LAG_REACH = 2  # frames before and after, between which a speed is measured
MISTAKE = 40  # pixels a frame that nobody moves, and that nothing lags behind
NO_WINDOWS = {**os.environ, "DISPLAY": "", "WAYLAND_DISPLAY": ""}

Cells = dict[tuple[str, str], Callable[[], tuple[float, str]]]  # by row and column: gives a value, and what to note


def report(title: str, cells: Cells, runs: int, form: str) -> None:
    """Run all cells in turn and print their table. form: of a value."""
    values: dict[tuple[str, str], list[float]] = {key: [] for key in cells}
    notes = {}
    for _ in range(runs):
        for key, cell in cells.items():
            value, notes[key] = cell()
            values[key].append(value)
    rows, columns = (list(dict.fromkeys(names)) for names in zip(*cells, strict=True))
    print(f"\n| {' | '.join([title, *columns])} |\n|{'---|' * (len(columns) + 1)}")
    for row in rows:
        first = next(values[row, column] for column in columns if (row, column) in cells)
        texts = []
        for column in columns:
            if measured := values.get((row, column)):
                ratio = statistics.median(a / b for a, b in zip(measured, first, strict=True))
                texts.append(f"{form.format(statistics.median(measured))} ({ratio:.2f}){notes[row, column]}")
            else:
                texts.append("")
        print(f"| {' | '.join([row, *texts])} |", flush=True)


# In a small process of its own: a child's peak memory begins with what its parent holds.
MEASURE = """
import os, subprocess, sys, time
start = time.perf_counter()
_, status, usage = os.wait4(subprocess.Popen(sys.argv[1:]).pid, 0)
print("\\n", time.perf_counter() - start, usage.ru_maxrss // 1024)
sys.exit(status > 0)
"""


def run(command: list) -> tuple[float, str, str]:
    """Seconds, peak memory and output of a whole command."""
    measured = [sys.executable, "-c", MEASURE, *command]
    done = subprocess.run(measured, stdout=subprocess.PIPE, text=True, env=NO_WINDOWS)
    if done.returncode:
        raise SystemExit(f"failed: {' '.join(map(str, command))}")
    output, last = done.stdout.rstrip().rsplit("\n", 1)
    took, peak = last.split()
    return float(took), f" {peak} MiB", output.rstrip()


def seconds(command: list) -> Callable[[], tuple[float, str]]:
    return lambda: run(command)[:2]


def frames_a_second(command: list) -> Callable[[], tuple[float, str]]:
    """By the command's own report, which leaves loading out."""
    return lambda: (float(re.search(r"([\d.]+) (?:frames )?a second", run(command)[2])[1]), "")


def timed(function: Callable[[], object]) -> Callable[[], tuple[float, str]]:
    """Milliseconds of a function."""

    def cell() -> tuple[float, str]:
        start = time.perf_counter()
        function()
        return 1000 * (time.perf_counter() - start), ""

    return cell


def engines(device: str) -> dict[str, tuple[Engine, list[str]]]:
    """Those that work here, and the options that ask for them, by the name in a table; for gpu that one as well."""
    found = {}
    for name, on, precision in ENGINES + ((("auto", "gpu", "auto"),) if device == "gpu" else ()):
        with contextlib.suppress(PoseError):
            engine, _ = choose_engine(name, on, precision)
            options = ["--engine", name, "--device", on, "--precision", precision]
            found[f"{engine.name} {engine.precision}, {engine.device}"] = engine, options
    return found


def draw_maxima(picture: np.ndarray, maps: np.ndarray) -> None:
    """A dot at each heatmap's highest cell, wherever it is: the tutorials' decoding."""
    h, w = picture.shape[:2]
    for heatmap in maps[:18]:
        _, score, _, (x, y) = cv2.minMaxLoc(heatmap)
        if score > 0.1:
            cv2.circle(picture, (w * x // maps.shape[2], h * y // maps.shape[1]), 5, (0, 255, 255), -1)


def plain(prototxt: str, weights: str, photo: str, out: str) -> None:
    """The method of the tutorials, as a program of its own, for OpenCV 4."""
    net = cv2.dnn.readNetFromCaffe(prototxt, weights)
    picture = cv2.imread(photo)
    net.setInput(cv2.dnn.blobFromImage(picture, 1 / 255, (SIDE, SIDE), (0, 0, 0)))
    draw_maxima(picture, net.forward()[0])
    cv2.imwrite(out, picture)


def plain_clip(weights: str, clip: str, out: str) -> None:
    """The same loop of the tutorials for a clip, with the small network; prints frames a second, loading left out."""
    net, capture, writer, count = cv2.dnn.readNetFromONNX(weights), cv2.VideoCapture(clip), None, 0
    start = time.perf_counter()
    while (read := capture.read())[0]:
        picture = read[1]
        net.setInput(cv2.dnn.blobFromImage(picture, 1, (SIDE, SIDE), (0, 0, 0)))
        draw_maxima(picture, net.forward()[0])
        fps, size_wh = capture.get(cv2.CAP_PROP_FPS), picture.shape[1::-1]
        writer = writer or cv2.VideoWriter(out, cv2.VideoWriter_fourcc(*"mp4v"), fps, size_wh)
        writer.write(picture)
        count += 1
    writer.release()
    print(f"{count / (time.perf_counter() - start):.2f} a second")


MEDIAPIPE_CLIP = """
import sys, time, cv2, mediapipe
capture, count = cv2.VideoCapture(sys.argv[1]), 0
with mediapipe.solutions.pose.Pose(static_image_mode=False) as pose:
    start = time.perf_counter()
    while (read := capture.read())[0]:
        pose.process(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB))
        count += 1
print(f"{count / (time.perf_counter() - start):.2f} a second")
"""


def make(path: Path) -> None:
    """Weights of full size that see painted figures: with random ones there would be a crowd to decode and draw."""
    path.parent.mkdir()
    write_caffemodel(path, seeing_weights("COCO"))


def report_limits(work: Path) -> None:
    """What this machine gives at the most."""
    side = 2048
    matrix, copied, frames = np.ones((side, side), np.float32), np.ones(1 << 26, np.uint8), []

    def decode() -> None:
        frames.clear()
        capture = cv2.VideoCapture(str(CLIP))
        while (read := capture.read())[0]:
            frames.append(read[1])

    def encode() -> None:
        fourcc, size_wh = cv2.VideoWriter_fourcc(*"mp4v"), frames[0].shape[1::-1]
        writer = cv2.VideoWriter(str(work / "limit.mp4"), fourcc, 25, size_wh)
        for frame in frames:
            writer.write(frame)
        writer.release()

    def rate(amount: float, function: Callable[[], object]) -> float:
        return amount / min(timed(function)()[0] / 1000 for _ in range(6))

    decode()
    print(
        f"\nThe machine's limits: {rate(2e-9 * side**3, lambda: matrix @ matrix):.0f} GFLOP/s (f32 matrices), "
        f"{rate(copied.nbytes / 1e9, copied.copy):.1f} GB/s copied; of the example clip "
        f"{rate(len(frames), decode):.0f} frames/s decoded, {rate(len(frames), encode):.0f} encoded."
    )


def report_clips(args: argparse.Namespace, work: Path) -> None:
    ours = [sys.executable, PROJECT / "get_hpe_video.py", CLIP, "--network", "blazepose", "--no_display"]
    choices = {"default": [], "every frame inferred": ["--network_step", "1"],
               "--accuracy best": ["--accuracy", "best"], "--no_smooth": ["--no_smooth"]}  # fmt: skip
    loop = [sys.executable, __file__, "--call", "plain_clip", PACKAGE / MOBILENET.weights.name, CLIP, work / "loop.mp4"]
    mediapipe = [args.mediapipe, "-c", MEDIAPIPE_CLIP, CLIP]
    cells: Cells = {}
    for choice, options in choices.items():
        if args.mediapipe:
            cells[choice, "MediaPipe Pose (full), no drawing or writing"] = frames_a_second(mediapipe)
        cells[choice, "plain loop"] = frames_a_second(loop)
        for column, (_, how) in engines(args.device).items():
            command = [*ours, *options, *how, "--write_json", "--output_dir", work / choice]
            cells[choice, column] = frames_a_second(command)
    report("example clip, 856x424, frames a second", cells, args.runs, "{:.0f}")
    raw = poses(work / "--no_smooth")
    print("\n| example clip | trembling, pixels | lag, frames |\n|---|---|---|")
    for choice in choices:
        clip = poses(work / choice)
        print(f"| {choice} | {trembling(clip):.2f} | {lag(clip, raw):.2f} |")
    print(run([*ours, "--output_dir", work, "--verbose"])[2].splitlines()[-1])


def poses(folder: Path) -> np.ndarray:
    """The strongest person of each frame of a clip's JSON, (frames, K, 3)."""
    files = sorted(folder.glob("VideoCOCO/*_json/*.json"))
    people = [json.loads(file.read_text())["people"] for file in files]
    return np.array([p[0]["pose_keypoints_2d"] if p else [0] * 54 for p in people]).reshape(-1, 18, 3)


def trembling(clip: np.ndarray) -> float:
    """Mean change of a keypoint's speed from frame to frame, in pixels."""
    seen = (clip[:-2, :, 2] > 0) & (clip[1:-1, :, 2] > 0) & (clip[2:, :, 2] > 0)
    return np.linalg.norm(np.diff(clip[:, :, :2], n=2, axis=0), axis=2)[seen].mean()


def lag(clip: np.ndarray, raw: np.ndarray) -> float:
    """How many frames the keypoints of a clip are late against raw ones: how far behind, along their way, by speed."""
    speed = (raw[LAG_REACH * 2 :] - raw[: -LAG_REACH * 2])[:, :, :2] / (LAG_REACH * 2)
    inner = slice(LAG_REACH, -LAG_REACH)
    behind = (raw[inner] - clip[inner])[:, :, :2]
    scores = [raw[LAG_REACH * 2 :], raw[: -LAG_REACH * 2], raw[inner], clip[inner]]
    seen = np.all([part[:, :, 2] > 0 for part in scores], axis=0)
    near = seen & (np.linalg.norm(behind, axis=2) < MISTAKE) & (np.linalg.norm(speed, axis=2) < MISTAKE)
    return float((behind * speed)[near].sum() / (speed * speed)[near].sum())


def report_photos(args: argparse.Namespace, work: Path) -> None:
    image = [sys.executable, PROJECT / "get_hpe_image.py", "--no_display", "--output_dir", work]
    networks = {"OpenPose": ["--network", "openpose", "--model_folder", args.model_folder],
                "the bundled networks": ["--network", "blazepose"]}  # fmt: skip
    photo = cv2.imread(str(PHOTO))
    h, w = photo.shape[:2]
    painted = painted_figures("COCO", (w, h), [(w // 2, h // 2, w * 2 // 3)])[0]
    pictures = {"OpenPose": painted if args.model_folder == work else photo, "the bundled networks": photo}
    files = PACKAGE / OPENPOSE.weights.prototxt, args.model_folder / OPENPOSE.weights.name
    cells: Cells = {}
    for shape, columns in (("3:4", slice(40, 40 + h * 3 // 4)), ("square", slice(None))):
        for network, options in networks.items():
            row, path = f"{network}, {shape} photo", work / f"{network}-{shape[0]}.png"
            cv2.imwrite(str(path), pictures[network][:, columns])
            if args.opencv4:
                command = [args.opencv4, __file__, "--call", "plain", *files, path, work / "plain.png"]
                cells[row, "the plain method, OpenCV 4"] = seconds(command)
            for column, (_, how) in engines(args.device).items():
                cells[row, column] = seconds([*image, *options, *how, path])
    report("whole command", cells, args.runs, "{:.2f} s")
    report("start-up", {("", "--help"): seconds([*image, "--help"])}, args.runs, "{:.2f} s")


def report_networks(args: argparse.Namespace, work: Path) -> None:
    """Each network once on a square input of the usual size."""
    picture = cv2.resize(cv2.imread(str(PHOTO)), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    blob, functions = cv2.dnn.blobFromImage(picture[:256, :256], 1 / 255), {}
    for column, (engine, _) in engines(args.device).items():

        def load(stages: int = STAGES, engine: Engine = engine) -> HeatmapNetwork:
            return HeatmapNetwork(OPENPOSE, args.model_folder, engine, stages=stages)

        networks = {OPENPOSE.name: load(), MOBILENET.name: HeatmapNetwork(MOBILENET, PACKAGE, engine)}
        if not functions:
            networks |= {f"{OPENPOSE.name}, --stages {stages}": load(stages) for stages in range(STAGES - 1, 0, -1)}
        for row, network in networks.items():
            functions[row, column] = lambda network=network: network(picture)
        landmarks = LandmarkNetwork(engine, BLAZEPOSE.read(PACKAGE))
        functions["BlazePose's landmarks", column] = lambda landmarks=landmarks: landmarks.forward(blob)
        functions[f"loading {OPENPOSE.name}", column] = load
    for function in functions.values():
        function()  # the first run allocates
    cells = {key: timed(function) for key, function in functions.items()}
    report(f"network alone, {SIDE}x{SIDE}", cells, args.runs, "{:.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["limits", "clips", "photos", "networks"])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu", help="gpu: a column for it as well")
    parser.add_argument("--model_folder", type=Path, default=PROJECT / "pose")
    parser.add_argument("--opencv4", metavar="PYTHON", default=None if cv2.__version__ >= "5" else sys.executable)
    parser.add_argument("--mediapipe", metavar="PYTHON", help="a Python that has mediapipe, to compare with")
    parser.add_argument("--call", nargs="+", help=argparse.SUPPRESS)  # a function of this file in its own process
    args = parser.parse_args()
    if args.call:
        return globals()[args.call[0]](*args.call[1:])
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, OpenCV {cv2.__version__}")
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:  # below it OpenVINO maps weights, else it copies them
        work = Path(name)
        report_limits(work)
        if args.only in (None, "clips"):
            report_clips(args, work)
        if args.only in (None, "photos", "networks") and not (args.model_folder / OPENPOSE.weights.name).exists():
            make(work / OPENPOSE.weights.name)
            print("OpenPose's weights are not here: made ones stand in for them.")
            args.model_folder = work
        if args.only in (None, "photos"):
            report_photos(args, work)
        if args.only in (None, "networks"):
            report_networks(args, work)
    return None


if __name__ == "__main__":
    main()
