"""Many files: what is left out the next time, workers, clusters, files that lie elsewhere, and how far the work is."""

import argparse
import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from unittest import mock

import cv2
import ground_truth
import numpy as np
import pytest
from test_clips import make_clip

import get_hpe_image
import get_hpe_video
from pose import PoseError, cli, jobs, worker
from pose.jobs import Outcome, Progress, in_order
from pose.media import storage
from pose.options import PROJECT
from pose.signals import Signals

IMAGE, VIDEO = PROJECT / "get_hpe_image.py", PROJECT / "get_hpe_video.py"
BOX = ["--network", "blazepose", "--no_display", "--net_resolution", "208x208"]  # the people are still found


@pytest.fixture
def photos(tmp_path):
    """A folder of three photos, two of them of people."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("pair_198.jpg", "nobody_coins.png", "grace_hopper.jpg"):
        shutil.copy(ground_truth.DATA / name, folder)
    return folder


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """A command's main with options, in the folder tmp_path: its exit code, its output, and the results by name."""
    monkeypatch.chdir(tmp_path)

    def run(script, *options):
        code = script.main([*BOX, "--output_dir", "out", *map(str, options)])
        return code, capsys.readouterr(), contents(tmp_path / "out")

    return run


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def skipped(said):
    return [line.split(" is complete")[0] for line in said.out.splitlines() if line.endswith("is complete, skipped.")]


def test_complete_photos_are_skipped(run, photos):
    options = ["in", "--write_json"]
    _, said, made = run(get_hpe_image, *options)
    assert skipped(said) == []
    code, said, again = run(get_hpe_image, *options, "--skip_existing", "--write_table", "t.csv", "--quiet")
    assert (code, said.out, again) == (0, "", made)
    _, said, _ = run(get_hpe_image, *options, "--skip_existing", "--write_table", "u.csv")
    assert skipped(said) == ["in/grace_hopper.jpg", "in/nobody_coins.png", "in/pair_198.jpg"]
    run(get_hpe_image, *options, "--write_table", "v.csv")
    tables = [(photos.parent / name).read_bytes() for name in ("t.csv", "u.csv", "v.csv")]
    assert tables[0] == tables[1] == tables[2]
    assert tables[0].count(b"in/pair_198.jpg,0,0,-1,") >= 2


@pytest.mark.parametrize("change", ["option", "source", "JSON gone", "half", "a crash between two results"])
def test_what_is_not_complete_is_made_again(run, photos, change):
    """The first picture written and the last say what they were made of."""
    (photos / "pair_198.jpg").unlink()
    options, results = ["in", "--write_json"], photos.parent / "out" / "ImageCOCO"
    run(get_hpe_image, *options)
    if change == "option":
        options += ["--threshold", "0.2"]
    elif change == "source":
        shutil.copy(ground_truth.DATA / "pair_198.jpg", photos / "grace_hopper.jpg")
    elif change == "JSON gone":
        (results / "grace_hopper_keypoints.json").unlink()
    elif change == "half":
        (results / "grace_hopper-Skeleton-COCO.jpg").write_bytes(b"")
    else:
        last = (results / "grace_hopper-Skeleton-COCO.jpg").read_bytes()
        run(get_hpe_image, *options, "--threshold", "0.5")
        (results / "grace_hopper-Skeleton-COCO.jpg").write_bytes(last)
    _, said, made = run(get_hpe_image, *options, "--skip_existing")
    both = change in ("option", "a crash between two results")
    assert skipped(said) == ([] if both else ["in/nobody_coins.png"])
    assert made == run(get_hpe_image, *options)[2]


def test_another_file_differs_in_its_start_its_end_or_its_size(tmp_path):
    found, zeros = set(), bytes(300_000)
    for data in (zeros, b"\1" + zeros[1:], zeros[1:] + b"\1", zeros * 2):
        (tmp_path / "a.mp4").write_bytes(data)
        found.add(storage.fingerprint([tmp_path / "a.mp4"]))
    assert len(found) == 4


def test_a_full_disk_ends_the_run(run, photos, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PoseError, match=r"Cannot write .*grace_hopper.*: No space left on device") as caught:
        run(get_hpe_image, "in")
    assert cli.REMEDIES[caught.value.argument].startswith("make room")


def test_failures_are_tried_again(run, photos):
    (photos / "bad.jpg").write_text("Dear diary")
    for _ in range(2):
        code, said, _ = run(get_hpe_image, "in", "--skip_existing")
        assert (code, said.err.count("bad.jpg is not a picture")) == (1, 1)
    shutil.copy(photos / "pair_198.jpg", photos / "bad.jpg")
    assert run(get_hpe_image, "in", "--skip_existing")[0] == 0


def test_the_mark_leaves_the_picture_as_it_is(run, photos, monkeypatch):
    made = run(get_hpe_image, "in/pair_198.jpg")[2]
    monkeypatch.setattr("pose.photo.settings_tag", lambda _: "")
    shutil.rmtree("out")
    plain = run(get_hpe_image, "in/pair_198.jpg")[2]
    for name, data in made.items():
        assert data != plain[name]
        at = 4 + int.from_bytes(data[4:6], "big")
        assert data[at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")] == 0xFF  # the next segment
        assert (cv2.imread(str(photos.parent / "out" / name)) == decode(data)).all()


def decode(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def test_complete_clips_are_skipped(run, tmp_path):
    options = ["--write_json", *(make_clip(name, frames=5) for name in ("a.mp4", "b.mp4", "c.mp4"))]
    _, said, made = run(get_hpe_video, *options)
    assert skipped(said) == []
    (tmp_path / "out/VideoCOCO/b_skeleton_COCO.mp4").unlink()
    shutil.rmtree("out/VideoCOCO/c_json")
    _, said, again = run(get_hpe_video, *options, "--skip_existing")
    assert (skipped(said), again) == (["a.mp4"], made)
    _, said, _ = run(get_hpe_video, *options, "--skip_existing", "--no_smooth")
    assert skipped(said) == []


def test_clips_of_a_list_and_of_a_tree(run, tmp_path):
    for name in ("x/y/a.mp4", "x/a.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        make_clip(tmp_path / name, frames=2)
    (tmp_path / "list.txt").write_text("x/a.mp4\nnone.mp4\nx/y/a.mp4\n")
    code, said, made = run(get_hpe_video, "list.txt")
    assert code == 1
    assert said.err.startswith("Error: none.mp4 cannot be opened")
    assert sorted(made) == ["VideoCOCO/a-2_skeleton_COCO.mp4", "VideoCOCO/a_skeleton_COCO.mp4"]
    shutil.rmtree("out")
    assert sorted(run(get_hpe_video, "x", "--recursive")[2]) == [
        "VideoCOCO/a_skeleton_COCO.mp4",
        "VideoCOCO/y/a_skeleton_COCO.mp4",
    ]


def test_in_order():
    assert list(in_order([(1, "b"), (0, "a"), (3, "d"), (2, "c")])) == list("abcd")


def outcomes(count, failed=()):
    errors = {number: PoseError(f"{number} is bad") for number in failed}
    return [(number, Outcome(f"{number}\x9b", error=errors.get(number))) for number in range(count)]


@pytest.mark.parametrize(("count", "total"), [(20, None), (21, 20)])
def test_progress_of_many(capsys, monkeypatch, count, total):
    """Of files that cannot be counted, and of one that has come since."""

    def count_files():
        if total is None:
            raise PoseError("none.txt is not there")
        return total

    monkeypatch.setattr(jobs, "LOG_EVERY", 0)
    progress = Progress("photos", False, count_files)
    time.sleep(0.1)
    assert len(list(progress.watch(outcomes(count, [1, 3])))) == count
    assert progress.finish() == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[0].startswith(f"1{f' of {total}' if total else ''} photos done, ")
    assert (" left, 0 failed" in out.splitlines()[0]) == bool(total)
    assert out.splitlines()[-1].startswith(f"{count}{f' of {count}' if total else ''} photos done, ")
    assert out.splitlines()[-1].endswith(", 2 failed")
    listed = f"2 of {count} photos failed:\n1\\x9b\n3\\x9b\n"
    assert err == "Error: 1 is bad.\nError: 3 is bad.\n" + (listed if count > 20 else "")


def test_in_a_terminal_progress_is_a_bar(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    progress = Progress("photos", False, lambda: 30)
    time.sleep(0.1)
    list(progress.watch(outcomes(3, [1])))
    assert progress.finish() == 1
    assert re.search(r" 3/30 .*, 1 failed", capsys.readouterr().err)


def test_progress_is_quiet(capsys, monkeypatch):
    monkeypatch.setattr(jobs, "LOG_EVERY", 0)
    progress = Progress("photos", True, lambda: 1 / 0)
    list(progress.watch(outcomes(30)))
    assert progress.finish() == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("seconds", "text"), [(59, "59 s"), (600, "10 min"), (3 * 3600, "3 h")])
def test_times(seconds, text):
    assert jobs.show_time(seconds) == text


# Workers.


@pytest.fixture
def command(tmp_path):
    """A command in a process of its own, in the folder tmp_path; the finished process."""

    def command(script, *options):
        line = [sys.executable, script, *BOX, *map(str, options)]
        return subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=300)

    return command


def test_workers_without_dask(monkeypatch, capsys, photos):
    monkeypatch.setitem(sys.modules, "dask", None)
    assert cli.translate_errors(lambda: get_hpe_image.main([*BOX, str(photos), "--workers", "2"])) == 1
    assert 'pip install "dask[distributed]"' in capsys.readouterr().err


def test_workers_and_cluster_exclude_each_other(capsys):
    with pytest.raises(SystemExit):
        get_hpe_image.parse(["--workers", "2", "--cluster", "tcp://a:1"])
    assert "--cluster brings its own workers" in capsys.readouterr().err


@pytest.mark.parametrize(("cores", "count"), [(1, 1), (2, 1), (5, 2), (16, 8)])
def test_auto_is_a_worker_for_every_two_cores(monkeypatch, cores, count):
    monkeypatch.setattr("pose.options.core_count", lambda: cores)
    assert get_hpe_image.parse(["--workers", "auto"]).workers == count


def test_one_worker_imports_no_dask(tmp_path):
    code = "import sys, get_hpe_image; get_hpe_image.main(sys.argv[1:]); sys.exit('distributed' in sys.modules)"
    line = [sys.executable, "-c", code, *BOX, "--output_dir", tmp_path]
    assert subprocess.run(line, cwd=PROJECT, timeout=120).returncode == 0


def test_workers_write_the_same(tmp_path, command, photos):
    pytest.importorskip("distributed")
    (photos / "bad.jpg").write_text("Dear diary")
    options = ["in", "--write_json", "--write_table", "out/t.csv", "--write_coco_json", "out/t.json", "--output_dir"]
    one = command(IMAGE, *options, "out")
    expected = contents(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    two = command(IMAGE, *options, "out", "--workers", "2")
    assert (two.returncode, two.stderr) == (one.returncode, one.stderr) == (1, one.stderr)
    assert contents(tmp_path / "out") == expected
    assert two.stdout.splitlines()[0].endswith("on 2 workers")
    again = command(IMAGE, *options, "out", "--workers", "2", "--skip_existing")
    assert again.stdout.count("is complete, skipped.") == 3
    assert contents(tmp_path / "out") == expected


class Deadly:
    """Work on files of which one kills whoever takes it, and one shows a mistake in the program."""

    description, stop = "deadly", None

    def __init__(self, args):
        pass

    def __call__(self, name, stem):
        if name == "poison":
            os._exit(1)
        if name == "bug":
            raise ZeroDivisionError("what a mistake")
        time.sleep(0.3)
        return Outcome(name, report=f"{name} by {os.getpid()}, {os.environ['OMP_NUM_THREADS']}")


@pytest.mark.filterwarnings("ignore")
def test_what_kills_workers_is_given_up_and_named(monkeypatch):
    pytest.importorskip("distributed")
    from pose import cluster

    monkeypatch.setattr(cluster, "core_count", lambda: 4)
    names = ["a", "poison", "bug", *"bcd"]
    with cluster.OnCluster(Deadly, argparse.Namespace(cluster=None, workers=2)) as jobs:
        done = dict(jobs((name, name) for name in names))
    assert [done[number].name for number in range(6)] == names
    errors = {outcome.name: str(outcome.error) for outcome in done.values() if outcome.error}
    assert errors == {
        "poison": "poison is given up: each of 3 workers that had it died",
        "bug": "bug failed on a worker (ZeroDivisionError: what a mistake)",
    }
    reports = [outcome.report for outcome in done.values() if outcome.report]
    assert len(reports) == 4
    assert all(report.endswith(", 2") for report in reports)  # its share of the cores


class Workers:
    """Dask's client, of two workers that do everything at once. sizes: of files they had, each time they got some."""

    def __init__(self, saturation=1.0):
        from pose import cluster

        self.sizes = []
        self.jobs = cluster.OnCluster(Deadly, argparse.Namespace(cluster=None, workers=2))
        self.jobs.client, self.jobs.workers, self.jobs.scheduler = self, 2, mock.Mock()
        self.jobs.queue_length = cluster.queue_length(mock.Mock(WORKER_SATURATION=saturation))

    def names(self, count):
        """Of the files that were done, in order."""
        names = [str(number) for number in range(count)]
        return [outcome.name for _, outcome in sorted(self.jobs(zip(names, names, strict=True)))]

    def nthreads(self):
        return {"a": 1, "b": 1}

    def wait_for_workers(self, _):
        pass

    def map(self, process, names, stems, key, pure):
        futures = [Future() for _ in names]
        self.sizes.append(len(self.jobs.running) + len(futures))
        for name, future in zip(names, futures, strict=True):
            future.set_result(Outcome(name))
        return futures


@pytest.mark.parametrize(
    ("files", "saturation", "at_once"),
    [(4, 1.0, 2), (100, 1.1, 2), (5, 1.0, 5), (100, 1.0, 18)],
)
def test_only_of_many_files_some_wait_at_the_scheduler_and_only_if_it_keeps_them(files, saturation, at_once):
    pytest.importorskip("distributed")
    workers = Workers(saturation)
    assert workers.names(files) == [str(number) for number in range(files)]
    assert max(workers.sizes) == at_once
    if files == 100 and at_once > 2:
        assert len(workers.sizes) < 20  # as many are submitted together


def test_no_file_is_left_out_where_all_workers_are_gone_for_a_moment(monkeypatch):
    pytest.importorskip("distributed")
    from pose import cluster

    workers = Workers(saturation=1.1)

    def nthreads():
        are_gone = bool(workers.jobs.running)
        monkeypatch.setattr(cluster, "CHECK_EVERY", 1000 if are_gone else 0)
        return {} if are_gone else {"a": 1, "b": 1}

    workers.nthreads = nthreads
    assert workers.names(4) == ["0", "1", "2", "3"]


def test_workers_that_come_later_get_files(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("pose.cluster.CHECK_EVERY", 0)
    workers = Workers(saturation=1.1)
    workers.nthreads = lambda: dict.fromkeys("abcd" if workers.sizes else "ab", 1)
    assert len(workers.names(8)) == 8
    assert max(workers.sizes) == 4


def test_no_scheduler_is_one_sentence(monkeypatch, capsys):
    pytest.importorskip("distributed")
    from pose import cluster

    monkeypatch.setattr(cluster, "CONNECT_WITHIN", 0.5)
    assert cli.translate_errors(lambda: get_hpe_image.main([*BOX, "--cluster", "tcp://127.0.0.1:1"])) == 1
    assert capsys.readouterr().err == "Error: No Dask scheduler answers at tcp://127.0.0.1:1; check --cluster.\n"


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])  # of a terminal, of a batch system
def test_a_signal_leaves_partial_clips_of_all_workers(tmp_path, number):
    pytest.importorskip("distributed")
    clips = [make_clip(tmp_path / f"{name}.mp4", frames=3000) for name in "ab"]  # no worker sees their end
    options = [*clips, "--write_json", "--output_dir", tmp_path / "out", "--workers", "2"]
    line = [sys.executable, VIDEO, *BOX, *map(str, options)]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(line, cwd=tmp_path, start_new_session=True, **pipes)
    while len({path.parent for path in tmp_path.glob("out/VideoCOCO/.*/*")}) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, number)
    assert process.communicate(timeout=60)[1] == "The rest: the same command with --resume.\nStopped.\n"
    assert process.returncode == 128 + number
    left = {path.name for path in (tmp_path / "out" / "VideoCOCO").iterdir()}
    kinds = "_json-partial", "_skeleton_COCO-partial.checkpoint", "_skeleton_COCO-partial.mp4"
    assert left == {f"{name}{kind}" for name in "ab" for kind in kinds}


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_ctrl_c_while_workers_start(tmp_path, photos):
    pytest.importorskip("distributed")
    line = [sys.executable, IMAGE, *BOX, str(photos), "--workers", "2", "--output_dir", tmp_path / "out"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(line, env=environment, start_new_session=True, **pipes)
    while not [*tmp_path.glob("dask-scratch-space/*")]:
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=60)[1] == "Stopped.\n"
    assert process.returncode == 130
    assert not [path for path in tmp_path.glob("dask-scratch-space/*") if path.is_dir()]


class Slow:
    """Work that takes a while to stop, in this process."""

    description, started, stopped, finished = "slow", *(threading.Event() for _ in range(3))

    def __init__(self, args):
        pass

    def stop(self):
        self.stopped.set()

    def __call__(self, name, stem):
        self.started.set()
        assert self.stopped.wait(60)
        time.sleep(0.3)
        self.finished.set()
        return Outcome(name)


def test_ctrl_c_waits_until_the_work_of_other_machines_has_stopped(monkeypatch, tmp_path):
    distributed = pytest.importorskip("distributed")
    from pose import cluster

    monkeypatch.setattr(cluster, "CHECK_EVERY", 0.05)
    signals = Signals()
    monkeypatch.setattr(cli, "signals", signals)
    local = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(**local) as scheduler:
        args = argparse.Namespace(
            workers=1, cluster=scheduler.scheduler_address, model_folder=PROJECT / "pose", output_dir=tmp_path
        )
        with pytest.raises(KeyboardInterrupt), cluster.OnCluster(Slow, args) as jobs:
            threading.Thread(target=lambda: Slow.started.wait() and setattr(signals, "received", 2)).start()
            list(jobs([("photo.jpg", "photo")]))
        assert Slow.finished.is_set()


def test_ctrl_c_stops_no_other_run_on_the_same_workers(monkeypatch):
    works = {(run, 0): mock.Mock() for run in ("one", "other")}
    monkeypatch.setattr("pose.worker.works_in_progress", works)
    worker.stop_run("one")
    assert [work.stop.called for work in works.values()] == [True, False]


# Files that lie elsewhere.


@pytest.fixture
def memory():
    fsspec = pytest.importorskip("fsspec")
    fs = fsspec.filesystem("memory")
    yield fs
    fs.store.clear()


def test_photos_elsewhere(memory, photos, run, tmp_path):
    memory.put(str(photos), "/photos", recursive=True)
    memory.pipe("/photos/bad.jpg", b"Dear diary")
    memory.pipe("/photos/more/notes.txt", b"")
    expected = run(get_hpe_image, "in", "--write_json")[2]
    options = ["memory://photos", "--recursive", "--write_json", "--output_dir", "memory://results", "--write_table"]
    code, said, _ = run(get_hpe_image, *options, "t.csv")
    assert (code, said.err.count("\n")) == (1, 1)
    assert said.err.startswith("Error: memory://photos/bad.jpg is not a picture")
    stored = {path.removeprefix("/results/"): memory.cat(path) for path in memory.find("/results")}
    assert sorted(stored) == sorted(expected)
    in_turn = [path for path in memory.store if path.startswith("/results/ImageCOCO/pair_198")]
    assert in_turn[-1].endswith("-Skeleton-COCO.jpg")  # the last one, by which --skip_existing knows
    assert [stored[name] for name in stored if name.endswith("json")] == [
        expected[name] for name in stored if name.endswith("json")
    ]
    assert "memory://photos/pair_198.jpg,0," in (tmp_path / "t.csv").read_text()
    _, said, _ = run(get_hpe_image, *options, "u.csv", "--skip_existing")
    assert len(skipped(said)) == 3
    assert (tmp_path / "u.csv").read_text() == (tmp_path / "t.csv").read_text()
    _, said, _ = run(get_hpe_image, "memory://photos/p*.jpg", "--output_dir", "again")
    assert "memory://photos/pair_198.jpg" in said.out
    assert sorted(contents(tmp_path / "again")) == [
        f"ImageCOCO/pair_198-{k}-COCO.jpg" for k in ("Keypoints", "Skeleton")
    ]


def test_clips_elsewhere(memory, run, tmp_path):
    make_clip(tmp_path / "a.mp4", frames=5)
    for name in ("a.mp4", "more/b.mp4"):
        memory.put_file(str(tmp_path / "a.mp4"), f"/clips/{name}")
    options = ["memory://clips", "--write_json", "--output_dir", "memory://results"]
    code, said, _ = run(get_hpe_video, *options)
    assert (code, said.err) == (0, "")
    assert "-> memory://results/VideoCOCO/a_skeleton_COCO.mp4, memory://results/VideoCOCO/a_json" in said.out
    assert len(memory.find("/results/VideoCOCO/a_json")) == 5
    assert skipped(run(get_hpe_video, *options, "--skip_existing")[1]) == ["memory://clips/a.mp4"]
    run(get_hpe_video, *options, "--frame_last", "2")
    assert len(memory.find("/results/VideoCOCO/a_json")) == 3


def test_what_is_not_there_elsewhere(memory, run):
    with pytest.raises(PoseError, match="memory://none"):
        run(get_hpe_image, "memory://none")


@pytest.mark.filterwarnings("ignore")
def test_s3(tmp_path, photos, monkeypatch, run):
    """moto stands in for a store of Amazon's."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0)
    pytest.importorskip("s3fs")
    server.start()
    try:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "x")
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
        fs, _ = storage.file_system("s3://photos")
        fs.mkdir("photos")
        fs.put(str(photos), "photos/in", recursive=True)
        fs.mkdir("results")
        options = ["s3://photos/in", "--write_json", "--output_dir", "s3://results/here"]
        code, said, _ = run(get_hpe_image, *options)
        assert (code, said.err) == (0, "")
        assert len(fs.find("results/here/ImageCOCO")) == 9
        assert len(skipped(run(get_hpe_image, *options, "--skip_existing")[1])) == 3
    finally:
        server.stop()
