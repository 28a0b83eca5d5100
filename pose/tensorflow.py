"""Reads mobilenet_thin's weights from its TensorFlow graph and writes the network as ONNX.

OpenCV could read the graph itself, but OpenCV 5 runs what comes as ONNX 1.7 times as fast. What the network looks like
stands here, as OpenPose's stands in its prototxt:

    picture ─▶ MobileNet, 1 + 11 layers ─▶ features ─▶ stage 1 ─▶ stage 2 ─▶ … ─▶ heatmaps and fields
               layers 3, 7 and 11 side by side ┘  └───────────────┴──────────┘

Each layer is a convolution of every channel alone (depthwise) and one that mixes the channels (pointwise).
"""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from . import onnx
from .onnx import INPUT, OUTPUT
from .protobuf import LENGTH, MOST_VARINTS, VARINT, Fault, errors_of, fields_of, open_weights, text_of

STRIDES = {2: 2, 4: 2}  # of MobileNet's layers; the others' is 1
FEATURES = (3, 7, 11)  # the layers whose results the stages see
STAGE_KERNELS = (3, 3, 3, 1, 1)  # sides of a stage's layers' depthwise convolutions; MobileNet's are 3 as well
WRITTEN_SIDE = 368  # any: without one OpenCV 4 guesses, and wrongly where results are added

# The numbers of those fields of TensorFlow's graph, node_def, attr_value and tensor.proto that matter.
GRAPH_NODE, NODE_NAME, NODE_ATTRIBUTE, ATTRIBUTE_VALUE, VALUE_TENSOR = 1, 1, 5, 2, 8
TENSOR_TYPE, TENSOR_SHAPE, TENSOR_CONTENT, SHAPE_DIM, DIM_SIZE = 1, 2, 4, 2, 1
FLOAT = 1  # DT_FLOAT of types.proto


def onnx_model(path: Path, stages: int) -> np.ndarray:
    """The network up to a stage as an ONNX file, uint8, for cv2.dnn.readNetFromONNX; OpenCV takes pictures of any size.

    As with OpenPose's networks, the answer is the last stage's heatmaps and the fields of the stage before.
    """
    weights = read_weights(path)
    with errors_of(path):
        graph = Graph(weights)
        result, results = graph.first_layer("MobilenetV1/Conv2d_0"), {}
        for layer in range(1, FEATURES[-1] + 1):
            result = results[layer] = graph.layer(f"MobilenetV1/Conv2d_{layer}", [result], stride=STRIDES.get(layer, 1))
        first, *others = (results[layer] for layer in FEATURES)
        features = graph.beside("features", [graph.half("half", first), *others])
        said: dict[str, str] = {}  # by the last stage's branches
        for stage in range(1, stages + 1):
            seen = [graph.beside(f"said{stage}", [said["L1"], said["L2"]]), features] if said else [features]
            for branch in ["L2"] if stage == stages > 1 else ["L1", "L2"]:  # fields, heatmaps
                result = seen
                for layer, kernel in enumerate(STAGE_KERNELS, 1):
                    name = f"Openpose/MConv_Stage{stage}_{branch}_{layer}"
                    result = [graph.layer(name, result, kernel, relu=layer < len(STAGE_KERNELS))]
                (said[branch],) = result
        graph.beside(OUTPUT, [said["L2"], said["L1"]])
        return onnx.model(graph.pieces, graph.channels[OUTPUT], WRITTEN_SIDE)


class Graph:
    """An ONNX graph that grows: each method adds what it says behind its source and gives the name of the result."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        self.weights, self.pieces = weights, []
        self.channels = {INPUT: 3}

    def first_layer(self, name: str) -> str:
        """A convolution of the picture's channels, and a ReLU; half as high and wide."""
        weights = self.weights_of(f"{name}/weights", 3, 3, self.channels[INPUT], None)
        biases = self.weights_of(f"{name}/Conv2D_bn_offset", weights.shape[3])
        return self.relu(self.convolution(name, INPUT, weights.transpose(3, 2, 0, 1), 2, biases))

    def layer(self, name: str, sources: list[str], kernel: int = 3, stride: int = 1, relu: bool = True) -> str:
        """A depthwise and a pointwise convolution of the sources' channels side by side, and a ReLU.

        Each source has its own, whose results are added: the same, and faster in OpenCV than to join the channels. A
        depthwise convolution that is but a factor of each channel goes into the pointwise one's weights.
        """
        ends = np.cumsum([self.channels[source] for source in sources])
        each = self.weights_of(f"{name}_depthwise/depthwise_weights", kernel, kernel, ends[-1], 1)
        mixed = self.weights_of(f"{name}_pointwise/weights", 1, 1, ends[-1], None)
        biases = self.weights_of(f"{name}_pointwise/Conv2D_bn_offset", mixed.shape[3])
        result = None
        for number, (source, end) in enumerate(zip(sources, ends, strict=True)):
            part = slice(end - self.channels[source], end)
            weights = mixed[:, :, part]
            if kernel == 1:
                weights = weights * each[:, :, part]
            else:
                own = each[:, :, part].transpose(2, 3, 0, 1)
                source = self.convolution(f"{name}_depthwise{number}", source, own, stride)
            weights = weights.transpose(3, 2, 0, 1)
            share = self.convolution(f"{name}_pointwise{number}", source, weights, 1, biases if number == 0 else None)
            result = self.add("Sum", name, [result, share], len(biases)) if result else share
        return self.relu(result) if relu else result

    def relu(self, source: str) -> str:
        return self.add("Relu", f"{source}_relu", [source], self.channels[source])

    def convolution(self, name: str, source: str, weights: np.ndarray, stride: int, biases=None) -> str:
        """A convolution with weights (out, in, height, width); at the borders as TensorFlow's "SAME" on even sides."""
        inputs = [source]
        for kind, values in (("weights", weights), ("biases", biases)):
            if values is not None:
                inputs.append(f"{name}.{kind}")
                data = np.ascontiguousarray(values, "<f4").reshape(-1).view(np.uint8)
                self.pieces += onnx.tensor(inputs[-1], values.shape, [data])
        padding = [side - stride for side in weights.shape[2:]]
        pads = [space // 2 for space in padding] + [space - space // 2 for space in padding]
        numbers = {"kernel_shape": list(weights.shape[2:]), "strides": [stride] * 2, "pads": pads}
        group = self.channels[source] // weights.shape[1]
        return self.add("Conv", name, inputs, len(weights), **numbers, group=group)

    def half(self, name: str, source: str) -> str:
        """Height and width halved, by the largest of each 2×2."""
        return self.add("MaxPool", name, [source], self.channels[source], kernel_shape=[2, 2], strides=[2, 2])

    def beside(self, name: str, sources: list[str]) -> str:
        """The channels of all sources."""
        return self.add("Concat", name, sources, sum(self.channels[source] for source in sources), axis=1)

    def add(self, op: str, name: str, inputs: list[str], channels: int, **attributes: int | list[int]) -> str:
        self.pieces += onnx.node(op, name, inputs, **attributes)
        self.channels[name] = channels
        return name

    def weights_of(self, name: str, *shape: int | None) -> np.ndarray:
        """Weights by TensorFlow's name, which have to be there and of this shape; None: any side."""
        weights = self.weights.get(name, np.zeros(0))
        if len(weights.shape) != len(shape) or any(
            side not in (None, there) for side, there in zip(shape, weights.shape, strict=True)
        ):
            there = "×".join(map(str, weights.shape)) if weights.size else "no"
            raise Fault(f"is of another network: {name} has {there} weights")
        return weights


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """The graph's float32 constants by name: convolutions' (height, width, in, out), biases' (out,)."""
    steps, weights = iter(range(MOST_VARINTS)), {}
    data = open_weights(path)
    with errors_of(path):
        for piece in fields_of(data, steps)[GRAPH_NODE, LENGTH]:
            node = fields_of(piece, steps)
            name = text_of(node[NODE_NAME, LENGTH])
            for tensor in _inside(node[NODE_ATTRIBUTE, LENGTH], [ATTRIBUTE_VALUE, VALUE_TENSOR], steps):
                fields = fields_of(tensor, steps)
                if fields[TENSOR_TYPE, VARINT] != [FLOAT]:
                    continue
                content = fields[TENSOR_CONTENT, LENGTH]  # a number alone is written otherwise
                dims = _inside(fields[TENSOR_SHAPE, LENGTH], [SHAPE_DIM], steps)
                shape = [size for dim in dims for size in fields_of(dim, steps)[DIM_SIZE, VARINT]]
                if content and (len(shape) > 4 or 0 in shape or content[0].size != 4 * math.prod(shape)):
                    raise Fault(f"is damaged: {name} has not as many weights as it says")
                if content:
                    weights[name] = content[0].view("<f4").reshape(shape)
    return weights


def _inside(messages: list[np.ndarray], path: list[int], steps: Iterator[int]) -> list[np.ndarray]:
    """The messages that lie in these under the numbers of the path, one inside the other."""
    for number in path:
        messages = [inner for message in messages for inner in fields_of(message, steps)[number, LENGTH]]
    return messages
