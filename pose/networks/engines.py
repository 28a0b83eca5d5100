"""The engines that compute networks: each loads an ONNX model as a function from an input to named outputs.

OpenCV is always installed; OpenVINO and ONNX Runtime are imported only when they are used.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import cv2
import numpy as np

from .. import PoseError
from .cores import thread_count

IS_OPENCV_5 = hasattr(cv2.dnn, "ENGINE_CLASSIC")
FAST_FP16 = 7  # CUDA compute capability from which 16-bit floats are faster than 32-bit ones on all cards
# mobilenet_thin's file has an input of 368x368, as OpenCV 4 needs numbers; other engines need free sides.
FIXED_SIDES, FREE_SIDES = b"\n\x03\x08\xf0\x02" * 2, b"\n\x03\x12\x01h\n\x03\x12\x01w"
OLDEST_OPENVINO = 2025  # the first that reads BlazePose's network and a model from memory
LOG_FATAL = 4  # ONNX Runtime's level above errors, which we report

Forward = Callable[[np.ndarray], dict[str, np.ndarray]]  # the input (1, 3, H, W) float32 to the outputs by name


def import_engine(module: str, name: str) -> ModuleType:
    """PoseError where an optional engine is not installed or cannot be imported."""
    if importlib.util.find_spec(module) is None:
        raise PoseError(f"{name} is not installed (pip install {module})", "engine")
    try:
        return importlib.import_module(module)
    except Exception as error:  # a missing library, another numpy, a damaged file
        raise PoseError(f"{name} is installed but cannot be imported ({first_line(error)})", "engine") from error


def first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


class OpenCV:
    """cv2.dnn on the CPU, CUDA or OpenCL."""

    is_thread_safe = False  # whether two threads may call a network at the same time

    def __init__(self, device: str, precision: str) -> None:
        self.name = f"OpenCV {cv2.__version__}"
        self.backend, self.target, self.device = choose_opencv_device(device, precision)
        self.precision = "f16" if self.target == cv2.dnn.DNN_TARGET_CUDA_FP16 else "f32"
        # OpenCV 5's new engine is the faster one and runs on the CPU only, its classic one also on GPUs.
        self.is_classic = IS_OPENCV_5 and self.target != cv2.dnn.DNN_TARGET_CPU
        self.locate_weights = os.path.abspath if IS_OPENCV_5 and not self.is_classic else None
        if thread_count():
            cv2.setNumThreads(thread_count())

    def load(self, model: bytes, weights_folder: Path | None = None) -> Forward:
        if self.is_classic:
            with tempfile.TemporaryDirectory() as folder:  # OpenCV 5.0 has the choice of its engine for files only
                path = Path(folder) / "net.onnx"
                path.write_bytes(model)
                net = cv2.dnn.readNetFromONNX(str(path), engine=cv2.dnn.ENGINE_CLASSIC)
        else:
            net = cv2.dnn.readNetFromONNX(np.frombuffer(model, np.uint8))
        if self.device != "CPU":  # the default
            net.setPreferableBackend(self.backend)
            net.setPreferableTarget(self.target)
        names = net.getUnconnectedOutLayersNames()

        def forward(blob: np.ndarray) -> dict[str, np.ndarray]:
            net.setInput(blob)
            return dict(zip(names, net.forward(names), strict=True))

        return forward


def choose_opencv_device(device: str, precision: str) -> tuple[int, int, str]:
    """OpenCV's backend and target for cpu or gpu, and its name; PoseError where no GPU can be used."""
    if device == "cpu":
        return cv2.dnn.DNN_BACKEND_OPENCV, cv2.dnn.DNN_TARGET_CPU, "CPU"
    if targets := cv2.dnn.getAvailableTargets(cv2.dnn.DNN_BACKEND_CUDA):
        has_fp16 = precision == "auto" and cv2.dnn.DNN_TARGET_CUDA_FP16 in targets
        is_fast = has_fp16 and cv2.cuda.DeviceInfo().majorVersion() >= FAST_FP16
        target = cv2.dnn.DNN_TARGET_CUDA_FP16 if is_fast else cv2.dnn.DNN_TARGET_CUDA
        return cv2.dnn.DNN_BACKEND_CUDA, target, "GPU (CUDA)"
    if cv2.ocl.haveOpenCL():
        opencl = cv2.ocl.Device.getDefault()
        if opencl.type() & cv2.ocl.Device_TYPE_GPU or os.environ.get("OPENCV_DNN_OPENCL_ALLOW_ALL_DEVICES") == "1":
            return cv2.dnn.DNN_BACKEND_OPENCV, cv2.dnn.DNN_TARGET_OPENCL, f"OpenCL ({opencl.name().strip()})"
    raise PoseError("OpenCV finds neither CUDA nor an OpenCL GPU", "device")


def cache_folder() -> str:
    """For OpenVINO's compiled networks; "" if it cannot be made."""
    with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: the user has no home
        base = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME")
        folder = Path(base or Path.home() / ".cache") / "opencv-hpe"
        folder.mkdir(parents=True, exist_ok=True)
        return str(folder)
    return ""


class OpenVINO:
    """Intel's; also for AMD's and ARM's CPUs."""

    is_thread_safe = True
    locate_weights = staticmethod(os.path.abspath)  # it opens files in the current folder only

    def __init__(self, device: str, precision: str) -> None:
        openvino = import_engine("openvino", "OpenVINO")
        if int(openvino.__version__[:4]) < OLDEST_OPENVINO:
            raise PoseError("OpenVINO is too old (pip install --upgrade openvino)", "engine")
        self.name, self.precision = f"OpenVINO {openvino.__version__.split('-')[0]}", "f32"
        self.core, self.target, self.device = openvino.Core(), device.upper(), device.upper()
        self.options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if device == "cpu":
            self.options["INFERENCE_NUM_THREADS"] = thread_count()
            default = self.core.get_property("CPU", "INFERENCE_PRECISION_HINT")  # bf16 where processors multiply it
            self.precision = "bf16" if precision == "bf16" and default == openvino.Type.bf16 else "f32"
        elif any(found.startswith("GPU") for found in self.core.available_devices):
            self.device = f"GPU ({self.core.get_property('GPU', 'FULL_DEVICE_NAME')})"
        else:
            raise PoseError("OpenVINO finds no GPU", "device")
        self.options["INFERENCE_PRECISION_HINT"] = self.precision
        # BlazePose's hard sigmoids are clamps to 0…1, which OpenVINO fuses with convolutions: 2.5 times as fast.
        to_clamp = importlib.import_module("openvino.frontend.onnx").ConversionExtension(
            "HardSigmoid", lambda node: openvino.opset13.clamp(node.get_input(0), 0.0, 1.0).outputs()
        )
        self.core.add_extension(to_clamp)

    def load(self, model: bytes, weights_folder: Path | None = None) -> Forward:
        options = dict(self.options)
        if weights_folder is None:  # the cache does not notice changed weights in another file
            options["CACHE_DIR"] = cache_folder()
        model = model.replace(FIXED_SIDES, FREE_SIDES)
        compiled = self.core.compile_model(model, self.target, options, weights=b"")
        of_thread, names = threading.local(), [output.any_name for output in compiled.outputs]

        def forward(blob: np.ndarray) -> dict[str, np.ndarray]:
            if not hasattr(of_thread, "request"):
                of_thread.request = compiled.create_infer_request()
            return dict(zip(names, of_thread.request.infer([blob], share_inputs=True).values(), strict=True))

        return forward


class OnnxRuntime:
    """Microsoft's; its installed package decides which GPU it can use."""

    is_thread_safe = True
    locate_weights = staticmethod(os.path.basename)
    gpu_providers: ClassVar = {  # the fastest first
        "CUDAExecutionProvider": "CUDA",
        "ROCMExecutionProvider": "ROCm",
        "DmlExecutionProvider": "DirectML",
        "CoreMLExecutionProvider": "CoreML",
    }

    def __init__(self, device: str, precision: str) -> None:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # off, as it reports the use
        self.onnxruntime = import_engine("onnxruntime", "ONNX Runtime")
        self.onnxruntime.set_default_logger_severity(LOG_FATAL)
        self.name, self.precision = f"ONNX Runtime {self.onnxruntime.__version__}", "f32"
        self.device, self.provider = "CPU", "CPUExecutionProvider"
        if device == "gpu":
            available = self.onnxruntime.get_available_providers()
            found = [provider for provider in self.gpu_providers if provider in available]
            if not found:
                names = ", ".join(self.gpu_providers.values())
                raise PoseError(f"This package of ONNX Runtime is without {names}", "engine")
            self.device, self.provider = f"GPU ({self.gpu_providers[found[0]]})", found[0]
            if hasattr(self.onnxruntime, "preload_dlls"):
                with contextlib.redirect_stdout(None):  # finds CUDA's libraries where pip put them
                    self.onnxruntime.preload_dlls()

    def load(self, model: bytes, weights_folder: Path | None = None) -> Forward:
        options = self.onnxruntime.SessionOptions()
        options.log_severity_level = LOG_FATAL
        options.intra_op_num_threads = thread_count()
        options.enable_mem_pattern = False  # it costs memory and saves no time
        configure = options.add_session_config_entry
        configure("session.model_external_initializers_file_folder_path", os.path.abspath(weights_folder or ""))
        if self.device == "CPU":  # spinning threads slow down another network and OpenCV
            configure("session.intra_op.allow_spinning", "0")
        else:  # an operator that the GPU lacks is an error
            configure("session.disable_cpu_ep_fallback", "1")
        model = model.replace(FIXED_SIDES, FREE_SIDES)
        try:
            session = self.start(model, options)
        except Exception as error:
            if self.device == "CPU" or self.can_start(model, options):
                raise
            reason = "no such GPU or driver, or its libraries are missing"
            raise PoseError(f"{self.name} cannot start {self.device} ({reason})", "device") from error
        source, names = session.get_inputs()[0].name, [output.name for output in session.get_outputs()]
        return lambda blob: dict(zip(names, session.run(names, {source: blob}), strict=True))

    def start(self, model: bytes, options: Any) -> Any:
        """A session that never falls back to the CPU."""
        how = {}
        if self.provider.startswith("CUDA"):  # the default tries all algorithms at each new input size, for 0.9 s
            how = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}
        return self.onnxruntime.InferenceSession(model, options, [(self.provider, how)], enable_fallback=0)

    def can_start(self, model: bytes, options: Any) -> bool:
        """Whether the GPU works at all; if not, ONNX Runtime reports a missing operator."""
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "0")
        try:
            return bool(self.start(model, options).get_providers()[0] == self.provider)
        except Exception:
            return False


class TensorRT(OnnxRuntime):
    """NVIDIA's, by ONNX Runtime; never chosen by auto, as it compiles a network for minutes at each start."""

    gpu_providers: ClassVar = {"TensorrtExecutionProvider": "TensorRT"}

    def __init__(self, device: str, precision: str) -> None:
        if device == "cpu":
            raise PoseError("TensorRT needs device gpu", "engine")
        os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")  # else its 32-bit floats lose 13 of their 23 bits
        super().__init__(device, precision)


Engine = OpenCV | OpenVINO | OnnxRuntime
