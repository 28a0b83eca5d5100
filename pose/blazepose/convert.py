#!/usr/bin/env python3
"""Make pose_landmark_full.onnx from MediaPipe's TFLite file. A development tool; nothing imports it.

    pip install tensorflow-cpu==2.21.0 tf2onnx==1.17.0 onnx==1.23.2
    pip download --no-deps mediapipe==0.10.14 -d .
    python pose/blazepose/convert.py mediapipe-0.10.14-*.whl

What is changed after tf2onnx, with equal results: the input is 1×3×256×256 (it was 1×256×256×3), convolutions do their
padding themselves but for 5×5 ones of stride 1, which OpenCV 4 runs twice as fast on padded input, the segmentation
mask and its layers are left out, heatmaps come as 1×39×64×64, the outputs have names, the weights are kept as the
16-bit floats that they are in the original, and in between everything is a sixth of what it was: ReLU6 is then the
HardSigmoid that OpenCV 5 computes within a convolution, which it does not with a Clip.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, checker, helper, numpy_helper

MEMBER = "mediapipe/modules/pose_landmark/pose_landmark_full.tflite"
SOURCE_SHA256 = "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f"
OUTPUTS = {  # tf2onnx's name: ours, shape
    "Identity": ("landmarks", [1, 195]),  # 39 × (x, y, z in pixels of the input; visibility, presence before sigmoid)
    "Identity_1": ("presence", [1, 1]),  # is there a person, 0 to 1
    "Identity_3": ("heatmaps", [1, 39, 64, 64]),  # before the sigmoid
    "Identity_4": ("world_landmarks", [1, 117]),  # 39 × (x, y, z) in metres, the hips' centre at the origin
}


def tf2onnx(tflite: bytes) -> onnx.GraphProto:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.tflite", Path(folder) / "out.onnx"
        source.write_bytes(tflite)
        command = [sys.executable, "-m", "tf2onnx.convert", "--opset", "13", "--tflite", source, "--output", target]
        subprocess.run(command, check=True)
        return onnx.load(target).graph


def simplify(graph: onnx.GraphProto) -> onnx.ModelProto:
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    made_by = {node.output[0]: node for node in graph.node}
    nodes = []
    for node in graph.node:
        source = made_by.get(node.input[0])
        if node.op_type == "Conv":
            if source.op_type == "Transpose":  # of the picture, which comes as OpenCV gives it
                source = made_by[source.input[0]]
                padding = values[source.input[1]].reshape(2, 4)[:, 1:3]  # before and after, of height and width
                node.input[0] = "image"
            elif source.op_type == "Pad":
                padding = values[source.input[1]].reshape(2, 4)[:, 2:]
                node.input[0] = source.input[0]
            else:
                padding = None
            if padding is not None:
                node.attribute.append(helper.make_attribute("pads", padding.reshape(-1).tolist()))
            elif values[node.input[1]].shape[2:] == (5, 5):
                nodes.append(padding_before(node, values))
        elif node.op_type == "Clip":
            node.op_type = "HardSigmoid"
            del node.input[1:]
            node.attribute.extend(helper.make_attribute(*pair) for pair in (("alpha", 1.0), ("beta", 0.0)))
        for number, name in enumerate(node.output):
            if name in OUTPUTS:
                if node.op_type == "Transpose":
                    made_by[node.input[0]].output[0] = OUTPUTS[name][0]
                node.output[number] = OUTPUTS[name][0]
        if node.op_type not in ("Pad", "Transpose"):
            nodes.append(node)
    nodes, values = in_fixed_order(nodes, values)
    return with_16_bit_weights(nodes, values, in_sixths(nodes))


def in_sixths(nodes: list[onnx.NodeProto]) -> dict[str, float]:
    """Factors of weights and biases with which everything but the outputs is a sixth of what it was."""
    factors, ends = {nodes[0].input[1]: 1 / 6}, {name for name, _ in OUTPUTS.values()}
    for node in reversed(nodes):
        if node.op_type == "Conv":
            factors |= {node.input[1]: 6} if node.output[0] in ends else {node.input[2]: 1 / 6}
        elif node.output[0] in ends:
            ends.add(node.input[0])
    return factors


def padding_before(conv: onnx.NodeProto, values: dict[str, np.ndarray]) -> onnx.NodeProto:
    """A layer that does the convolution's padding for it."""
    (pads,) = (one for one in conv.attribute if one.name == "pads")
    values["padding"] = np.array([0, 0, *pads.ints[:2], 0, 0, *pads.ints[2:]])  # the same for all
    pads.ints[:] = [0, 0, 0, 0]
    layer = helper.make_node("Pad", [conv.input[0], "padding"], [f"{conv.output[0]}.padded"])
    conv.input[0] = layer.output[0]
    return layer


def in_fixed_order(
    nodes: list[onnx.NodeProto], values: dict[str, np.ndarray]
) -> tuple[list[onnx.NodeProto], dict[str, np.ndarray]]:
    """What the outputs need, in an order and with names that follow from the graph; tf2onnx has others each time."""
    made_by = {node.output[0]: node for node in nodes}
    names, ordered, used = {name: name for name, _ in OUTPUTS.values()} | {"image": "image"}, [], {}

    def visit(name: str) -> str:
        if name in values:
            new = names.setdefault(name, f"constant{len(names)}")
            used[new] = values[name]
        elif name in made_by:
            node = made_by.pop(name)
            inputs = [visit(source) for source in node.input]
            new = names.setdefault(name, f"{node.op_type}{len(names)}")
            attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
            ordered.append(helper.make_node(node.op_type, inputs, [new], new, **dict(sorted(attributes.items()))))
        return names.get(name, "")

    for name, _ in OUTPUTS.values():
        visit(name)
    return ordered, used


def with_16_bit_weights(
    nodes: list[onnx.NodeProto], values: dict[str, np.ndarray], factors: dict[str, float]
) -> onnx.ModelProto:
    weights = {name for node in nodes if node.op_type == "Conv" for name in node.input[1:]}
    initializers, casts = [], []
    for name, value in values.items():
        if name in weights:
            half = value.astype(np.float16)
            if not np.array_equal(half.astype(np.float32), value):
                sys.exit(f"{name} is no 16-bit float in the original.")
            initializers.append(numpy_helper.from_array(half, f"{name}.16"))
            cast = f"{name}.32" if name in factors else name
            casts.append(helper.make_node("Cast", [f"{name}.16"], [cast], f"{name}.cast", to=TensorProto.FLOAT))
            if name in factors:
                factor = np.float32(factors[name])
                initializers.append(numpy_helper.from_array(factor, f"{name}.factor"))
                casts.append(helper.make_node("Mul", [cast, f"{name}.factor"], [name], f"{name}.times"))
        else:
            initializers.append(numpy_helper.from_array(value, name))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 256, 256])
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in OUTPUTS.values()]
    graph = helper.make_graph(casts + nodes, "pose_landmark_full", [image], outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    checker.check_model(model, full_check=True)
    return model


def main() -> None:
    source = zipfile.ZipFile(sys.argv[1]).read(MEMBER)
    if hashlib.sha256(source).hexdigest() != SOURCE_SHA256:
        sys.exit(f"{MEMBER} in {sys.argv[1]} is not the genuine file.")
    model = simplify(tf2onnx(source)).SerializeToString(deterministic=True)
    path = Path(__file__).with_name("pose_landmark_full.onnx")
    path.write_bytes(model)
    print(f"{path}: {len(model)} bytes, SHA-256 {hashlib.sha256(model).hexdigest()}")


if __name__ == "__main__":
    main()
