"""OpenPose's networks as engines get them, against numpy; and what is reported of files that are not OpenPose's.

Thin networks, the same layers with few channels, run here; full-size weights in test_scripts.py.
"""

import hashlib
import os
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from synthetic_weights import layer_shapes, random_weights, write_caffemodel

from pose import PoseError, PoseEstimator, cli
from pose.networks.caffe_to_onnx import fields, onnx_model
from pose.networks.engines import OpenCV
from pose.networks.heatmap_network import HeatmapNetwork
from pose.networks.registry import OPENPOSE

POSE = Path(__file__).parent.parent / "pose"
PROTOTXTS = {
    "COCO": POSE / "coco" / "pose_deploy_linevec.prototxt",
    "MPI": POSE / "mpi" / "pose_deploy_linevec.prototxt",
    "faster": POSE / "mpi" / "pose_deploy_linevec_faster_4_stages.prototxt",
}
HAS_CAFFE = hasattr(cv2.dnn, "readNetFromCaffe")  # OpenCV 4 has, OpenCV 5 has not
PICTURE = np.random.default_rng(3).integers(0, 256, (52, 72, 3), np.uint8)  # odd sides before the second and third pool


def thin_weights(mode):
    """Weights for the same layers with 4 channels each, but as many heatmaps and fields."""
    ends = layer_shapes(mode)["Mconv1_stage2_L1"][1] - 128
    shapes = {}
    for name, (outputs, inputs, *kernel) in layer_shapes(mode).items():
        inputs = 4 + ends if inputs == 128 + ends else min(inputs, 4)
        is_end = re.fullmatch(r"conv5_5_CPM_L\d|Mconv7_.*", name)
        shapes[name] = (outputs if is_end else 4, inputs, *kernel)
    return random_weights(shapes, seed=2)


def with_weights(model, **changes):
    """The model with another prototxt or hash."""
    return replace(model, weights=replace(model.weights, **changes))


def thin_model(folder, mode="COCO", weights=None, name=None, **how):
    """The model of a thin network, whose files are made in a folder."""
    prototxt = folder / "thin.prototxt"
    text = PROTOTXTS[name or mode].read_text(encoding="utf-8")
    prototxt.write_text(re.sub(r"num_output: (64|128|256|512)\b", "num_output: 4", text), encoding="utf-8")
    model = with_weights(OPENPOSE[mode], prototxt=str(prototxt))
    (folder / model.weights.name).parent.mkdir(exist_ok=True)
    write_caffemodel(folder / model.weights.name, weights or thin_weights(mode), **how)
    return model


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "a folder ü"
    path.mkdir()
    return path


def load(model, folder, **options):
    return HeatmapNetwork(model, folder, OpenCV("cpu", "fp32"), **options)


def convolution(values, weights, biases, relu=True):
    pad = weights.shape[2] // 2
    padded = np.pad(values, ((0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, weights.shape[2:], axis=(1, 2))
    values = np.tensordot(weights, windows, axes=((1, 2, 3), (0, 3, 4))) + biases[:, None, None]
    return np.maximum(values, 0) if relu else values


def max_pool(values):
    """The largest of each 2×2; as in Caffe, an odd last row or column counts too."""
    c, h, w = values.shape
    padded = np.pad(values, ((0, 0), (0, h % 2), (0, w % 2)), constant_values=-np.inf)
    return padded.reshape(c, (h + 1) // 2, 2, (w + 1) // 2, 2).max(axis=(2, 4))


def stage_outputs(weights, picture, stages=6):
    """By numpy, from OpenPose's paper and published layers: of each stage the fields (L1) and the heatmaps (L2)."""
    values = picture.transpose(2, 0, 1) / np.float32(256) - np.float32(0.5)
    for name in list(weights)[:12]:
        if name in ("conv2_1", "conv3_1", "conv4_1"):
            values = max_pool(values)
        values = convolution(values, *weights[name])
    features, found = values, []
    for stage in range(1, stages + 1):
        seen = np.concatenate([*found[-1], features]) if found else features
        pattern, count = ("conv5_{}_CPM_{}", 5) if stage == 1 else (f"Mconv{{}}_stage{stage}_{{}}", 7)
        branches = []
        for branch in ("L1", "L2"):
            values = seen
            for i in range(1, count + 1):
                values = convolution(values, *weights[pattern.format(i, branch)], relu=i < count)
            branches.append(values)
        found.append(branches)
    return found


def assert_is_stage(values, outputs, stages):
    """The output is that stage's heatmaps and the fields of the stage before."""
    right = np.concatenate([outputs[stages - 1][1], outputs[max(stages - 2, 0)][0]])
    assert values.shape == right.shape
    assert np.abs(values - right).max() <= 1e-4 * np.abs(right).max()


def forward(net, picture=PICTURE):
    net.setInput(cv2.dnn.blobFromImage(picture, 1 / 256, mean=(128,) * 3))
    return net.forward()[0]


# --- What comes out


@pytest.mark.parametrize(("mode", "parameters"), [("COCO", 52_311_446), ("MPI", 51_481_032)])
def test_every_stage(mode, parameters, folder):
    assert sum(np.prod(shape) + shape[0] for shape in layer_shapes(mode).values()) == parameters
    weights = thin_weights(mode)
    model, outputs = thin_model(folder, mode, weights), stage_outputs(weights, PICTURE)
    for stages in range(1, 7):
        assert_is_stage(load(model, folder, stages=stages).forward(PICTURE), outputs, stages)
    network, dark = load(model, folder, net_wh=(72, 48)), PICTURE[:48] // 4
    assert np.array_equal(network(dark).values, network.forward(dark))  # is not brightened, nor was it in training
    path = folder / model.weights.name
    graph = onnx_model(Path(model.weights.prototxt), path, 6, str(path))
    assert len(graph) < 60_000 < path.stat().st_size  # the weights stay where they are


@pytest.mark.parametrize("stages", [1, 2, 6])
def test_onnx_with_its_weights_is_valid(stages, folder):
    """OpenCV 4 gets it, and OpenCV 5 on GPUs."""
    onnx = pytest.importorskip("onnx")
    weights = thin_weights("MPI")
    model, outputs = thin_model(folder, "MPI", weights), stage_outputs(weights, PICTURE)
    graph = onnx_model(Path(model.weights.prototxt), folder / model.weights.name, stages)
    read = onnx.load_from_string(graph)
    onnx.checker.check_model(read, full_check=True)
    ends = [value.type.tensor_type.shape.dim for value in (*read.graph.input, *read.graph.output)]
    sizes = [[size.dim_value or size.dim_param for size in end] for end in ends]
    assert sizes == [[1, 3, "height", "width"], [1, 44, "rows", "columns"]]
    unneeded = [f"Mconv1_stage{max(stages, 2)}_L1", f"Mconv1_stage{stages + 1}_L2"]
    assert not any(name.encode() in graph for name in unneeded)
    assert_is_stage(forward(cv2.dnn.readNetFromONNX(np.frombuffer(graph, np.uint8))), outputs, stages)


def test_every_way_to_write_the_files(folder, monkeypatch):
    """Old weights have sizes in four numbers, and snapshots layers that the prototxt has not; MPI has a second one."""
    monkeypatch.chdir(folder)
    plain = load(thin_model(folder), folder).forward(PICTURE)
    for how in {"legacy": True}, {"extra": False}:
        assert np.array_equal(load(thin_model(folder, **how), Path()).forward(PICTURE), plain)
    models = (thin_model(folder, "MPI", name=name) for name in ("faster", "MPI"))
    faster, cut = (onnx_model(Path(model.weights.prototxt), folder / model.weights.name, 4) for model in models)
    assert faster == cut


@pytest.mark.skipif(not HAS_CAFFE, reason="OpenCV 5 has no Caffe importer")
@pytest.mark.parametrize(("name", "last"), [("COCO", 6), ("MPI", 6), ("faster", 4)])
def test_prototxts_as_other_programs_read_them(name, last, folder):
    mode = "MPI" if name == "faster" else name
    weights = thin_weights(mode)
    model = thin_model(folder, mode, weights, name=name)
    net = cv2.dnn.readNetFromCaffe(model.weights.prototxt, str(folder / model.weights.name))
    fields, heatmaps = stage_outputs(weights, PICTURE)[last - 1]
    assert np.abs(forward(net) - np.concatenate([heatmaps, fields])).max() < 1e-4


# --- Files that are not OpenPose's


def assert_not_genuine(model, folder):
    name, path = model.weights.name.split("/")[0], folder / model.weights.name
    hash_kind = {"coco": "SHA-256", "mpi": "SHA-1"}[name]
    message = f"{path} is not the genuine file (its {hash_kind} differs); fetch it again with ./getModels.sh {name}"
    with pytest.raises(PoseError, match=f"^{re.escape(message)}$"):
        load(model, folder).forward(PICTURE)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html><head><title>Quota exceeded</title>", "is a web page, not a network"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:b4cf\n", "is a Git LFS pointer, not a network"),
        (b"\xff" * 1_000_000, r"is not the genuine file \(its SHA-256 differs\)"),
        (b"\x0a\x04node\x12\x00", "is not the genuine file"),  # such as graph_opt.pb
        (None, "is missing or not a file"),
    ],
    ids=range(6),
)
def test_weights_that_are_none(content, what, folder):
    model = thin_model(folder)
    path = folder / model.weights.name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PoseError, match=rf"pose_iter_440000.caffemodel {what}.*; .*\./getModels.sh coco$"):
        load(model, folder)


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX pipes")
def test_a_pipe_in_place_of_weights_is_not_waited_for(tmp_path):
    path = tmp_path / OPENPOSE["COCO"].weights.name
    path.parent.mkdir()
    os.mkfifo(path)
    with pytest.raises(PoseError, match=r"is missing or not a file; fetch it again with ./getModels.sh coco$"):
        PoseEstimator(model_folder=tmp_path)


@pytest.mark.parametrize("data", [bytes(10), b"\x0a\x09node"])
def test_a_hole_of_zeros_and_an_early_end_are_noticed(data):
    with pytest.raises(ValueError, match="no protobuf, or cut short"):
        next(fields(data, slice(0, len(data)), 1))


@pytest.mark.parametrize(("mode", "other"), [("COCO", "MPI"), ("MPI", "COCO"), ("COCO", "COCO")])
def test_weights_of_the_other_network_or_cut_off(mode, other, folder):
    model = thin_model(folder, mode, thin_weights(other), extra=False)
    path = folder / model.weights.name
    path.write_bytes(path.read_bytes()[: -20 if mode == other else None])
    assert_not_genuine(model, folder)


@pytest.mark.parametrize("bias", [30, np.nan, None])
def test_output_out_of_range_or_none(bias, folder, monkeypatch):
    """The genuine file may overflow in 16 bits on a GPU, or need more than its memory (None: an error of OpenCV's)."""
    weights = thin_weights("COCO")
    weights["Mconv7_stage6_L2"][1][0] = bias or 0
    model = thin_model(folder, weights=weights)
    if bias is None:
        monkeypatch.setattr(cv2.dnn, "blobFromImage", lambda *_, **__: cv2.resize(PICTURE, (0, 0)))
    assert_not_genuine(model, folder)
    digest = hashlib.sha256((folder / model.weights.name).read_bytes()).hexdigest()
    with pytest.raises(PoseError, match=r"OpenPose COCO failed at 72x52 on CPU with OpenCV .*: ") as raised:
        load(with_weights(model, hash=digest), folder).forward(PICTURE)
    assert bias or cli.REMEDIES[raised.value.argument].startswith("try another --net_resolution")


def test_an_error_with_the_genuine_file_is_ours(folder):
    model = thin_model(folder)
    (folder / model.weights.name).write_bytes(b"<html>")
    with pytest.raises((KeyError, ValueError)):
        load(with_weights(model, hash=hashlib.sha256(b"<html>").hexdigest()), folder)
