"""OpenPose's Caffe networks, up to a stage, as ONNX, which OpenCV 4 and 5 and other engines read.

Only the published files need to be read, and registry.py knows their hashes: on others any error may be raised.
"""

import math
import mmap
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

INPUT, OUTPUT = "image", "net_output"
LAYER = re.compile(
    r'layer \{\s+name: "(?P<name>.+?)"\s+type: "(?P<type>\w+)"(?:\s+bottom: ".+?")+\s+top: "(?P<top>.+?)"'
    r"(?:\s+\w+ \{[^{}]*\})?\s*\}"
)
NET_LAYER, LAYER_NAME, LAYER_BLOBS, BLOB_DATA = 100, 1, 7, 5  # field numbers of caffe.proto
OPS = {"Convolution": "Conv", "ReLU": "Relu", "Pooling": "MaxPool", "Concat": "Concat"}  # ONNX's by Caffe's
IR_VERSION, OPSET = 7, 13  # known to OpenCV 4.8 to 5.0 and to onnxruntime
FLOAT, EXTERNAL, INT, INTS = 1, 1, 2, 7  # of onnx.proto's enums


def onnx_model(prototxt: Path, caffemodel: Path, stages: int, embed: bool = True) -> np.ndarray:
    """The network up to a stage as an ONNX file, uint8, for cv2.dnn.readNetFromONNX; height and width are free.

    embed=False: the weights stay in the caffemodel. OpenCV 5 then copies them once and not three times; 4 crashes.
    """
    layers = read_prototxt(prototxt, stages)
    data, weights, channels = locate_weights(caffemodel, layers)
    location = os.path.abspath(caffemodel)
    results = {INPUT: INPUT}  # in Caffe a ReLU overwrites its input, in ONNX each result has a name of its own
    graph: list[tuple[int, Any]] = [(2, "pose")]
    for layer in layers:
        name, inputs = layer["name"], [results[bottom] for bottom in bottoms(layer)]
        for tensor, shape, place in weights.get(name, ()):
            values: list[tuple[int, Any]] = [(9, memoryview(data)[place])]
            if not embed:
                entries = {"location": location, "offset": place.start, "length": place.stop - place.start}
                values = [(14, EXTERNAL), *((13, [(1, key), (2, str(value))]) for key, value in entries.items())]
            graph.append((5, [*((1, size) for size in shape), (2, FLOAT), (8, tensor), *values]))
            inputs.append(tensor)
        node = [*((1, one) for one in inputs), (2, name), (3, name), (4, OPS[layer["type"]]), *attributes(layer)]
        graph.append((1, node))
        results[layer["top"]] = name
    ends = (INPUT, [3, "height", "width"]), (OUTPUT, [channels[OUTPUT], "rows", "columns"])
    for number, (name, shape) in zip((11, 12), ends, strict=True):
        dims = [(1, [(1 if isinstance(size, int) else 2, size)]) for size in (1, *shape)]
        graph.append((number, [(1, name), (2, [(1, [(1, FLOAT), (2, dims)])])]))
    return np.frombuffer(b"".join(encode([(1, IR_VERSION), (8, [(1, ""), (2, OPSET)]), (7, graph)])), np.uint8)


def read_prototxt(path: Path, stages: int) -> list[re.Match]:
    """Those layers that a stage's heatmaps and the fields of the stage before need, and a concat of the two.

    These heatmaps need these fields anyway. Without the last stage's own fields, six stages are 7 % less work.
    """
    names = [f"Mconv7_stage{stage}" if stage > 1 else "conv5_5_CPM" for stage in (stages, stages - 1)]
    output = f'bottom: "{names[0]}_L2" bottom: "{names[1]}_L1" top: "{OUTPUT}" concat_param {{ axis: 1 }}'
    text = path.read_text(encoding="utf-8") + f'layer {{ name: "{OUTPUT}" type: "Concat" {output} }}'
    *layers, concat = LAYER.finditer(text)
    kept, needed = [concat], set(bottoms(concat))
    for layer in reversed(layers):
        if layer["top"] in needed:
            kept.append(layer)
            needed.update(bottoms(layer))
    return kept[::-1]


def bottoms(layer: re.Match) -> list[str]:
    return re.findall(r'bottom: "(.+?)"', layer[0])


def numbers(layer: re.Match) -> dict[str, int]:
    """A layer's parameters, with Caffe's defaults."""
    found = {key: int(value) for key, value in re.findall(r"(\w+): (\d+)", layer[0])}
    return {"kernel_size": 1, "pad": 0, "stride": 1} | found


def attributes(layer: re.Match) -> Iterator[tuple]:
    """Of an ONNX node. ceil_mode keeps the last odd row and column, as Caffe does."""
    n = numbers(layer)
    window = {"kernel_shape": [n["kernel_size"]] * 2, "strides": [n["stride"]] * 2}
    by_type: dict[str, dict[str, Any]] = {
        "Convolution": {**window, "pads": [n["pad"]] * 4},
        "Pooling": {**window, "ceil_mode": 1},
    }
    for key, value in (by_type | {"ReLU": {}, "Concat": {"axis": 1}})[layer["type"]].items():
        ints = [(3, value), (20, INT)] if isinstance(value, int) else [*((8, one) for one in value), (20, INTS)]
        yield 5, [(1, key), *ints]


def locate_weights(path: Path, layers: list[re.Match]) -> tuple[mmap.mmap, dict[str, list], dict[str, int]]:
    """The mapped file; by convolution the names, shapes and places of its two tensors; by blob its channels.

    Shapes follow from the prototxt. The file has them in one of two forms, but other sizes show another network.
    """
    with open(path, "rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    places = {}
    for stored in values_of(data, slice(0, len(data)), NET_LAYER):
        (name,) = values_of(data, stored, LAYER_NAME)
        blobs = values_of(data, stored, LAYER_BLOBS)
        places[data[name].decode()] = [place for blob in blobs for place in values_of(data, blob, BLOB_DATA)]
    weights, channels = {}, {INPUT: 3}
    for layer in layers:
        name, count = layer["name"], sum(channels[bottom] for bottom in bottoms(layer))
        if layer["type"] == "Convolution":
            side, outputs = numbers(layer)["kernel_size"], numbers(layer)["num_output"]
            shapes = [outputs, count, side, side], [outputs]
            if [4 * math.prod(shape) for shape in shapes] != [p.stop - p.start for p in places[name]]:
                raise ValueError(f"{name} has other weights than {shapes}")
            weights[name] = list(zip((f"{name}.weights", f"{name}.biases"), shapes, places[name], strict=True))
            count = outputs
        channels[layer["top"]] = count
    return data, weights, channels


def values_of(data: mmap.mmap, message: slice, wanted: int) -> Iterator[slice]:
    """Where in the file the values of a protobuf message's fields of one number are."""
    at = message.start

    def read_varint() -> int:
        nonlocal at
        value = 0
        for shift in range(0, 70, 7):
            value, at = value | (data[at] & 127) << shift, at + 1
            if data[at - 1] < 128:
                return value
        raise ValueError("a number that does not end")

    while at < message.stop:
        number, kind = divmod(read_varint(), 8)
        size = {1: 8, 5: 4}[kind] if kind not in (0, 2) else read_varint()  # of kind 0 the value itself
        start, at = at, at + (size if kind else 0)
        if number == 0 or at > message.stop:  # zeros, where a download left a hole, would take minutes to walk
            raise ValueError("no protobuf, or cut short")
        if number == wanted:
            yield slice(start, at)


def encode(fields: list[tuple]) -> list:
    """A protobuf message of (number, value), in pieces: weights are copied only once, when all is joined."""
    pieces = []
    for number, value in fields:
        if isinstance(value, int):
            pieces.append(varint(number << 3) + varint(value))
        else:
            inside = encode(value) if isinstance(value, list) else [value.encode() if isinstance(value, str) else value]
            pieces += [varint(number << 3 | 2) + varint(sum(map(len, inside))), *inside]
    return pieces


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)
