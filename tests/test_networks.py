import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose import PoseError, topdown
from pose.blazepose import LandmarkNetwork
from pose.choices import PACKAGE
from pose.crop import make_crop
from pose.maps import fit
from pose.networks import registry
from pose.networks.engines import OpenCV
from pose.networks.heatmap_network import HeatmapNetwork, usual_size
from pose.networks.registry import BLAZEPOSE, MOBILENET, OPENPOSE, WeightsFile, choose_network
from pose.options import PROJECT
from pose.skeletons import COCO


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
def test_which_network_and_why(tmp_path, mode, network, have, chosen, why):
    """Where the weights for the named modes lie (empty files); that missing ones are said is in test_scripts.py."""
    for name in have:
        path = tmp_path / OPENPOSE[name].weights.name
        path.parent.mkdir()
        path.touch()
    assert choose_network(mode, network, tmp_path) == (chosen, why)


def test_hashes_are_those_of_the_files():
    for weights in (MOBILENET.weights, BLAZEPOSE):
        path = PACKAGE / weights.name
        assert hashlib.sha256(path.read_bytes()).hexdigest() == weights.hash
        assert weights.hash in (path.parent / "NOTICE").read_text()
    script = (PROJECT / "getModels.sh").read_text()
    assert all(model.weights.hash in script for model in OPENPOSE.values())


@pytest.mark.parametrize("fills_area", [True, False])
@pytest.mark.parametrize("picture_wh", [(100, 100), (856, 424), (424, 856), (4000, 3000), (5000, 100), (1, 1)])
def test_the_usual_size_is_no_more_work_than_a_square_of_368(picture_wh, fills_area):
    w, h = fit(picture_wh, usual_size(*picture_wh, fills_area)).size_wh
    assert w * h <= 368 * 368
    assert max(w, h) <= 2 * 368
    larger = usual_size(368, 368, fills_area, larger=1.2)
    assert larger == ((440, 440) if fills_area else (368, 368))  # OpenPose's would take 1.4 times as long


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.999, None])
def test_a_network_of_the_repository_that_is_cut_off_or_has_a_wrong_bit(tmp_path, share):
    for weights in (MOBILENET.weights, BLAZEPOSE):
        (tmp_path / weights.name).parent.mkdir()
        data = bytearray((PACKAGE / weights.name).read_bytes())
        if share is None:
            data[len(data) // 2] ^= 4
        (tmp_path / weights.name).write_bytes(data[: int((1 if share is None else share) * len(data))])
        with pytest.raises(PoseError, match=r"\.onnx is .*put the project's own file back"):
            weights.load(OpenCV("cpu", "fp32"), tmp_path)


def test_a_missing_network_is_reported_before_any_work(monkeypatch):
    monkeypatch.setattr(topdown, "BLAZEPOSE", WeightsFile("blazepose/none.onnx", "0" * 64))
    with pytest.raises(PoseError, match=r"none\.onnx is missing or not a file; put the project's own file back"):
        topdown.TopDown(OpenCV("cpu", "fp32"), topdown.PRESETS["fast"])


@pytest.mark.parametrize(("locate", "sizes"), [(str, [5, 7]), (None, [7])])
def test_openposes_weights_come_within_the_model_where_an_engine_cannot_open_them(monkeypatch, locate, sizes):
    calls = []

    class StandIn:
        locate_weights = staticmethod(locate) if locate else None

        def load(self, model, weights_folder):
            calls.append(len(model))
            if len(model) == 5:
                raise RuntimeError("no such file")

    monkeypatch.setattr(registry, "onnx_model", lambda *files: bytes(7 if len(files) == 3 else 5))
    monkeypatch.setattr(WeightsFile, "check_genuine", lambda *_: None)
    OPENPOSE["MPI"].weights.load(StandIn(), Path())
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
    networks = [LandmarkNetwork(engine, BLAZEPOSE.read(PACKAGE)) for engine in (gpu, OpenCV("cpu", "fp32"))]
    on_gpu, on_cpu = (network(picture, crop) for network in networks)
    assert on_cpu.presence > 0.9
    assert np.abs(on_gpu.pose[:, :2] - on_cpu.pose[:, :2]).max() < 1


def test_mirrored_maps_are_those_of_the_mirrored_picture_too():
    picture = cv2.imread(str(PROJECT / "Input" / "example_image1.png"))
    mirror = np.ascontiguousarray(picture[:, ::-1])
    for mirrored in (False, True):
        network = HeatmapNetwork(MOBILENET, PACKAGE, OpenCV("cpu", "fp32"), (368, 368), mirrored=mirrored)
        difference = np.abs(network(picture).values - COCO.mirror_maps(network(mirror).values)).max()
        assert (difference < 1e-3) == mirrored
