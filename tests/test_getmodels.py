"""getModels.sh against a web server on 127.0.0.1 that misbehaves in the ways that mirrors do."""

import hashlib
import http.server
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "getModels.sh"
DATA, OTHER = (b"\x0a\x00\xa2\x06" + random.Random(seed).randbytes(1_500_000) for seed in (1, 2))
HALF = len(DATA) // 2
PAGE = b"<!DOCTYPE html><title>Sign in</title>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1500004\n"
ANSWERS = {  # by mirror: the file, whether it goes on where it is asked to, how many bytes come before it breaks off
    "whole": (DATA, False, None),
    "ranged": (DATA, True, None),
    "breaks_off": (DATA, True, HALF // 2),
    "trickles": (DATA, True, 6_000),
    "other": (OTHER, True, None),
    "page": (PAGE, False, None),
    "short_page": (PAGE, True, None),
    "pointer": (POINTER, False, None),
    "longer": (OTHER * 20, True, None),
}
pytestmark = pytest.mark.skipif(not shutil.which("sh") or not shutil.which("curl"), reason="needs sh and curl")


class Mirror(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name, start = self.path[1:], int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.server.requests.append((name, start))
        if "://" in name:
            return self.answer(302, Location=name)
        data, ranges, sent = ANSWERS.get(name, (b"", True, 0))
        if not data:
            return self.answer(404)
        start = start if ranges else 0
        if start >= len(data):
            return self.answer(416)
        rest = data[start:]
        self.answer(206 if start else 200, len(rest), Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}")
        for i in range(0, len(rest[:sent]), 10_000):
            self.wfile.write(rest[:sent][i : i + 10_000])
            self.server.sent += 10_000
        while name == "trickles" and not self.server.over.wait(0.1):
            self.wfile.write(rest[sent : sent + 100])
            sent += 100

    def answer(self, status, length=0, **headers):
        self.send_response(status)
        for name, value in {"Content_Length": length, **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # a client that hangs up is part of the test


@pytest.fixture
def server():
    with Server(("127.0.0.1", 0), Mirror) as server:
        server.requests, server.sent, server.over = [], 0, threading.Event()
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def get(server, tmp_path):
    """get("missing", "whole") fetches coco from these mirrors: exit code, lines of stdout, of stderr."""

    def command(*mirrors, words=("coco",), path=os.environ["PATH"], script=None):
        """What starts a copy of the script with these mirrors, a file of ours, and no patience."""
        mirrors = [mirror if ":" in mirror[:6] else f"{get.address}/{mirror}" for mirror in mirrors]
        text = SCRIPT.read_text()
        for old, new, times in (
            (r'mirrors="[^"]*"', f'mirrors="{" ".join(mirrors)}"', 2),
            (r"bytes=\d{9}", f"bytes={len(DATA)}", 2),
            (r"hash=\w{64}\b", f"hash={hashlib.sha256(DATA).hexdigest()}", 1),
            (r"hash=\w{40}\b", f"hash={hashlib.sha1(DATA).hexdigest()}", 1),
            (r"--speed-time \d+", "--speed-time 1", 1),
            (r"sleep \d", "sleep 0", 1),
        ):
            text, done = re.subn(old, new, text)
            assert done == times
        get.script.write_text(text)
        get.script.chmod(0o755)
        environment = {"PATH": path, "HOME": str(tmp_path), "no_proxy": "*"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return {"args": [script or get.script, *words], "cwd": tmp_path, "env": environment, **pipes}

    def get(*mirrors, options=(), **how):
        done = subprocess.run(**{**command(*mirrors, **how), **dict(options)}, timeout=30)
        return done.returncode, done.stdout.splitlines(), (done.stderr or "").splitlines()

    get.command, get.address = command, f"http://127.0.0.1:{server.server_address[1]}"
    get.script = tmp_path / "my ü project/getModels.sh"
    get.path = get.script.parent / "pose/coco/pose_iter_440000.caffemodel"
    get.part = get.path.with_suffix(".caffemodel.part")
    get.path.parent.mkdir(parents=True)
    get.alone = lambda: get.path.read_bytes() == DATA and list(get.path.parent.iterdir()) == [get.path]
    return get


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@pytest.mark.parametrize("mirror", ["whole", "ranged", "moved"])
def test_a_good_mirror(get, mirror):
    code, out, err = get(f"{get.address}/{get.address}/ranged" if mirror == "moved" else mirror)
    assert code == 0 and get.alone()
    assert "non-commercial" in out[0] and out[1:] == [f"coco     1 MB  {get.path}"]
    assert len(err) == 1 and not re.search("[#%]", err[0])  # no progress in a log


def test_names_and_folder(get, tmp_path):
    folder = tmp_path / "models ü"
    code, out, _ = get("ranged", words=["--model_folder", "models ü"])
    places = [folder / "coco/pose_iter_440000.caffemodel", folder / "mpi/pose_iter_160000.caffemodel"]
    assert code == 0 and [path.read_bytes() == DATA for path in places] == [True, True]
    assert [line[15:] for line in out[1:]] == [str(path) for path in places]
    out = get("missing", words=["MPI", f"--model_folder={folder}"])[1]
    assert out[1:] == [f"mpi      1 MB  {folder}/mpi/pose_iter_160000.caffemodel"]
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/get ü").symlink_to("../my ü project/getModels.sh")  # the default is beside the script itself
    assert get("ranged", script=tmp_path / "elsewhere/get ü")[0] == 0 and get.alone()


@pytest.mark.parametrize(
    "mirror", ["missing", "page", "pointer", "other", "longer", "trickles", "breaks_off", "refuses"]
)
def test_a_mirror_that_fails(get, server, mirror):
    mirror = f"http://127.0.0.1:{free_port()}/file" if mirror == "refuses" else mirror
    code, out, err = get(mirror)
    assert code == 1 and not get.path.exists() and out[1:] == [f"coco  missing  {get.path}"]
    assert err[-2].endswith(f"save one of these as {get.path}") and err[-1].endswith(mirror)
    assert any("not the genuine file" in line for line in err) == (mirror in ("page", "pointer", "other"))
    assert server.sent < 20_000_000 and get.part.exists() == (mirror in ("trickles", "breaks_off"))
    assert get(mirror, "ranged")[0] == 0 and get.alone()


def test_what_is_wrong_is_replaced_by_what_is_right_only_and_that_is_not_fetched_again(get, server):
    get.path.write_bytes(OTHER)
    code, out, err = get("other", "missing")
    assert code == 1 and get.path.read_bytes() == OTHER and out[1:] == [f"coco    wrong  {get.path}"]
    assert err[0] == "coco: there but wrong, to be replaced"
    for _ in range(2):
        assert get("ranged")[0] == 0 and get.alone()
        assert len(server.requests) == 3


def test_a_connection_that_breaks_goes_on_at_the_same_mirror_and_then_at_the_next(get, server):
    assert get("breaks_off", "missing", "ranged")[0] == 0 and get.alone()
    part = HALF // 2
    asked = [("breaks_off", 0), ("breaks_off", part), ("breaks_off", 2 * part)]
    assert server.requests == [*asked, ("missing", 3 * part), ("ranged", 3 * part)]


@pytest.mark.parametrize("kept, asked", [(OTHER[:HALF], [HALF, 0]), (OTHER, [0]), (DATA * 2, [0]), (DATA, [])])
def test_a_part_of_something_else_is_thrown_away_and_a_complete_one_taken(get, server, kept, asked):
    get.part.write_bytes(kept)
    assert get("ranged")[0] == 0 and get.alone()
    assert [start for _, start in server.requests] == asked


@pytest.mark.parametrize("mirror", ["whole", "missing", "page", "short_page", "longer"])
def test_a_mirror_that_does_not_go_on_does_not_cost_what_has_come(get, server, mirror):
    get.part.write_bytes(DATA[:HALF])
    assert get(mirror, "ranged")[0] == 0 and get.alone()
    assert server.requests[-1] == (("whole", 0) if mirror == "whole" else ("ranged", HALF))


@pytest.mark.parametrize("words", ["cocoo", "coco --modell x", "mobilenet", "--model_folder"])
def test_usage_errors_are_one_sentence(get, server, words):
    code, out, err = get("ranged", words=words.split())
    assert code == 2 and not out and len(err) == 1 and not server.requests
    assert "folder" in err[0] if words == "--model_folder" else re.search("only coco.* mpi", err[0])
    assert ("comes with the repository" in err[0]) == (words == "mobilenet")
    assert get("ranged", words=["--help"])[::2] == (0, []) and not server.requests


@pytest.mark.parametrize("gone", ["curl", "sha256sum shasum", "sha256sum sha1sum"])
def test_without_some_tools(get, server, tmp_path, gone):
    (tmp_path / "bin").mkdir()
    for command in (command for place in os.get_exec_path() for command in Path(place).glob("*")):
        if command.name not in gone.split() and not (tmp_path / "bin" / command.name).is_symlink():
            (tmp_path / "bin" / command.name).symlink_to(command)
    code, _, err = get("ranged", words=[], path=str(tmp_path / "bin"))
    if gone == "sha256sum sha1sum" and shutil.which("shasum"):  # as on macOS
        assert code == 0 and get.alone()
    else:
        assert code == 1 and len(err) == 1 and re.search("is needed: install", err[0]) and not server.requests


@pytest.mark.parametrize("obstacle", ["pose", "pose/coco", "folder", "read-only"])
def test_a_folder_that_cannot_take_the_file(get, server, obstacle):
    if obstacle == "folder":
        get.path.mkdir()
    elif obstacle == "read-only":
        get.path.parent.chmod(0o500)
        if os.access(get.path.parent, os.W_OK):
            pytest.skip("root may write everywhere")
    else:
        shutil.rmtree(get.script.parent / obstacle)
        (get.script.parent / obstacle).write_bytes(b"")
    code, _, err = get("ranged", words=["mpi", "coco"])
    assert code == 1 and len(err) == 1 and str(get.path) in err[0] and "another --model_folder" in err[0]
    assert not server.requests


def test_a_full_disk_is_not_the_mirrors_fault(get, server):
    # Python ignores the signal that ends a command whose file grows too large: curl inherits that and sees it fail.
    limited = {"args": ["sh", "-c", 'ulimit -f 1000; exec "$0" coco', get.script], "restore_signals": False}
    code, _, err = get("ranged", "ranged", options=limited)
    assert code == 1 and len(server.requests) == 1 and "make room or choose another --model_folder" in err[-1]
    assert not get.path.exists() and get.part.stat().st_size and DATA.startswith(get.part.read_bytes())


def test_ctrl_c_keeps_what_has_come(get, server):
    # With a handler here the script starts with the default one, even where the tests run with signals ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(**get.command("trickles"), start_new_session=True) as process:
        end = time.monotonic() + 5
        while time.monotonic() < end and not (get.part.exists() and get.part.stat().st_size):
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        err = process.communicate()[1].splitlines()
    signal.signal(signal.SIGINT, before)
    kept = get.part.stat().st_size
    assert process.returncode == 130 and len(err) == 2 and err[1].startswith("Stopped. What has come so far is kept")
    assert kept and get("ranged")[0] == 0 and server.requests[-1] == ("ranged", kept)


def test_only_http_is_spoken(get):
    with socket.create_server(("127.0.0.1", 0)) as ftp:
        address = f"ftp://127.0.0.1:{ftp.getsockname()[1]}/file"
        assert get(address, f"{get.address}/{address}", "ranged")[0] == 0
        ftp.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has come
            ftp.accept()


def test_progress_is_shown_on_a_terminal(get):
    terminal, stderr = os.openpty()
    assert get("ranged", options={"stderr": stderr})[0] == 0
    assert b"100.0%" in os.read(terminal, 9999)
    os.close(terminal)
    os.close(stderr)


def test_the_real_table(tmp_path):
    """Literally, as a slip there would make every mirror fail; a proxy that is none keeps them out of reach."""
    for known in (
        "file=pose_iter_440000.caffemodel bytes=209274056 sha=256\n",
        "hash=b4cf475576abd7b15d5316f1ee65eb492b5c9f5865e70a2e7882ed31fb682549\n",
        "file=pose_iter_160000.caffemodel bytes=205950363 sha=1 ",
        "hash=a344f4da6b52892e44a0ca8a4c68ee605fc611cf\n",
    ):
        assert SCRIPT.read_text().count(known) == 1
    proxy = dict.fromkeys(["http_proxy", "https_proxy"], f"http://127.0.0.1:{free_port()}")
    command = [SCRIPT, "--model_folder", tmp_path]
    done = subprocess.run(command, env={"PATH": os.environ["PATH"], **proxy}, capture_output=True, text=True)
    addresses = re.findall(r"^  (https?://[\w.-]+/[\w./-]+\.caffemodel)$", done.stderr, re.M)
    assert done.returncode == 1 and len(addresses) == len(set(addresses)) == 9
    assert addresses[0] == "https://dl.opencv.org/models/openpose_pose_coco.caffemodel"
