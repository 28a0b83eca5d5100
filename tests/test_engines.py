"""The engines on the CPU where they are installed; GPUs and other machines by stand-ins."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from test_caffe_to_onnx import thin_model

from pose import PoseError
from pose.choices import PACKAGE
from pose.networks import engines, registry
from pose.networks.engine_choice import make_engine
from pose.networks.engines import (
    OnnxRuntime,
    OpenCV,
    OpenVINO,
    choose_opencv_device,
)
from pose.networks.registry import BLAZEPOSE, MOBILENET
from pose.options import PROJECT

PICTURE = cv2.imread(str(PROJECT / "Input" / "example_image1.png"))
OPTIONAL = {"openvino": OpenVINO, "onnxruntime": OnnxRuntime}


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """Where OpenVINO's compiled networks go in these tests."""
    monkeypatch.setenv("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME", str(tmp_path / "ü"))
    return tmp_path / "ü" / "opencv-hpe"


def assert_engines_agree(module, weights, folder, blob, names):
    right = weights.load(OpenCV("cpu", "fp32"), folder)(blob)
    forward = weights.load(OPTIONAL[module]("cpu", "fp32"), folder)
    values = forward(blob)
    assert sorted(values) == sorted(right) == sorted(names)
    for name, value in values.items():
        assert np.abs(value - right[name]).max() <= 1e-3 * max(np.abs(right[name]).max(), 1), name
        again = forward(blob)[name]
        assert np.array_equal(again, value)
        assert not np.shares_memory(again, value)
    return values


@pytest.mark.parametrize("module", OPTIONAL)
@pytest.mark.parametrize(
    ("weights", "size_wh", "scale", "names"),
    [
        (MOBILENET.weights, (208, 144), 1, ["net_output"]),
        (BLAZEPOSE, (256, 256), 1 / 255, ["landmarks", "presence", "heatmaps", "world_landmarks"]),
    ],
)
def test_engines_agree_and_repeat_themselves(module, weights, size_wh, scale, names):
    """mobilenet_thin at a size that is not the file's; a second time with what OpenVINO has cached."""
    pytest.importorskip(module)
    blob = cv2.dnn.blobFromImage(PICTURE, scale, size_wh)
    first, second = (assert_engines_agree(module, weights, PACKAGE, blob, names) for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in names)


@pytest.mark.parametrize("module", OPTIONAL)
def test_engines_read_openposes_weights_where_they_are(module, tmp_path, monkeypatch):
    """And not again as part of the model, which takes memory; OpenVINO below the present folder only."""
    pytest.importorskip(module)
    weights, calls = thin_model(tmp_path, "MPI").weights, []
    onnx_model = registry.onnx_model
    monkeypatch.setattr(registry, "onnx_model", lambda *files: calls.append(len(files)) or onnx_model(*files))
    monkeypatch.chdir(tmp_path)
    assert_engines_agree(module, weights, Path(), np.zeros((1, 3, 16, 24), np.float32), ["net_output"])
    assert set(calls) == ({4} if engines.IS_OPENCV_5 else {3, 4})


def test_openvino_keeps_what_it_compiled_and_computes_no_hard_sigmoid(cache):
    """A clamp does the same 2.5 times as fast."""
    pytest.importorskip("openvino")
    engine, kept = OpenVINO("cpu", "fp32"), []
    compile_model = engine.core.compile_model

    def record(*args, **options):
        kept.append(compile_model(*args, **options))
        return kept[-1]

    engine.core = SimpleNamespace(compile_model=record)
    BLAZEPOSE.load(engine, PACKAGE)
    assert len(list(cache.iterdir())) == 1
    BLAZEPOSE.load(engine, PACKAGE)
    assert [network.get_property("LOADED_FROM_CACHE") for network in kept] == [False, True]
    for network in kept:
        kinds = [node.get_rt_info()["layerType"].astype(str) for node in network.get_runtime_model().get_ops()]
        assert "Convolution" in kinds
        assert "HardSigmoid" not in kinds
    engine.load((PACKAGE / BLAZEPOSE.name).read_bytes(), PACKAGE)
    assert not kept[-1].get_property("LOADED_FROM_CACHE")  # its weights might be elsewhere


def test_where_no_cache_can_be_there_is_none(cache):
    assert engines.cache_folder() == str(cache)
    cache.rmdir()
    cache.parent.rmdir()
    cache.parent.write_bytes(b"")
    assert engines.cache_folder() == ""


@pytest.mark.parametrize("engine", ["opencv", *OPTIONAL])
def test_a_photo_imports_nothing_for_clips_and_no_other_engine_and_reports_nothing(engine, tmp_path):
    """PyAV takes as long to import as numpy. ONNX Runtime would keep below the home what it reports to its maker."""
    if engine != "opencv":
        pytest.importorskip(engine)
    unused = {"av", "tqdm", "matplotlib", "distributed", "openvino_telemetry", *OPTIONAL} - {engine}
    options = ["--engine", engine, "--network", "blazepose", "--no_display", "--output_dir", str(tmp_path / "out")]
    program = f"import sys, pose.cli, get_hpe_image; pose.cli.prepare_process(); get_hpe_image.main({options}); \
assert not {unused} & set(sys.modules)"
    (home := tmp_path / "home").mkdir()
    folders = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME", "USERPROFILE", "LOCALAPPDATA"), str(home))
    env = {name: value for name, value in os.environ.items() if name not in ("CI", "ORT_DISABLE_TELEMETRY")} | folders
    subprocess.run([sys.executable, "-c", program], check=True, cwd=PROJECT, env=env)
    assert engine == "openvino" or list(home.iterdir()) == []


# --- ONNX Runtime and OpenVINO on machines that are not here


class StandInRuntime:
    """What ONNX Runtime reports; its sessions get the providers that start."""

    __version__ = "1.0"

    def __init__(self, available, starting="CPU"):
        self.available, self.starting = available, f"{starting}ExecutionProvider"
        self.entries, self.options, self.preload_dlls = {}, None, lambda: print("a line of its own")
        self.set_default_logger_severity = lambda level: None

    def get_available_providers(self):
        return [f"{name}ExecutionProvider" for name in self.available.split()]

    def SessionOptions(self):
        self.options = SimpleNamespace(add_session_config_entry=self.entries.__setitem__)
        return self.options

    def InferenceSession(self, model, options, providers, enable_fallback):
        assert not enable_fallback  # on the CPU, as soon as the GPU fails
        self.asked = providers
        started = [name for name, _ in providers if name == self.starting]
        if self.entries.get("session.disable_cpu_ep_fallback") == "1" and not started:
            raise RuntimeError("graph nodes that are assigned to the CPU")
        ends = [SimpleNamespace(name="image")]
        return SimpleNamespace(
            get_providers=lambda: [*started, "CPUExecutionProvider"],
            get_inputs=lambda: ends,
            get_outputs=lambda: ends,
            run=lambda names, blobs: [blobs["image"]],
        )


@pytest.mark.parametrize(
    ("engine", "available", "starting", "device"),
    [
        ("onnxruntime", "Tensorrt CUDA CPU", "CUDA", "GPU (CUDA)"),
        ("tensorrt", "Tensorrt CUDA CPU", "Tensorrt", "GPU (TensorRT)"),
        ("onnxruntime", "Dml CPU", "Dml", "GPU (DirectML)"),
        ("onnxruntime", "CoreML CPU", "CoreML", "GPU (CoreML)"),
        ("onnxruntime", "ROCM CPU", "ROCM", "GPU (ROCm)"),
        ("onnxruntime", "CUDA CPU", "CPU", "cannot start GPU (CUDA)"),
        ("onnxruntime", "Azure CPU", "CPU", "is without CUDA, ROCm, DirectML, CoreML"),
        ("tensorrt", "CUDA CPU", "CUDA", "is without TensorRT"),
    ],
)
def test_onnx_runtime_never_runs_on_the_cpu_in_place_of_a_gpu(monkeypatch, capfd, engine, available, starting, device):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    runtime = StandInRuntime(available, starting)
    monkeypatch.setattr(engines, "import_engine", lambda *_: runtime)
    try:
        assert make_engine(engine, "gpu", "auto").device == device
        assert runtime.entries["session.disable_cpu_ep_fallback"] == "1"
        how = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"} if "CUDA" in device else {}
        assert runtime.asked == [(f"{starting}ExecutionProvider", how)]
        assert (os.environ.get("NVIDIA_TF32_OVERRIDE") == "0") == ("TensorRT" in device)
    except PoseError as error:
        assert device in str(error)
    assert capfd.readouterr().out == ""


class StandInCore:
    """OpenVINO's, on a processor or GPU that is not here."""

    def __init__(self, devices, precision="f32"):
        self.available_devices, self.precision, self.options = devices, precision, {}

    def get_property(self, device, name):
        return {"INFERENCE_PRECISION_HINT": self.precision, "FULL_DEVICE_NAME": "Arc"}[name]

    def add_extension(self, extension):
        pass

    def compile_model(self, model, device, options, weights):
        self.options = {**options, "device": device}
        return SimpleNamespace(outputs=[], create_infer_request=lambda: SimpleNamespace(infer=lambda *_, **__: {}))


def stand_in_openvino(monkeypatch, core, version="2025.0.0-1"):
    module = SimpleNamespace(__version__=version, Core=lambda: core, Type=SimpleNamespace(bf16="bf16"))
    monkeypatch.setattr(engines, "import_engine", lambda *_: module)
    monkeypatch.setitem(sys.modules, "openvino.frontend.onnx", SimpleNamespace(ConversionExtension=lambda *_: None))
    return core


@pytest.mark.parametrize(
    ("device", "own", "asked", "computed"),
    [
        ("cpu", "bf16", "bf16", "bf16"),
        ("cpu", "bf16", "auto", "f32"),
        ("cpu", "f32", "bf16", "computes no bf16 on this CPU"),
        ("gpu", "bf16", "auto", "f32"),
        ("gpu", None, "auto", "OpenVINO finds no GPU"),
    ],
)
def test_openvino_computes_what_was_asked_where_the_machine_can(monkeypatch, device, own, asked, computed):
    core = stand_in_openvino(monkeypatch, StandInCore(["CPU"] + ["GPU.0"] * (own is not None), own))
    try:
        engine = make_engine("openvino", device, asked)
    except PoseError as error:
        assert computed in str(error)
    else:
        engine.load(b"")
        assert engine.device == {"cpu": "CPU", "gpu": "GPU (Arc)"}[device]
        assert core.options["device"] == device.upper()
        assert core.options["INFERENCE_PRECISION_HINT"] == engine.precision == computed


def test_openvino_of_2024_is_too_old(monkeypatch):
    stand_in_openvino(monkeypatch, StandInCore(["CPU"]), "2024.6.0-1")
    with pytest.raises(PoseError, match="too old"):
        make_engine("openvino", "cpu", "auto")


@pytest.mark.parametrize(
    ("asked", "allowed", "given"),
    [
        *((text, 16, number) for text, number in (("1", 1), ("0", 0), ("", 0), ("many", 0), ("-1", 0), ("4,2", 0))),
        (None, 2, 2),  # by taskset or a batch system; ONNX Runtime's own choice are all processors
        (None, 16, 0),
    ],
)
def test_threads_are_those_asked_for_or_those_of_the_processors_allowed(monkeypatch, asked, allowed, given):
    """0: as many as the engine takes by itself."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if asked is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(allowed)), raising=False)
    monkeypatch.setattr(engines, "import_engine", lambda *_: StandInRuntime("CPU"))
    runtime = OnnxRuntime("cpu", "fp32")
    runtime.load(b"")
    assert runtime.onnxruntime.options.intra_op_num_threads == given
    assert runtime.onnxruntime.entries["session.intra_op.allow_spinning"] == "0"
    core = stand_in_openvino(monkeypatch, StandInCore(["CPU"]))
    OpenVINO("cpu", "fp32").load(b"")
    assert core.options["INFERENCE_NUM_THREADS"] == given
    before = cv2.getNumThreads()
    OpenCV("cpu", "fp32")
    found = cv2.getNumThreads()
    cv2.setNumThreads(before)
    assert found == (given or before)


# --- OpenCV's devices


def report(monkeypatch, cuda=(), opencl=None):
    """What OpenCV finds: targets of CUDA, and a kind of OpenCL device."""
    device = SimpleNamespace(type=lambda: opencl, name=lambda: "Stand-in ")
    monkeypatch.setattr(cv2.dnn, "getAvailableTargets", lambda backend: list(cuda))
    monkeypatch.setattr(cv2.ocl, "haveOpenCL", lambda: opencl is not None)
    monkeypatch.setattr(cv2.ocl.Device, "getDefault", staticmethod(lambda: device))
    monkeypatch.delenv("OPENCV_DNN_OPENCL_ALLOW_ALL_DEVICES", raising=False)


CUDA, CUDA_FP16, OPENCL_GPU = cv2.dnn.DNN_TARGET_CUDA, cv2.dnn.DNN_TARGET_CUDA_FP16, cv2.ocl.Device_TYPE_GPU
ON_CPU = cv2.dnn.DNN_BACKEND_OPENCV, cv2.dnn.DNN_TARGET_CPU, "CPU"
ON_CUDA = cv2.dnn.DNN_BACKEND_CUDA, CUDA, "GPU (CUDA)"
ON_CUDA_FP16 = cv2.dnn.DNN_BACKEND_CUDA, CUDA_FP16, "GPU (CUDA)"
ON_OPENCL = cv2.dnn.DNN_BACKEND_OPENCV, cv2.dnn.DNN_TARGET_OPENCL, "OpenCL (Stand-in)"


@pytest.mark.parametrize(
    ("device", "precision", "cuda", "capability", "opencl", "chosen"),
    [
        ("cpu", "auto", [CUDA], 0, OPENCL_GPU, ON_CPU),
        ("gpu", "auto", [CUDA], 0, OPENCL_GPU, ON_CUDA),
        ("gpu", "auto", [CUDA, CUDA_FP16], 6, None, ON_CUDA),
        ("gpu", "auto", [CUDA, CUDA_FP16], 7, None, ON_CUDA_FP16),
        ("gpu", "auto", [CUDA, CUDA_FP16], 12, None, ON_CUDA_FP16),
        ("gpu", "fp32", [CUDA, CUDA_FP16], 12, None, ON_CUDA),
        ("gpu", "auto", [], 0, OPENCL_GPU, ON_OPENCL),
        ("gpu", "auto", [], 0, None, None),
        ("gpu", "auto", [], 0, cv2.ocl.Device_TYPE_CPU, None),
    ],
)
def test_opencvs_device(monkeypatch, device, precision, cuda, capability, opencl, chosen):
    """CUDA comes first, with 16-bit floats where the card is good at them; never a silent CPU run."""
    report(monkeypatch, cuda, opencl)
    card = SimpleNamespace(majorVersion=lambda: capability)
    monkeypatch.setattr(cv2.cuda, "DeviceInfo", lambda: card, raising=False)
    if chosen:
        assert choose_opencv_device(device, precision) == chosen
        assert OpenCV(device, precision).precision == ("f16" if chosen is ON_CUDA_FP16 else "f32")
        return
    with pytest.raises(PoseError, match="neither CUDA nor an OpenCL GPU"):
        choose_opencv_device(device, precision)


@pytest.mark.skipif(not engines.IS_OPENCV_5, reason="OpenCV 4 has one engine")
def test_on_a_gpu_opencv_5_gets_a_file_and_its_classic_engine(monkeypatch):
    """Its new engine runs on the CPU whatever the target, and from memory 5.0 takes the new one whatever is asked."""
    calls, targets = [], []
    net = SimpleNamespace(
        setPreferableBackend=targets.append, setPreferableTarget=targets.append, getUnconnectedOutLayersNames=list
    )

    def read(what, engine=None):
        calls.append((isinstance(what, str) and Path(what).stat().st_size, engine))
        return net

    report(monkeypatch, opencl=OPENCL_GPU)
    monkeypatch.setattr(cv2.dnn, "readNetFromONNX", read)
    for device in ("gpu", "cpu"):
        OpenCV(device, "fp32").load(bytes(7))
    assert calls == [(7, cv2.dnn.ENGINE_CLASSIC), (False, None)]
    assert targets == [cv2.dnn.DNN_BACKEND_OPENCV, cv2.dnn.DNN_TARGET_OPENCL]
