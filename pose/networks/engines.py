"""What computes a network, and where: an engine takes an ONNX model to a function from an input to named outputs.

OpenCV is always there; OpenVINO and ONNX Runtime are imported only where they are to be used.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np

from .. import PoseError
from . import caffe_to_onnx
from .registry import BLAZEPOSE, PACKAGE, STAGES, WeightsFile

DEVICES = ("cpu", "gpu")
PRECISIONS = ("auto", "fp32", "bf16")
IS_OPENCV_5 = hasattr(cv2.dnn, "ENGINE_CLASSIC")
FAST_FP16 = 7  # CUDA compute capability from which all cards are faster with 16-bit floats than with 32
GPU_PROVIDERS = {  # ONNX Runtime's, the quickest first
    "CUDAExecutionProvider": "CUDA",
    "ROCMExecutionProvider": "ROCm",
    "DmlExecutionProvider": "DirectML",
    "CoreMLExecutionProvider": "CoreML",
}
FIXED_SIDES = b"\n\x03\x08\xf0\x02" * 2  # an input's height and width of 368, in ONNX; OpenCV 4 needs a number there,
FREE_SIDES = b"\n\x03\x12\x01h\n\x03\x12\x01w"  # and other engines take no other size then
LOG_FATAL = 4  # of ONNX Runtime's levels: its errors are reported by us
HINT = "Hint: pip install openvino; its bf16 makes OpenPose's networks about 2.5 times as fast on this machine"
CPU_FLAGS = Path("/proc/cpuinfo")

Forward = Callable[[np.ndarray], dict[str, np.ndarray]]  # the input (1, 3, H, W) float32 to the outputs by name


def import_engine(module: str, name: str) -> ModuleType:
    """PoseError where an optional engine is not installed or cannot be imported."""
    if importlib.util.find_spec(module) is None:
        raise PoseError(f"{name} is not installed (pip install {module})", "engine")
    try:
        return importlib.import_module(module)
    except Exception as error:  # a missing library, another version of numpy, a file that is damaged
        raise PoseError(f"{name} is installed but cannot be imported ({first_line(error)})", "engine") from error


def first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def thread_count() -> int:
    """What OMP_NUM_THREADS asks for; 0: as many as the engine takes by itself, which is the fastest."""
    text = os.environ.get("OMP_NUM_THREADS", "")
    return int(text) if text.isdecimal() else 0


def with_free_sides(model: np.ndarray) -> bytes:
    return model.tobytes().replace(FIXED_SIDES, FREE_SIDES)


class OpenCV:
    """cv2.dnn on the CPU, by CUDA or by OpenCL."""

    def __init__(self, device: str, precision: str) -> None:
        self.name, self.precision = f"OpenCV {cv2.__version__}", "f32"
        self.backend, self.target, self.device = choose_opencv_device(device, precision)
        if self.target == getattr(cv2.dnn, "DNN_TARGET_CUDA_FP16", None):
            self.precision = "f16"
        self.is_cpu = self.target == cv2.dnn.DNN_TARGET_CPU
        self.reads_weights_elsewhere = self.is_cpu and IS_OPENCV_5
        if thread_count():
            cv2.setNumThreads(thread_count())

    def load(self, model: np.ndarray) -> Forward:
        net = self.read(model)
        if not self.is_cpu:  # the CPU is where a network runs unasked
            net.setPreferableBackend(self.backend)
            net.setPreferableTarget(self.target)
        names = net.getUnconnectedOutLayersNames()

        def forward(blob: np.ndarray) -> dict[str, np.ndarray]:
            net.setInput(blob)
            return dict(zip(names, net.forward(names), strict=True))

        return forward

    def read(self, model: np.ndarray) -> cv2.dnn.Net:
        """OpenCV 5's new engine is the faster one and runs on the CPU only, its classic one also on GPUs."""
        if self.is_cpu or not IS_OPENCV_5:
            return cv2.dnn.readNetFromONNX(model)
        with tempfile.TemporaryDirectory() as folder:  # OpenCV 5.0 lets us choose the engine for a file only
            path = Path(folder) / "net.onnx"
            model.tofile(path)
            return cv2.dnn.readNetFromONNX(str(path), engine=cv2.dnn.ENGINE_CLASSIC)


def choose_opencv_device(device: str, precision: str) -> tuple[int, int, str]:
    """OpenCV's backend and target for cpu or gpu, and what to call it; PoseError where no GPU can be used."""
    if device == "cpu":
        return cv2.dnn.DNN_BACKEND_OPENCV, cv2.dnn.DNN_TARGET_CPU, "CPU"
    cuda_targets = cv2.dnn.getAvailableTargets(cv2.dnn.DNN_BACKEND_CUDA)
    is_fp16 = precision == "auto" and cv2.dnn.DNN_TARGET_CUDA_FP16 in cuda_targets
    if is_fp16 and cv2.cuda.DeviceInfo().majorVersion() >= FAST_FP16:
        return cv2.dnn.DNN_BACKEND_CUDA, cv2.dnn.DNN_TARGET_CUDA_FP16, "GPU (CUDA)"
    if cv2.dnn.DNN_TARGET_CUDA in cuda_targets:
        return cv2.dnn.DNN_BACKEND_CUDA, cv2.dnn.DNN_TARGET_CUDA, "GPU (CUDA)"
    if cv2.ocl.haveOpenCL():
        opencl = cv2.ocl.Device.getDefault()
        if opencl.type() & cv2.ocl.Device_TYPE_GPU or os.environ.get("OPENCV_DNN_OPENCL_ALLOW_ALL_DEVICES") == "1":
            return cv2.dnn.DNN_BACKEND_OPENCV, cv2.dnn.DNN_TARGET_OPENCL, f"OpenCL ({opencl.name().strip()})"
    raise PoseError("OpenCV finds neither CUDA nor an OpenCL GPU", "device")


class OpenVINO:
    """Intel's; its CPU part runs on AMD's and ARM's too."""

    reads_weights_elsewhere = True  # those below the present folder

    def __init__(self, device: str, precision: str) -> None:
        self.openvino = import_engine("openvino", "OpenVINO")
        self.name, self.precision = f"OpenVINO {self.openvino.__version__.split('-')[0]}", "f32"
        self.core, self.target = self.openvino.Core(), device.upper()
        self.device = self.target
        if not any(found.split(".")[0] == self.target for found in self.core.available_devices):
            raise PoseError(f"OpenVINO finds no {self.target}", "device")
        if device == "gpu":
            self.device = f"GPU ({self.core.get_property(self.target, 'FULL_DEVICE_NAME')})"
        elif precision == "bf16":  # where the processor multiplies it, it is OpenVINO's own choice
            own = self.core.get_property(self.target, "INFERENCE_PRECISION_HINT")
            self.precision = "bf16" if own == self.openvino.Type.bf16 else "f32"

    def load(self, model: np.ndarray) -> Forward:
        graph = self.core.read_model(with_free_sides(model))
        self.replace_hard_sigmoids(graph)
        options = {"INFERENCE_PRECISION_HINT": self.precision, "PERFORMANCE_HINT": "LATENCY"}
        if thread_count() and self.target == "CPU":
            options["INFERENCE_NUM_THREADS"] = str(thread_count())
        request = self.core.compile_model(graph, self.target, options).create_infer_request()
        names = [output.any_name for output in graph.outputs]

        def forward(blob: np.ndarray) -> dict[str, np.ndarray]:
            return dict(zip(names, request.infer([blob], share_inputs=True).values(), strict=True))

        return forward

    def replace_hard_sigmoids(self, graph: object) -> None:
        """BlazePose's are a clamp to 0…1, which OpenVINO computes within a convolution: 2.5 times as fast."""
        clamp = self.openvino.opset13.clamp
        for node in graph.get_ops():  # type: ignore[attr-defined]
            if node.get_type_name() == "HardSigmoid":
                alpha, beta = (node.input_value(n).get_node().data for n in (1, 2))
                if (alpha, beta) == (1, 0):
                    node.output(0).replace(clamp(node.input_value(0), 0.0, 1.0).output(0))


class OnnxRuntime:
    """Microsoft's; which GPU it can use depends on which of its packages is installed."""

    reads_weights_elsewhere = False

    def __init__(self, device: str, precision: str) -> None:
        self.onnxruntime = import_engine("onnxruntime", "ONNX Runtime")
        self.name, self.precision = f"ONNX Runtime {self.onnxruntime.__version__}", "f32"
        self.device, self.provider = "CPU", "CPUExecutionProvider"
        if device == "gpu":
            available = self.onnxruntime.get_available_providers()
            found = [provider for provider in GPU_PROVIDERS if provider in available]
            if not found:
                raise PoseError("ONNX Runtime is installed without a GPU", "device")
            self.provider = found[0]
            self.device = f"GPU ({GPU_PROVIDERS[self.provider]})"
            if self.provider.startswith("CUDA") and hasattr(self.onnxruntime, "preload_dlls"):
                with contextlib.redirect_stdout(None):  # finds CUDA's libraries where pip put them
                    self.onnxruntime.preload_dlls()

    def load(self, model: np.ndarray) -> Forward:
        options = self.onnxruntime.SessionOptions()
        options.log_severity_level = LOG_FATAL
        options.intra_op_num_threads = thread_count()
        if self.device == "CPU":  # threads that spin while another network or OpenCV computes take its time
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        else:  # an operator that the GPU cannot do is an error, and no detour over the CPU
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        how = {"use_tf32": "0"} if self.provider.startswith("CUDA") else {}
        session = self.onnxruntime.InferenceSession(with_free_sides(model), options, [(self.provider, how)])
        if session.get_providers()[0] != self.provider:
            raise PoseError(f"ONNX Runtime cannot start {GPU_PROVIDERS[self.provider]}", "device")
        source, names = session.get_inputs()[0].name, [output.name for output in session.get_outputs()]
        return lambda blob: dict(zip(names, session.run(names, {source: blob}), strict=True))


Engine = OpenCV | OpenVINO | OnnxRuntime
BY_NAME: dict[str, type[Engine]] = {"opencv": OpenCV, "openvino": OpenVINO, "onnxruntime": OnnxRuntime}
ENGINES = ("auto", *BY_NAME)
ORDER = {  # the fastest first, whole commands; OpenVINO starts slowly, and without bf16 gains less than that takes
    "cpu": ("opencv", "openvino") if IS_OPENCV_5 else ("onnxruntime", "opencv", "openvino"),
    "gpu": ("onnxruntime", "openvino", "opencv"),
}


def choose_engine(engine: str = "auto", device: str = "cpu", precision: str = "auto") -> tuple[Engine, str]:
    """The engine asked for or, for auto, the fastest that works on the device; and what to tell a person, or "".

    PoseError where none works.
    """
    if engine != "auto":
        return make_engine(engine, device, precision), ""
    problems: list[PoseError] = []
    for name in ORDER[device]:
        try:
            chosen = make_engine(name, device, precision)
        except PoseError as error:
            problems.append(error)
        else:
            broken = [str(p) for p in problems if p.argument != "precision" and "not installed" not in str(p)]
            return chosen, "; ".join(broken) or (hint() if name == "opencv" and device == "cpu" else "")
    if device == "cpu":
        raise PoseError(f"bf16 cannot be used: {'; '.join(map(str, problems))}", "precision")
    raise PoseError(f"No GPU can be used: {'; '.join(map(str, problems))}; run: {gpu_package()}", "device")


def make_engine(name: str, device: str, precision: str) -> Engine:
    """A GPU is tried with a network, as only then its libraries are loaded and its operators looked up."""
    engine = BY_NAME[name](device, precision)
    if precision == "bf16" and engine.precision != "bf16":
        raise PoseError(f"{engine.name} computes no bf16 on this {device.upper()}", "precision")
    if device == "gpu":
        try:
            engine.load(np.fromfile(PACKAGE / BLAZEPOSE.name, np.uint8))(np.zeros((1, 3, 256, 256), np.float32))
        except PoseError:
            raise
        except Exception as error:
            raise PoseError(f"{engine.name} fails on {engine.device} ({first_line(error)})", "device") from error
    return engine


def hint() -> str:
    """What OpenVINO would bring where it is not installed and the processor multiplies bf16."""
    has_bf16 = CPU_FLAGS.is_file() and "avx512_bf16" in CPU_FLAGS.read_text()
    return HINT if has_bf16 and importlib.util.find_spec("openvino") is None else ""


def gpu_package() -> str:
    """The one command that brings what this system's usual GPU takes."""
    packages = {"darwin": "onnxruntime", "win32": "onnxruntime-directml"}
    nvidia = "onnxruntime-gpu[cuda,cudnn]" if shutil.which("nvidia-smi") else "openvino"
    return f"pip install {packages.get(sys.platform, nvidia)}"


def load_network(engine: Engine, weights: WeightsFile, folder: Path, stages: int = STAGES) -> Forward:
    """The network of a file below the folder.

    PoseError where the weights are not the genuine file and cannot be loaded.
    """
    path = folder / weights.name
    try:
        if weights.prototxt is None:
            return engine.load(np.fromfile(path, np.uint8))
        files = PACKAGE / weights.prototxt, path, stages
        if engine.reads_weights_elsewhere:
            with contextlib.suppress(Exception):  # a path that the engine itself cannot or will not open
                return engine.load(caffe_to_onnx.onnx_model(*files, embed=False))
        return engine.load(caffe_to_onnx.onnx_model(*files))
    except Exception:  # whatever a damaged file leads to
        weights.check_genuine(folder)
        raise
