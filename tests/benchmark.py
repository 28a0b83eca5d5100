"""How fast the commands and networks are here, against the plain tutorial method: tables for the README.

    python tests/benchmark.py [--model_folder DIR] [--opencv4 PYTHON] [--mediapipe PYTHON] [--runs N]
                              [--clip_only|--photos_only]

Everything is run in turn, round after round, so that a machine that slows down slows all alike; the tables give
medians, spreads, and the median of the ratios within a round. Where OpenPose's weights are absent made ones stand in:
the network's speed does not depend on their values. The plain method (stretch to 368×368, the whole network, maxima,
draw) needs OpenCV 4: give a Python that has it with --opencv4 where this one has OpenCV 5.
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
from synthetic_weights import seeing_weights, write_caffemodel

PROJECT = Path(__file__).parent.parent
sys.path.insert(0, str(PROJECT))
from pose import PoseError  # noqa: E402
from pose.blazepose import LandmarkNetwork  # noqa: E402
from pose.networks import registry  # noqa: E402
from pose.networks.engines import Engine, OpenCV, choose_engine  # noqa: E402
from pose.networks.heatmap_network import HeatmapNetwork  # noqa: E402
from pose.networks.registry import MOBILENET, PACKAGE, STAGES  # noqa: E402

OPENPOSE = registry.OPENPOSE["COCO"]
SIDE = 368
LAG_REACH = 2  # frames before and after, between which a speed is measured
MISTAKE = 40  # pixels a frame that nobody moves, and that nothing lags behind
NO_WINDOWS = {**os.environ, "DISPLAY": "", "WAYLAND_DISPLAY": ""}


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
    maps = net.forward()[0]
    draw_maxima(picture, maps)
    cv2.imwrite(out, picture)


def plain_clip(weights: str, clip: str, out: str) -> None:
    """The same loop of the tutorials for a clip, with the small network; prints frames a second, loading left out."""
    net, capture, writer, count = cv2.dnn.readNetFromONNX(weights), cv2.VideoCapture(clip), None, 0
    start = time.perf_counter()
    while (read := capture.read())[0]:
        picture = read[1]
        h, w = picture.shape[:2]
        net.setInput(cv2.dnn.blobFromImage(picture, 1, (SIDE, SIDE), (0, 0, 0)))
        maps = net.forward()[0]
        draw_maxima(picture, maps)
        writer = writer or cv2.VideoWriter(out, cv2.VideoWriter_fourcc(*"mp4v"), capture.get(cv2.CAP_PROP_FPS), (w, h))
        writer.write(picture)
        count += 1
    writer.release()
    seconds = time.perf_counter() - start
    print(f"{count} frames, {seconds:.1f} s, {count / seconds:.2f} a second")


def clip_commands(work: Path, mediapipe: str | None) -> dict[str, list[str]]:
    """What is timed on the example clip, by the name in the table."""
    clip = str(PROJECT / "Input" / "example_video1.mp4")
    weights = str(PACKAGE / MOBILENET.weights.name)
    ours = [sys.executable, str(PROJECT / "get_hpe_video.py"), "--network", "blazepose", "--no_display", "--write_json"]
    ours.append("--verbose")  # where the time goes
    choices = {"ours": [], "every frame inferred": ["--network_step", "1"], "--accuracy fast": ["--accuracy", "fast"],
               "--accuracy best": ["--accuracy", "best"], "--no_smooth": ["--no_smooth"]}  # fmt: skip
    table = {"plain loop": [sys.executable, __file__, "--plain_clip", weights, clip, str(work / "plain.mp4")]}
    for name, options in choices.items():
        table[name] = [*ours, *options, "--output_dir", str(work / name)]
    if mediapipe:
        table["MediaPipe Pose (full), no drawing or writing"] = [mediapipe, "-c", MEDIAPIPE_CLIP, clip]
    return table


MEDIAPIPE_CLIP = """
import sys, time, cv2, mediapipe
capture, count = cv2.VideoCapture(sys.argv[1]), 0
with mediapipe.solutions.pose.Pose(static_image_mode=False) as pose:
    start = time.perf_counter()
    while (read := capture.read())[0]:
        pose.process(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB))
        count += 1
    seconds = time.perf_counter() - start
print(f"{count} frames, {seconds:.1f} s, {count / seconds:.2f} a second")
"""


def poses(folder: Path) -> np.ndarray | None:
    """The strongest person of each frame of a clip's JSON, (frames, K, 3); None where there is no JSON."""
    files = sorted(folder.glob("VideoCOCO/*_json/*.json"))
    people = [json.loads(file.read_text())["people"] for file in files]
    return (
        np.array([p[0]["pose_keypoints_2d"] if p else [0] * 54 for p in people]).reshape(-1, 18, 3) if files else None
    )


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


def report_clip(runs: int, work: Path, mediapipe: str | None) -> None:
    table, rates, said = clip_commands(work, mediapipe), {}, {}
    for _ in range(runs):
        for name, command in table.items():
            done = subprocess.run(command, capture_output=True, text=True, env=NO_WINDOWS, check=True)
            rates.setdefault(name, []).append(float(re.search(r"([\d.]+) (?:frames )?a second", done.stdout)[1]))
            said[name] = done.stdout
    raw = poses(work / "--no_smooth")
    print(
        "\n| example clip, 856x424 | frames a second | least – most | times plain | trembling, pixels | lag, frames |"
    )
    print("|---|---|---|---|---|---|")
    for name, rate in rates.items():
        ratio = statistics.median(a / b for a, b in zip(rate, rates["plain loop"], strict=True))
        spread, clip = f"{min(rate):.0f} – {max(rate):.0f}", poses(work / name)
        steadiness = "| |" if clip is None else f"{trembling(clip):.2f} | {lag(clip, raw):.2f} |"
        print(f"| {name} | {statistics.median(rate):.0f} | {spread} | {ratio:.1f} | {steadiness}")
    parts = re.findall(r"([a-z ]+) (\d+) %", said["ours"])
    frame = 1000 / statistics.median(rates["ours"])
    print("\nMilliseconds a frame: " + ", ".join(f"{part.strip()} {int(p) / 100 * frame:.1f}" for part, p in parts))


def make(path: Path) -> None:
    """Weights of full size that see nobody in a photo: with random ones there would be a crowd to decode and draw."""
    path.parent.mkdir()
    write_caffemodel(path, seeing_weights("COCO"))


def run(command: list[str]) -> tuple[float, float]:
    """Seconds and peak memory (MiB) of a whole command."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=NO_WINDOWS)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(command)}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def commands(python4: str | None, weights_folder: Path, work: Path) -> dict[str, list[str]]:
    """What is timed as a whole, by the name in the table."""
    image = [sys.executable, str(PROJECT / "get_hpe_image.py"), "--output_dir", str(work), "--no_display"]
    ours = [*image, "--network", "openpose", "--model_folder", str(weights_folder), "--image_file"]
    square = PROJECT / "Input" / "example_image1.png"
    upright = work / "upright.png"
    picture = cv2.imread(str(square))
    cv2.imwrite(str(upright), picture[:, 40 : 40 + picture.shape[0] * 3 // 4])
    table = {"--help": [*image, "--help"]}
    for name, photo in (("3:4", upright), ("square", square)):
        if python4:
            files = [
                PACKAGE / OPENPOSE.weights.prototxt,
                weights_folder / OPENPOSE.weights.name,
                photo,
                work / "plain.png",
            ]
            table[f"plain, OpenCV 4, {name}"] = [python4, __file__, "--plain", *map(str, files)]
        table[f"ours, OpenPose, {name}"] = [*ours, str(photo)]
        table[f"ours, the networks in the box, {name}"] = [*image, "--network", "blazepose", "--image_file", str(photo)]
    return table


def engines() -> list[Engine]:
    """Those that work here."""
    found = []
    for name, precision in (("opencv", "fp32"), ("openvino", "fp32"), ("openvino", "bf16"), ("onnxruntime", "fp32")):
        with contextlib.suppress(PoseError):
            found.append(choose_engine(name, "cpu", precision)[0])
    return found


def forwards(weights_folder: Path) -> dict:
    """Functions that run a network once on a square input of the usual size, by the name in the table."""
    example = cv2.imread(str(PROJECT / "Input" / "example_image1.png"))
    picture = cv2.resize(example, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    blob = cv2.dnn.blobFromImage(picture[:256, :256], 1 / 255)
    table = {}
    for engine in engines():
        how = f"{engine.name} {engine.precision}"
        openpose = HeatmapNetwork(OPENPOSE, weights_folder, engine)
        table[f"{OPENPOSE.name}, {how}"] = lambda openpose=openpose: openpose(picture)
        detector = HeatmapNetwork(MOBILENET, PACKAGE, engine)
        table[f"mobilenet_thin, {how}"] = lambda detector=detector: detector(picture)
        landmarks = LandmarkNetwork.load(engine)
        table[f"BlazePose's landmarks, 256x256, {how}"] = lambda landmarks=landmarks: landmarks.forward(blob)
    for stages in range(STAGES - 1, 0, -1):
        openpose = HeatmapNetwork(OPENPOSE, weights_folder, OpenCV("cpu", "fp32"), stages=stages)
        table[f"{OPENPOSE.name}, --stages {stages}, OpenCV"] = lambda openpose=openpose: openpose(picture)
    return table


def report_limits(work: Path) -> None:
    """What this machine gives at the most."""
    side = 2048
    matrix, copied = np.ones((side, side), np.float32), np.ones(1 << 26, np.uint8)
    clip, frames = PROJECT / "Input" / "example_video1.mp4", []

    def decode() -> None:
        frames.clear()
        capture = cv2.VideoCapture(str(clip))
        while (read := capture.read())[0]:
            frames.append(read[1])

    def encode() -> None:
        size_wh = frames[0].shape[1::-1]
        writer = cv2.VideoWriter(str(work / "limit.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 25, size_wh)
        for frame in frames:
            writer.write(frame)
        writer.release()

    def seconds(function: Callable[[], object]) -> float:
        function()
        times = []
        for _ in range(5):
            start = time.perf_counter()
            function()
            times.append(time.perf_counter() - start)
        return min(times)

    decoding = seconds(decode)
    print(
        f"\nThe machine's limits: {2e-9 * side**3 / seconds(lambda: matrix @ matrix):.0f} GFLOP/s (f32 matrices), "
        f"{copied.nbytes / 1e9 / seconds(copied.copy):.1f} GB/s copied; of the example clip "
        f"{len(frames) / decoding:.0f} frames/s decoded, "
        f"{len(frames) / seconds(encode):.0f} encoded."
    )


def report(title: str, rounds: dict[str, list[float]], base: str | None, peaks: dict[str, float]) -> None:
    print(f"\n| {title} | median | least – most | {'ratio to ' + base if base else 'ratio'} | peak memory |")
    print("|---|---|---|---|---|")
    for name, seconds in rounds.items():
        ratio = statistics.median(a / b for a, b in zip(seconds, rounds[base], strict=True)) if base else 0
        spread = f"{min(seconds):.2f} – {max(seconds):.2f}"
        peak = f"{peaks[name]:.0f} MiB" if name in peaks else ""
        print(f"| {name} | {statistics.median(seconds):.2f} s | {spread} | {f'{ratio:.2f}' if base else ''} | {peak} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plain", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--plain_clip", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--mediapipe", metavar="PYTHON", help="a Python that has mediapipe, to compare with")
    parser.add_argument("--clip_only", action="store_true", help="only the clip's table")
    parser.add_argument("--photos_only", action="store_true", help="all tables but the clip's")
    parser.add_argument("--model_folder", type=Path, default=PROJECT / "pose")
    parser.add_argument("--opencv4", metavar="PYTHON", default=None if cv2.__version__ >= "5" else sys.executable)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.plain:
        return plain(*args.plain)
    if args.plain_clip:
        return plain_clip(*args.plain_clip)
    if args.make:
        return make(args.make)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, OpenCV {cv2.__version__}")
    with tempfile.TemporaryDirectory() as name:
        work = folder = Path(name)
        report_limits(work)
        if not args.photos_only:
            report_clip(args.runs, work, args.mediapipe)
        if args.clip_only:
            return None
        if (args.model_folder / OPENPOSE.weights.name).exists():
            folder = args.model_folder
        else:
            # In a process of its own: a child's peak memory begins with what its parent holds.
            subprocess.run([sys.executable, __file__, "--make", folder / OPENPOSE.weights.name], check=True)
            print("OpenPose's weights are not here: made ones stand in for them.")
        table, peaks, rounds = commands(args.opencv4, folder, work), {}, {}
        for _ in range(args.runs):
            for key, command in table.items():
                seconds, peaks[key] = run(command)
                rounds.setdefault(key, []).append(seconds)
        for shape in ("3:4", "square"):
            base = f"plain, OpenCV 4, {shape}"
            chosen = {key: value for key, value in rounds.items() if key.endswith(shape)}
            report(f"whole command, {shape} photo", chosen, base if base in rounds else None, peaks)
        report("start-up", {"--help": rounds["--help"]}, None, peaks)
        loads, rounds = [], {}
        for _ in range(args.runs):
            start = time.perf_counter()
            HeatmapNetwork(OPENPOSE, folder, OpenCV("cpu", "fp32"))
            loads.append(time.perf_counter() - start)
        report("loading a network", {OPENPOSE.name: loads}, None, {})
        table = forwards(folder)
        for function in table.values():
            function()  # the first run allocates
        for _ in range(args.runs):
            for key, function in table.items():
                start = time.perf_counter()
                function()
                rounds.setdefault(key, []).append(time.perf_counter() - start)
        report(f"network alone, {SIDE}x{SIDE}", rounds, next(iter(table)), {})
    return None


if __name__ == "__main__":
    main()
