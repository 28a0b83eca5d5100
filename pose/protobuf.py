"""Protobuf, the form of caffemodels, of TensorFlow's graphs and of ONNX: read and written without its library.

A message is a row of fields, each with its number, its type and, where the type asks for it, its length in front. What
is inside of a field only its reader knows: messages, numbers, text. A file that we read stays on the disk, mapped:
reading walks the lengths and touches few pages.
"""

import mmap
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pose import PoseError

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5  # protobuf's wire types
MOST_VARINTS = 100_000  # through a file, so that none can hang us; OpenPose's snapshots take some 5,000
MOST_LETTERS = 200  # of a fault, into which a broken file may have put anything
FETCH = "fetch it again with ./getModels.sh"
WEB_PAGE = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<!--")  # how a server's excuse saved as a model begins
LFS_POINTER = b"version https://git-lfs"


class Fault(Exception):
    """What is wrong in a file, without the file's name."""


@contextmanager
def errors_of(path: Path, remedy: str = FETCH):
    """Faults inside become a PoseError, one sentence with the file's name and the remedy."""
    try:
        yield
    except Fault as fault:
        raise PoseError(f"{path} {str(fault)[:MOST_LETTERS]}; {remedy}.") from None
    except OSError as error:
        raise PoseError(f"{path} cannot be read ({error.strerror or error}); {remedy}.") from None


def open_weights(path: Path) -> np.ndarray:
    """A protobuf file's bytes, mapped: no web page, no Git LFS pointer, and whole as far as its lengths tell."""
    with errors_of(path):
        if not Path(path).is_file():
            raise Fault("is missing or not a file")
        if Path(path).stat().st_size == 0:
            raise Fault("is empty")
        with open(path, "rb") as file:
            data = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
        start = bytes(data[:512]).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
        if start.startswith(WEB_PAGE):
            raise Fault("is a web page and no network")
        if start.startswith(LFS_POINTER):
            raise Fault("is a Git LFS pointer and not the network itself")
        fields_of(data, iter(range(MOST_VARINTS)))
    return data


def fields_of(data: np.ndarray, steps: Iterator[int]) -> dict[tuple[int, int], list]:
    """The values of a protobuf message by number and wire type: an int for VARINT, else bytes.

    Numbers of fixed size that were written one by one, each with its tag, are put together.
    """
    fields, at = defaultdict(list), 0
    while at < data.size:
        start = at
        tag, at = _varint_at(data, at, steps)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, at = _varint_at(data, at, steps)
        elif kind == LENGTH:
            size, at = _varint_at(data, at, steps)
            value, at = data[at : at + size], at + size
        elif kind in (FIXED32, FIXED64):
            width = at - start + (4 if kind == FIXED32 else 8)
            ahead = data[start : start + width * min((data.size - start) // width, 1024)].reshape(-1, width)
            same_tag = (ahead[:, : at - start] == data[start:at]).all(axis=1)
            count = int(np.append(same_tag, False).argmin())
            value, at = ahead[:count, at - start :].reshape(-1), start + width * max(count, 1)
        if number == 0 or kind not in (VARINT, LENGTH, FIXED32, FIXED64):
            raise Fault("is damaged or no network")
        if at > data.size:
            raise Fault("is cut short")
        fields[number, kind].append(value)
    return fields


def text_of(pieces: list[np.ndarray]) -> str:
    """A text field's value; empty where the field is not there."""
    return b"".join(pieces).decode("utf-8", "replace")


def varints(data: np.ndarray, steps: Iterator[int]) -> list[int]:
    """Numbers that were written as one field, without tags between them."""
    values, at = [], 0
    while at < data.size:
        value, at = _varint_at(data, at, steps)
        values.append(value)
    return values


def _varint_at(data: np.ndarray, at: int, steps: Iterator[int]) -> tuple[int, int]:
    """The number at this place, and the place behind it."""
    if next(steps, None) is None:
        raise Fault("has more fields than any network")
    value = 0
    for shift in range(0, 70, 7):
        if at >= data.size:
            raise Fault("is cut short")
        byte = int(data[at])
        value |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return value, at
    raise Fault("is damaged or no network")


def field(number: int, *content) -> list:
    """A protobuf field, in pieces that are copied together only at the end: of a whole number, a text, or of pieces."""
    if isinstance(content[0], int):
        return [_varint(number << 3 | VARINT) + _varint(content[0])]
    pieces = [piece.encode() if isinstance(piece, str) else piece for piece in content]
    return [_varint(number << 3 | LENGTH) + _varint(sum(len(piece) for piece in pieces)), *pieces]


def _varint(value: int) -> bytes:
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + _varint(rest) if rest else bytes([low])
