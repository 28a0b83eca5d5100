"""Many files, measured: workers against one process and against two commands, a long run, clips, a scheduler, kills.

    python tests/scale.py [--only photos/soak/clips/scheduler/overhead/kills] [--photos N] [--hours N] [--clips N]
                          [--kills N] [--runs N]

What stands in one table is run in turn, round after round; a cell has the median, in brackets the median of the ratios
to the first row within a round. Rates are the commands' own, which leave starting out.
"""

import argparse
import csv
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2

PROJECT = Path(__file__).parent.parent
sys.path.insert(0, str(PROJECT))
IMAGE, VIDEO = PROJECT / "get_hpe_image.py", PROJECT / "get_hpe_video.py"
SIDE, TINY = 256, 96  # pixels of the photos
QUICK = ["--net_resolution", "128x128"]  # for tiny ones: the person is still found, in 0.05 s
LOOP_FPS = 10  # of the long clip
OPTIONS = ["--network", "blazepose", "--no_display", "--write_json"]
SCHEDULER = "tcp://127.0.0.1:18990"


def start(script, work, *options):
    command = [sys.executable, script, *OPTIONS, "--output_dir", work / "out", *options]
    shutil.rmtree(work / "out", ignore_errors=True)
    return subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def rate(process):
    """Files a second, by the command's last line."""
    output = process.communicate()[0]
    found = re.search(r"done, ([\d.e-]+) a second", output.rstrip().rsplit("\n", 1)[-1])
    if process.returncode or not found:
        raise SystemExit(f"failed: {output[-2000:]}")
    return float(found[1])


def report(title, cells, runs):
    """cells: functions that give a number, by row."""
    values = {row: [] for row in cells}
    for _ in range(runs):
        for row, cell in cells.items():
            values[row].append(cell())
    first = values[next(iter(cells))]
    print(f"\n| {title} | |\n|---|---|")
    for row, measured in values.items():
        ratio = statistics.median(a / b for a, b in zip(measured, first, strict=True))
        print(f"| {row} | {statistics.median(measured):.2f} ({ratio:.2f}) |", flush=True)


def make_photos(folder, count, side=SIDE):
    """Copies of the example photo."""
    picture = cv2.imread(str(PROJECT / "Input" / "example_image1.png"))
    data = cv2.imencode(".jpg", cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA))[1].tobytes()
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:06}.jpg").write_bytes(data)


def report_photos(args, work):
    make_photos(work / "in", args.photos)
    half = sorted((work / "in").iterdir())[: args.photos // 2]
    (work / "half.txt").write_text("\n".join(map(str, half)))

    def two_commands():
        both = [start(IMAGE, work, work / "half.txt"), start(IMAGE, work, work / "half.txt")]
        return 2 * min(map(rate, both))  # all are done when the slower one is

    cells = {"one process": lambda: rate(start(IMAGE, work, work / "in")), "two commands at once": two_commands}
    for workers in (2, 4):
        cells[f"--workers {workers}"] = lambda workers=workers: rate(
            start(IMAGE, work, work / "in", "--workers", workers)
        )
    report(f"{args.photos} photos of {SIDE}x{SIDE}, photos a second", cells, args.runs)


def report_soak(args, work):
    """What one command holds in a long run over photos, and in one over a clip of hours with sound."""
    make_photos(work / "in", args.photos, TINY)
    photos = start(IMAGE, work, work / "in", *QUICK, "--quiet", "--write_table", work / "t.csv")
    watch(photos, "photos", args.photos, lambda: len(os.listdir(work / "out" / "ImageCOCO")) // 3)
    make_long_clip(work / "long.mp4", args.hours)
    clip = start(VIDEO, work, work / "long.mp4", "--quiet", "--network_step", 4)
    frames = round(3600 * args.hours * LOOP_FPS)
    made_in = work / "out" / "VideoCOCO"
    watch(clip, "frames", frames, lambda: sum(len(os.listdir(path)) for path in made_in.iterdir() if path.is_dir()))
    with av.open(str(made_in / "long_skeleton_COCO.mp4")) as made:
        print(f"The clip made: {[(s.type, s.frames, float(s.duration * s.time_base)) for s in made.streams]}")


def watch(process, unit, total, count):
    """Memory, handles and threads of a process whenever a fifth of its work is done."""
    rows, folder = [], Path("/proc", str(process.pid))
    while process.poll() is None:
        time.sleep(1)
        try:
            done = count()
            held = re.search(r"VmRSS:\s+(\d+)", (folder / "status").read_text())
            handles, threads = (len(os.listdir(folder / name)) for name in ("fd", "task"))
        except OSError:  # nothing is done yet, or all
            continue
        if held and done >= total * (len(rows) + 1) / 5 * 0.99:
            rows.append((done, int(held[1]) // 1024, handles, threads))
    print(f"\n| {unit} done | MiB held | handles | threads |\n|---|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")
    print(f"exit code {process.returncode}", flush=True)


def make_long_clip(path, hours):
    """The example clip, small and slow, with silence as its sound, over and over."""
    with av.open(str(PROJECT / "Input" / "example_video1.mp4")) as example, av.open(str(path), "w") as clip:
        pictures = [frame.reformat(320, 160, "yuv420p") for frame in example.decode(video=0)]
        video = clip.add_stream("libx264", rate=LOOP_FPS, options={"bf": "0"})
        video.width, video.height = 320, 160
        sound = clip.add_stream("aac", rate=8000, layout="mono")
        for picture in pictures:
            picture.pts, picture.time_base = None, Fraction(1, LOOP_FPS)
        once = [packet for picture in [*pictures, None] for packet in video.encode(picture)]
        silence = av.AudioFrame(format="s16", layout="mono", samples=1024)
        silence.planes[0].update(bytes(2048))
        silence.sample_rate = 8000
        frames, samples = round(3600 * hours * LOOP_FPS), 0
        for number in range(frames):
            packet = av.Packet(bytes(once[number % len(once)]))
            packet.pts = packet.dts = number
            packet.duration, packet.time_base, packet.stream = 1, Fraction(1, LOOP_FPS), video
            packet.is_keyframe = once[number % len(once)].is_keyframe
            clip.mux(packet)
            while samples < number / LOOP_FPS * 8000:
                silence.pts = samples
                clip.mux(sound.encode(silence))
                samples += 1024


def report_clips(args, work):
    (work / "clips").mkdir()
    for number in range(args.clips):
        shutil.copy(PROJECT / "Input" / "example_video1.mp4", work / "clips" / f"{number:03}.mp4")

    def seconds(*options):
        begin = time.perf_counter()
        process = start(VIDEO, work, work / "clips", *options)
        if process.communicate() and process.returncode:
            raise SystemExit("failed")
        return time.perf_counter() - begin

    cells = {"one process": seconds, "--workers 2": lambda: seconds("--workers", 2)}
    report(f"{args.clips} example clips, seconds of the whole command", cells, args.runs)


def report_scheduler(args, work):
    """Processes that share the photos, of a scheduler and workers that stand by themselves."""
    make_photos(work / "in", args.photos, TINY)
    dask, quiet = [sys.executable, "-m", "dask"], {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    env = {**os.environ, "PYTHONPATH": str(PROJECT), "DASK_DISTRIBUTED__SCHEDULER__WORKER_SATURATION": "1"}
    address = ["--host", "127.0.0.1", "--port", SCHEDULER.rpartition(":")[2], "--dashboard-address", ":0"]

    def with_workers(count):
        scheduler = subprocess.Popen([*dask, "scheduler", *address], env=env, **quiet)
        line = [*dask, "worker", SCHEDULER, "--nworkers", str(count), "--nthreads", "1", "--no-dashboard"]
        workers = subprocess.Popen(line, env=env, cwd=work, **quiet)
        time.sleep(15)  # until all have come
        try:
            return rate(start(IMAGE, work, work / "in", *QUICK, "--cluster", SCHEDULER))
        finally:
            for process in (workers, scheduler):
                process.terminate()
                process.wait()

    cells = {f"scheduler, workers: {count}": lambda count=count: with_workers(count) for count in (1, 2, 4)}
    report(f"{args.photos} tiny photos, photos a second", cells, args.runs)


class Nothing:
    """Work that takes no time."""

    description, stop = "nothing", None

    def __init__(self, args):
        pass

    def __call__(self, name, stem):
        from pose.jobs import Outcome

        return Outcome(name)


def report_overhead(args, work):
    import scale  # by its name, as workers know it

    from pose.cluster import OnCluster

    with OnCluster(scale.Nothing, argparse.Namespace(cluster=None, workers=2)) as jobs:
        begin, busy = time.perf_counter(), time.process_time()
        count = sum(1 for _ in jobs((str(n), str(n)) for n in range(args.photos)))
        busy, took = time.process_time() - busy, time.perf_counter() - begin
    print(
        f"\n{count / took:.0f} empty files a second by 2 workers; "
        f"scheduler and client together compute {1000 * busy / count:.1f} ms for each."
    )


def report_kills(args, work):
    """Kill a worker whenever three more photos are done; nothing may be lost or come twice."""
    make_photos(work / "in", 4 * args.kills)
    process = start(IMAGE, work, work / "in", "--workers", 2, "--quiet", "--write_table", work / "t.csv")
    chance, killed, done_then = random.Random(0), 0, 0
    while process.poll() is None:
        done = len(list((work / "out").glob("ImageCOCO/*-Skeleton-*")))
        workers = [child for child in children(process.pid) if b"spawn_main" in child.joinpath("cmdline").read_bytes()]
        if killed < args.kills and done >= done_then + 3 and workers:
            os.kill(int(chance.choice(workers).name), signal.SIGKILL)
            killed, done_then = killed + 1, done
        time.sleep(chance.uniform(0.1, 0.5))
    with open(work / "t.csv", newline="") as file:
        rows = [row["file"] for row in csv.DictReader(file)]
    made = len(list((work / "out").glob("ImageCOCO/*-Skeleton-*")))
    left = len(list((work / "out").glob("ImageCOCO/.*")))
    print(
        f"\n{killed} kills of 2 workers: exit code {process.returncode}; of {4 * args.kills} photos {made} are done,"
        f" {len(set(rows))} rows in the table, {len(rows) - len(set(rows))} twice; {left} hidden files left."
    )


def children(pid):
    pids = {pid for task in Path(f"/proc/{pid}/task").iterdir() for pid in (task / "children").read_text().split()}
    return [Path("/proc", pid) for pid in pids]


REPORTS = {name.removeprefix("report_"): function for name, function in globals().items() if name.startswith("report_")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=REPORTS)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--hours", type=float, default=4)
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    for name in [args.only] if args.only else REPORTS:
        with tempfile.TemporaryDirectory() as folder:
            REPORTS[name](args, Path(folder))


if __name__ == "__main__":
    main()
