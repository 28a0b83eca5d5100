"""Interrupts real runs of get_hpe_video.py at random moments, resumes them, checks what is left: a report, not a test.

    python tests/interrupt.py [trials for each signal] [seed]

Each trial runs the command on a clip with sound, with --write_json, sends SIGINT, SIGTERM, SIGHUP or SIGKILL once or
twice after a random time, and looks for: a clip that does not play, JSON of another length, a wrong hint, a traceback,
hidden files. Every second trial also interrupts the --resume that follows. The last --resume has to end with the
frames' times, JSON and sound of a run without interruption, and nothing else.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import av

ROOT = Path(__file__).resolve().parent.parent
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL]
CLIP, PARTIAL, PARTIAL_JSON = "walk_skeleton_COCO.mp4", "walk_skeleton_COCO-partial.mp4", "walk_json-partial"


def start(clip: Path, folder: Path, *options: str) -> subprocess.Popen:
    command = [sys.executable, ROOT / "get_hpe_video.py", "--network", "blazepose", "--no_display", "--write_json"]
    command += ["--output_dir", folder, "--frame_last", "29", *options, clip]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def contents(path: Path) -> tuple:
    """A clip's frames' times, as far as they play, and its sound."""
    with av.open(str(path)) as clip:
        times = [round(frame.time, 4) for frame in clip.decode(video=0)]
        clip.seek(0)
        sound = [(packet.pts, bytes(packet)) for packet in clip.demux(audio=0) if packet.size]
    return times, sound


def results(folder: Path) -> dict:
    """All results by name: a clip's contents, JSON's texts."""
    found = {}
    for path in (folder / "VideoCOCO").glob("*"):
        if path.is_dir():
            found[path.name] = {file.name: file.read_text() for file in path.iterdir()}
        else:
            is_clip = path.suffix == ".mp4" and path.name[0] != "."
            found[path.name] = contents(path) if is_clip else None
    return found


def interrupted(process: subprocess.Popen, folder: Path, number: int, resumes: bool) -> tuple[str, list[str]]:
    """How far a run came that got a signal, and what is wrong with what it left."""
    _, output = process.communicate(timeout=120)
    found, has_hint, wrong = results(folder), "--resume" in output, []
    hidden = [name for name in found if name.startswith(".")]
    if len(hidden) > (2 if number == signal.SIGKILL else 0):
        wrong.append(f"hidden: {hidden}")
    if "Traceback" in output and str(ROOT) in output:  # else Python's own, from before it runs the script
        wrong.append("traceback")
    if PARTIAL in found and len(found[PARTIAL][0]) != len(found[PARTIAL_JSON]):
        wrong.append(f"{len(found[PARTIAL][0])} frames, {len(found[PARTIAL_JSON])} JSON files")
    state = "complete" if CLIP in found else "partial" if PARTIAL in found else "nothing yet"
    if has_hint if state == "complete" else state == "partial" and not (has_hint or resumes):
        wrong.append(f"{state}, hint {has_hint}")
    allowed = {128 + number, -number} | ({0} if state == "complete" else set())
    if output.endswith("KeyboardInterrupt\n"):  # the same
        allowed.add(1)
    if process.returncode not in allowed:
        wrong.append(f"exit code {process.returncode}")
    return state, wrong


def trial(clip: Path, number: int, moments: list, expected: dict) -> tuple[list[str], list[str]]:
    """The states after each signal, and what is wrong. moments: seconds to it, and from it to a second one or None."""
    states: list[str] = []
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for delay, pause in moments:
            process = start(clip, folder, *["--resume"] * bool(states))
            time.sleep(delay)
            process.send_signal(number)
            if pause is not None:
                time.sleep(pause)
                process.send_signal(number)
            state, found = interrupted(process, folder, number, bool(states))
            states.append(state)
            wrong += found
        _, output = (process := start(clip, folder, "--resume")).communicate(timeout=120)
        if process.returncode or output or results(folder) != expected:
            wrong.append(f"resumed: exit code {process.returncode}, {list(results(folder))}, {output}")
    return states, wrong


def trials(clip: Path, each: int, seed: int, signals: list[int] = SIGNALS) -> tuple[Counter, list[str]]:
    """`each` trials for each signal, singly and doubly in turn; how they ended, and all that was wrong."""
    chance, ends, wrong = random.Random(seed), Counter(), []
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        start(clip, Path(folder)).communicate(timeout=120)
        whole, expected = time.perf_counter() - begin, results(Path(folder))
    for n in range(each):
        for number in signals:
            pause = chance.choice([0, 0.01, 0.1, 0.5]) if n % 2 and number != signal.SIGKILL else None
            moments = [(chance.uniform(0, 1.1 * whole), pause) for _ in range(1 + n // 2 % 2)]
            states, found = trial(clip, number, moments, expected)
            ends[f"{signal.Signals(number).name}, {', '.join(states)}"] += 1
            wrong += [f"{signal.Signals(number).name} at {moments}: {states}: {what}" for what in found]
    return ends, wrong


def main() -> None:
    each, seed = (int(word) for word in (*sys.argv[1:], *("50", "0")[len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as folder:
        ends, wrong = trials(clip_with_sound(Path(folder) / "walk.mp4"), each, seed)
    for end, count in sorted(ends.items()):
        print(f"{count:4} {end}")
    print(f"{len(wrong)} wrong", *wrong, sep="\n")


def clip_with_sound(path: Path, name: str = "example_video1.mp4") -> Path:
    """An example clip with a silent sound track."""
    with av.open(str(ROOT / "Input" / name)) as source, av.open(str(path), "w") as clip:
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
