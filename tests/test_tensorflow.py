"""mobilenet_thin as we hand it to OpenCV, against what OpenCV makes of the graph itself."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from made import field, graph, graph_shapes, mutated, random_weights, sentence

from pose import PoseError
from pose.tensorflow import onnx_model, read_weights

GRAPH = Path(__file__).parent.parent / "pose" / "mobilenet" / "graph_opt.pb"
needs_small = pytest.mark.skipif(not GRAPH.exists(), reason="needs ./getModels.sh mobilenet")
CAN_READ_GRAPHS = hasattr(cv2.dnn, "readNetFromTensorflow")
CAN_ASK_INSIDE = hasattr(cv2.dnn, "readNetFromCaffe")  # OpenCV 5 answers the whole graph's end only


@pytest.fixture
def thin():
    """Weights by name of the same network with few channels."""
    return {name: values for name, (values, _) in random_weights(graph_shapes(), seed=4).items()}


def forward(net, value):
    net.setInput(value)
    return net.forward().copy()


def example(w, h):
    return cv2.dnn.blobFromImage(cv2.resize(cv2.imread(str(GRAPH.parents[2] / "Input" / "example_image1.png")), (w, h)))


@needs_small
@pytest.mark.skipif(not CAN_READ_GRAPHS, reason="this OpenCV reads no TensorFlow graphs")
@pytest.mark.parametrize("size_wh", [(368, 368), (104, 184), (520, 256), (16, 16)])
def test_it_is_the_graphs_network(size_wh):
    """At even and odd numbers of cells, as the first layers' borders depend on that."""
    right = forward(cv2.dnn.readNetFromTensorflow(str(GRAPH)), example(*size_wh))
    found = forward(cv2.dnn.readNetFromONNX(onnx_model(GRAPH, 6)), example(*size_wh))
    assert found.shape == right.shape == (1, 57, size_wh[1] // 8, size_wh[0] // 8)
    assert np.abs(found - right)[:, :19].max() < 1e-4  # of the last stage, as the graph's own; the fields are stage 5's


@needs_small
@pytest.mark.skipif(not CAN_ASK_INSIDE, reason="this OpenCV cannot be asked for a layer inside of a graph")
@pytest.mark.parametrize("stages", range(1, 7))
def test_stages_are_the_graphs(stages):
    """Heatmaps of that stage and fields of the one before."""
    whole, last = cv2.dnn.readNetFromTensorflow(str(GRAPH)), {"L2": stages, "L1": max(1, stages - 1)}
    whole.setInput(example(96, 96))
    layers = [f"Openpose/MConv_Stage{stage}_{branch}_5_pointwise/Conv2D" for branch, stage in last.items()]
    right = np.concatenate(whole.forward(layers), axis=1)
    assert np.abs(forward(cv2.dnn.readNetFromONNX(onnx_model(GRAPH, stages)), example(96, 96)) - right).max() < 1e-4


@pytest.mark.parametrize("stages", [1, 2, 6])
def test_onnx_file_is_valid_and_all_engines_agree(stages, thin, tmp_path):
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    path = tmp_path / "graph ü.pb"
    path.write_bytes(graph(thin))
    file = onnx_model(path, stages)
    model = onnx.load_from_string(file.tobytes())
    onnx.checker.check_model(model, full_check=True)
    for end in (model.graph.input[0], model.graph.output[0]):
        for dim, name in zip(end.type.tensor_type.shape.dim[2:], "hw", strict=True):
            dim.dim_param = f"{name} of {end.name}"  # OpenCV takes other sizes than the one that is written down
    session, net = onnxruntime.InferenceSession(model.SerializeToString()), cv2.dnn.readNetFromONNX(file)
    for h, w in ((32, 40), (16, 88)):
        value = np.random.default_rng(1).random((1, 3, h, w), np.float32)
        (right,) = session.run(["net_output"], {"image": value})
        assert right.std() > 1e-3  # else any network would agree
        assert np.abs(forward(net, value) - right).max() < 1e-4 * max(1, np.abs(right).max())


def test_a_layer_that_only_weighs_its_channels_goes_into_the_next(thin, tmp_path):
    """Doubling it is doubling the next one's weights."""
    name, value = "Openpose/MConv_Stage1_L2_4", np.random.default_rng(1).random((1, 3, 32, 32), np.float32)
    answers = []
    for weights in (f"{name}_depthwise/depthwise_weights", f"{name}_pointwise/weights", None):
        changed = {key: values * (2 if key == weights else 1) for key, values in thin.items()}
        (tmp_path / "graph.pb").write_bytes(graph(changed))
        answers.append(forward(cv2.dnn.readNetFromONNX(onnx_model(tmp_path / "graph.pb", 1)), value))
    assert np.abs(answers[0] - answers[1]).max() < 1e-4
    assert np.abs(answers[0] - answers[2]).max() > 1e-2


def test_weights_are_read_with_their_names_and_shapes(thin, tmp_path):
    (tmp_path / "graph.pb").write_bytes(graph(thin))
    weights = read_weights(tmp_path / "graph.pb")
    assert weights.keys() == thin.keys()
    assert all(np.array_equal(weights[name], thin[name].astype(np.float32)) for name in thin)


# --- Files that are no good


@pytest.mark.parametrize(
    ("name", "change", "what"),
    [
        ("MobilenetV1/Conv2d_7_pointwise/weights", None, "MobilenetV1/Conv2d_7_pointwise/weights has no weights"),
        ("MobilenetV1/Conv2d_0/Conv2D_bn_offset", lambda values: values[:3], "has 3 weights"),
        ("Openpose/MConv_Stage3_L1_1_pointwise/weights", lambda values: values[:, :, :5], "has 1×1×5×4 weights"),
        ("Openpose/MConv_Stage2_L2_1_depthwise/depthwise_weights", lambda values: values[0], "has 3×69×1 weights"),
        ("MobilenetV1/Conv2d_0/weights", lambda values: values[:1, :1], "has 1×1×3×4 weights"),
        ("MobilenetV1/Conv2d_2_depthwise/depthwise_weights", lambda values: values[:1, :1], "has 1×1×4×1 weights"),
    ],
)
def test_another_networks_weights(name, change, what, thin, tmp_path):
    path = tmp_path / "graph.pb"
    values = thin.pop(name)
    path.write_bytes(graph(thin | ({name: change(values)} if change else {})))
    with pytest.raises(PoseError) as error:
        onnx_model(path, 6)
    sentence(error, path, "is of another network", what, "./getModels.sh")


def test_fewer_weights_than_their_shape_says(thin, tmp_path):
    path, name = tmp_path / "graph.pb", b"MobilenetV1/Conv2d_0/weights"
    data = graph(thin)
    at = data.index(b"\x12\x02\x08\x03" * 2, data.index(name))
    path.write_bytes(data[:at] + b"\x12\x02\x08\x05" + data[at + 4 :])
    with pytest.raises(PoseError) as error:
        onnx_model(path, 6)
    sentence(error, path, "is damaged: MobilenetV1/Conv2d_0/weights has not as many weights as it says")


@pytest.mark.parametrize("dims", [b"\x12\x00" * 70, b"\x12\x02\x08\x00" * 2])
def test_shapes_that_no_weights_have(dims, thin, tmp_path):
    path = tmp_path / "graph.pb"
    content = b"\x08\x01" + field(2, dims) + field(4, b"")
    node = field(1, b"odd") + field(5, field(1, b"value") + field(2, field(8, content)))
    path.write_bytes(graph(thin) + field(1, node))
    with pytest.raises(PoseError) as error:
        onnx_model(path, 6)
    sentence(error, path, "is damaged: odd has not as many weights as it says", "./getModels.sh")


def test_constants_that_are_no_weights_are_passed_over(thin, tmp_path):
    path = tmp_path / "graph.pb"
    content = b"\x08\x09" + field(2, field(2, b"\x08\x02")) + field(4, bytes(16))  # two numbers of 64 bits
    node = field(1, b"shape") + field(5, field(1, b"value") + field(2, field(8, content)))
    path.write_bytes(graph(thin) + field(1, node))
    assert read_weights(path).keys() == thin.keys()


def test_any_bytes(thin, tmp_path):
    path, data, rng, loaded = tmp_path / "graph.pb", graph(thin), np.random.default_rng(5), 0
    for _ in range(100):
        path.write_bytes(mutated(data, rng))
        try:
            onnx_model(path, 6)
            loaded += 1
        except PoseError as error:
            assert "\n" not in str(error) and len(str(error)) < 600
    assert 0 < loaded < 100
