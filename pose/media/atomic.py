"""Files and folders that take their final name only when complete."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .. import PoseError


@contextlib.contextmanager
def atomic_write(path: Path, partial: Path | None = None) -> Iterator[Path]:
    """A temporary path in the folder of `path`: renamed to `path` when the block succeeds, removed when it fails.

    After Ctrl-C it is renamed to `partial` instead, if there is one. PoseError where it cannot be written.
    """
    temporary = hidden_path(path, os.getpid())
    try:
        with write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                yield temporary
            except KeyboardInterrupt:
                if partial and (temporary.is_file() or (temporary.is_dir() and any(temporary.iterdir()))):
                    replace(temporary, partial)
                raise
            replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            remove(temporary)
        if isinstance(error, PoseError) and temporary.exists():
            raise PoseError(f"{error}; {temporary.name} next to it cannot be removed", error.argument) from error
        raise


@contextlib.contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """An OSError in the block becomes a PoseError."""
    try:
        yield
    except OSError as error:
        raise write_error(path, error) from error


def write_error(path: Path, error: Any) -> PoseError:
    reason = getattr(error, "strerror", None) or error
    is_full = getattr(error, "errno", None) == errno.ENOSPC
    return PoseError(f"Cannot write {path}: {reason}", "full" if is_full else "output_dir")


def hidden_path(path: Path, process: int | str) -> Path:
    """Where a process writes what will be `path`: a short ASCII name, which every library can open."""
    return path.with_name(f".{zlib.crc32(os.fsencode(path.name)):08x}-{process}{suffix_of(path)}")


def add_to_stem(path: Path, ending: str) -> Path:
    suffix = suffix_of(path)
    return path.with_name(f"{path.name.removesuffix(suffix)}{ending}{suffix}")


def suffix_of(path: Path) -> str:
    """A file's suffix; a longer one is part of a folder's name."""
    return path.suffix if len(path.suffix) <= len(".webm") else ""


def remove_leftovers(paths: Iterable[Path]) -> None:
    """Remove the temporary files of these results that killed runs have left."""
    for path in paths:
        for leftover in path.parent.glob(hidden_path(path, "*").name):
            number = leftover.stem.rpartition("-")[2]
            if number.isdecimal() and not is_running(int(number)):
                with contextlib.suppress(OSError):  # on Windows, where a running process has it open
                    remove(leftover)


def is_running(process: int) -> bool:
    try:
        if os.name == "posix":  # on Windows signal 0 would end the process
            os.kill(process, 0)
            return True
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        pass
    return False


def replace(temporary: Path, path: Path) -> None:
    """Give a finished file or folder its final name, in place of what stood there."""
    old = set_aside(path) if temporary.is_dir() else None
    os.replace(temporary, path)
    if old:
        remove(old)


def set_aside(folder: Path) -> Path:
    """Hide a folder that is to be replaced, so that it is not taken for the new one; returns its path."""
    old = hidden_path(folder, f"old-{os.getpid()}")
    if folder.exists():
        os.replace(folder, old)
    return old


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
