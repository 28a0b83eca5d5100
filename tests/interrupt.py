"""Interrupts real runs of get_hpe_video.py at random moments and checks what is left: a report, not a test.

    python tests/interrupt.py [trials for each signal] [seed]

Each trial starts the command on a clip with sound, with --write_json, sends SIGINT, SIGTERM, SIGHUP or SIGKILL once or
twice after a random time, and looks for: a clip that is lost or does not play, JSON of another length, a wrong hint, a
traceback, hidden files.
"""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import av

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL]
FRAMES = 60


def start(clip: Path, folder: Path, *options: str) -> subprocess.Popen:
    command = [sys.executable, ROOT / "get_hpe_video.py", "--network", "blazepose", "--no_display", "--write_json"]
    return subprocess.Popen(
        [*command, "--output_dir", folder, "--frame_last", str(FRAMES - 1), *options, clip],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def frames_that_play(path: Path) -> int:
    with av.open(str(path)) as clip:
        return sum(1 for _ in clip.decode(video=0))


def trial(clip: Path, folder: Path, number: int, delay: float, pause: float | None) -> tuple[str, list[str]]:
    """What was left after a signal, and a second one `pause` seconds later, and what is wrong with that."""
    process = start(clip, folder)
    time.sleep(delay)
    process.send_signal(number)
    if pause is not None:
        time.sleep(pause)
        process.send_signal(number)
    _, said = process.communicate(timeout=120)
    results = folder / "VideoCOCO"
    files = {path.name: path for path in results.iterdir()} if results.is_dir() else {}
    hidden = [name for name in files if name.startswith(".")]
    if number == signal.SIGKILL:
        wrong = [] if len(hidden) <= 2 else [f"{len(hidden)} hidden files"]
        start(clip, folder, "--frame_first", str(FRAMES - 1)).communicate(timeout=120)
        left = [path.name for path in results.iterdir() if path.name.startswith(".")]
        return "killed", wrong + [f"not removed: {name}" for name in left]
    wrong = [f"hidden: {name}" for name in hidden] + (["traceback"] if "Traceback" in said else [])
    stem = clip.stem
    whole, partial = f"{stem}_skeleton_COCO.mp4", f"{stem}_skeleton_COCO-partial.mp4"
    hint = re.search(r"--frame_first (\d+)", said)
    if whole in files:
        count, json, expected = frames_that_play(files[whole]), files.get(f"{stem}_json"), FRAMES
        wrong += ["hint after all was done"] if hint else []
        state = "complete"
    elif partial in files:
        count, json = frames_that_play(files[partial]), files.get(f"{stem}_json-partial")
        expected = int(hint[1]) if hint else -1
        state = "partial"
    else:
        wrong += [f"hint {hint[1]} without a clip"] if hint and hint[1] != "0" else []
        wrong += [f"left: {name}" for name in files]
        return "nothing yet", wrong + exit_code(process, number, {-number})
    jsons = len(list(json.iterdir())) if json else 0
    wrong += [f"{count} frames, {jsons} JSON files, {expected} expected"] if not count == jsons == expected else []
    return state, wrong + exit_code(process, number, {0} if state == "complete" else set())


def exit_code(process: subprocess.Popen, number: int, also: set[int]) -> list[str]:
    fine = process.returncode in {128 + number} | also
    return [] if fine else [f"exit code {process.returncode}"]


def trials(clip: Path, each: int, seed: int) -> tuple[Counter, list[str]]:
    """`each` trials for each signal, singly and doubly in turn; how they ended, and all that was wrong."""
    chance, ends, wrong = random.Random(seed), Counter(), []
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        start(clip, Path(folder)).communicate(timeout=120)
        whole = time.perf_counter() - begin
    for n in range(each):
        for number in SIGNALS:
            delay, pause = chance.uniform(0, 1.1 * whole), chance.choice([0, 0.01, 0.1, 0.5]) if n % 2 else None
            pause = None if number == signal.SIGKILL else pause
            with tempfile.TemporaryDirectory() as folder:
                end, found = trial(clip, Path(folder), number, delay, pause)
            ends[f"{signal.Signals(number).name}, {end}"] += 1
            wrong += [
                f"{signal.Signals(number).name} after {delay:.3f} s, again {pause}: {end}: {what}" for what in found
            ]
    return ends, wrong


def main() -> None:
    each, seed = (int(word) for word in (*sys.argv[1:], *("50", "0")[len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as folder:
        clip = clip_with_sound(Path(folder) / "walk.mp4")
        ends, wrong = trials(clip, each, seed)
    for end, count in sorted(ends.items()):
        print(f"{count:4} {end}")
    print(f"{len(wrong)} wrong", *wrong, sep="\n")


def clip_with_sound(path: Path) -> Path:
    """The example clip with a silent sound track."""
    with av.open(str(ROOT / "Input" / "example_video1.mp4")) as source, av.open(str(path), "w") as clip:
        pictures = source.streams.video[0]
        video, audio = clip.add_stream_from_template(pictures), clip.add_stream("aac", rate=48000, layout="mono")
        silence = av.AudioFrame(format="s16", layout="mono", samples=48000 * 4)
        for plane in silence.planes:
            plane.update(bytes(plane.buffer_size))
        silence.sample_rate, silence.pts = 48000, 0
        clip.mux(audio.encode(silence))
        clip.mux(audio.encode(None))
        for packet in source.demux(pictures):
            if packet.size:
                packet.stream = video
                clip.mux(packet)
    return path


if __name__ == "__main__":
    main()
