"""The engines on the CPU where they are installed; GPUs, broken installations and other machines by stand-ins."""

import subprocess
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from pose import PoseError
from pose.blazepose import OUTPUTS
from pose.cli import PROJECT
from pose.networks import engines
from pose.networks.engines import OnnxRuntime, OpenCV, OpenVINO, choose_engine, load_network
from pose.networks.registry import BLAZEPOSE, MOBILENET, PACKAGE

PICTURE = cv2.imread(str(PROJECT / "Input" / "example_image1.png"))
OPTIONAL = {"openvino": OpenVINO, "onnxruntime": OnnxRuntime}


@pytest.mark.parametrize("module", OPTIONAL)
@pytest.mark.parametrize(
    ("weights", "size_wh", "scale"), [(MOBILENET.weights, (208, 144), 1), (BLAZEPOSE, (256, 256), 1 / 255)]
)
def test_engines_agree_and_repeat_themselves(module, weights, size_wh, scale):
    """mobilenet_thin at a size that is not the file's."""
    pytest.importorskip(module)
    blob = cv2.dnn.blobFromImage(PICTURE, scale, size_wh)
    right = load_network(OpenCV("cpu", "fp32"), weights, PACKAGE)(blob)
    forward = load_network(OPTIONAL[module]("cpu", "fp32"), weights, PACKAGE)
    values = forward(blob)
    assert sorted(values) == sorted(right) == sorted(OUTPUTS if weights is BLAZEPOSE else ["net_output"])
    for name, value in values.items():
        assert np.abs(value - right[name]).max() <= 1e-3 * max(np.abs(right[name]).max(), 1), name
        again = forward(blob)[name]
        assert np.array_equal(again, value)
        assert not np.shares_memory(again, value)


def test_openvino_computes_no_hard_sigmoid_of_blazepose():
    """It is a clamp, and 2.5 times as slow."""
    openvino = pytest.importorskip("openvino")
    graph = openvino.Core().read_model((PACKAGE / BLAZEPOSE.name).read_bytes())
    kinds = [node.get_type_name() for node in graph.get_ops()]
    OpenVINO("cpu", "fp32").replace_hard_sigmoids(graph)
    assert kinds.count("HardSigmoid") > 0
    after = [node.get_type_name() for node in graph.get_ops()]
    assert (after.count("HardSigmoid"), after.count("Clamp")) == (0, kinds.count("HardSigmoid"))


def stand_ins(monkeypatch, **problems):
    """Engines that start, or raise this problem; on a GPU one that is called "partial" fails when it loads."""

    def make(key):
        class StandIn:
            def __init__(self, device, precision):
                self.name, self.device, self.precision = key, device.upper(), "f32"
                if problems.get(key, "partial") != "partial":
                    raise PoseError(problems[key], "engine")

            def load(self, model):
                if problems.get(key) == "partial":
                    raise RuntimeError("This session contains graph nodes that are assigned to the CPU\nin detail")
                return lambda blob: {}

        return StandIn

    monkeypatch.setattr(engines, "BY_NAME", {key: make(key) for key in engines.BY_NAME})


MISSING = "is not installed (pip install it)"


@pytest.mark.parametrize(
    ("device", "problems", "chosen"),
    [
        ("cpu", {}, "opencv" if engines.IS_OPENCV_5 else "onnxruntime"),
        ("cpu", {"onnxruntime": MISSING}, "opencv"),
        ("cpu", {"openvino": MISSING, "onnxruntime": MISSING}, "opencv"),
        ("gpu", {}, "onnxruntime"),
        ("gpu", {"onnxruntime": "partial"}, "openvino"),
        ("gpu", {"onnxruntime": MISSING, "openvino": "finds no GPU"}, "opencv"),
    ],
)
def test_auto_takes_the_first_that_works(monkeypatch, device, problems, chosen):
    stand_ins(monkeypatch, **problems)
    engine, _ = choose_engine("auto", device)
    assert (engine.name, engine.device) == (chosen, device.upper())


def test_no_gpu_is_an_error_that_names_one_package(monkeypatch):
    stand_ins(monkeypatch, onnxruntime="partial", openvino="OpenVINO finds no GPU", opencv="OpenCV finds none")
    for platform, nvidia, package in (
        ("linux", "/usr/bin/nvidia-smi", "onnxruntime-gpu[cuda,cudnn]"),
        ("linux", None, "openvino"),
        ("win32", None, "onnxruntime-directml"),
        ("darwin", None, "onnxruntime"),
    ):
        monkeypatch.setattr(engines.sys, "platform", platform)
        monkeypatch.setattr(engines.shutil, "which", lambda _, nvidia=nvidia: nvidia)
        with pytest.raises(PoseError) as raised:
            choose_engine("auto", "gpu")
        assert str(raised.value) == (
            "No GPU can be used: onnxruntime fails on GPU (This session contains graph nodes that are assigned to the "
            f"CPU); OpenVINO finds no GPU; OpenCV finds none; run: pip install {package}"
        )
        assert raised.value.argument == "device"


def test_an_engine_asked_for_is_the_only_one_tried(monkeypatch):
    stand_ins(monkeypatch, openvino=MISSING)
    with pytest.raises(PoseError, match="is not installed"):
        choose_engine("openvino")
    assert choose_engine("opencv")[0].name == "opencv"


def test_a_broken_installation_is_a_sentence_and_the_next_engine(monkeypatch, tmp_path):
    for module in OPTIONAL:
        (tmp_path / f"{module}.py").write_text("raise OSError('libtbb.so.12: no such file\\nin detail')")
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    broken = "is installed but cannot be imported (libtbb.so.12: no such file)"
    engine, told = choose_engine()
    assert isinstance(engine, OpenCV)
    assert engines.IS_OPENCV_5 or told == f"ONNX Runtime {broken}"
    with pytest.raises(PoseError) as raised:
        choose_engine("openvino")
    assert (str(raised.value), raised.value.argument) == (f"OpenVINO {broken}", "engine")


@pytest.mark.parametrize(("flags", "says"), [("avx2", ""), ("avx512_bf16", "about 2.5 times")])
def test_where_only_opencv_is_a_hint_says_what_openvino_brings(monkeypatch, tmp_path, flags, says):
    stand_ins(monkeypatch, openvino=MISSING, onnxruntime=MISSING)
    (tmp_path / "cpuinfo").write_text(f"flags: {flags}\n")
    monkeypatch.setattr(engines, "CPU_FLAGS", tmp_path / "cpuinfo")
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda name: None)
    told = choose_engine()[1]
    assert says in told
    assert bool(told) == bool(says)
    assert choose_engine("opencv")[1] == ""


def test_nothing_is_imported_that_is_not_used():
    program = (
        "import sys, pose; pose.PoseEstimator(network='blazepose', engine='opencv'); "
        "assert not {'openvino', 'onnxruntime'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=PROJECT)


def test_bf16_is_never_something_else(monkeypatch):
    stand_ins(monkeypatch)
    with pytest.raises(PoseError, match=r"bf16 cannot be used: .*openvino computes no bf16") as raised:
        choose_engine("auto", "cpu", "bf16")
    assert raised.value.argument == "precision"


class StandInRuntime:
    """What ONNX Runtime reports; its sessions get the providers that start."""

    __version__ = "1.0"

    def __init__(self, available, starting):
        self.available, self.starting, self.entries, self.options = available, starting, {}, None

    def get_available_providers(self):
        return self.available

    def SessionOptions(self):
        self.options = SimpleNamespace(add_session_config_entry=self.entries.__setitem__)
        return self.options

    def InferenceSession(self, model, options, providers):
        started = [name for name, _ in providers if name in self.starting]
        ends = [SimpleNamespace(name="image")]
        return SimpleNamespace(
            get_providers=lambda: [*started, "CPUExecutionProvider"],
            get_inputs=lambda: ends,
            get_outputs=lambda: ends,
            run=lambda names, blobs: [blobs["image"]],
        )


@pytest.mark.parametrize(
    ("available", "starting", "device"),
    [
        ("TensorrtExecutionProvider CUDAExecutionProvider CPUExecutionProvider", "CUDA", "GPU (CUDA)"),
        ("DmlExecutionProvider CPUExecutionProvider", "Dml", "GPU (DirectML)"),
        ("CoreMLExecutionProvider CPUExecutionProvider", "CoreML", "GPU (CoreML)"),
        ("ROCMExecutionProvider CPUExecutionProvider", "ROCM", "GPU (ROCm)"),
        ("CUDAExecutionProvider CPUExecutionProvider", "", "cannot start CUDA"),
        ("AzureExecutionProvider CPUExecutionProvider", "", "is installed without a GPU"),
    ],
)
def test_onnx_runtime_never_runs_on_the_cpu_in_place_of_a_gpu(monkeypatch, available, starting, device):
    runtime = StandInRuntime(available.split(), [f"{starting}ExecutionProvider"])
    monkeypatch.setattr(engines, "import_engine", lambda *_: runtime)
    if not starting:
        with pytest.raises(PoseError, match=device):
            engines.make_engine("onnxruntime", "gpu", "auto")
        return
    engine = engines.make_engine("onnxruntime", "gpu", "auto")
    assert engine.device == device
    assert runtime.entries["session.disable_cpu_ep_fallback"] == "1"


@pytest.mark.parametrize(("devices", "works"), [(["CPU", "GPU.0"], True), (["CPU"], False)])
def test_openvinos_gpu_is_taken_where_it_is(monkeypatch, devices, works):
    core = SimpleNamespace(available_devices=devices, get_property=lambda *_: "Arc")
    module = SimpleNamespace(__version__="1.0-2", Core=lambda: core)
    monkeypatch.setattr(engines, "import_engine", lambda *_: module)
    if works:
        assert OpenVINO("gpu", "auto").device == "GPU (Arc)"
    else:
        with pytest.raises(PoseError, match="OpenVINO finds no GPU"):
            OpenVINO("gpu", "auto")


def test_threads_are_those_asked_for(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    runtime = StandInRuntime(["CPUExecutionProvider"], ["CPUExecutionProvider"])
    monkeypatch.setattr(engines, "import_engine", lambda *_: runtime)
    OnnxRuntime("cpu", "fp32").load(np.zeros(3, np.uint8))
    assert runtime.options.intra_op_num_threads == 1
    before = cv2.getNumThreads()
    try:
        OpenCV("cpu", "fp32")
        assert cv2.getNumThreads() == 1
    finally:
        cv2.setNumThreads(before)


def test_openvinos_threads_are_those_asked_for(monkeypatch):
    pytest.importorskip("openvino")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    engine, seen = OpenVINO("cpu", "fp32"), {}
    compile_model = engine.core.compile_model

    def record(graph, device, options):
        seen.update(options)
        return compile_model(graph, device, options)

    engine.core = SimpleNamespace(read_model=engine.core.read_model, compile_model=record)
    load_network(engine, BLAZEPOSE, PACKAGE)
    assert seen["INFERENCE_NUM_THREADS"] == "1"
