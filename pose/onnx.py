"""Writes ONNX files, which every OpenCV reads, and OpenCV 5 runs faster than any others."""

import os

import numpy as np

from .protobuf import field

# Versions that OpenCV 4.8 to 5.0 and onnxruntime know, and the types of a tensor and of attributes.
IR_VERSION, OPSET = 7, 13
FLOAT, EXTERNAL, ATTRIBUTE_INT, ATTRIBUTE_INTS = 1, 1, 2, 7
INPUT, OUTPUT = "image", "net_output"


def model(graph: list, channels: int, side: int | None = None) -> np.ndarray:
    """A whole file, uint8: the nodes and tensors of a graph that takes INPUT, a picture, to OUTPUT.

    side: of a square picture, written down as its size, though OpenCV takes any; None: height and width are free.
    """
    graph = [*field(2, "pose"), *graph]
    graph += field(11, *_end(INPUT, [1, 3, *([side] * 2 if side else ["height", "width"])]))
    graph += field(12, *_end(OUTPUT, [1, channels, "rows", "columns"]))
    pieces = [*field(1, IR_VERSION), *field(8, *field(1, ""), *field(2, OPSET)), *field(7, *graph)]
    return np.concatenate([np.frombuffer(piece, np.uint8) for piece in pieces if len(piece)])


def node(op: str, name: str, inputs: list[str], **attributes: int | list[int]) -> list:
    """A step of the graph; its result has its name."""
    pieces = [piece for one in inputs for piece in field(1, one)]
    pieces += field(2, name) + field(3, name) + field(4, op)
    for key, value in attributes.items():
        pieces += _attribute(key, value)
    return field(1, *pieces)


def tensor(name: str, shape: list[int], data: list[np.ndarray], file: tuple[np.ndarray, str] | None = None) -> list:
    """A node's constant input: its float32 values in uint8 pieces, or where they lie in one piece of a mapped file."""
    dims = [piece for dim in shape for piece in field(1, dim)]
    values = (file and len(data) == 1 and _in_file(data[0], *file)) or field(9, *data)
    return field(5, *dims, *field(2, FLOAT), *field(8, name), *values)


def _in_file(piece: np.ndarray, mapped: np.ndarray, path: str) -> list:
    """ONNX's external data of a piece of a mapped file; none for values that are not the file's own."""
    if not np.may_share_memory(piece, mapped):
        return []
    offset = piece.ctypes.data - mapped.ctypes.data
    entries = {"location": os.path.abspath(path), "offset": str(offset), "length": str(piece.size)}
    fields = field(14, EXTERNAL)
    for key, value in entries.items():
        fields += field(13, *field(1, key), *field(2, value))
    return fields


def _attribute(name: str, value: int | list[int]) -> list:
    if isinstance(value, int):
        return field(5, *field(1, name), *field(3, value), *field(20, ATTRIBUTE_INT))
    numbers = [piece for number in value for piece in field(8, number)]
    return field(5, *field(1, name), *numbers, *field(20, ATTRIBUTE_INTS))


def _end(name: str, shape: list[int | str]) -> list:
    """What the graph takes or gives; a size that is free has a name instead."""
    dims = [piece for dim in shape for piece in field(1, *field(1 if isinstance(dim, int) else 2, dim))]
    return field(1, name) + field(2, *field(1, *field(1, FLOAT), *field(2, *dims)))
