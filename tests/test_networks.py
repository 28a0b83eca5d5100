import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose import PoseError
from pose.blazepose import LandmarkNetwork, make_crop
from pose.cli import PROJECT
from pose.maps import fit
from pose.networks import caffe_to_onnx
from pose.networks.devices import Device, choose_device
from pose.networks.heatmap_network import HeatmapNetwork, usual_size
from pose.networks.registry import BLAZEPOSE, MOBILENET, OPENPOSE, PACKAGE, choose_network
from pose.skeletons import COCO


@pytest.fixture
def folder(tmp_path):
    """A model folder in which the weights for the named modes lie (empty files)."""

    def make(*modes):
        for mode in modes:
            path = tmp_path / OPENPOSE[mode].weights.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("mode", "network", "have", "chosen", "why"),
    [
        ("COCO", "auto", ["COCO"], "openpose", "its weights are here"),
        ("COCO", "auto", ["MPI"], "blazepose", "OpenPose COCO's weights are not here"),
        ("MPI", "auto", ["MPI"], "openpose", "its weights are here"),
        ("MPI", "auto", [], "blazepose", "OpenPose MPI's weights are not here"),
        ("COCO", "blazepose", ["COCO"], "blazepose", "as asked"),
        ("COCO", "openpose", ["COCO"], "openpose", "as asked"),
    ],
)
def test_which_network_and_why(folder, mode, network, have, chosen, why):
    assert choose_network(mode, network, folder(*have)) == (chosen, why)


@pytest.mark.parametrize(("mode", "name"), [("COCO", "coco"), ("MPI", "mpi")])
def test_missing_weights_name_the_command_that_fetches_them(tmp_path, mode, name):
    with pytest.raises(PoseError, match=f"fetch it once with ./getModels.sh {name}$"):
        choose_network(mode, "openpose", tmp_path)


def test_hashes_are_those_of_the_files():
    for weights in (MOBILENET.weights, BLAZEPOSE):
        path = PACKAGE / weights.name
        assert hashlib.sha256(path.read_bytes()).hexdigest() == weights.hash
        assert weights.hash in (path.parent / "NOTICE").read_text()
    script = (PROJECT / "getModels.sh").read_text()
    assert all(model.weights.hash in script for model in OPENPOSE.values())


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
    with pytest.raises(PoseError, match="neither CUDA"):
        choose_device("gpu")


@pytest.mark.parametrize("net_wh", [None, (368, 368), (16, 16), (-1, 96), (640, 40)])
def test_the_detector_answers_at_any_size(net_wh):
    maps = HeatmapNetwork(MOBILENET, PACKAGE, Device("cpu"), net_wh)(np.full((300, 400, 3), 127, np.uint8))
    assert maps.values.shape[0] == 57
    assert np.isfinite(maps.values).all()


def test_the_detectors_fields_are_where_the_table_says():
    """Along the walker's left shin (knee 12 to ankle 13) the field of channels 29, 30 points down the shin."""
    picture = cv2.imread(str(PROJECT / "Input" / "example_image1.png"))
    maps = HeatmapNetwork(MOBILENET, PACKAGE, Device("cpu"))(picture)
    knee, ankle = np.array([303, 376]), np.array([349, 461])  # labelled by hand
    unit = (ankle - knee) / np.linalg.norm(ankle - knee)
    x, y = np.rint(((knee + ankle) / 2 + 0.5) / maps.cell_wh - 0.5).astype(int)
    best = [maps.values[[c, c + 1], y - 1 : y + 2, x - 1 : x + 2].max(axis=(1, 2)) @ unit for c in range(19, 57, 2)]
    assert 19 + 2 * int(np.argmax(best)) == 29


@pytest.mark.parametrize("fills_area", [True, False])
@pytest.mark.parametrize("picture_wh", [(100, 100), (856, 424), (424, 856), (4000, 3000), (5000, 100), (1, 1)])
def test_the_usual_size_is_no_more_work_than_a_square_of_368(picture_wh, fills_area):
    w, h = fit(picture_wh, usual_size(*picture_wh, fills_area)).size_wh
    assert w * h <= 368 * 368
    assert max(w, h) <= 2 * 368


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.999])
def test_a_network_of_the_repository_that_is_cut_off(tmp_path, share):
    for weights in (MOBILENET.weights, BLAZEPOSE):
        (tmp_path / weights.name).parent.mkdir()
        data = (PACKAGE / weights.name).read_bytes()
        (tmp_path / weights.name).write_bytes(data[: int(share * len(data))])
        with pytest.raises(PoseError, match=r"\.onnx is .*put the project's own file back"):
            Device("cpu").load(weights, tmp_path)


@pytest.mark.skipif(not hasattr(cv2.dnn, "ENGINE_CLASSIC"), reason="OpenCV 4 has one engine")
def test_on_a_gpu_opencv_5_gets_a_file_and_its_classic_engine(monkeypatch):
    """Its new engine runs on the CPU whatever the target, and from memory 5.0 takes the new one whatever is asked."""
    calls = []

    def read(what, engine=None):
        calls.append((isinstance(what, str) and Path(what).stat().st_size, engine))

    monkeypatch.setattr(cv2.dnn, "readNetFromONNX", read)
    on_gpu = Device("cpu")
    on_gpu.is_cpu, on_gpu.prepared = False, lambda net: net
    on_gpu.read_onnx(np.zeros(7, np.uint8))
    Device("cpu").read_onnx(np.zeros(7, np.uint8))
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
    on_gpu = Device("cpu")
    on_gpu.is_cpu, on_gpu.prepared = False, lambda net: net
    Device("cpu").load(OPENPOSE["MPI"].weights, Path())
    on_gpu.load(OPENPOSE["MPI"].weights, Path())
    assert calls == [5, 7, 7]


def test_opencl_gives_equal_results_where_a_device_is_allowed():
    """Runs where OpenCL devices are: with PoCL, OPENCV_OPENCL_DEVICE=:CPU:0 OPENCV_DNN_OPENCL_ALLOW_ALL_DEVICES=1."""
    try:
        device = Device("gpu")
    except PoseError:
        pytest.skip("no GPU, and no OpenCL device that is allowed to stand in")
    picture = cv2.imread(str(PROJECT / "Input" / "example_image1.png"))
    on_gpu, on_cpu = (HeatmapNetwork(MOBILENET, PACKAGE, where, (96, 96))(picture) for where in (device, Device("cpu")))
    assert np.abs(on_gpu.values - on_cpu.values).max() < 1e-3
    crop = make_crop(np.array([280.0, 280]), 260, np.array([0, -1.0]))
    on_gpu, on_cpu = (LandmarkNetwork.load(where)(picture, crop) for where in (device, Device("cpu")))
    assert on_cpu.presence > 0.9
    assert np.abs(on_gpu.pose[:, :2] - on_cpu.pose[:, :2]).max() < 1


def test_only_the_detector_can_look_at_more_than_usual():
    """OpenPose's would take 1.4 times as long."""
    assert usual_size(600, 400, fills_area=False, larger=1.2) == (368, 368)
    assert usual_size(368, 368, fills_area=True, larger=1.2) == (440, 440)


def test_mirrored_maps_are_those_of_the_mirrored_picture_too():
    picture = cv2.imread(str(PROJECT / "Input" / "example_image1.png"))
    mirror = np.ascontiguousarray(picture[:, ::-1])
    for mirrored in (False, True):
        network = HeatmapNetwork(MOBILENET, PACKAGE, Device("cpu"), (368, 368), mirrored=mirrored)
        difference = np.abs(network(picture).values - COCO.mirror_maps(network(mirror).values)).max()
        assert (difference < 1e-3) == mirrored
