"""Remote files (s3://bucket/name and whatever else fsspec supports): downloaded to be read, uploaded when written."""

from __future__ import annotations

import contextlib
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from .. import PoseError

SCHEMES = ("s3://", "gs://", "az://", "abfs://", "hdfs://", "sftp://", "memory://")
FINGERPRINT_BYTES = 1 << 16  # of a file's start and of its end
Name = str | Path


def is_remote(name: Name) -> bool:
    return isinstance(name, str) and name.startswith(SCHEMES)


def join(folder: Name, name: str) -> Any:
    """A name in a folder: a Path, or a str if the folder is remote."""
    return f"{str(folder).rstrip('/')}/{name}" if is_remote(folder) else Path(folder, name)


@contextlib.contextmanager
def store_errors(what: str, name: str) -> Iterator[None]:
    """PoseError where fsspec or the library of a store fails, whatever it raises."""
    try:
        yield
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise PoseError(f"Cannot {what} {name}: {reason.splitlines()[0].rstrip('.')}") from error


def file_system(name: str) -> tuple[Any, str]:
    """fsspec's file system for a name, and the path in it."""
    with store_errors("open", name):
        try:
            import fsspec
        except ImportError as error:
            raise ImportError("it needs the package fsspec and the store's, for s3:// pip install s3fs") from error
        return fsspec.url_to_fs(name)


def exists(name: Name) -> bool:
    if not is_remote(name):
        return os.path.exists(name)
    fs, path = file_system(str(name))
    with store_errors("open", str(name)):
        return fs.exists(path)


def open_file(name: Name) -> IO[bytes]:
    if not is_remote(name):
        return open(name, "rb")
    fs, path = file_system(str(name))
    return fs.open(path, "rb")


def fingerprint(names: Iterable[Name]) -> int:
    """A checksum of files' sizes, starts and ends, which shows whether they are the same, in any folder or store.

    0 for what is no file, as reading a pipe would consume it.
    """
    crc = 0
    with contextlib.suppress(OSError):
        for name in names:
            if is_remote(name) or os.path.isfile(name):
                with open_file(name) as file:
                    size = file.seek(0, os.SEEK_END)
                    for start in (0, max(0, size - FINGERPRINT_BYTES)):
                        file.seek(start)
                        crc = zlib.crc32(file.read(FINGERPRINT_BYTES), crc)
                    crc = zlib.crc32(str(size).encode(), crc)
    return crc


@contextlib.contextmanager
def local_copies(name: str, folder: Name, last: str) -> Iterator[tuple[str, Path]]:
    """A local path of a source and a local folder for its results, which are uploaded when the block succeeds.

    last: the name of the result that is uploaded after all others.
    """
    with contextlib.ExitStack() as stack:
        source, results = name, Path(folder)
        if is_remote(name):
            source = os.path.join(stack.enter_context(tempfile.TemporaryDirectory()), name.rpartition("/")[2])
            fs, path = file_system(name)
            with store_errors("read", name):
                fs.get_file(path, source)
        if is_remote(folder):
            results = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        try:
            yield source, results
        except PoseError as error:
            raise PoseError(str(error).replace(source, name), error.argument) from error
        if is_remote(folder):
            upload(results, str(folder), last)


def upload(results: Path, folder: str, last: str) -> None:
    """Copy all files in a local folder to a remote one."""
    files = [path.relative_to(results).as_posix() for path in results.rglob("*") if path.is_file()]
    fs, root = file_system(folder)
    for name in sorted(files, key=lambda name: (name == last, name)):
        with store_errors("write", join(folder, name)):
            target = f"{root.rstrip('/')}/{name}"
            fs.makedirs(target.rpartition("/")[0], exist_ok=True)
            fs.put_file(str(results / name), target)


def remove_remote(folder: Name) -> None:
    """Remove a remote folder, so that a new one is not merged with it."""
    if is_remote(folder) and exists(folder):
        fs, path = file_system(str(folder))
        with store_errors("remove", str(folder)):
            fs.rm(path, recursive=True)


def find(name: str, recursive: bool) -> Iterator[tuple[str, str]]:
    """The remote files in a folder or that match a pattern, each with its path in the folder."""
    fs, root = file_system(name)
    scheme = name.partition("://")[0]
    with store_errors("read", name):
        if "*" in root:
            for path in fs.glob(root):
                yield f"{scheme}://{path.lstrip('/')}", path.rpartition("/")[2]
        elif fs.isfile(root):
            yield name, root.rpartition("/")[2]
        else:
            for parent, folders, files in fs.walk(root):
                for file in sorted(files):
                    path = f"{parent.rstrip('/')}/{file}"
                    yield f"{scheme}://{path.lstrip('/')}", path[len(root.rstrip("/")) + 1 :]
                if not recursive:
                    folders.clear()


def read_text(name: Name) -> str:
    with open_file(name) as file:
        return file.read().decode("utf-8")
