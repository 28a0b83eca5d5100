import os
import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose import PoseError, cli
from pose.media.photos import SUFFIXES, read_picture


@pytest.fixture
def scene():
    """Left half blue, right half red, a white corner at the top left."""
    picture = np.zeros((40, 64, 3), np.uint8)
    picture[:, :32, 0] = picture[:, 32:, 2] = 200
    picture[:16, :16] = 255
    return picture


def write(path, picture):
    encoded, data = cv2.imencode(path.suffix, picture)
    assert encoded
    path.write_bytes(data.tobytes())
    return path


def next_descriptor():
    descriptor = os.dup(2)
    os.close(descriptor)
    return descriptor


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_formats_and_no_file_stays_open(tmp_path, scene, suffix):
    before = next_descriptor()
    read = read_picture(write(tmp_path / f"my photo ü.v2{suffix}", scene))
    assert (read.dtype, read.shape) == (np.uint8, scene.shape)
    assert np.abs(read.astype(int) - scene).mean() < 12
    assert next_descriptor() == before


def test_grey_and_16_bit(tmp_path, scene):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(read_picture(write(tmp_path / "a.png", grey)), np.dstack([grey] * 3))
    assert np.array_equal(read_picture(write(tmp_path / "a.png", scene.astype(np.uint16) * 257)), scene)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_see_through_lies_on_white(tmp_path, scene, dtype):
    top = np.iinfo(dtype).max
    alpha = np.full(scene.shape[:2], top, dtype)
    alpha[:16, :16] = np.arange(16) * (top // 16)  # white on white
    alpha[20:], alpha[30:] = top // 2, 0
    layers = np.dstack([scene.astype(dtype) * (top // 255), alpha])
    read = read_picture(write(tmp_path / "a.png", layers))
    assert np.array_equal(read[:20], scene[:20])
    assert np.abs(read[20:30] - (scene[20:30] / 2 + 255 / 2)).max() <= 1
    assert (read[30:] == 255).all()


PALETTE = [0, 0, 0, 10, 20, 30, 100, 0, 0]


@pytest.mark.parametrize(
    ("colour", "row", "chunks", "expected"),
    [
        (3, [0, 1, 2], {b"PLTE": PALETTE, b"tRNS": [0, 255, 128]}, [[255, 255, 255], [30, 20, 10], [127, 127, 177]]),
        (2, [1, 2, 3, 9, 9, 9], {b"tRNS": [0, 1, 0, 2, 0, 3]}, [[255, 255, 255], [9, 9, 9]]),
        (2, [1, 2, 3], {b"tEXt": b"Comment\0IDAT", b"tRNS": [0, 1, 0, 2, 0, 3]}, [[255, 255, 255]]),
        (4, [1, 0, 5, 255, 6, 128], {}, [[255, 255, 255], [5, 5, 5], [130, 130, 130]]),
        (3, [0, 1, 2], {b"PLTE": PALETTE}, [[0, 0, 0], [30, 20, 10], [0, 0, 100]]),
    ],
)
def test_transparency_of_each_kind_of_png(tmp_path, colour, row, chunks, expected):
    header = struct.pack(">IIBBBBB", len(expected), 1, 8, colour, 0, 0, 0)
    parts = {b"IHDR": header, **chunks, b"IDAT": zlib.compress(bytes([0, *row])), b"IEND": b""}
    data = b"\x89PNG\r\n\x1a\n"
    for kind, values in parts.items():
        chunk = kind + bytes(values)
        data += struct.pack(">I", len(values)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    path = tmp_path / "a.png"
    path.write_bytes(data)
    assert read_picture(path).tolist() == [expected]


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [(3, cv2.ROTATE_180), (6, cv2.ROTATE_90_CLOCKWISE), (8, cv2.ROTATE_90_COUNTERCLOCKWISE)],
)
def test_exif_turns(tmp_path, scene, orientation, turn):
    data = cv2.imencode(".jpg", scene)[1].tobytes()
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    exif = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 1) + entry + struct.pack(">I", 0)
    path = tmp_path / "turned.jpg"
    path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:])
    expected = cv2.rotate(scene, turn)
    read = read_picture(path)
    assert read.shape == expected.shape
    assert np.abs(read.astype(int) - expected).mean() < 12


def too_large(path):
    with open(path, "wb") as file:
        file.truncate(1 << 40)


IS_NO_FILE = "is a pipe, device or socket, not a file"
POSIX = [
    (lambda path: os.mkfifo(path), IS_NO_FILE),
    (lambda path: path.symlink_to("/dev/zero"), IS_NO_FILE),
    (lambda path: path.symlink_to("/dev/full"), IS_NO_FILE),
]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"Dear diary,\n" * 20), "not a picture"),
        (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n1234"), "not a picture"),
        (lambda path: None, "Cannot read"),
        (lambda path: path.mkdir(), "Cannot read"),
        (too_large, "too large a file"),
        *(POSIX if os.name == "posix" else []),  # such as pipes, which are not waited for
    ],
)
def test_what_is_no_picture(tmp_path, make, message):
    make(tmp_path / "a.jpg")
    with pytest.raises(PoseError, match=message):
        read_picture(tmp_path / "a.jpg")


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tiff"])
def test_a_cut_off_picture_makes_no_noise(tmp_path, capfd, monkeypatch, suffix):
    rng = np.random.default_rng(0)
    path = write(tmp_path / f"a{suffix}", rng.integers(0, 256, (64, 64, 3), np.uint8))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(PoseError, match="damaged"):
        read_picture(path)
    os.write(2, b"what comes later")
    assert capfd.readouterr().err == "what comes later"
    monkeypatch.setattr(sys, "stderr", None)  # closed: there is nothing to silence
    with pytest.raises(PoseError, match="damaged"):
        read_picture(path)


def test_what_may_not_be_read_has_its_own_remedy(tmp_path, monkeypatch):
    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    (tmp_path / "a.png").touch()
    with pytest.raises(PoseError, match=r"a\.png: Permission denied") as caught:
        read_picture(tmp_path / "a.png")
    assert cli.REMEDIES[caught.value.argument].startswith("check its permissions")
