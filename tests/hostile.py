"""Runs both commands on thousands of odd inputs and reports how they end: a report, not a test.

    python tests/hostile.py [--seed N] [--minutes M] [--kinds photos clips ...] [--jobs N] [--keep DIR]

Inputs are those of hostile_inputs.py, made anew for each run by the seed and the run's number. A run is wrong where it
ends with a traceback or a signal, or not within a minute; where its exit code and what it says do not agree; where an
error is without its remedy or not one sentence; where a result is not whole; where hidden or temporary files stay.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from hostile_inputs import KINDS, Case, Chance

LIMIT = 60  # seconds, on a machine that does nothing else
NO_OVERRIDE = "-dac_override,-dac_read_search"  # else permissions do not hold root back
UNPRIVILEGED = ["setpriv", f"--bounding-set={NO_OVERRIDE}", f"--inh-caps={NO_OVERRIDE}"]
FAULTS = ("traceback", "abort", "hang", "half file", "exit code", "no remedy", "left over")
LINES = re.compile(r"Error: .*|Note: .*|Stopped\.|The rest: .*|get_hpe_\w+\.py: .*|link\.py: .*", re.DOTALL)
REMEDY = re.compile(
    r"\b(check|choose|allow|raise|save|install|use|try|move|remove|leave|fetch|put|pipe|take|make)\b|--\w+|getModels"
)


def execute(case: Case, folder: Path) -> tuple[int | None, str, str]:
    """Run it: exit code (None: it hung), standard output and errors."""
    variables = [f"{name}={value}" for name, value in case.env.items()]  # which bash itself would complain of
    words = [shutil.which("env"), *variables, *map(str, words_of(case))]
    command = [shutil.which("bash"), "-c", f'{case.shell}\nexec "$@"', "bash", *words]
    env = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    env |= {"TMPDIR": str(folder.parent / "tmp"), "OMP_NUM_THREADS": "1", "OPENCV_OPENCL_RUNTIME": "disabled"}
    with open(folder.parent / "out", "wb") as out, open(folder.parent / "err", "wb") as err:
        process = subprocess.Popen(
            command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        )
        if case.during:
            threading.Thread(target=case.during, args=[process], daemon=True).start()
        try:
            code: int | None = process.wait(LIMIT * max(1, os.getloadavg()[0] / (os.cpu_count() or 1)))
        except subprocess.TimeoutExpired:
            code = None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    said = [(folder.parent / name).read_bytes().decode("utf-8", "surrogateescape") for name in ("out", "err")]
    return code, said[0], said[1]


def words_of(case: Case) -> list:
    """The command of a case, with an output folder, and without windows unless it has a display."""
    ours = [] if any(str(word).startswith("--output_dir") for word in case.words) else [f"--output_dir={case.output}"]
    ours += [] if case.env.keys() & {"DISPLAY", "WAYLAND_DISPLAY"} else ["--no_display"]
    limited = UNPRIVILEGED if case.is_unprivileged and os.geteuid() == 0 else []
    return [*limited, *case.python, case.script, *ours, *case.words]


def judge(case: Case, folder: Path, code: int | None, out: str, err: str) -> list[tuple[str, str]]:
    """What is wrong with a run: kinds of faults, each with what shows it."""
    wrong = []
    if code is None:
        wrong.append(("hang", f"not done in {LIMIT} s times the load"))
    elif code < 0 or code in (132, 134, 135, 136, 139):
        wrong.append(("abort", f"signal {-code if code < 0 else code - 128}"))
    elif code not in case.codes:
        wrong.append(("exit code", f"{code} in place of {case.codes}"))
    if re.search(r"Traceback|Exception ignored|Exception in thread|terminate called|Fatal Python", err):
        wrong.append(("traceback", err[-1500:]))
    elif code in (0, 1, 2) and "2>" not in case.shell:
        wrong += judge_words(code, out, err)
    with contextlib.suppress(PermissionError):
        wrong += judge_files(folder, case, err)
    return wrong


def judge_words(code: int, out: str, err: str) -> Iterator[tuple[str, str]]:
    """Whether exit code and sentences agree, each sentence is known and errors have a remedy."""
    sentences = [part for part in re.split(r"(?<=\.)\n(?=[A-Z]|get_hpe_|$)", err) if part]
    errors = [sentence for sentence in sentences if not sentence.startswith("Note: ")]
    if bool(errors) != (code != 0) and not (code == 1 and not err and not out):  # `| head` ends it without a word
        yield "exit code", f"{code} with {err!r}"
    for sentence in sentences:
        if not LINES.fullmatch(sentence):
            yield "no remedy", f"not a sentence of ours: {sentence[:500]!r}"
        elif not sentence.startswith(("Note: ", "Stopped", "The rest")) and not REMEDY.search(sentence):
            yield "no remedy", sentence
        elif "\n" in sentence or "\x1b" in sentence:
            yield "no remedy", f"not one line: {sentence!r}"


def judge_files(folder: Path, case: Case, err: str) -> Iterator[tuple[str, str]]:
    """Whether all results are whole, and nothing else is left."""
    temporary = [
        path.name for path in (folder.parent / "tmp").iterdir() if not path.name.startswith(("hostile", "pymp"))
    ]
    if temporary:
        yield "left over", f"temporary {temporary}"
    output = folder / case.output
    files = [path for path in [*output.rglob("*"), *folder.glob("t.*")] if path.is_file() and not path.is_symlink()]
    for path in files:
        if re.fullmatch(r"\.[0-9a-f]{8}-\d+.*", path.name):
            if f"{path.name} next to it cannot be removed" not in err:
                yield "left over", str(path.relative_to(folder))
        elif (path != case.placed or path.stat().st_size) and path.parent != folder and not is_whole(path):
            yield "half file", str(path.relative_to(folder))


def is_whole(path: Path) -> bool:
    with contextlib.suppress(OSError, ValueError, av.FFmpegError, cv2.error):
        data = path.read_bytes()
        if path.suffix in (".jpg", ".png"):
            is_picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) is not None
            return is_picture and (path.suffix == ".png" or data.endswith(b"\xff\xd9"))
        if path.suffix in (".mp4", ".webm", ".mov", ".gif"):
            with av.open(f"file:{path}") as clip:
                return any(True for _ in clip.decode(video=0))
        if path.suffix == ".json":
            return json.loads(data) is not None
        return path.suffix != ".csv" or data.endswith(b"\n")
    return False


def trial(kind: str, number: int, seed: int, keep: Path | None) -> tuple[str, int, str, list[tuple[str, str]]]:
    """Make a run's inputs, run it, judge it: kind, how many inputs, what was run, what is wrong."""
    makers = KINDS[kind]
    maker = makers[number % len(makers)]
    place = Path(tempfile.mkdtemp(prefix="hostile-"))
    place.chmod(0o755)
    folder = place / "run"
    for path in (folder, place / "tmp"):
        path.mkdir()
        path.chmod(0o777)
    try:
        chance = Chance(f"{seed} {kind} {number}")
        chance.number = number // len(makers) * makers.count(maker) + makers[: number % len(makers)].count(maker)
        case = maker(chance, folder)
        code, out, err = execute(case, folder)
        wrong = judge(case, folder, code, out, err)
        words = words_of(case)[-len(case.words) - 3 :]
        about = f"{kind} {number} {maker.__name__}: {case.shell} {case.env or ''} {words}"
        if wrong and keep:
            with contextlib.suppress(OSError, shutil.Error):
                shutil.move(place, keep / f"{kind}-{number}")
        return kind, case.inputs, about[:700], wrong
    finally:
        subprocess.run(["chmod", "-R", "u+rwX", place], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(place, ignore_errors=True)


def trials(
    kinds: list[str], seed: int, is_enough, jobs: int = 2, keep: Path | None = None
) -> tuple[Counter, list[str]]:
    """Runs of all kinds in turn until is_enough(runs): counts by (kind, column), and a line for each fault."""
    counts: Counter = Counter()
    wrong: list[str] = []
    planned = ((kind, number) for number in itertools.count() for kind in kinds)

    def work() -> None:
        while True:
            with lock:
                if is_enough(next(runs)):
                    return
                kind, number = next(planned)
            kind, inputs, about, found = trial(kind, number, seed, keep)
            with lock:
                counts.update({(kind, "runs"): 1, (kind, "inputs"): inputs})
                for fault, detail in found:
                    counts[kind, fault] += 1
                    wrong.append(f"{fault}: {about}\n    {detail}")
                    print(wrong[-1], file=sys.stderr, flush=True)

    runs, lock = itertools.count(), threading.Lock()
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for done in [pool.submit(work) for _ in range(jobs)]:
            done.result()
    return counts, wrong


def table(counts: Counter, kinds: list[str]) -> str:
    columns = ("runs", "inputs", *FAULTS)
    rows = [("kind", *columns), ("---",) * (len(columns) + 1)]
    rows += [(kind, *(str(counts[kind, column]) for column in columns)) for kind in kinds]
    rows += [("all", *(str(sum(counts[kind, column] for kind in kinds)) for column in columns))]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--keep", type=Path, help="where to keep the inputs and results of runs that are wrong")
    args = parser.parse_args()
    if args.keep:
        args.keep.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * args.minutes
    counts, wrong = trials(args.kinds, args.seed, lambda _: time.monotonic() > end, args.jobs, args.keep)
    print(table(counts, args.kinds))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
