"""The files that a command line names, one after the other, and what their results are called."""

from __future__ import annotations

import glob
import itertools
import os
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from . import PoseError

STDIN = "-"  # in the place of a path: a list of paths comes there
LIST_SUFFIX = ".txt"
MAX_STEM = 180  # bytes; file systems allow 255, and results' names have endings


def find_files(
    names: Sequence[str], suffixes: tuple[str, ...], option: str, recursive: bool = False, output: Path = Path()
) -> Iterator[tuple[Path, str]]:
    """The files that paths, folders, patterns and lists of paths name, in order, each once; and their results' names.

    PoseError, before the first, where a name stands for none. recursive: subfolders too, but not the output folder.
    """
    for name in names:
        if not name:
            raise PoseError(f"An empty name is no path; check {option}")
        if os.path.isdir(name) and not any(expand(name, suffixes, recursive, output)):
            raise PoseError(f"The folder {Path(name)} holds none of {', '.join(suffixes)}; check {option}")
        if name != STDIN and not os.path.lexists(name) and not glob.glob(name):
            raise PoseError(f"{Path(name)} is not there; check {option}")
    return each_once(file for name in names for file in expand(name, suffixes, recursive, output))


def each_once(files: Iterable[tuple[Path, Path]]) -> Iterator[tuple[Path, str]]:
    """Files with distinct names for their results. Of those before only hashes are kept, as there may be millions."""
    seen: set[int] = set()
    names = ResultNames()
    for path, below in files:
        identity = hash(os.path.realpath(path))
        if identity not in seen:
            seen.add(identity)
            yield path, names.take(str(below.parent / below.stem))


def expand(name: str, suffixes: tuple[str, ...], recursive: bool, output: Path) -> Iterator[tuple[Path, Path]]:
    """A word's files, each with its path below the folder of results: recursive mirrors the tree, else it is flat."""
    is_list = name == STDIN or (name.lower().endswith(LIST_SUFFIX) and os.path.isfile(name))
    for word in read_lines(name) if is_list else [name]:
        path = Path(word)
        if os.path.isdir(word):  # unlike Path's, no error where the name is too long
            for file in walk(path, suffixes, recursive, output):
                yield file, file.relative_to(path)
        else:
            matches = [] if is_list or os.path.lexists(word) else sorted(map(Path, glob.glob(word)))
            files = [file for file in matches if file.suffix.lower() in suffixes]
            for file in files or matches or [path]:  # a list's file that is not there is an error when its turn comes
                parts = [part for part in file.parts if part not in (file.anchor, "..")]
                yield file, Path(*parts) if recursive else Path(file.name)


def walk(folder: Path, suffixes: tuple[str, ...], recursive: bool, output: Path) -> Iterator[Path]:
    """A folder's files, sorted, then those of its subfolders. A subfolder that cannot be read comes as a file."""
    unreadable: list[str] = []
    for parent, folders, files in os.walk(folder, onerror=lambda error: unreadable.append(error.filename)):
        paths = (Path(parent, name) for name in sorted(files))
        yield from (path for path in paths if path.suffix.lower() in suffixes and path.is_file())
        inner = (name for name in sorted(folders) if os.path.realpath(Path(parent, name)) != os.path.realpath(output))
        folders[:] = inner if recursive else ()
    yield from map(Path, unreadable)


def read_lines(name: str) -> Iterator[str]:
    """The paths in a list, one a line, of a file or of standard input; they may hold any bytes but line ends."""
    with open(sys.stdin.fileno() if name == STDIN else name, "rb", closefd=name != STDIN) as lines:
        for line in lines:
            if b"\0" in line:
                raise PoseError(f"{name} is no list of paths in UTF-8", "list")
            if path := line.rstrip(b"\r\n"):
                yield os.fsdecode(path)


class ResultNames:
    """Names for results, by inputs' names: those that are too long are cut, and the second of a name is NAME-2."""

    def __init__(self) -> None:
        self.taken: set[int] = set()  # hashes

    def take(self, stem: str) -> str:
        folder, last = os.path.split(stem)
        name = os.fsencode(last)
        if len(name) > MAX_STEM:
            stem = os.path.join(folder, f"{name[:MAX_STEM].decode('utf-8', 'ignore')}-{zlib.crc32(name):08x}")
        numbered = (stem if number == 1 else f"{stem}-{number}" for number in itertools.count(1))
        free = next(one for one in numbered if hash(one.casefold()) not in self.taken)  # some file systems fold case
        self.taken.add(hash(free.casefold()))
        return free


def distinct(stems: Iterable[str]) -> list[str]:
    return list(map(ResultNames().take, stems))
