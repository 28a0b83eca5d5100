"""Long clips in pieces: what comes out is one clip, with everyone the same from its start to its end."""

import concurrent.futures
import json
import pickle
import signal
from unittest import mock

import cv2
import interrupt
import numpy as np
import pytest
from conftest import restoring_signals
from scene import Scene, turned
from synthetic_maps import pose_at
from test_clips import grey, make_clip, packets, times_of

import get_hpe_video
from pose import cli, estimate, pieces
from pose.clip import ClipJob
from pose.poses import pose_distance
from pose.signals import Signals


class Client:
    """Two workers, which are this process."""

    def __init__(self):
        self.tasks = []

    def nthreads(self):
        return {"a": 1, "b": 1}

    def wait_for_workers(self, _):
        pass

    def map(self, process, *arguments, key, pure):
        return [self.result(process, call) for call in zip(*arguments, strict=True)]

    def result(self, process, call):
        self.tasks.append((process.args[-1].__name__, call))
        future = concurrent.futures.Future()
        try:
            future.set_result(pickle.loads(pickle.dumps(process(*call))))
        except Exception as error:
            future.set_exception(error)
        return future


@pytest.fixture
def client(monkeypatch, networks_loaded_once):
    """What workers were asked for is in client.tasks. A piece is 0.8 seconds, as the example clips are short."""
    client = Client()

    def enter(jobs):
        jobs.client, jobs.workers, jobs.scheduler = client, 2, mock.Mock()
        jobs.work_description = estimate.VideoPoseEstimator(network="blazepose").description
        jobs.description = "here"
        return jobs

    monkeypatch.setattr(pieces.ClipsOnCluster, "__enter__", enter)
    monkeypatch.setattr(pieces.ClipsOnCluster, "__exit__", lambda *_: None)
    monkeypatch.setattr(pieces, "MIN_PIECE", 0.8)
    return client


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The command with these options, with a Ctrl-C while frame `at` is drawn: its code, and its JSON by frame."""
    render = ClipJob.render

    def run(*options, at=None, out="out"):
        def interrupted(self, frame):
            if frame.number == at:
                signal.raise_signal(signal.SIGINT)
            return render(self, frame)

        monkeypatch.setattr(ClipJob, "render", interrupted)
        monkeypatch.setattr(cli, "signals", Signals())
        fixed = ["--network", "blazepose", "--engine", "opencv", "--write_json", "--no_display", "--output_dir"]
        with restoring_signals():
            code = cli.run(lambda: get_hpe_video.main([*fixed, str(tmp_path / out), *map(str, options)]))
        frames = sorted((tmp_path / out).glob("VideoCOCO/*_json/*"))
        return code, {path.name: path.read_bytes() for path in frames}

    return run


def people(frames):
    """Of each frame, by identity, the pose (18, 3)."""
    return [
        {
            person["person_id"][0]: np.array(person["pose_keypoints_2d"]).reshape(-1, 3)
            for person in json.loads(text)["people"]
        }
        for text in frames.values()
    ]


def test_a_clip_in_pieces_is_one_clip(tmp_path, client, run):
    """Two people cross: frames, sound and identities are equal, keypoints nearly. Where one hides the other, who of the
    two is seen may be said otherwise."""
    clip = interrupt.clip_with_sound(tmp_path / "a.mp4", "example_video2.mp4")
    whole = run(clip, out="whole")[1]
    code, cut = run(clip, "--workers", 2, "--write_plot", "--write_table", tmp_path / "t.csv")
    assert (code, list(cut)) == (0, list(whole))
    assert {do for do, _ in client.tasks} == {"infer"}
    assert len(client.tasks) >= 3
    both = [pair for pair in zip(people(whole), people(cut), strict=True) if len(pair[0]) == len(pair[1]) == 2]
    assert len(both) > 0.8 * len(whole)
    distances = np.array([[pose_distance(before[who], now[who]) for who in (0, 1)] for before, now in both])
    assert np.median(distances) < 0.01
    assert (distances < 0.05).mean() > 0.98
    a, b = (tmp_path / out / "VideoCOCO" / "a_skeleton_COCO.mp4" for out in ("whole", "out"))
    assert times_of(a) == times_of(b)
    assert packets(a, "audio") == packets(b, "audio")
    assert (tmp_path / "out" / "VideoCOCO" / "a_poses_COCO.jpg").exists()
    assert (tmp_path / "t.csv").read_text().count("\n") == 1 + sum(map(len, people(cut)))


def test_workers_in_processes_of_their_own(tmp_path, monkeypatch, run, request):
    pytest.importorskip("distributed")
    monkeypatch.setattr(pieces, "MIN_PIECE", 0.8)
    options = [interrupt.clip_with_sound(tmp_path / "a.mp4"), "--frame_last", 60, "--workers", 2]
    made = run(*options)
    assert [len(frame) for frame in people(made[1])] == [1] * 61
    request.getfixturevalue("client")
    assert run(*options, out="here") == made


@pytest.fixture
def film(tmp_path, monkeypatch, client):
    """A function that makes a scene to be seen by all networks into numbered pictures: their name."""

    def film(frames):
        scene = Scene(*frames)
        networks = scene.topdown()
        monkeypatch.setattr(estimate, "TopDown", lambda *_: networks)
        for number, picture in enumerate(scene.pictures):
            cv2.imwrite(str(tmp_path / f"{number:03d}.png"), picture)
        return tmp_path / "%03d.png"

    return film


LEFT, RIGHT, LYING = pose_at(100, 100), pose_at(450, 100), turned(pose_at(450, 100), 90)
FALL = [[LEFT, turned(RIGHT, degrees)] for degrees in range(0, 90, 3)]


@pytest.mark.parametrize(
    "frames",
    [
        [[LEFT, RIGHT]] * 30 + FALL + [[LEFT, LYING]] * 60,
        [[LEFT, RIGHT]] * 79 + [[LEFT]] * 19 + [[LEFT, RIGHT]] * 22,
        [[LEFT]] * 50 + [[LEFT, RIGHT]] * 70,
    ],
    ids=["who falls can be found only from before", "who is hidden at a cut comes back", "a newcomer"],
)
def test_who_is_not_found_by_a_piece_alone(film, run, frames):
    clip = film(frames)
    whole, cut = people(run(clip, out="whole")[1]), people(run(clip, "--workers", 2)[1])
    assert len(cut) == len(frames)
    for found in (whole, cut):
        assert {who for frame in found for who in frame} == {0, 1}
        assert [len(frame) for frame in found[100:]] == [2] * 20


@pytest.mark.parametrize("option", ["--no_track", "--no_smooth"])
def test_without_identities_or_smoothing(film, run, client, option):
    clip = film([[LEFT + np.float32([5 * (n % 2), 0, 0])] for n in range(60)])
    assert run(clip, option, out="whole")[1] == run(clip, option, "--workers", 2)[1]
    assert {do for do, _ in client.tasks} == {"infer"}


@pytest.mark.parametrize("at", [0, 47])
def test_after_ctrl_c_the_rest_is_as_without(tmp_path, film, run, capsys, at):
    clip = film([[LEFT + np.float32([n, 0, 0])] for n in range(120)])
    expected = run(clip, "--workers", 2, out="expected")
    assert run(clip, "--workers", 2, at=at) == (130, {})
    assert capsys.readouterr().err == "The rest: the same command with --resume.\nStopped.\n"
    assert len(list((tmp_path / "out" / "VideoCOCO").glob("*partial*"))) == 3
    assert run(clip, "--workers", 2, "--resume") == expected


def test_ctrl_c_while_a_piece_is_waited_for(client):
    source = mock.Mock(first=0, end=96, step=1, source_fps=30.0)
    cluster = mock.Mock(running={}, args=mock.Mock(frame_first=0))
    source.stopping.is_set.return_value = True
    with pytest.raises(KeyboardInterrupt):
        pieces.Pieces(cluster, source, 2).result(concurrent.futures.Future())


@pytest.fixture
def nobody(monkeypatch):
    """Spares the inferences."""
    monkeypatch.setattr(estimate.VideoPoseEstimator, "infer", lambda *_: np.zeros((0, 18, 6), np.float32))


def test_one_process_goes_on_from_what_was_done_in_pieces(tmp_path, client, run, nobody):
    clip = make_clip(tmp_path / "a.mp4", frames=100)
    assert run(clip, "--workers", 2, at=50)[0] == 130
    code, frames = run(clip, "--resume")
    assert (code, len(frames)) == (0, 100)


def test_every_second_frame_by_networks_without_crops(tmp_path, client, run, monkeypatch, nobody):
    """As OpenPose's are, whose pieces need no frames before them."""
    monkeypatch.setattr(estimate, "CropTracker", lambda _: None)
    clip = make_clip(tmp_path / "a.mp4", frames=100)
    code, frames = run(clip, "--workers", 2, "--frame_step", 2, "--network_step", 2)
    assert (code, len(frames), {do for do, _ in client.tasks}) == (0, 50, {"infer"})


def test_a_damaged_clip_is_left_to_one_worker(tmp_path, client, run, nobody, capsys):
    """Its frames are counted otherwise after a seek."""
    path = tmp_path / "a\x9b.mkv"
    make_clip(path, frames=100, codec="mjpeg")
    data, (_, packet) = bytearray(path.read_bytes()), packets(path, "video")[30]
    at = data.index(packet)
    data[at : at + len(packet)] = bytes(len(packet))
    path.write_bytes(data)
    whole = run(path, out="whole")
    assert len(whole[1]) == 99
    assert capsys.readouterr().err == f"Note: {tmp_path / 'a'}\\x9b.mkv has 1 damaged frame or packet.\n"
    assert run(path, "--workers", 2) == whole
    assert client.tasks[-1][0] == "attempt_without_pictures"


def test_workers_fit_frames_of_other_sizes_into_the_first_one(tmp_path, client, run, monkeypatch, nobody):
    shapes, infer = [], estimate.VideoPoseEstimator.infer  # of nobody

    def recorded(estimator, picture, *times):
        shapes.append(picture.shape)
        return infer(estimator, picture, *times)

    monkeypatch.setattr(estimate.VideoPoseEstimator, "infer", recorded)
    for number in range(100):
        cv2.imwrite(str(tmp_path / f"{number:02}.png"), grey(5, (64, 48) if number < 50 else (32, 48)))
    code, frames = run(tmp_path / "%02d.png", "--workers", 2)
    assert (code, len(frames)) == (0, 100)
    assert {do for do, _ in client.tasks} == {"infer"}
    assert set(shapes) == {(48, 64, 3)}


def test_what_is_not_cut(tmp_path, client, run, monkeypatch, nobody):
    """Where there are as many clips as workers, short clips, and those that do not report how long they are."""
    a, b = (make_clip(tmp_path / name, frames=100) for name in ("a.mp4", "b.mp4"))
    assert run(a, b, "--workers", 2)[0] == 0
    monkeypatch.setattr(pieces, "MIN_PIECE", 2.1)
    assert run(a, "--workers", 2)[0] == 0
    assert run(make_clip(tmp_path / "c.h264", codec="libx264"), "--workers", 2)[0] == 0
    assert [do for do, _ in client.tasks] == ["attempt_without_pictures"] * 4


def test_a_worker_fails_over_a_piece(tmp_path, client, run, monkeypatch, capsys):
    monkeypatch.setattr(estimate.VideoPoseEstimator, "infer", lambda *_: 1 / 0)
    clip = make_clip(tmp_path / "a.mp4", frames=100)
    assert run(clip, "--workers", 2)[0] == 1
    assert capsys.readouterr().err == f"Error: {clip} failed on a worker (ZeroDivisionError: division by zero).\n"
