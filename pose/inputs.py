"""The files that a command line names, one after the other, and their results' names."""

from __future__ import annotations

import glob
import itertools
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from . import PoseError
from .media import storage
from .media.storage import is_remote

STDIN = "-"  # instead of a path: a list of paths comes on standard input
LIST_SUFFIX = ".txt"
MAX_STEM = 180  # bytes of a result's name before its ending; file systems allow 255 in all

StemOf = Callable[[str], str | None]  # from a name on the command line, such as a camera's


def find_files(
    names: Sequence[str],
    suffixes: tuple[str, ...],
    argument: str,
    recursive: bool = False,
    output: Path | str = Path(),
    stem_of: StemOf = lambda _: None,
) -> Iterator[tuple[str, str]]:
    """The files that paths, folders, patterns and lists of paths name, in order, each once; and their results' stems.

    PoseError with this argument, before the first file, where a name matches none. recursive: subfolders too, but not
    the output folder. stem_of: the stem for what is no file, such as a camera.
    """
    found = []
    for name in names:
        if not name:
            raise PoseError("An empty name is not a path", argument)
        files = expand(name, suffixes, recursive, output, stem_of)
        first = next(files, None)
        if first is None and not is_list(name):
            raise PoseError(f"The folder {name} holds none of {', '.join(suffixes)}", argument)
        is_file = not (is_list(name) or is_remote(name) or stem_of(name))
        if first and is_file and not os.path.lexists(first[0]):
            raise PoseError(f"{Path(first[0])} is not there", argument)
        found.append(itertools.chain([first] if first else [], files))
    return each_once(itertools.chain.from_iterable(found))


def count_files(names: Sequence[str], suffixes: tuple[str, ...], recursive: bool, output: Path | str) -> int | None:
    """The number of files, duplicates counted; None where standard input or a remote folder would have to be read."""
    if any(name == STDIN or is_remote(name) for name in names):
        return None
    return sum(1 for name in names for _ in expand(name, suffixes, recursive, output))


def each_once(files: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Each file once, with a distinct stem. Only hashes are kept, as there may be millions."""
    seen: set[int] = set()
    taken: set[int] = set()
    for path, stem in files:
        identity = hash(path if "://" in path else os.path.realpath(path))
        if identity not in seen:
            seen.add(identity)
            yield path, free_stem(stem, taken)


def is_list(name: str) -> bool:
    return name == STDIN or (name.lower().endswith(LIST_SUFFIX) and os.path.isfile(name))


def expand(
    name: str, suffixes: tuple[str, ...], recursive: bool, output: Path | str, stem_of: StemOf = lambda _: None
) -> Iterator[tuple[str, str]]:
    """The files that one name matches, each with its stem, which with recursive mirrors the tree."""
    for word in read_lines(name) if is_list(name) else [name]:
        path = Path(word)
        if is_remote(word):
            below = storage.find(word, recursive)
            yield from ((file, without_suffix(inner)) for file, inner in below if inner.lower().endswith(suffixes))
        elif stem := stem_of(word):
            yield word, stem
        elif os.path.isdir(word):  # unlike Path's, no error where the name is too long
            for file in walk(path, suffixes, recursive, output):
                yield str(file), without_suffix(file.relative_to(path))
        else:
            matches = [] if is_list(name) or os.path.lexists(word) else sorted(map(Path, glob.glob(word)))
            files = [file for file in matches if file.suffix.lower() in suffixes]
            for file in files or matches or [path]:  # one that is missing is an error when its turn comes
                yield str(file), without_suffix(file if recursive else file.name)


def without_suffix(name: Path | str) -> str:
    """A path without its suffix, its root and "..", so that results stay in the output folder."""
    path = Path(name)
    return str(Path(*(part for part in path.parts[:-1] if part not in (path.anchor, "..")), path.stem))


def walk(folder: Path, suffixes: tuple[str, ...], recursive: bool, output: Path | str) -> Iterator[Path]:
    """A folder's files, sorted, then those of its subfolders. An unreadable subfolder is listed as a file."""
    unreadable: list[str] = []
    for parent, folders, files in os.walk(folder, onerror=lambda error: unreadable.append(error.filename)):
        paths = (Path(parent, name) for name in sorted(files))
        yield from (path for path in paths if path.suffix.lower() in suffixes and path.is_file())
        inner = (name for name in sorted(folders) if os.path.realpath(Path(parent, name)) != os.path.realpath(output))
        folders[:] = inner if recursive else ()
    yield from map(Path, unreadable)


def read_lines(name: str) -> Iterator[str]:
    """The paths in a file or on standard input, one a line, of any bytes but line ends."""
    if name == STDIN and sys.stdin is None:
        raise PoseError("Standard input is closed and holds no list of paths; pipe one into it")
    with open(sys.stdin.fileno() if name == STDIN else name, "rb", closefd=name != STDIN) as lines:
        for line in lines:
            if b"\0" in line:
                raise PoseError(f"{name} is not a list of paths in UTF-8", "list")
            if path := line.rstrip(b"\r\n"):
                yield os.fsdecode(path)


def free_stem(stem: str, taken: set[int]) -> str:
    """A name for results: one that is too long is cut, and the second NAME is NAME-2. taken: hashes, extended by it."""
    folder, last = os.path.split(stem)
    name = os.fsencode(last)
    if len(name) > MAX_STEM:
        stem = os.path.join(folder, f"{name[:MAX_STEM].decode('utf-8', 'ignore')}-{zlib.crc32(name):08x}")
    numbered = (stem if number == 1 else f"{stem}-{number}" for number in itertools.count(1))
    free = next(one for one in numbered if hash(one.casefold()) not in taken)  # some file systems ignore case
    taken.add(hash(free.casefold()))
    return free
