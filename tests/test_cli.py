import itertools
import os
import signal
import time
from pathlib import Path

import pytest

from pose import PoseError, cli


@pytest.fixture
def parser():
    parser = cli.Parser("A test.", "")
    parser.add_inputs("--image_file", "PHOTO", Path("photo.jpg"), "photos")
    return parser


@pytest.fixture(autouse=True)
def signals():
    """cli.run is a program's whole life: it leaves signals as that needs them."""
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_defaults(parser):
    args = parser.parse([])
    assert (args.mode, args.device, args.network, args.net_resolution, args.stages) == ("COCO", "cpu", "auto", None, 6)
    assert (args.number_people_max, args.threshold, args.background) == (-1, 0.1, "photo")
    assert (args.model_folder.resolve(), args.output_dir.resolve()) == (cli.PACKAGE, cli.PROJECT / "Output")
    assert not args.write_json
    assert not args.no_display


def test_letter_case_does_not_matter(parser):
    args = parser.parse(["--mode", "mpi", "--device", "CPU", "--network", "BlazePose"])
    assert (args.mode, args.device, args.network) == ("MPI", "cpu", "blazepose")


@pytest.mark.parametrize(("text", "size"), [("368x368", (368, 368)), ("-1x256", (-1, 256)), ("320X-1", (320, -1))])
def test_net_resolution(parser, text, size):
    assert parser.parse([f"--net_resolution={text}"]).net_resolution == size


def test_net_resolution_may_begin_with_minus(parser):
    assert parser.parse(["--net_resolution", "-1x256", "--mode", "MPI"]).net_resolution == (-1, 256)


@pytest.mark.parametrize(
    "options",
    [
        "--mode BODY_25",
        "--device tpu",
        "--network vgg",
        "--network mobilenet",
        "--net_resolution 368",
        "--net_resolution 0x0",
        "--net_resolution=-1x-1",
        "--net_resolution 5x368",
        "--net_resolution 99999x368",
        "--net_resolution axb",
        "--threshold 1.5",
        "--threshold -0.1",
        "--threshold nan",
        "--threshold low",
        "--number_people_max 0",
        "--number_people_max=-2",
        "--number_people_max 1.5",
        "--stages 7",
        "--stages 0",
        "--background green",
        "--treshold 0.1",
    ],
)
def test_a_mistyped_option_is_one_line_and_2(parser, options, capsys):
    with pytest.raises(SystemExit) as stop:
        parser.parse(options.split())
    assert stop.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "--help" in said.err


@pytest.mark.parametrize("name", ["auto", "openpose", "blazepose"])
def test_networks(parser, name):
    assert parser.parse(["--network", name]).network == name


@pytest.mark.parametrize("name", ["mobilenet", "MobileNet"])
def test_who_asks_for_mobilenet_learns_what_has_its_place(parser, name, capsys):
    with pytest.raises(SystemExit) as stop:
        parser.parse(["--network", name])
    assert stop.value.code == 2
    assert "use --network blazepose" in capsys.readouterr().err


def test_a_network_that_there_is_not_is_answered_with_those_that_there_are(parser, capsys):
    with pytest.raises(SystemExit):
        parser.parse(["--network", "vgg"])
    assert "auto, openpose, blazepose" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (PoseError("The cat is not a person"), 1, "Error: The cat is not a person.\n"),
        (PoseError("No GPU", "device"), 1, "Error: No GPU; use --device cpu.\n"),
        (ModuleNotFoundError(name="cv2"), 1, "Error: The Python package cv2 is missing; run: pip install -r req"),
        (MemoryError(), 1, "Error: Not enough memory"),
        (KeyboardInterrupt(), 130, "Stopped.\n"),
    ],
)
def test_how_an_error_reaches_the_person(error, code, says, capsys):
    def main():
        raise error

    assert cli.run(main) == code
    assert capsys.readouterr().err.startswith(says)


def test_a_file_that_may_not_be_read_is_one_sentence(capsys):
    def main():
        raise PermissionError(13, "Permission denied", "secret.png")

    assert cli.run(main) == 1
    assert capsys.readouterr().err == "Error: secret.png: Permission denied; check the path and its permissions.\n"


def test_ctrl_c_that_numpy_makes_an_import_error_of():
    def main():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("PLEASE READ THIS") from None

    assert cli.run(main) == 130


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no SIGHUP here")
def test_a_closed_terminal_stops_like_ctrl_c():
    assert cli.run(lambda: signal.raise_signal(signal.SIGHUP)) == 129


def test_sigterm_stops_like_ctrl_c_but_says_143():
    assert cli.run(lambda: signal.raise_signal(signal.SIGTERM)) == 143


@pytest.fixture
def find(tmp_path, monkeypatch):
    """What cli.find_files finds in a tree of files: paths and the names of results."""
    monkeypatch.chdir(tmp_path)
    for name in ("b.png", "a.JPG", "notes.md", "c[1].png", "x/y/a.png", "x/b.png", "x/b.jpg", "out/a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def find(*names, recursive=False):
        found = cli.find_files(names, (".png", ".jpg"), "--image_file", recursive, Path("out"))
        return [(str(path), stem) for path, stem in found]

    return find


def test_files_folders_and_patterns(find):
    assert find(".") == [("a.JPG", "a"), ("b.png", "b"), ("c[1].png", "c[1]")]
    assert find("notes.md") == [("notes.md", "notes")]
    assert find("*.png") == [("b.png", "b"), ("c[1].png", "c[1]")]
    assert find("c[1].png") == [("c[1].png", "c[1]")]
    assert find("b.png", ".", "b.png", "x/b.png") == [
        ("b.png", "b"),
        ("a.JPG", "a"),
        ("c[1].png", "c[1]"),
        ("x/b.png", "b-2"),
    ]


def test_a_tree_is_mirrored_but_for_the_results_in_it(find):
    assert find(".", recursive=True) == [
        ("a.JPG", "a"),
        ("b.png", "b"),
        ("c[1].png", "c[1]"),
        ("x/b.jpg", "x/b"),
        ("x/b.png", "x/b-2"),
        ("x/y/a.png", "x/y/a"),
    ]
    assert find("x", "x/y/a.png", recursive=True) == [("x/b.jpg", "b"), ("x/b.png", "b-2"), ("x/y/a.png", "y/a")]
    assert find("../" + Path.cwd().name + "/x/y/a.png", recursive=True)[0][1] == f"{Path.cwd().name}/x/y/a"
    assert find(str(Path("x/b.png").resolve()), recursive=True)[0][1] == str(Path("x/b").resolve())[1:]
    assert find("out", recursive=True) == [("out/a.png", "a")]


def test_lists(find, monkeypatch):
    Path("list.txt").write_bytes(b"x/y/a.png\r\n\nx\nnone.png\nb*.png\nlist.txt")
    expected = [("x/y/a.png", "a"), ("x/b.jpg", "b"), ("x/b.png", "b-2")]
    missing = [("none.png", "none"), ("b*.png", "b*"), ("list.txt", "list")]
    assert find("list.txt") == expected + missing
    assert find("list.txt", recursive=True)[0] == ("x/y/a.png", "x/y/a")
    with open("list.txt") as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert find("-") == expected + missing


def test_nothing_but_the_next_file_is_looked_for(find, monkeypatch):
    monkeypatch.setattr(cli, "read_lines", lambda _: (f"{n}.png" for n in itertools.count()))
    files = cli.find_files(["-"], (".png",), "--image_file")
    assert [next(files)[1] for _ in range(3)] == ["0", "1", "2"]


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX permissions")
def test_a_subfolder_that_cannot_be_read_is_not_passed_over(find, monkeypatch):
    listed = os.scandir
    denied = PermissionError(13, "Permission denied", "./x/y")
    monkeypatch.setattr(os, "scandir", lambda path: listed(path) if str(path) != "./x/y" else raise_(denied))
    assert find(".", recursive=True)[-1] == ("x/y", "x/y")


def raise_(error):
    raise error


def test_one_file_under_two_names_comes_once_and_a_folder_is_no_picture(tmp_path, monkeypatch):
    (tmp_path / "a.png").touch()
    (tmp_path / "b.png").mkdir()
    monkeypatch.chdir(tmp_path)
    found = cli.find_files(["a.png", str(tmp_path / "a.png"), "."], (".png",), "--image_file")
    assert list(found) == [(Path("a.png"), "a")]


def test_output_that_cannot_be_written_is_found_before_work(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PoseError, match="Cannot write"):
        cli.check_output(tmp_path / "file" / "ImageCOCO")
    cli.check_output(tmp_path / "new" / "ImageCOCO")
    assert list((tmp_path / "new" / "ImageCOCO").iterdir()) == []


def test_paths_that_name_nothing(tmp_path):
    with pytest.raises(PoseError, match="empty name"):
        cli.find_files([""], (".png",), "--image_file")
    with pytest.raises(PoseError, match="is not there"):
        cli.find_files([str(tmp_path / "*.png")], (".png",), "--image_file")
    with pytest.raises(PoseError, match="holds none of"):
        cli.find_files([str(tmp_path)], (".png",), "--image_file")


def test_results_have_distinct_names_that_fit():
    assert cli.distinct(["a", "b", "A", "a", "a-2"]) == ["a", "b", "A-2", "a-3", "a-2-2"]
    long = cli.distinct(["ü" * 127, "ü" * 126 + "u", "x" * 254])
    assert len(set(long)) == 3
    assert all(len(name.encode()) < 200 for name in long)
    assert cli.distinct(["ü" * 127]) == long[:1]  # the same in every run


def test_results_in_folders_have_distinct_names():
    assert cli.distinct(["x/a", "y/a", "X/a", "x/" + "b" * 300])[:3] == ["x/a", "y/a", "X/a-2"]


def test_what_must_not_be_broken_is_finished_before_a_ctrl_c_counts():
    done = []

    def main():
        with cli.signals.deferred():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
            done.append("whole")
        done.append("never")

    assert cli.run(main) == 130
    assert done == ["whole"]


def test_a_second_ctrl_c_does_not_disturb_the_tidying_up():
    done = []

    def main():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)
            done.append("tidy")

    assert cli.run(main) == 130
    signal.raise_signal(signal.SIGINT)  # nor that Python ends
    assert done == ["tidy"]
