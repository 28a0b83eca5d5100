"""OpenPose's networks: their files, what OpenCV makes of them, and what is said of files that are no good.

Full-size weights run at small input sizes; thin networks, the same layers with few channels, run everything else.
"""

import re
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from made import (
    KEYPOINTS,
    LIMBS,
    field,
    layer_shapes,
    mutated,
    painted_figure,
    random_weights,
    seeing_weights,
    sentence,
    write_caffemodel,
)

from pose import PoseError
from pose.caffe import caffe_model, cut, onnx_model, read_prototxt, read_weights
from pose.protobuf import open_weights

POSE = Path(__file__).parent.parent / "pose"
COCO = POSE / "coco" / "pose_deploy_linevec.prototxt"
MPI = POSE / "mpi" / "pose_deploy_linevec.prototxt"
FASTER = POSE / "mpi" / "pose_deploy_linevec_faster_4_stages.prototxt"
HAS_CAFFE = hasattr(cv2.dnn, "readNetFromCaffe")  # OpenCV 4 has, OpenCV 5 has not
MOST_SECONDS = 10  # for any file, however bad; a slow machine counted in

TINY = """input: "image" input_dim: 1 input_dim: 3 input_dim: 368 input_dim: 368
layer { name: "conv1" type: "Convolution" bottom: "image" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "conv5_5_CPM_L1" type: "Convolution" bottom: "pool1" top: "conv5_5_CPM_L1"
  convolution_param { num_output: 2 kernel_size: 1 } }
layer { name: "conv5_5_CPM_L2" type: "Convolution" bottom: "pool1" top: "conv5_5_CPM_L2"
  convolution_param { num_output: 3 kernel_size: 1 } }
layer { name: "concat_stage2" type: "Concat" bottom: "conv5_5_CPM_L1" bottom: "conv5_5_CPM_L2" bottom: "pool1"
  top: "concat_stage2" }
layer { name: "Mconv7_stage2_L1" type: "Convolution" bottom: "concat_stage2" top: "Mconv7_stage2_L1"
  convolution_param { num_output: 2 kernel_size: 1 } }
layer { name: "Mconv7_stage2_L2" type: "Convolution" bottom: "concat_stage2" top: "Mconv7_stage2_L2"
  convolution_param { num_output: 3 kernel_size: 7 pad: 3 } }
"""
TINY_SHAPES = {
    "conv1": (4, 3, 3, 3),
    "conv5_5_CPM_L1": (2, 4, 1, 1),
    "conv5_5_CPM_L2": (3, 4, 1, 1),
    "Mconv7_stage2_L1": (2, 9, 1, 1),
    "Mconv7_stage2_L2": (3, 9, 7, 7),
}


@pytest.fixture
def tiny(tmp_path):
    """A network of five convolutions and two stages: prototxt, caffemodel and its weights."""
    weights = random_weights(TINY_SHAPES, seed=1)
    (tmp_path / "tiny.prototxt").write_text(TINY)
    write_caffemodel(tmp_path / "tiny.caffemodel", weights)
    return tmp_path / "tiny.prototxt", tmp_path / "tiny.caffemodel", weights


def thin(prototxt, folder, dims="shape", numbers="packed", extra=True):
    """A copy of a network with at most 5 channels a layer, and weights for it."""
    mode = "COCO" if prototxt == COCO else "MPI"
    text = re.sub(
        r"num_output: \d+", lambda match: f"num_output: {min(5, int(match[0].split()[1]))}", prototxt.read_text()
    )
    (folder / "thin.prototxt").write_text(text)
    inputs = {3: 3, 128 + KEYPOINTS[mode] + 1 + 2 * len(LIMBS[mode]): 15}
    shapes = {name: (min(5, o), inputs.get(i, 5), *kernel) for name, (o, i, *kernel) in layer_shapes(mode).items()}
    write_caffemodel(folder / "thin.caffemodel", random_weights(shapes, seed=2), dims, numbers, extra)
    return folder / "thin.prototxt", folder / "thin.caffemodel"


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """Random weights of full size for a mode, made when first asked for, deleted in the end."""
    folder, paths = tmp_path_factory.mktemp("full"), {}

    def path_of(mode):
        if mode not in paths:
            paths[mode] = folder / f"{mode}.caffemodel"
            write_caffemodel(paths[mode], random_weights(layer_shapes(mode)))
        return paths[mode]

    yield path_of
    for path in paths.values():
        path.unlink()


def network_input(size_wh, seed=3):
    return (np.random.default_rng(seed).random((1, 3, size_wh[1], size_wh[0]), np.float32) - 0.5).astype(np.float32)


def forward(net, value):
    net.setInput(value)
    return net.forward().copy()


def answers(prototxt, caffemodel, stages, inputs):
    """What every engine at hand answers, by its name: a list with an array for each input."""
    found = {}
    if HAS_CAFFE:
        net = cv2.dnn.readNetFromCaffe(*caffe_model(prototxt, caffemodel, stages))
        found["OpenCV, Caffe"] = [forward(net, value) for value in inputs]
    graph = onnx_model(prototxt, caffemodel, stages)
    net = cv2.dnn.readNetFromONNX(graph)
    found["OpenCV, ONNX"] = [forward(net, value) for value in inputs]
    try:
        import onnxruntime
    except ImportError:
        return found
    session = onnxruntime.InferenceSession(graph.tobytes())
    found["onnxruntime"] = [session.run(["net_output"], {"image": value})[0] for value in inputs]
    return found


def assert_equal_answers(found, reference):
    for engine, arrays in found.items():
        for array, right in zip(arrays, reference, strict=True):
            assert array.shape == right.shape, engine
            assert np.abs(array - right).max() <= 1e-4 * max(1, np.abs(right).max()), engine


# --- The files of the networks


@pytest.mark.parametrize(
    ("prototxt", "mode", "stages", "parameters", "layers"),
    [(COCO, "COCO", 6, 52_311_446, 181), (MPI, "MPI", 6, 51_481_032, 181), (FASTER, "MPI", 4, 34_240_880, 127)],
)
def test_prototxt_is_openposes_network(prototxt, mode, stages, parameters, layers):
    network = read_prototxt(prototxt)
    assert len(network) == layers
    channels, shapes = {"image": 3}, {}
    for layer in network:
        channels[layer.top] = inputs = sum(channels[bottom] for bottom in layer.bottoms)
        if layer.type == "Convolution":
            outputs, kernel = layer.numbers["num_output"], layer.numbers["kernel_size"]
            shapes[layer.name] = (outputs, inputs, kernel, kernel)
            assert layer.numbers["pad"] == kernel // 2 and layer.numbers["stride"] == 1 and layer.top == layer.name
            channels[layer.top] = outputs
    assert shapes == layer_shapes(mode, stages)
    assert sum(int(np.prod(shape)) + shape[0] for shape in shapes.values()) == parameters
    assert network[-1].top == "net_output" and channels["net_output"] == {"COCO": 57, "MPI": 44}[mode]


@pytest.mark.parametrize(
    ("mode", "shapes"),
    [
        ("COCO", [(38, 512, 1, 1), (19, 512, 1, 1), (128, 185, 7, 7), (38, 128, 1, 1), (19, 128, 1, 1)]),
        ("MPI", [(28, 512, 1, 1), (16, 512, 1, 1), (128, 172, 7, 7), (28, 128, 1, 1), (16, 128, 1, 1)]),
    ],
)
def test_shapes_as_openpose_published_them(mode, shapes):
    names = ["conv5_5_CPM_L1", "conv5_5_CPM_L2", "Mconv1_stage6_L1", "Mconv7_stage6_L1", "Mconv7_stage6_L2"]
    found = layer_shapes(mode)
    assert [found[name] for name in names] == shapes
    assert len(found) == 92
    assert found["conv1_1"] == (64, 3, 3, 3) and found["conv4_1"] == (512, 256, 3, 3)


@pytest.mark.parametrize("prototxt", [COCO, MPI, FASTER], ids=["COCO", "MPI", "faster"])
def test_layers_between_the_convolutions(prototxt):
    network = read_prototxt(prototxt)
    last = 4 if prototxt == FASTER else 6
    concats = {layer.name: (layer.bottoms, layer.top) for layer in network if layer.type == "Concat"}
    assert concats["concat_stage2"] == (["conv5_5_CPM_L1", "conv5_5_CPM_L2", "conv4_4_CPM"], "concat_stage2")
    for stage in range(3, last + 1):
        before = [f"Mconv7_stage{stage - 1}_L1", f"Mconv7_stage{stage - 1}_L2", "conv4_4_CPM"]
        assert concats[f"concat_stage{stage}"] == (before, f"concat_stage{stage}")
    assert concats["concat_stage7"] == ([f"Mconv7_stage{last}_L2", f"Mconv7_stage{last}_L1"], "net_output")
    assert len(concats) == last
    pools = [(layer.name, layer.bottoms, layer.numbers) for layer in network if layer.type == "Pooling"]
    half = {"kernel_size": 2, "stride": 2}
    assert pools == [(f"pool{i}_stage1", [f"conv{i}_{n}"], half) for i, n in ((1, 2), (2, 2), (3, 4))]
    followed = {layer.top for layer in network if layer.type == "ReLU"}
    assert all(layer.bottoms == [layer.top] for layer in network if layer.type == "ReLU")
    for layer in network:
        if layer.type == "Convolution":
            ends_branch = re.fullmatch(r"conv5_5_CPM_L[12]|Mconv7_stage[2-6]_L[12]", layer.name)
            assert (layer.name in followed) != bool(ends_branch)


def test_only_the_layers_that_the_answer_needs():
    network = read_prototxt(COCO)
    names = {stages: [layer.name for layer in cut(network, stages, COCO)] for stages in range(1, 7)}
    assert len(names[1]) == 12 + 12 + 3 + 2 * (5 + 4) + 1
    assert "Mconv1_stage2_L1" not in names[2] and "Mconv1_stage2_L2" in names[2]
    assert "Mconv1_stage5_L1" in names[6] and "Mconv1_stage6_L1" not in names[6] and "concat_stage7" not in names[6]
    joined = {stages: cut(network, stages, COCO)[-1] for stages in range(1, 7)}
    assert joined[1].bottoms == ["conv5_5_CPM_L2", "conv5_5_CPM_L1"]
    assert joined[2].bottoms == ["Mconv7_stage2_L2", "conv5_5_CPM_L1"]
    assert joined[6].bottoms == ["Mconv7_stage6_L2", "Mconv7_stage5_L1"]
    assert {layer.top for layer in joined.values()} == {"net_output"}


# --- What comes out


def test_known_answer_of_a_tiny_network(tiny):
    prototxt, caffemodel, weights = tiny
    first, second = network_input((6, 4)), network_input((5, 7))  # odd sides: Caffe keeps the last row and column

    def convolved(values, name, pad=0):
        kernel, bias = weights[name]
        padded = np.pad(values, ((0, 0), (pad, pad), (pad, pad)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[2:], axis=(1, 2))
        return np.einsum("chwyx,ocyx->ohw", windows, kernel) + bias[:, None, None]

    def by_hand(value):
        values = np.maximum(convolved(value[0], "conv1", pad=1), 0)
        values = np.pad(values, ((0, 0), (0, values.shape[1] % 2), (0, values.shape[2] % 2)), constant_values=-np.inf)
        pooled = values.reshape(4, values.shape[1] // 2, 2, values.shape[2] // 2, 2).max(axis=(2, 4))
        fields, heatmaps = convolved(pooled, "conv5_5_CPM_L1"), convolved(pooled, "conv5_5_CPM_L2")
        second_heatmaps = convolved(np.concatenate([fields, heatmaps, pooled]), "Mconv7_stage2_L2", pad=3)
        return np.concatenate([heatmaps, fields])[None], np.concatenate([second_heatmaps, fields])[None]

    for stage in (1, 2):
        right = [by_hand(value)[stage - 1] for value in (first, second)]
        assert right[0].shape == (1, 5, 2, 3) and right[1].shape == (1, 5, 4, 3)
        assert_equal_answers(answers(prototxt, caffemodel, stage, [first, second]), right)


@pytest.mark.parametrize("prototxt", [COCO, MPI, FASTER], ids=["COCO", "MPI", "faster"])
def test_every_stage_of_thin_networks(prototxt, tmp_path):
    paths = thin(prototxt, tmp_path)
    inputs = [network_input((64, 48)), network_input((40, 136)), network_input((64, 48), seed=4)]
    for stages in range(1, 5 if prototxt == FASTER else 7):
        found = answers(*paths, stages, inputs)
        right = next(iter(found.values()))
        if HAS_CAFFE:  # OpenCV's own reading of the whole files
            blobs = [f"Mconv7_stage{stages}_L2", f"Mconv7_stage{stages - 1}_L1"]
            blobs = [re.sub("Mconv7_stage[01]", "conv5_5_CPM", blob) for blob in blobs]
            net = cv2.dnn.readNetFromCaffe(*map(str, paths))
            right = []
            for value in inputs:
                net.setInput(value)
                right.append(np.concatenate(net.forward(blobs), axis=1))
        assert right[0].shape == (1, 10, 6, 8) and right[1].shape == (1, 10, 17, 5)
        assert np.abs(right[0]).max() > 0.01
        assert_equal_answers(found, right)


@pytest.mark.parametrize(("prototxt", "mode", "stages"), [(COCO, "COCO", 6), (COCO, "COCO", 1), (FASTER, "MPI", 4)])
def test_full_networks_at_two_sizes(prototxt, mode, stages, full):
    inputs = [network_input((64, 48)), network_input((40, 72))]
    found = answers(prototxt, full(mode), stages, inputs)
    right = next(iter(found.values()))
    assert right[0].shape == (1, {"COCO": 57, "MPI": 44}[mode], 6, 8)
    assert_equal_answers(found, right)


@pytest.mark.parametrize(
    ("dims", "numbers", "extra"),
    [
        ("shape", "packed", False),
        ("unpacked", "packed", True),
        ("legacy", "packed", True),
        ("legacy", "unpacked", True),
        ("shape", "double", True),
    ],
)
def test_every_way_to_write_weights(dims, numbers, extra, tmp_path):
    plain, other = tmp_path / "plain", tmp_path / "other"
    plain.mkdir()
    other.mkdir()
    expected = onnx_model(*thin(MPI, plain), 3)
    paths = thin(MPI, other, dims, numbers, extra)
    assert paths[1].stat().st_size != (plain / "thin.caffemodel").stat().st_size
    assert np.array_equal(onnx_model(*paths, 3), expected)
    if HAS_CAFFE and numbers != "double":
        value = network_input((64, 48))
        found = [
            forward(
                cv2.dnn.readNetFromCaffe(*caffe_model(folder / "thin.prototxt", folder / "thin.caffemodel", 3)), value
            )
            for folder in (plain, other)
        ]
        assert np.array_equal(*found)


def test_doubles_are_not_for_opencv_4(tmp_path):
    paths = thin(MPI, tmp_path, numbers="double")
    with pytest.raises(PoseError, match=r"thin\.caffemodel has 64-bit weights.*getModels\.sh\.$"):
        caffe_model(*paths, 6)


def test_weights_are_read_with_their_shapes(tiny):
    _, path, weights = tiny
    blobs = read_weights(open_weights(path), path)
    assert list(blobs) == [*weights, "not_in_the_prototxt"]  # layers without blobs are not there
    for name, (values, biases) in weights.items():
        assert [blob.shape for blob in blobs[name]] == [values.shape, (1, 1, 1, len(biases))]
        assert np.array_equal(np.concatenate(blobs[name][0].data).view(np.float32), values.ravel())
        assert np.array_equal(np.concatenate(blobs[name][1].data).view(np.float32), biases)


def test_weights_stay_in_the_file(full):
    path = full("COCO")
    before = sorted(path.parent.iterdir())
    start = time.perf_counter()
    text, weights = caffe_model(COCO, path, 6)
    assert time.perf_counter() - start < 1
    assert weights.size == path.stat().st_size and not weights.flags.owndata and not weights.flags.writeable
    assert text.dtype == weights.dtype == np.uint8 and text.size < 30_000
    assert sorted(path.parent.iterdir()) == before


def test_onnx_file_is_valid(full):
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(onnx_model(COCO, full("COCO"), 6).tobytes())
    onnx.checker.check_model(model, full_check=True)
    sides = [[dim.dim_value or dim.dim_param for dim in end.type.tensor_type.shape.dim] for end in model.graph.input]
    assert sides == [[1, 3, "height", "width"]]
    assert [end.name for end in (*model.graph.input, *model.graph.output)] == ["image", "net_output"]
    assert model.graph.output[0].type.tensor_type.shape.dim[1].dim_value == 57


@pytest.mark.skipif(HAS_CAFFE, reason="OpenCV 4 reads no weights from beside an ONNX file, and need not")
@pytest.mark.parametrize("numbers", ["packed", "unpacked", "double"])
def test_onnx_file_that_leaves_the_weights_where_they_are(numbers, tmp_path):
    folder = tmp_path / "a folder ü"
    folder.mkdir()
    prototxt, caffemodel = thin(COCO, folder, numbers=numbers)
    whole, outline = (onnx_model(prototxt, caffemodel, 6, embed=embed) for embed in (True, False))
    value = network_input((48, 40))
    found, right = (forward(cv2.dnn.readNetFromONNX(graph), value) for graph in (outline, whole))
    assert np.array_equal(found, right)
    if numbers == "packed":  # as OpenPose's are; other ways to write them are not ONNX's
        assert outline.size < 60_000 < whole.size


@pytest.mark.parametrize(("mode", "stages"), [("MPI", 6), ("COCO", 2)])
def test_seeing_network_finds_the_painted_figure(mode, stages, tmp_path):
    path = tmp_path / "seeing.caffemodel"
    write_caffemodel(path, seeing_weights(mode))
    prototxt = {"COCO": COCO, "MPI": MPI}[mode]
    picture, keypoints = painted_figure(mode, (240, 232))
    value = picture.transpose(2, 0, 1)[None].astype(np.float32) / 256 - 0.5
    if HAS_CAFFE:
        net = cv2.dnn.readNetFromCaffe(*caffe_model(prototxt, path, stages))
    else:
        net = cv2.dnn.readNetFromONNX(onnx_model(prototxt, path, stages))
    path.unlink()
    maps = forward(net, value)[0]
    cells = (keypoints + 0.5) / 8 - 0.5
    for heatmap, (x, y) in zip(maps, cells, strict=False):
        row, column = np.unravel_index(heatmap.argmax(), heatmap.shape)
        assert abs(column - x) < 0.55 and abs(row - y) < 0.55 and 0.4 < heatmap.max() < 1
    for (a, b), (channel_x, channel_y) in LIMBS[mode]:
        way = (keypoints[b] - keypoints[a]) / np.linalg.norm(keypoints[b] - keypoints[a])
        column, row = np.rint((cells[a] + cells[b]) / 2).astype(int)
        assert maps[[channel_x, channel_y], row, column] == pytest.approx(way, abs=0.01)


# --- Files that are no good


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html><head><title>Quota exceeded</title>", "is a web page"),
        (b"\xef\xbb\xbf \r\n<html>", "is a web page"),
        (b'<?xml version="1.0"?><Error>', "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:b4cf\nsize 209274056\n", "is a Git LFS pointer"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is damaged or no network"),
        (b"PK\x03\x04" + bytes(100), "is damaged or no network"),
        (bytes(1000), "is damaged or no network"),
        (b"\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", "is damaged or no network"),
        (b"\x0a\x64short", "is cut short"),
        (b"\x0a\x80", "is cut short"),
        (b"\x0d\0\0", "is cut short"),
    ],
)
def test_weights_that_are_none(content, what, tmp_path):
    path = tmp_path / "pose_iter_440000.caffemodel"
    path.write_bytes(content)
    for load in (open_weights, lambda path: caffe_model(COCO, path, 6), lambda path: onnx_model(COCO, path, 6)):
        with pytest.raises(PoseError) as error:
            load(path)
        sentence(error, path, what, "./getModels.sh")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\x0a\x04node\x12\x00", "no weights of a Caffe network"),  # such as graph_opt.pb
        (b"\x0a\x00" + b"\x12\x03\x0a\x01x" * 2, "V1 format"),
        (b"\xa2\x06\x04\x0a\x02hi", "no weights of a Caffe network"),  # a layer without blobs
    ],
)
def test_other_networks_files(content, what, tmp_path):
    path = tmp_path / "x.caffemodel"
    path.write_bytes(content)
    assert open_weights(path).tobytes() == content
    with pytest.raises(PoseError) as error:
        onnx_model(MPI, path, 6)
    sentence(error, path, what, "./getModels.sh")


def test_weights_of_the_other_network(full):
    for load in (caffe_model, onnx_model):
        with pytest.raises(PoseError) as error:
            load(COCO, full("MPI"), 6)
        sentence(error, full("MPI"), "conv5_5_CPM_L", "28×512×1×1", "38×512×1×1", "./getModels.sh")


def test_weights_that_are_not_all_there(tiny):
    prototxt, path, weights = tiny
    kernel, biases = weights["Mconv7_stage2_L2"]
    for blobs, what in (
        ((), "has no weights and not 3×9×7×7 and 1×1×1×3"),
        ((kernel,), "has 3×9×7×7 weights"),
        ((kernel, biases, biases), "has 3×9×7×7 and 1×1×1×3 and 1×1×1×3 weights"),
        ((kernel[:, :8], biases), "has 3×8×7×7 and 1×1×1×3 weights and not 3×9×7×7"),
        ((kernel, biases[:2]), "1×1×1×2"),
    ):
        write_caffemodel(path, weights | {"Mconv7_stage2_L2": blobs})
        onnx_model(prototxt, path, 1)  # without this layer
        for load in (caffe_model, onnx_model):
            with pytest.raises(PoseError) as error:
                load(prototxt, path, 2)
            sentence(error, path, "of another network: Mconv7_stage2_L2", what, "./getModels.sh")


def test_fewer_weights_than_their_shape_says(tiny):
    prototxt, path, _ = tiny
    data = path.read_bytes()
    assert data.count(b"\x2a\xb0\x03") == 1  # field 5, 4·3·3·3 floats; then the same as field 6, which nobody asks for
    path.write_bytes(data.replace(b"\x2a\xb0\x03", b"\x32\xb0\x03"))
    with pytest.raises(PoseError) as error:
        onnx_model(prototxt, path, 2)
    sentence(error, path, "conv1 has not as many weights as it says", "./getModels.sh")


def test_half_a_number_among_the_weights(tiny):
    prototxt, path, _ = tiny
    path.write_bytes(field(100, field(1, b"conv1") + field(7, field(8, bytes(12)))))  # doubles have 8 bytes
    with pytest.raises(PoseError) as error:
        onnx_model(prototxt, path, 2)
    sentence(error, path, "is damaged", "./getModels.sh")


@pytest.mark.parametrize("stages", [0, -1, 3, 7])
def test_stages_that_are_not_there(stages, tiny):
    for load in (caffe_model, onnx_model):
        with pytest.raises(PoseError) as error:
            load(*tiny[:2], stages)
        sentence(error, tiny[0], f"no stage {stages}", "--stages from 1 to 2")


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ('"conv1" type', '"conv1 type', 2, 'name cannot be "conv1 type: "'),
        ('"conv1" type', '"conv1" "type"', 2, "'\"' is out of place"),
        ("layer { name", "layer name", 2, "is out of place"),
        ("kernel_size: 3 pad", "kernel_size 3 pad", 3, "is out of place"),
        ("pad: 1 } }", "pad: 1 } } }", 3, "'}' is out of place"),
        ("pad: 1 } }", "pad: 1 }", 4, "layer/layer/name cannot be"),
        ("pad: 3 } }", "pad: 3 }", 17, "closing brace is missing"),
        ("convolution_param {", "convolution_param { a { b { c: 1 } }", 3, "'b' is out of place"),
        ("kernel_size: 3", "kernel_size: three", 3, "kernel_size cannot be three"),
        ("kernel_size: 3", "kernel_size: 0", 3, "kernel_size cannot be 0"),
        ("kernel_size: 3", "kernel_size: 123456", 3, "kernel_size cannot be 123456"),
        ("kernel_size: 3", "dilation: 2", 3, "dilation cannot be 2"),
        ("kernel_size: 3", "", 2, "conv1 has no kernel_size"),
        ("num_output: 4", "", 2, "conv1 has no num_output"),
        ("pool: MAX", "pool: AVE", 6, "pool cannot be AVE"),
        ('type: "ReLU"', 'type: "Sigmoid"', 4, 'type cannot be "Sigmoid"'),
        ('type: "ReLU"', "", 4, "has not one name, one type"),
        ('type: "ReLU"', 'type: "ReLU" bottom: "image"', 4, "has not one name, one type"),
        ('name: "relu1"', 'name: "conv1"', 4, "a second conv1"),
        ('name: "relu1"', 'name: "image"', 4, "a second image"),
        ('name: "relu1"', 'name: "net_output"', 4, "a second net_output"),
        ('bottom: "pool1"', 'bottom: "pool2"', 7, "conv5_5_CPM_L1 reads pool2"),
        ('input: "image"', 'input: "data"', 1, 'input cannot be "data"'),
        ("layer {", "layers {", 2, "layers/name cannot be"),
    ],
)
def test_damaged_prototxt(old, new, line, what, tiny):
    prototxt, caffemodel, _ = tiny
    assert old in TINY
    prototxt.write_text(TINY.replace(old, new, 1))
    for load in (caffe_model, onnx_model):
        with pytest.raises(PoseError) as error:
            load(prototxt, caffemodel, 2)
        sentence(error, f"{prototxt} is damaged in line {line}: ", what, "put the project's own file back")


def test_prototxt_that_is_none(tiny):
    prototxt, caffemodel, _ = tiny
    for content, what in (
        (b"", "no whole stage"),
        (b"\xff\xfe\0\0", "is damaged in line 1"),
        (b"#" * 1_000_000, "too long"),
    ):
        prototxt.write_bytes(content)
        with pytest.raises(PoseError) as error:
            onnx_model(prototxt, caffemodel, 1)
        sentence(error, prototxt, what, "put the project's own file back")
    prototxt.unlink()
    with pytest.raises(PoseError) as error:
        onnx_model(prototxt, caffemodel, 1)
    sentence(error, prototxt, "cannot be read", "put the project's own file back")


def test_what_only_training_needs_is_passed_over(tiny):
    prototxt, caffemodel, _ = tiny
    expected = onnx_model(prototxt, caffemodel, 2)
    training = """name: "net"  # a comment
        layer { param { lr_mult: 1.0 decay_mult: 1e-3 } param { lr_mult: 2.0 }"""
    filler = 'convolution_param { engine: CAFFE weight_filler { type: "gaussian" std: 0.01 } bias_filler { value: 0 }'
    text = TINY.replace("layer {", training, 1).replace("convolution_param {", filler)
    prototxt.write_text(text.replace("layer {", "\nlayer\t{\r\n"))
    assert np.array_equal(onnx_model(prototxt, caffemodel, 2), expected)


def survive(prototxt, caffemodel, stages=2):
    """Loads in time, or says in time in one sentence why not; returns whether it loaded."""
    start = time.perf_counter()
    loaded = True
    for load in (caffe_model, onnx_model):
        try:
            load(prototxt, caffemodel, stages)
        except PoseError as error:
            assert "\n" not in str(error) and len(str(error)) < 600
            loaded = False
    assert time.perf_counter() - start < MOST_SECONDS
    return loaded


@pytest.mark.parametrize("dims", ["shape", "unpacked", "legacy"])
@pytest.mark.parametrize("numbers", ["packed", "unpacked", "double"])
def test_any_bytes_for_weights(dims, numbers, tiny):
    prototxt, path, weights = tiny
    small = {name: (values[:], biases) for name, (values, biases) in weights.items()}
    write_caffemodel(path, small, dims, numbers)
    data, rng, loaded = path.read_bytes(), np.random.default_rng(5), 0
    for _ in range(150):
        path.write_bytes(mutated(data, rng))
        loaded += survive(prototxt, path)
    assert numbers == "double" or 0 < loaded < 150  # else the changes were too small or too large to be of use


def test_weights_cut_anywhere(tiny):
    prototxt, path, _ = tiny
    data = path.read_bytes()
    for size in [*range(0, 300, 7), *range(300, len(data), 101), len(data) - 1]:
        path.write_bytes(data[:size])
        with pytest.raises(PoseError) as error:
            onnx_model(prototxt, path, 2)
        sentence(error, path, "./getModels.sh")


def test_any_bytes_for_a_prototxt(tiny):
    prototxt, path, _ = tiny
    rng, loaded = np.random.default_rng(6), 0
    text = ("# A comment, in which a change does no harm.\n" * 30 + TINY).encode()
    for _ in range(600):
        prototxt.write_bytes(mutated(text, rng))
        loaded += survive(prototxt, path)
    assert 0 < loaded < 600
    for _ in range(200):
        letters = rng.choice(list('{}:"# \nlayernput_dim123.é'), rng.integers(1, 200))
        prototxt.write_text("".join(letters), encoding="utf-8")
        assert not survive(prototxt, path)


@pytest.mark.parametrize(
    "text",
    [
        "a { " * 60_000,
        "layer { a { b { " * 20_000,
        "a" * 190_000,
        "a" * 90_000 + " " * 90_000 + "!",
        "a :" + " " * 190_000,
        '"' + "a" * 190_000,
        "\n" * 190_000,
        'layer { name: "a" type: "ReLU" bottom: "image" top: "a" }' * 3_000,
        "".join(f'layer {{name:"{i}" type:"ReLU" bottom:"image" top:"a"}}' for i in range(3_000)),
        "input_dim:" + "9" * 190_000,
    ],
    ids=range(10),
)
def test_prototxt_made_to_last(text, tiny):
    prototxt, path, _ = tiny
    prototxt.write_text(text)
    assert not survive(prototxt, path)


@pytest.mark.parametrize(
    "content",
    [
        b"\x08\x01" * 5_000_000,
        field(100, b"\x08\x01" * 5_000_000),
        field(100, field(7, b"\x08\x01" * 5_000_000)),
        field(100, field(7, field(7, b"\x08\x01" * 5_000_000))),
        field(100, field(7, field(7, field(1, b"\x01" * 10_000_000)))),
        field(100, field(7, b"\x2d\0\0\0\0\x35\0\0\0\0" * 1_000_000)),
        field(100, field(7, b"\x2d\0\0\0\0" * 4_000_000)),
        field(100, field(1, b"x" * 10_000_000) + field(7, b"")),
        field(100, b"") * 2_000_000,
        b"\xff" * 10_000_000,
    ],
    ids=range(10),
)
def test_weights_made_to_last(content, tiny):
    prototxt, path, _ = tiny
    path.write_bytes(content)
    assert not survive(prototxt, path)
