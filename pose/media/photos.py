"""Reads photo files of any format as (H, W, 3) uint8, blue, green, red, upright and opaque."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from .. import PoseError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
MAX_BYTES = (1 << 31) - 1  # of a file that OpenCV decodes
JPEG_START, PNG_START = b"\xff\xd8", b"\x89PNG"
PNG_COLOUR, PNG_ALPHA = 25, 4  # the byte of a PNG that tells the kind of its colours, and its bit for transparency


def read_picture(path: Path) -> np.ndarray:
    """A picture file as (H, W, 3) uint8; EXIF orientation is applied, transparency is blended with white."""
    try:
        check_is_file(path, "image")
        if path.stat().st_size > MAX_BYTES:
            raise PoseError(f"{path} is too large a file for a picture", "image")
        data = path.read_bytes()  # cv2.imread cannot open every name on Windows
    except OSError as error:
        argument = "permissions" if isinstance(error, PermissionError) else "image"
        raise PoseError(f"Cannot read {path}: {error.strerror}", argument) from error
    if not data:
        raise PoseError(f"{path} is empty", "image")
    try:
        with silence():
            array = np.frombuffer(data, np.uint8)
            picture = cv2.imdecode(array, cv2.IMREAD_COLOR)
            decodes_again = picture is not None and may_have_alpha(data)
            layers = cv2.imdecode(array, cv2.IMREAD_UNCHANGED) if decodes_again else None
    except cv2.error as error:
        if error.code == cv2.Error.STS_NO_MEM:
            raise
        if "CV_IO_MAX_IMAGE" in error.err:
            raise PoseError(f"{path} has too many pixels", "max_pixels") from error
        raise PoseError(f"{path} is not a picture that OpenCV can read; save it as PNG or JPEG") from error
    if picture is None:
        raise PoseError(f"{path} is not a picture, is damaged, or of a rare kind; save it as PNG or JPEG")
    if layers is not None and layers.ndim == 3 and layers.shape[2] == 4 and layers.shape[:2] == picture.shape[:2]:
        return on_white(picture, layers[:, :, 3])
    return picture


def may_have_alpha(data: bytes) -> bool:
    """Whether a picture file may be transparent."""
    if data.startswith(PNG_START):
        return bool(data[PNG_COLOUR] & PNG_ALPHA) or b"tRNS" in data
    return not data.startswith(JPEG_START)


def check_is_file(path: Path, argument: str) -> None:
    """PoseError for pipes, devices and sockets, which may never end."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise PoseError(f"{path} is a pipe, device or socket, not a file", argument)


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Suppresses what libpng and others write to stderr."""
    if sys.stderr is None:
        yield
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def on_white(picture: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The picture on white, blended by alpha (H, W) of any integer type."""
    opacity = (alpha.astype(np.float32) / np.iinfo(alpha.dtype).max)[:, :, None]
    return np.rint(picture * opacity + 255 * (1 - opacity)).astype(np.uint8)
