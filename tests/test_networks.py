import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose import PoseError
from pose.blazepose import LandmarkNetwork
from pose.cli import PROJECT
from pose.crop import make_crop
from pose.maps import fit
from pose.networks import caffe_to_onnx
from pose.networks.engines import OpenCV, choose_opencv_device, load_network
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
    assert choose_opencv_device("cpu", "auto") == (cv2.dnn.DNN_BACKEND_OPENCV, cv2.dnn.DNN_TARGET_CPU, "CPU")


def test_cuda_comes_first(monkeypatch):
    report(monkeypatch, cuda=[cv2.dnn.DNN_TARGET_CUDA], opencl=cv2.ocl.Device_TYPE_GPU)
    assert choose_opencv_device("gpu", "auto")[:2] == (cv2.dnn.DNN_BACKEND_CUDA, cv2.dnn.DNN_TARGET_CUDA)


@pytest.mark.parametrize(("major", "half"), [(6, False), (7, True), (12, True)])
def test_cuda_with_16_bit_floats_where_the_card_is_good_at_them(monkeypatch, major, half):
    class StandInCard:
        def majorVersion(self):
            return major

    report(monkeypatch, cuda=[cv2.dnn.DNN_TARGET_CUDA, cv2.dnn.DNN_TARGET_CUDA_FP16])
    monkeypatch.setattr(cv2.cuda, "DeviceInfo", StandInCard, raising=False)
    _, target, name = choose_opencv_device("gpu", "auto")
    assert target == (cv2.dnn.DNN_TARGET_CUDA_FP16 if half else cv2.dnn.DNN_TARGET_CUDA)
    assert name == "GPU (CUDA)"
    assert choose_opencv_device("gpu", "fp32")[1] == cv2.dnn.DNN_TARGET_CUDA


def test_then_an_opencl_gpu(monkeypatch):
    report(monkeypatch, opencl=cv2.ocl.Device_TYPE_GPU)
    backend, target, name = choose_opencv_device("gpu", "auto")
    assert (backend, target) == (cv2.dnn.DNN_BACKEND_OPENCV, cv2.dnn.DNN_TARGET_OPENCL)
    assert name == "OpenCL (Stand-in)"


@pytest.mark.parametrize("opencl", [None, cv2.ocl.Device_TYPE_CPU])
def test_never_a_silent_cpu_run(monkeypatch, opencl):
    report(monkeypatch, opencl=opencl)
    with pytest.raises(PoseError, match="neither CUDA nor an OpenCL GPU"):
        choose_opencv_device("gpu", "auto")


@pytest.mark.parametrize("net_wh", [None, (368, 368), (16, 16), (-1, 96), (640, 40)])
def test_the_detector_answers_at_any_size(net_wh):
    maps = HeatmapNetwork(MOBILENET, PACKAGE, OpenCV("cpu", "fp32"), net_wh)(np.full((300, 400, 3), 127, np.uint8))
    assert maps.values.shape[0] == 57
    assert np.isfinite(maps.values).all()


def test_the_detectors_fields_are_where_the_table_says():
    """Along the walker's left shin (knee 12 to ankle 13) the field of channels 29, 30 points down the shin."""
    picture = cv2.imread(str(PROJECT / "Input" / "example_image1.png"))
    maps = HeatmapNetwork(MOBILENET, PACKAGE, OpenCV("cpu", "fp32"))(picture)
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
            load_network(OpenCV("cpu", "fp32"), weights, tmp_path)


@pytest.mark.skipif(not hasattr(cv2.dnn, "ENGINE_CLASSIC"), reason="OpenCV 4 has one engine")
def test_on_a_gpu_opencv_5_gets_a_file_and_its_classic_engine(monkeypatch):
    """Its new engine runs on the CPU whatever the target, and from memory 5.0 takes the new one whatever is asked."""
    calls = []

    def read(what, engine=None):
        calls.append((isinstance(what, str) and Path(what).stat().st_size, engine))

    monkeypatch.setattr(cv2.dnn, "readNetFromONNX", read)
    on_gpu = OpenCV("cpu", "fp32")
    on_gpu.is_cpu = False
    on_gpu.read(np.zeros(7, np.uint8))
    OpenCV("cpu", "fp32").read(np.zeros(7, np.uint8))
    assert calls == [(7, cv2.dnn.ENGINE_CLASSIC), (False, None)]


@pytest.mark.parametrize(("reads_elsewhere", "sizes"), [(True, [5, 7]), (False, [7])])
def test_openposes_weights_are_read_where_they_are_by_an_engine_that_can(monkeypatch, reads_elsewhere, sizes):
    """Unless the engine cannot open their path; then they come within the model."""
    calls = []

    class StandIn:
        reads_weights_elsewhere = reads_elsewhere

        def load(self, model):
            calls.append(model.size)
            if model.size == 5:
                raise RuntimeError("no such file")

    monkeypatch.setattr(caffe_to_onnx, "onnx_model", lambda *_, embed=True: np.zeros(7 if embed else 5, np.uint8))
    load_network(StandIn(), OPENPOSE["MPI"].weights, Path())
    assert calls == sizes


def test_opencl_gives_equal_results_where_a_device_is_allowed():
    """Runs where OpenCL devices are: with PoCL, OPENCV_OPENCL_DEVICE=:CPU:0 OPENCV_DNN_OPENCL_ALLOW_ALL_DEVICES=1."""
    try:
        gpu = OpenCV("gpu", "fp32")
    except PoseError:
        pytest.skip("no GPU, and no OpenCL device that is allowed to stand in")
    picture = cv2.imread(str(PROJECT / "Input" / "example_image1.png"))
    on_gpu, on_cpu = (
        HeatmapNetwork(MOBILENET, PACKAGE, where, (96, 96))(picture) for where in (gpu, OpenCV("cpu", "fp32"))
    )
    assert np.abs(on_gpu.values - on_cpu.values).max() < 1e-3
    crop = make_crop(np.array([280.0, 280]), 260, np.array([0, -1.0]))
    on_gpu, on_cpu = (LandmarkNetwork.load(where)(picture, crop) for where in (gpu, OpenCV("cpu", "fp32")))
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
        network = HeatmapNetwork(MOBILENET, PACKAGE, OpenCV("cpu", "fp32"), (368, 368), mirrored=mirrored)
        difference = np.abs(network(picture).values - COCO.mirror_maps(network(mirror).values)).max()
        assert (difference < 1e-3) == mirrored
