from pathlib import Path

import cv2
import numpy as np
import pytest

from pose import PoseError, caffe_to_onnx, tensorflow
from pose.cli import PROJECT
from pose.fetch import FILES
from pose.maps import fit
from pose.network import MODELS, Network, choose_device, choose_model, load, read_onnx, usual_size

SMALL = MODELS["COCO", "mobilenet"]
needs_small = pytest.mark.skipif(
    not (PROJECT / "pose" / SMALL.weights).exists(), reason="needs ./getModels.sh mobilenet"
)


@pytest.fixture
def folder(tmp_path):
    """A model folder in which the named weights lie (empty files)."""

    def make(*names):
        for mode, name in names:
            path = tmp_path / MODELS[mode, name].weights
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("mode", "network", "have", "chosen"),
    [
        ("COCO", "auto", [("COCO", "openpose"), ("COCO", "mobilenet")], "OpenPose COCO"),
        ("COCO", "auto", [("COCO", "mobilenet")], "mobilenet_thin"),
        ("COCO", "mobilenet", [("COCO", "openpose"), ("COCO", "mobilenet")], "mobilenet_thin"),
        ("MPI", "auto", [("MPI", "openpose"), ("COCO", "mobilenet")], "OpenPose MPI"),
    ],
)
def test_which_network(folder, mode, network, have, chosen):
    assert choose_model(mode, network, folder(*have))[0].name == chosen


def test_it_says_why(folder):
    assert choose_model("COCO", "auto", folder(("COCO", "mobilenet")))[1] == "OpenPose's weights are not here"
    assert choose_model("COCO", "mobilenet", folder(("COCO", "mobilenet")))[1] == "as asked"


@pytest.mark.parametrize(
    ("mode", "network", "says"),
    [
        ("COCO", "auto", r"getModels.sh mobilenet or ./getModels.sh coco"),
        ("COCO", "openpose", r"getModels.sh coco"),
        ("MPI", "auto", r"getModels.sh mpi"),
        ("MPI", "mobilenet", r"--mode COCO"),
    ],
)
def test_missing_weights_name_the_command_that_fetches_them(tmp_path, mode, network, says):
    with pytest.raises(PoseError, match=says):
        choose_model(mode, network, tmp_path)


def test_hashes_are_those_of_the_files_that_are_fetched():
    fetched = {weights.path: weights.hash for weights in FILES.values()}
    assert {model.weights: model.hash for model in MODELS.values()} == fetched


class StandInDevice:
    """What OpenCV reports of an OpenCL device."""

    def __init__(self, kind):
        self.kind = kind

    def type(self):
        return self.kind

    def name(self):
        return "Stand-in "


def report(monkeypatch, cuda=(), opencl=None):
    monkeypatch.setattr(cv2.dnn, "getAvailableTargets", lambda backend: list(cuda))
    monkeypatch.setattr(cv2.ocl, "haveOpenCL", lambda: opencl is not None)
    monkeypatch.setattr(cv2.ocl.Device, "getDefault", staticmethod(lambda: StandInDevice(opencl)))
    monkeypatch.delenv("OPENCV_DNN_OPENCL_ALLOW_ALL_DEVICES", raising=False)


def test_cpu_asks_for_no_gpu(monkeypatch):
    report(monkeypatch, cuda=[cv2.dnn.DNN_TARGET_CUDA], opencl=cv2.ocl.Device_TYPE_GPU)
    assert choose_device("cpu") == (cv2.dnn.DNN_BACKEND_OPENCV, cv2.dnn.DNN_TARGET_CPU, "CPU")


def test_cuda_comes_first(monkeypatch):
    report(monkeypatch, cuda=[cv2.dnn.DNN_TARGET_CUDA], opencl=cv2.ocl.Device_TYPE_GPU)
    assert choose_device("gpu")[:2] == (cv2.dnn.DNN_BACKEND_CUDA, cv2.dnn.DNN_TARGET_CUDA)


@pytest.mark.parametrize(("major", "half"), [(6, False), (7, True), (12, True)])
def test_cuda_with_16_bit_floats_where_the_card_is_good_at_them(monkeypatch, major, half):
    class StandInCard:
        def majorVersion(self):
            return major

    report(monkeypatch, cuda=[cv2.dnn.DNN_TARGET_CUDA, cv2.dnn.DNN_TARGET_CUDA_FP16])
    monkeypatch.setattr(cv2.cuda, "DeviceInfo", StandInCard, raising=False)
    _, target, name = choose_device("gpu")
    assert target == (cv2.dnn.DNN_TARGET_CUDA_FP16 if half else cv2.dnn.DNN_TARGET_CUDA)
    assert ("16-bit" in name) is half


def test_then_an_opencl_gpu(monkeypatch):
    report(monkeypatch, opencl=cv2.ocl.Device_TYPE_GPU)
    backend, target, name = choose_device("gpu")
    assert (backend, target) == (cv2.dnn.DNN_BACKEND_OPENCV, cv2.dnn.DNN_TARGET_OPENCL)
    assert name == "OpenCL (Stand-in)"


@pytest.mark.parametrize("opencl", [None, cv2.ocl.Device_TYPE_CPU])
def test_never_a_silent_cpu_run(monkeypatch, opencl):
    report(monkeypatch, opencl=opencl)
    with pytest.raises(PoseError, match="--device cpu"):
        choose_device("gpu")


@needs_small
@pytest.mark.parametrize("net_wh", [None, (368, 368), (16, 16), (-1, 96), (640, 40)])
def test_the_small_network_answers_at_any_size(net_wh):
    network = Network(SMALL, PROJECT / "pose", net_wh=net_wh)
    maps = network(np.full((300, 400, 3), 127, np.uint8))
    assert maps.values.shape[0] == 57
    assert np.isfinite(maps.values).all()


@needs_small
def test_the_small_networks_fields_are_where_the_table_says():
    """Along the walker's left shin (knee 12 to ankle 13) the field of channels 29, 30 points down the shin."""
    picture = cv2.imread(str(PROJECT / "Input" / "example_image1.png"))
    maps = Network(SMALL, PROJECT / "pose")(picture)
    knee, ankle = np.array([303, 376]), np.array([349, 461])  # labelled by hand
    unit = (ankle - knee) / np.linalg.norm(ankle - knee)
    x, y = np.rint(((knee + ankle) / 2 + 0.5) / maps.cell_wh - 0.5).astype(int)
    best = [maps.values[[c, c + 1], y - 1 : y + 2, x - 1 : x + 2].max(axis=(1, 2)) @ unit for c in range(19, 57, 2)]
    assert 19 + 2 * int(np.argmax(best)) == 29


@needs_small
def test_whole_and_box_lead_to_the_same_place():
    network = Network(SMALL, PROJECT / "pose")
    picture = cv2.imread(str(PROJECT / "Input" / "example_image1.png"))
    for maps in (network(picture), network.closer(picture, (100, 40, 320, 450))):
        y, x = np.unravel_index(maps.values[13].argmax(), maps.values[13].shape)
        ankle = maps.to_picture([x, y])
        assert (np.abs(ankle - (349, 461)) <= maps.cell_wh).all()  # labelled by hand


@pytest.mark.parametrize("fills_area", [True, False])
@pytest.mark.parametrize("picture_wh", [(100, 100), (856, 424), (424, 856), (4000, 3000), (5000, 100), (1, 1)])
def test_the_usual_size_is_no_more_work_than_a_square_of_368(picture_wh, fills_area):
    w, h = fit(picture_wh, usual_size(*picture_wh, fills_area)).size_wh
    assert w * h <= 368 * 368
    assert max(w, h) <= 2 * 368


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"version https://git-lfs.github.com/spec/v1\n"])
def test_what_is_no_network(tmp_path, content):
    path = tmp_path / SMALL.weights
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(PoseError, match=r"graph_opt.pb.*getModels.sh"):
        Network(SMALL, tmp_path)


@needs_small
@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_a_cut_off_network(tmp_path, share):
    path = tmp_path / SMALL.weights
    path.parent.mkdir()
    data = (PROJECT / "pose" / SMALL.weights).read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(PoseError, match=r"graph_opt.pb.*getModels.sh"):
        Network(SMALL, tmp_path)


@pytest.mark.skipif(not hasattr(cv2.dnn, "ENGINE_CLASSIC"), reason="OpenCV 4 has one engine")
def test_on_a_gpu_opencv_5_gets_a_file_and_its_classic_engine(monkeypatch):
    """Its new engine runs on the CPU whatever the target, and from memory 5.0 takes the new one whatever is asked."""
    calls = []

    def read(what, engine=None):
        calls.append((isinstance(what, str) and Path(what).stat().st_size, engine))

    monkeypatch.setattr(cv2.dnn, "readNetFromONNX", read)
    read_onnx(np.zeros(7, np.uint8), on_cpu=False)
    read_onnx(np.zeros(7, np.uint8), on_cpu=True)
    assert calls == [(7, cv2.dnn.ENGINE_CLASSIC), (False, None)]


@pytest.mark.skipif(hasattr(cv2.dnn, "readNetFromCaffe"), reason="OpenCV 4 reads no weights from beside an ONNX file")
def test_on_the_cpu_opencv_5_reads_openposes_weights_where_they_are(monkeypatch):
    """Unless OpenCV cannot open their path. On a GPU never: its classic engine knows of no weights elsewhere."""
    calls = []

    def read(graph, engine=None):
        calls.append(Path(graph).stat().st_size if engine else graph.size)
        if calls[-1] == 5:
            raise cv2.error("no such file")

    monkeypatch.setattr(caffe_to_onnx, "onnx_model", lambda *_, embed=True: np.zeros(7 if embed else 5, np.uint8))
    monkeypatch.setattr(cv2.dnn, "readNetFromONNX", read)
    load(MODELS["MPI", "openpose"], Path(), 6, on_cpu=True)
    load(MODELS["MPI", "openpose"], Path(), 6, on_cpu=False)
    assert calls == [5, 7, 7]


@needs_small
def test_opencl_gives_equal_maps_where_a_device_is_allowed():
    """Runs where OpenCL devices are: with PoCL, OPENCV_OPENCL_DEVICE=:CPU:0 OPENCV_DNN_OPENCL_ALLOW_ALL_DEVICES=1."""
    try:
        network = Network(SMALL, PROJECT / "pose", device="gpu", net_wh=(96, 96))
    except PoseError:
        pytest.skip("no GPU, and no OpenCL device that is allowed to stand in")
    picture = cv2.imread(str(PROJECT / "Input" / "example_image1.png"))
    on_cpu = Network(SMALL, PROJECT / "pose", net_wh=(96, 96))(picture)
    assert np.abs(network(picture).values - on_cpu.values).max() < 1e-3


@needs_small
@pytest.mark.parametrize("stages", [1, 2, 4, 6])
def test_stages_of_the_small_network(stages):
    """test_tensorflow.py says that these stages are right; here, that it is them which the network runs."""
    picture = cv2.resize(cv2.imread(str(PROJECT / "Input" / "example_image1.png")), (96, 96))
    values = Network(SMALL, PROJECT / "pose", net_wh=(96, 96), stages=stages)(picture).values
    assert values.shape == (57, 12, 12)
    assert values[:18].max() > 0.1
    net = cv2.dnn.readNetFromONNX(tensorflow.onnx_model(PROJECT / "pose" / SMALL.weights, stages))
    net.setInput(cv2.dnn.blobFromImage(picture))
    assert np.abs(net.forward()[0] - values).max() < 1e-4


def test_only_the_small_network_looks_larger():
    """OpenPose's would take 1.4 times as long."""
    assert usual_size(600, 400, fills_area=False, larger=1.2) == (368, 368)
    assert usual_size(368, 368, fills_area=True, larger=1.2) == (440, 440)


@needs_small
def test_accuracy_says_which_looks_are_mirrored_and_how_large_the_first_is():
    picture = cv2.imread(str(PROJECT / "Input" / "example_image1.png"))
    mirror = np.ascontiguousarray(picture[:, ::-1])
    box = (100, 0, 265, 530)  # no padding, so that mirrored cells are cells
    mirrored_box = (530 - 365, 0, 265, 530)
    for accuracy, first_even, closer_even, cells in (
        ("fast", False, False, 46), ("balanced", False, True, 55), ("best", True, True, 55),
    ):  # fmt: skip
        network = Network(SMALL, PROJECT / "pose", accuracy=accuracy)
        first, closer = network(picture).values, network.closer(picture, box).values
        assert first.shape[1:] == (cells, cells)
        for even, maps, other in (
            (first_even, first, network(mirror)), (closer_even, closer, network.closer(mirror, mirrored_box)),
        ):  # fmt: skip
            difference = np.abs(maps - network.skeleton.mirror_maps(other.values)).max()
            assert (difference < 1e-3) == even, accuracy
