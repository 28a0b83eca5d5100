"""OpenPose's Caffe networks, up to a stage, as ONNX, which OpenCV 4 and 5 and other engines read.

Only the published files, whose hashes are in registry.py, are read; on others any exception may be raised.
Protobuf messages are lists of (field number, value) here; numbers and enums are those of caffe.proto and onnx.proto.
"""

import math
import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NET_LAYER, LAYER_NAME, LAYER_BLOBS, BLOB_DATA = 100, 1, 7, 5
FLOAT, EXTERNAL, INT, INTS = 1, 1, 2, 7
OPS = {"Convolution": "Conv", "ReLU": "Relu", "Pooling": "MaxPool", "Concat": "Concat"}  # ONNX's by Caffe's
IR_VERSION, OPSET = 7, 13  # known to OpenCV 4.8 to 5.0 and to onnxruntime
INPUT, OUTPUT = "image", "net_output"


def onnx_model(prototxt: Path, caffemodel: Path, stages: int, location: str = "") -> bytes:
    """The network up to a stage as an ONNX file; height and width are free.

    location: where the engine finds the caffemodel; the weights then stay there. "": they come within the ONNX file.
    """
    data, spans = read_caffemodel(caffemodel)
    blobs = {INPUT: (INPUT, 3)}  # by Caffe's name: ONNX's, which has no in-place ReLU, and channels
    graph: list[tuple[int, Any]] = [(2, "pose")]
    for layer in read_prototxt(prototxt, stages):
        name, side = layer["name"], layer["kernel_size"]
        inputs = [blobs[bottom][0] for bottom in layer["bottoms"]]
        channels = sum(blobs[bottom][1] for bottom in layer["bottoms"])
        if layer["type"] == "Convolution":
            shapes = {"weights": [layer["num_output"], channels, side, side], "biases": [layer["num_output"]]}
            for (kind, shape), span in zip(shapes.items(), spans[name], strict=True):
                graph.append((5, tensor(f"{name}.{kind}", shape, data, span, location)))
                inputs.append(f"{name}.{kind}")
            channels = layer["num_output"]
        node = [*((1, one) for one in inputs), (2, name), (3, name), (4, OPS[layer["type"]]), *attributes(layer)]
        graph.append((1, node))
        blobs[layer["top"]] = name, channels
    for number, name, *shape in (11, INPUT, 1, 3, "height", "width"), (12, OUTPUT, 1, channels, "rows", "columns"):
        dims = [(1, [(1 if isinstance(size, int) else 2, size)]) for size in shape]
        graph.append((number, [(1, name), (2, [(1, [(1, FLOAT), (2, dims)])])]))
    return b"".join(encode([(1, IR_VERSION), (8, [(1, ""), (2, OPSET)]), (7, graph)]))


def tensor(name: str, shape: list[int], data: mmap.mmap, span: slice, location: str) -> list[tuple[int, Any]]:
    size = span.stop - span.start
    if size != 4 * math.prod(shape):
        raise ValueError(f"{name} has not the shape {shape}")
    values: list[tuple[int, Any]] = [(9, memoryview(data)[span])]
    if location:
        entries = {"location": location, "offset": span.start, "length": size}
        values = [(14, EXTERNAL), *((13, [(1, key), (2, str(value))]) for key, value in entries.items())]
    return [*((1, size) for size in shape), (2, FLOAT), (8, name), *values]


def attributes(layer: dict[str, Any]) -> Iterator[tuple[int, Any]]:
    """Of an ONNX node. ceil_mode keeps the last odd row and column, as Caffe does."""
    window = {"kernel_shape": [layer["kernel_size"]] * 2, "strides": [layer["stride"]] * 2}
    convolution, pooling = {**window, "pads": [layer["pad"]] * 4}, {**window, "ceil_mode": 1}
    by_type: dict[str, dict[str, Any]] = {"Convolution": convolution, "Pooling": pooling, "Concat": {"axis": 1}}
    for key, value in by_type.get(layer["type"], {}).items():
        ints = [(3, value), (20, INT)] if isinstance(value, int) else [*((8, one) for one in value), (20, INTS)]
        yield 5, [(1, key), *ints]


def read_prototxt(path: Path, stages: int) -> list[dict[str, Any]]:
    """The layers for a stage's heatmaps and for the fields of the stage before, and a concat of the two.

    The heatmaps need these fields anyway; without the last stage's own, six stages are 7 % less work.
    """
    names = [f"Mconv7_stage{stage}" if stage > 1 else "conv5_5_CPM" for stage in (stages, stages - 1)]
    output = f'name: "{OUTPUT}" type: "Concat" bottom: "{names[0]}_L2" bottom: "{names[1]}_L1" top: "{OUTPUT}"'
    _, *texts, _ = path.read_text(encoding="utf-8").split("layer {")  # the last one is the concat of the last stage
    needed, kept = {OUTPUT}, []
    for text in reversed([*texts, output]):
        words = dict(re.findall(r'(name|type|top): "(\w+)"', text))
        numbers = {key: int(value) for key, value in re.findall(r"(\w+): (\d+)", text)}
        bottoms = re.findall(r'bottom: "(\w+)"', text)
        if words["top"] in needed:
            kept.append({"kernel_size": 1, "pad": 0, "stride": 1, **words, **numbers, "bottoms": bottoms})
            needed.update(bottoms)
    return kept[::-1]


def read_caffemodel(path: Path) -> tuple[mmap.mmap, dict[str, list[slice]]]:
    """The mapped file, and by layer where in it the values of its blobs are."""
    with open(path, "rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    spans = {}
    for layer in fields(data, slice(0, len(data)), NET_LAYER):
        (name,) = fields(data, layer, LAYER_NAME)
        blobs = fields(data, layer, LAYER_BLOBS)
        spans[data[name].decode()] = [span for blob in blobs for span in fields(data, blob, BLOB_DATA)]
    return data, spans


def fields(data: mmap.mmap, message: slice, field: int) -> Iterator[slice]:
    """Where the values of a message's fields of one number are."""
    at = message.start
    while at < message.stop:
        tag, at = read_varint(data, at)
        number, kind = divmod(tag, 8)
        size, start = ({1: 8, 5: 4}[kind], at) if kind in (1, 5) else read_varint(data, at)
        at = start + size if kind else start
        if number == 0 or at > message.stop:  # a file of zeros would take minutes
            raise ValueError("no protobuf, or cut short")
        if number == field:
            yield slice(start, at)


def read_varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    """A number, and where it ends. One that does not end is a RecursionError."""
    rest, end = read_varint(data, at + 1) if data[at] > 127 else (0, at + 1)
    return rest << 7 | data[at] & 127, end


def encode(message: list[tuple[int, Any]]) -> Iterator[bytes]:
    """In pieces: weights are copied only once, when all is joined."""
    for number, value in message:
        if isinstance(value, int):
            yield varint(number << 3) + varint(value)
        else:
            value = value.encode() if isinstance(value, str) else value
            pieces = [*encode(value)] if isinstance(value, list) else [value]
            yield varint(number << 3 | 2) + varint(sum(map(len, pieces)))
            yield from pieces


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)
