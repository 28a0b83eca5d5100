"""Reads OpenPose's networks and hands OpenCV what it can load: Caffe buffers for OpenCV 4, ONNX bytes for OpenCV 5.

    prototxt ───▶ layers ──cut──▶ those that the answer after so many stages needs ──┐
    caffemodel ─▶ mapped bytes ──▶ blobs by layer name ──check_fit───────────────────┴──▶ caffe_model or onnx_model

A prototxt is a short text of nested braces, a caffemodel is protobuf; both are read without Caffe and without cv2.
Caffe's V1 format (before 2014) is not read: OpenPose's files are newer.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pose import PoseError

from . import onnx
from .onnx import INPUT, OUTPUT
from .protobuf import (
    FETCH,
    FIXED32,
    FIXED64,
    LENGTH,
    MOST_VARINTS,
    VARINT,
    Fault,
    errors_of,
    fields_of,
    open_weights,
    text_of,
    varints,
)

RESTORE = "put the project's own file back"

# A prototxt is a row of these parts. We take the fields that we understand, here with their paths, and those that only
# training needs. Any other could change what a layer does.
PART = re.compile(
    r'\s+|#.*|(?P<close>})|(?P<key>\w+)\s*((?P<open>{)|:\s*(?P<value>"[^"\\\x00-\x1f]*"|[-+.\w]+))|(?P<bad>\w+|.)'
)
UNDERSTOOD = re.compile(
    r"""name:.* | input:"image" | input_dim:[1-9]\d{0,4}
    | layer/(name|bottom|top):"[-./\w]+" | layer/type:"(Convolution|ReLU|Pooling|Concat)"
    | layer/convolution_param/((num_output|kernel_size|stride):[1-9]\d{0,4} | pad:\d{1,4})
    | layer/pooling_param/(pool:MAX | (kernel_size|stride):[1-9]\d{0,4}) | layer/concat_param/axis:1
    | layer/param/\w+:.* | layer/convolution_param/(engine | (weight|bias)_filler/\w+):.*""",
    re.VERBOSE | re.ASCII,
)
MOST_TEXT = 200_000  # letters of a prototxt; ours have 25,000

INPUT_TEXT = f'input: "{INPUT}" input_dim: 1 input_dim: 3 input_dim: 368 input_dim: 368'  # sides may change later
ONNX_OPS = {"Convolution": "Conv", "ReLU": "Relu", "Pooling": "MaxPool", "Concat": "Concat"}
NUMBERS = {  # of each type of layer, with Caffe's defaults; None has to be there
    "Convolution": {"num_output": None, "kernel_size": None, "pad": 0, "stride": 1},
    "Pooling": {"kernel_size": None, "stride": 1},
}

# The numbers of those fields of caffe.proto that matter.
NET_V1_LAYERS, NET_LAYER = 2, 100
LAYER_NAME, LAYER_BLOBS = 1, 7
BLOB_LEGACY_DIMS, BLOB_FLOATS, BLOB_SHAPE, BLOB_DOUBLES, SHAPE_DIM = (1, 2, 3, 4), 5, 7, 8, 1


class Layer(NamedTuple):
    name: str
    type: str
    bottoms: list[str]
    top: str
    numbers: dict[str, int]  # such as kernel_size


class Blob(NamedTuple):
    shape: tuple[int, ...]  # always four sizes, with ones in front
    data: list[np.ndarray]  # uint8 pieces, together the little-endian float32 values
    was_double: bool


def caffe_model(prototxt: Path, caffemodel: Path, stages: int) -> tuple[np.ndarray, np.ndarray]:
    """The network up to a stage as prototxt and weights, both uint8, for cv2.dnn.readNetFromCaffe.

    The weights are the mapped file as it is: what the prototxt leaves out, Caffe's importer ignores.
    """
    layers = cut(read_prototxt(prototxt), stages, prototxt)
    data = open_weights(caffemodel)
    blobs = read_weights(data, caffemodel)
    check_fit(layers, blobs, caffemodel)
    if any(blob.was_double for layer in layers for blob in blobs.get(layer.name, [])):
        raise PoseError(f"{caffemodel} has 64-bit weights, which OpenCV 4 does not read; {FETCH}.")
    lines = [INPUT_TEXT]
    for layer in layers:
        ends = " ".join([*(f'bottom: "{bottom}"' for bottom in layer.bottoms), f'top: "{layer.top}"'])
        numbers = " ".join(f"{key}: {value}" for key, value in layer.numbers.items())
        message = f"{layer.type.lower()}_param {{ {numbers} }}"
        lines.append(f'layer {{ name: "{layer.name}" type: "{layer.type}" {ends} {message} }}')
    return np.frombuffer("\n".join(lines).encode(), np.uint8), data


def onnx_model(prototxt: Path, caffemodel: Path, stages: int, embed: bool = True) -> np.ndarray:
    """The network up to a stage as an ONNX file, uint8, for cv2.dnn.readNetFromONNX; height and width are free.

    embed=False: the weights stay in the caffemodel and the file, of some 40 kB, says where. To load it then copies them
    once and not three times. OpenCV 5 can do that; OpenCV 4 crashes.
    """
    layers = cut(read_prototxt(prototxt), stages, prototxt)
    data = open_weights(caffemodel)
    blobs = read_weights(data, caffemodel)
    file = None if embed else (data, str(caffemodel))
    channels = check_fit(layers, blobs, caffemodel)
    results = {INPUT: INPUT}  # what each blob holds by now: Caffe's ReLU overwrites, in ONNX each result has a name
    graph = []
    for layer in layers:
        inputs = [results[bottom] for bottom in layer.bottoms]
        if layer.type == "Convolution":
            weights, biases = blobs[layer.name]
            inputs += [f"{layer.name}.weights", f"{layer.name}.biases"]
            graph += onnx.tensor(inputs[1], weights.shape, weights.data, file)
            graph += onnx.tensor(inputs[2], [layer.numbers["num_output"]], biases.data, file)
        graph += onnx.node(ONNX_OPS[layer.type], layer.name, inputs, **_attributes(layer))
        results[layer.top] = layer.name
    return onnx.model(graph, channels[OUTPUT])


def _attributes(layer: Layer) -> dict[str, int | list[int]]:
    """A layer's numbers as ONNX has them."""
    numbers, attributes = layer.numbers, {}
    if layer.type in NUMBERS:
        attributes = {"kernel_shape": [numbers["kernel_size"]] * 2, "strides": [numbers["stride"]] * 2}
    if layer.type == "Convolution":
        attributes["pads"] = [numbers["pad"]] * 4
    elif layer.type == "Pooling":
        attributes["ceil_mode"] = 1  # Caffe keeps the last odd row and column
    elif layer.type == "Concat":
        attributes["axis"] = 1
    return attributes


def read_prototxt(path: Path) -> list[Layer]:
    """The layers in their order; each reads only what the input or a layer before it gives."""
    layers, given = [], {INPUT}
    with errors_of(path, RESTORE):
        for line, fields in _layer_fields(Path(path).read_bytes().decode("utf-8", "replace")):
            layer = _layer(line, fields)
            for bottom in layer.bottoms:
                if bottom not in given:
                    raise _damaged(line, f"{layer.name} reads {bottom}, which nothing before it gives")
            if layer.name in {INPUT, OUTPUT, *(other.name for other in layers)}:
                raise _damaged(line, f"a second {layer.name}")
            layers.append(layer)
            given.add(layer.top)
    return layers


def _layer_fields(text: str) -> list[tuple[int, dict[str, list[str]]]]:
    """Of each layer its line, and its values by path, such as layer/convolution_param/pad."""
    if len(text) > MOST_TEXT:
        raise _damaged(1, "too long for a prototxt")
    layers, path, line = [], [], 1
    for part in PART.finditer(text):
        where = "/".join([*path, part["key"] or ""])
        if part["bad"] or (part["close"] and not path) or (part["open"] and len(path) > 2):
            raise _damaged(line, f"{part[0].split()[0]!r} is out of place")
        if part["close"]:
            path.pop()
        elif part["open"]:
            path.append(part["key"])
            if where == "layer":
                layers.append((line, {}))
        elif part["key"]:
            if not UNDERSTOOD.fullmatch(f"{where}:{part['value']}"):
                raise _damaged(line, f"{where} cannot be {part['value']}")
            if path:
                layers[-1][1].setdefault(where, []).append(part["value"].strip('"'))
        line += part[0].count("\n")
    if path:
        raise _damaged(line, "a closing brace is missing")
    return layers


def _layer(line: int, fields: dict[str, list[str]]) -> Layer:
    name, kind, top, bottoms = (fields.get(f"layer/{key}", []) for key in ("name", "type", "top", "bottom"))
    if not len(name) == len(kind) == len(top) == 1 or not bottoms or (len(bottoms) > 1 and kind != ["Concat"]):
        raise _damaged(line, "this layer has not one name, one type, one top and a bottom")
    numbers = {}
    for key, default in NUMBERS.get(kind[0], {}).items():
        number = fields.get(f"layer/{kind[0].lower()}_param/{key}", [default])[-1]
        if number is None:
            raise _damaged(line, f"{name[0]} has no {key}")
        numbers[key] = int(number)
    return Layer(name[0], kind[0], bottoms, top[0], numbers)


def _damaged(line: int, what: str) -> Fault:
    return Fault(f"is damaged in line {line}: {what}")


def cut(layers: list[Layer], stages: int, path: Path) -> list[Layer]:
    """Only the layers that the answer after so many stages needs, and one more that joins it.

    The answer is the last stage's heatmaps and the fields of the stage before, which these heatmaps needed anyway. So
    the last stage's fields need not be computed: 7 % of the work of six stages.
    """
    tops, most = {layer.top for layer in layers}, 0
    while {_blob_name(most + 1, "L1"), _blob_name(most + 1, "L2")} <= tops:
        most += 1
    if not most:
        raise PoseError(f"{path} has no whole stage of OpenPose's network; {RESTORE}.")
    if not 1 <= stages <= most:
        raise PoseError(f"{path} has no stage {stages}; choose --stages from 1 to {most}.")
    answer = [_blob_name(stages, "L2"), _blob_name(max(stages - 1, 1), "L1")]
    kept, needed = [Layer(OUTPUT, "Concat", answer, OUTPUT, {})], set(answer)
    for layer in reversed(layers):
        if layer.top in needed:
            kept.append(layer)
            needed.update(layer.bottoms)
    return kept[::-1]


def _blob_name(stage: int, branch: str) -> str:
    """The blob of what a stage says: in branch L1 the fields, in L2 the heatmaps."""
    return f"Mconv7_stage{stage}_{branch}" if stage > 1 else f"conv5_5_CPM_{branch}"


def read_weights(data: np.ndarray, path: Path) -> dict[str, list[Blob]]:
    """The blobs of each layer that has some, by its name, as views of the mapped file."""
    steps, blobs = iter(range(MOST_VARINTS)), {}
    with errors_of(path):
        net = fields_of(data, steps)
        for layer in net[NET_LAYER, LENGTH]:
            fields = fields_of(layer, steps)
            if fields[LAYER_BLOBS, LENGTH]:
                name = text_of(fields[LAYER_NAME, LENGTH])
                blobs[name] = [_blob(blob, steps) for blob in fields[LAYER_BLOBS, LENGTH]]
        if not blobs and len(net[NET_V1_LAYERS, LENGTH]) > 1:
            raise Fault("is in Caffe's V1 format, which is not read")
        if not blobs:
            raise Fault("has no weights of a Caffe network")
    return blobs


def _blob(data: np.ndarray, steps: Iterator[int]) -> Blob:
    fields = fields_of(data, steps)
    shape = [dim for number in BLOB_LEGACY_DIMS for dim in fields[number, VARINT]]
    for message in fields[BLOB_SHAPE, LENGTH]:
        dims = fields_of(message, steps)
        shape = dims[SHAPE_DIM, VARINT] + [dim for packed in dims[SHAPE_DIM, LENGTH] for dim in varints(packed, steps)]
    floats = fields[BLOB_FLOATS, LENGTH] + fields[BLOB_FLOATS, FIXED32]
    doubles = fields[BLOB_DOUBLES, LENGTH] + fields[BLOB_DOUBLES, FIXED64]
    if any(piece.size % 8 for piece in doubles):
        raise Fault("is damaged or no network")
    with np.errstate(all="ignore"):
        floats += [piece.view("<f8").astype("<f4").view(np.uint8) for piece in doubles]
    return Blob((1, 1, 1, *shape)[-4:], floats, bool(doubles))


def check_fit(layers: list[Layer], blobs: dict[str, list[Blob]], path: Path) -> dict[str, int]:
    """The number of channels of each of the network's blobs, once the weights proved to be this network's."""
    channels = {INPUT: 3}
    with errors_of(path):
        for layer in layers:
            channels[layer.top] = sum(channels[bottom] for bottom in layer.bottoms)
            if layer.type == "Convolution":
                outputs, kernel = layer.numbers["num_output"], layer.numbers["kernel_size"]
                needed = [(outputs, channels[layer.top], kernel, kernel), (1, 1, 1, outputs)]
                there = [blob.shape for blob in blobs.get(layer.name, [])[:3]]
                if there != needed:
                    needed, there = (" and ".join("×".join(map(str, shape)) for shape in s) for s in (needed, there))
                    raise Fault(f"is of another network: {layer.name} has {there or 'no'} weights and not {needed}")
                for blob in blobs[layer.name]:
                    if sum(piece.size for piece in blob.data) != 4 * math.prod(blob.shape):
                        raise Fault(f"is damaged: {layer.name} has not as many weights as it says")
                channels[layer.top] = outputs
    return channels
