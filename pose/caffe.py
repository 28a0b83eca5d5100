"""Reads the networks' files and hands OpenCV what it can load: Caffe buffers for OpenCV 4, ONNX bytes for OpenCV 5.

    prototxt ───▶ layers ──cut──▶ those that the answer after so many stages needs ──┐
    caffemodel ─▶ mapped bytes ──▶ blobs by layer name ──check_fit───────────────────┴──▶ caffe_model or onnx_model

A prototxt is a short text of nested braces. A caffemodel is protobuf: a tree of fields, each with its number and its
length in front. Both are read here, without Caffe, protobuf or cv2. The weights stay in the file, mapped: reading walks
the lengths and touches few pages. Caffe's V1 format (before 2014) is not read: OpenPose's files are newer.
"""

import math
import mmap
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pose import PoseError

FETCH = "fetch it again with ./getModels.sh"
RESTORE = "put the project's own file back"
WEB_PAGE = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<!--")  # how a server's excuse saved as a model begins
LFS_POINTER = b"version https://git-lfs"

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
MOST_LETTERS = 200  # of a message's middle, where a broken file may have put anything

INPUT, OUTPUT = "image", "net_output"
INPUT_TEXT = f'input: "{INPUT}" input_dim: 1 input_dim: 3 input_dim: 368 input_dim: 368'  # sides may change later
ONNX_OPS = {"Convolution": "Conv", "ReLU": "Relu", "Pooling": "MaxPool", "Concat": "Concat"}
NUMBERS = {  # of each type of layer, with Caffe's defaults; None has to be there
    "Convolution": {"num_output": None, "kernel_size": None, "pad": 0, "stride": 1},
    "Pooling": {"kernel_size": None, "stride": 1},
}

# Protobuf's wire types, and the numbers of those fields of caffe.proto that matter.
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
NET_V1_LAYERS, NET_LAYER = 2, 100
LAYER_NAME, LAYER_BLOBS = 1, 7
GRAPH_NODE, NODE_NAME = 1, 1  # of TensorFlow's GraphDef
BLOB_LEGACY_DIMS, BLOB_FLOATS, BLOB_SHAPE, BLOB_DOUBLES, SHAPE_DIM = (1, 2, 3, 4), 5, 7, 8, 1
MOST_STEPS = 100_000  # through a caffemodel, so that no file can hang us; OpenPose's snapshots take some 5,000

# mobilenet_thin's nodes
GRAPH_STAGE = re.compile(r"Openpose/MConv_Stage(?P<number>\d)_(?P<branch>L1|L2)?")
GRAPH_OUTPUT = "Openpose/concat_stage7"

# Of ONNX: versions that OpenCV 5.0 and onnxruntime know, and the types of a tensor and of attributes.
IR_VERSION, OPSET = 7, 13
FLOAT, EXTERNAL, ATTRIBUTE_INT, ATTRIBUTE_INTS = 1, 1, 2, 7


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


class _Place(NamedTuple):
    """A mapped file and its absolute path."""

    data: np.ndarray
    path: str

    def entries(self, piece: np.ndarray) -> list:
        """ONNX's external data of a piece of the file; none for values that are not the file's own."""
        if not np.may_share_memory(piece, self.data):
            return []
        offset = piece.ctypes.data - self.data.ctypes.data
        entries = {"location": self.path, "offset": str(offset), "length": str(piece.size)}
        fields = _field(14, EXTERNAL)
        for key, value in entries.items():
            fields += _field(13, *_field(1, key), *_field(2, value))
        return fields


class _Fault(Exception):
    """What is wrong in a file, without the file's name."""


@contextmanager
def _errors_of(path: Path, remedy: str):
    """Faults inside become a PoseError, one sentence with the file's name and the remedy."""
    try:
        yield
    except _Fault as fault:
        raise PoseError(f"{path} {str(fault)[:MOST_LETTERS]}; {remedy}.") from None
    except OSError as error:
        raise PoseError(f"{path} cannot be read ({error.strerror or error}); {remedy}.") from None


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
    place = None if embed else _Place(data, os.path.abspath(caffemodel))
    channels = check_fit(layers, blobs, caffemodel)
    results = {INPUT: INPUT}  # what each blob holds by now: Caffe's ReLU overwrites, in ONNX each result has a name
    graph = _field(2, "openpose")
    for layer in layers:
        inputs = [results[bottom] for bottom in layer.bottoms]
        if layer.type == "Convolution":
            weights, biases = blobs[layer.name]
            inputs += [f"{layer.name}.weights", f"{layer.name}.biases"]
            graph += _tensor(inputs[1], weights.shape, weights.data, place)
            graph += _tensor(inputs[2], [layer.numbers["num_output"]], biases.data, place)
        graph += _node(layer, inputs)
        results[layer.top] = layer.name
    graph += _field(11, *_value_info(INPUT, [1, 3, "height", "width"]))
    graph += _field(12, *_value_info(OUTPUT, [1, channels[OUTPUT], "rows", "columns"]))
    model = [*_field(1, IR_VERSION), *_field(8, *_field(1, ""), *_field(2, OPSET)), *_field(7, *graph)]
    return np.concatenate([np.frombuffer(piece, np.uint8) for piece in model if len(piece)])


def tensorflow_model(path: Path, stages: int) -> np.ndarray:
    """mobilenet_thin's graph up to a stage, uint8, for cv2.dnn.readNetFromTensorflow; cut as Caffe's layers are."""
    last = {"L1": max(stages - 1, 1), "L2": stages}
    steps, kept = iter(range(MOST_STEPS)), []
    with _errors_of(path, FETCH):
        for node in _message(open_weights(path), steps)[GRAPH_NODE, LENGTH]:
            name = b"".join(_message(node, steps)[NODE_NAME, LENGTH]).decode("utf-8", "replace")
            stage = GRAPH_STAGE.match(name)
            if stage and int(stage["number"]) > last.get(stage["branch"], stages):
                continue
            text = node.tobytes()
            if name == GRAPH_OUTPUT:
                for branch, number in last.items():
                    text = text.replace(b"Stage6_" + branch.encode(), f"Stage{number}_{branch}".encode())
            kept += _field(GRAPH_NODE, text)
        if not kept:
            raise _Fault("has no graph of a TensorFlow network")
    return np.frombuffer(b"".join(kept), np.uint8)


def open_weights(path: Path) -> np.ndarray:
    """A protobuf file's bytes, mapped: no web page, no Git LFS pointer, and whole as far as its lengths tell."""
    with _errors_of(path, FETCH):
        if not Path(path).is_file():
            raise _Fault("is missing or not a file")
        if Path(path).stat().st_size == 0:
            raise _Fault("is empty")
        with open(path, "rb") as file:
            data = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
        start = bytes(data[:512]).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
        if start.startswith(WEB_PAGE):
            raise _Fault("is a web page and no network")
        if start.startswith(LFS_POINTER):
            raise _Fault("is a Git LFS pointer and not the network itself")
        _message(data, iter(range(MOST_STEPS)))
    return data


def read_prototxt(path: Path) -> list[Layer]:
    """The layers in their order; each reads only what the input or a layer before it gives."""
    layers, given = [], {INPUT}
    with _errors_of(path, RESTORE):
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


def _damaged(line: int, what: str) -> _Fault:
    return _Fault(f"is damaged in line {line}: {what}")


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
    steps, blobs = iter(range(MOST_STEPS)), {}
    with _errors_of(path, FETCH):
        net = _message(data, steps)
        for layer in net[NET_LAYER, LENGTH]:
            fields = _message(layer, steps)
            if fields[LAYER_BLOBS, LENGTH]:
                name = b"".join(fields[LAYER_NAME, LENGTH]).decode("utf-8", "replace")
                blobs[name] = [_blob(blob, steps) for blob in fields[LAYER_BLOBS, LENGTH]]
        if not blobs and len(net[NET_V1_LAYERS, LENGTH]) > 1:
            raise _Fault("is in Caffe's V1 format, which is not read")
        if not blobs:
            raise _Fault("has no weights of a Caffe network")
    return blobs


def _blob(data: np.ndarray, steps: Iterator[int]) -> Blob:
    fields = _message(data, steps)
    shape = [dim for number in BLOB_LEGACY_DIMS for dim in fields[number, VARINT]]
    for message in fields[BLOB_SHAPE, LENGTH]:
        dims = _message(message, steps)
        shape = dims[SHAPE_DIM, VARINT] + [dim for packed in dims[SHAPE_DIM, LENGTH] for dim in _varints(packed, steps)]
    floats = fields[BLOB_FLOATS, LENGTH] + fields[BLOB_FLOATS, FIXED32]
    doubles = fields[BLOB_DOUBLES, LENGTH] + fields[BLOB_DOUBLES, FIXED64]
    if any(piece.size % 8 for piece in doubles):
        raise _Fault("is damaged or no network")
    with np.errstate(all="ignore"):
        floats += [piece.view("<f8").astype("<f4").view(np.uint8) for piece in doubles]
    return Blob((1, 1, 1, *shape)[-4:], floats, bool(doubles))


def _message(data: np.ndarray, steps: Iterator[int]) -> dict[tuple[int, int], list]:
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
            raise _Fault("is damaged or no network")
        if at > data.size:
            raise _Fault("is cut short")
        fields[number, kind].append(value)
    return fields


def _varints(data: np.ndarray, steps: Iterator[int]) -> list[int]:
    values, at = [], 0
    while at < data.size:
        value, at = _varint_at(data, at, steps)
        values.append(value)
    return values


def _varint_at(data: np.ndarray, at: int, steps: Iterator[int]) -> tuple[int, int]:
    """The number at this place, and the place behind it."""
    if next(steps, None) is None:
        raise _Fault("has more fields than any network")
    value = 0
    for shift in range(0, 70, 7):
        if at >= data.size:
            raise _Fault("is cut short")
        byte = int(data[at])
        value |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return value, at
    raise _Fault("is damaged or no network")


def check_fit(layers: list[Layer], blobs: dict[str, list[Blob]], path: Path) -> dict[str, int]:
    """The number of channels of each of the network's blobs, once the weights proved to be this network's."""
    channels = {INPUT: 3}
    with _errors_of(path, FETCH):
        for layer in layers:
            channels[layer.top] = sum(channels[bottom] for bottom in layer.bottoms)
            if layer.type == "Convolution":
                outputs, kernel = layer.numbers["num_output"], layer.numbers["kernel_size"]
                needed = [(outputs, channels[layer.top], kernel, kernel), (1, 1, 1, outputs)]
                there = [blob.shape for blob in blobs.get(layer.name, [])[:3]]
                if there != needed:
                    needed, there = (" and ".join("×".join(map(str, shape)) for shape in s) for s in (needed, there))
                    raise _Fault(f"is of another network: {layer.name} has {there or 'no'} weights and not {needed}")
                for blob in blobs[layer.name]:
                    if sum(piece.size for piece in blob.data) != 4 * math.prod(blob.shape):
                        raise _Fault(f"is damaged: {layer.name} has not as many weights as it says")
                channels[layer.top] = outputs
    return channels


def _node(layer: Layer, inputs: list[str]) -> list:
    """A layer in ONNX; its result has its name."""
    pieces = [piece for name in inputs for piece in _field(1, name)]
    pieces += _field(2, layer.name) + _field(3, layer.name) + _field(4, ONNX_OPS[layer.type])
    numbers = layer.numbers
    if layer.type in NUMBERS:
        pieces += _attribute("kernel_shape", [numbers["kernel_size"]] * 2)
        pieces += _attribute("strides", [numbers["stride"]] * 2)
    if layer.type == "Convolution":
        pieces += _attribute("pads", [numbers["pad"]] * 4)
    elif layer.type == "Pooling":
        pieces += _attribute("ceil_mode", 1)  # Caffe keeps the last odd row and column
    elif layer.type == "Concat":
        pieces += _attribute("axis", 1)
    return _field(1, *pieces)


def _attribute(name: str, value: int | list[int]) -> list:
    if isinstance(value, int):
        return _field(5, *_field(1, name), *_field(3, value), *_field(20, ATTRIBUTE_INT))
    numbers = [piece for number in value for piece in _field(8, number)]
    return _field(5, *_field(1, name), *numbers, *_field(20, ATTRIBUTE_INTS))


def _tensor(name: str, shape: list[int], data: list[np.ndarray], place: _Place | None) -> list:
    """A node's constant input: its values, or where in the caffemodel they lie in one piece."""
    dims = [piece for dim in shape for piece in _field(1, dim)]
    values = (place and len(data) == 1 and place.entries(data[0])) or _field(9, *data)
    return _field(5, *dims, *_field(2, FLOAT), *_field(8, name), *values)


def _value_info(name: str, shape: list[int | str]) -> list:
    """What the graph takes or gives; a size that is free has a name instead."""
    dims = [piece for dim in shape for piece in _field(1, *_field(1 if isinstance(dim, int) else 2, dim))]
    return _field(1, name) + _field(2, *_field(1, *_field(1, FLOAT), *_field(2, *dims)))


def _field(number: int, *content) -> list:
    """A protobuf field, in pieces that are copied together only at the end: of a whole number, a text, or of pieces."""
    if isinstance(content[0], int):
        return [_varint(number << 3 | VARINT) + _varint(content[0])]
    pieces = [piece.encode() if isinstance(piece, str) else piece for piece in content]
    return [_varint(number << 3 | LENGTH) + _varint(sum(len(piece) for piece in pieces)), *pieces]


def _varint(value: int) -> bytes:
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + _varint(rest) if rest else bytes([low])
