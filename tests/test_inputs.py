"""Which files are found, and what their results are called."""

import itertools
import os
from pathlib import Path

import pytest

from pose import PoseError, cli, inputs


@pytest.fixture
def find(tmp_path, monkeypatch):
    """What inputs.find_files finds in a tree of files: paths and the names of results."""
    monkeypatch.chdir(tmp_path)
    for name in ("b.png", "a.JPG", "notes.md", "c[1].png", "x/y/a.png", "x/b.png", "x/b.jpg", "out/a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def find(*names, recursive=False):
        found = inputs.find_files(names, (".png", ".jpg"), "image", recursive, Path("out"))
        return list(found)

    return find


def test_files_folders_and_patterns(find):
    assert find(".") == [("a.JPG", "a"), ("b.png", "b"), ("c[1].png", "c[1]")]
    assert find("notes.md") == [("notes.md", "notes")]
    assert find("*") == find(".")
    assert find("*.md") == [("notes.md", "notes")]
    assert find("*.png") == [("b.png", "b"), ("c[1].png", "c[1]")]
    assert find("c[1].png") == [("c[1].png", "c[1]")]
    assert find("b.png", ".", "b.png", "x/b.png") == [
        ("b.png", "b"),
        ("a.JPG", "a"),
        ("c[1].png", "c[1]"),
        ("x/b.png", "b-2"),
    ]
    for name, message in (
        ("", "empty name"),
        ("*.gif", "is not there"),
        ("x" * 5000, "is not there"),
        ("x/empty", "holds none of"),
    ):
        Path("x/empty").mkdir(exist_ok=True)
        with pytest.raises(PoseError, match=message) as raised:
            find(name)
        assert raised.value.argument == "image"


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
    Path("list.txt").write_bytes(b"x/y/a.png\r\n\nx\nnone.png \nb*.png\nlist.txt")
    expected = [("x/y/a.png", "a"), ("x/b.jpg", "b"), ("x/b.png", "b-2")]
    missing = [("none.png ", "none"), ("b*.png", "b*"), ("list.txt", "list")]
    assert find("list.txt") == expected + missing
    assert find("list.txt", recursive=True)[0] == ("x/y/a.png", "x/y/a")
    with open("list.txt") as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert inputs.count_files(["-"], (".png",), False, "out") is None  # which would read them
        assert find("-") == expected + missing


def test_a_list_with_zero_bytes_is_none(find):
    Path("list.txt").write_text("b.png\n", "utf-16")
    with pytest.raises(PoseError, match=r"list.txt is not a list of paths in UTF-8") as raised:
        find("list.txt")
    assert cli.REMEDIES[raised.value.argument].startswith("save it as a text file")


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_a_closed_standard_input_is_no_list(find, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(PoseError, match="Standard input is closed"):
        find("-")


def test_links_that_lead_round_or_nowhere(find):
    """In a folder they are no files, by name their turn comes as any other's, and none is followed without end."""
    for link, target in (("loop.png", "loop.png"), ("dangling.png", "nowhere"), ("x/round", "."), ("x/loop", "loop")):
        Path(link).symlink_to(target)
    assert find("loop.png", "dangling.png") == [("loop.png", "loop"), ("dangling.png", "dangling")]
    assert find("x", recursive=True) == [("x/b.jpg", "b"), ("x/b.png", "b-2"), ("x/y/a.png", "y/a")]
    Path("out/a.png").unlink()
    Path("out").rmdir()
    Path("out").symlink_to("out")
    assert len(find(".", recursive=True)) == 6


def test_nothing_but_the_next_file_is_looked_for(find, monkeypatch):
    monkeypatch.setattr(inputs, "read_lines", lambda _: (f"{n}.png" for n in itertools.count()))
    files = inputs.find_files(["-"], (".png",), "image")
    assert [next(files)[1] for _ in range(3)] == ["0", "1", "2"]


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX permissions")
def test_a_subfolder_that_cannot_be_read_is_not_passed_over(find, monkeypatch):
    listed = os.scandir
    denied = PermissionError(13, "Permission denied", "./x/y")
    monkeypatch.setattr(os, "scandir", lambda path: listed(path) if str(path) != "./x/y" else raise_(denied))
    assert find(".", recursive=True)[-1] == ("x/y", "x/y")


def distinct(stems):
    taken = set()
    return [inputs.free_stem(stem, taken) for stem in stems]


def raise_(error):
    raise error


def test_one_file_under_two_names_comes_once_and_a_folder_is_no_picture(tmp_path, monkeypatch):
    (tmp_path / "a.png").touch()
    (tmp_path / "b.png").mkdir()
    monkeypatch.chdir(tmp_path)
    found = inputs.find_files(["a.png", str(tmp_path / "a.png"), "."], (".png",), "image")
    assert list(found) == [("a.png", "a")]


def test_results_have_distinct_names_that_fit():
    assert distinct(["a", "b", "A", "a", "a-2"]) == ["a", "b", "A-2", "a-3", "a-2-2"]
    long = distinct(["ü" * 127, "ü" * 126 + "u", "x" * 254])
    assert len(set(long)) == 3
    assert all(len(name.encode()) < 200 for name in long)
    assert distinct(["ü" * 127]) == long[:1]  # the same in every run
    assert distinct(["x/a", "y/a", "X/a", "x/" + "b" * 300])[:3] == ["x/a", "y/a", "X/a-2"]


def test_names_elsewhere_do_not_lead_out_of_the_folder_of_results(monkeypatch):
    monkeypatch.setattr(inputs.storage, "find", lambda *_: iter([("s3://b/x/../../a.png", "x/../../a.png")]))
    assert list(inputs.expand("s3://b", (".png",), True, "out")) == [("s3://b/x/../../a.png", "x/a")]
    assert list(inputs.expand("../../c/a.png", (".png",), True, "out")) == [("../../c/a.png", "c/a")]
    assert list(inputs.expand("/etc/a.png", (".png",), True, "out")) == [("/etc/a.png", "etc/a")]
