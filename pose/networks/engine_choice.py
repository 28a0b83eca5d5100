"""Chooses the engine: the one that is named, or the fastest that works here; and hints at what could be installed."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import numpy as np

from .. import PoseError
from ..choices import PACKAGE
from .engines import Engine, OnnxRuntime, OpenCV, OpenVINO, TensorRT, first_line
from .registry import BLAZEPOSE

BY_NAME: dict[str, type[Engine]] = {
    "opencv": OpenCV, "openvino": OpenVINO, "onnxruntime": OnnxRuntime, "tensorrt": TensorRT
}  # fmt: skip
ORDER = {  # the fastest first, by whole commands: OpenVINO starts slowly, which pays off only with bf16
    "cpu": ("onnxruntime", "opencv", "openvino"),
    "gpu": ("onnxruntime", "openvino", "opencv"),
}
CPU_FLAGS = Path("/proc/cpuinfo")


def choose_engine(engine: str = "auto", device: str = "cpu", precision: str = "auto") -> tuple[Engine, str]:
    """The engine of this name or, for auto, the fastest that works on the device; and a sentence to report, or "".

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
    reasons = "; ".join(map(str, problems))
    if device == "cpu":
        raise PoseError(f"bf16 cannot be used: {reasons}", "precision")
    raise PoseError(f"No GPU can be used: {reasons}; run: pip install {gpu_package()}", "device")


def make_engine(name: str, device: str, precision: str) -> Engine:
    """The engine. A GPU is tested with a network, as only then its libraries are loaded."""
    engine = BY_NAME[name](device, precision)
    if precision == "bf16" and engine.precision != "bf16":
        raise PoseError(f"{engine.name} computes no bf16 on this {device.upper()}", "precision")
    if device == "gpu":
        try:
            engine.load((PACKAGE / BLAZEPOSE.name).read_bytes())(np.zeros((1, 3, 256, 256), np.float32))
        except PoseError:
            raise
        except Exception as error:
            raise PoseError(f"{engine.name} fails on {engine.device} ({first_line(error)})", "device") from error
    return engine


def hint() -> str:
    """The gain of an engine that is not installed: OpenVINO where the processor multiplies bf16, else ONNX Runtime."""
    package, gain = "onnxruntime", "clips are then 1.1 to 1.2 times as fast"
    if CPU_FLAGS.is_file() and "avx512_bf16" in CPU_FLAGS.read_text():
        package, gain = "openvino", "precision bf16 then makes OpenPose's networks about 2.5 times as fast"
    return f"Hint: pip install {package}; {gain}" if importlib.util.find_spec(package) is None else ""


def gpu_package() -> str:
    """The package for this system's usual GPU."""
    nvidia = "onnxruntime-gpu[cuda,cudnn]" if shutil.which("nvidia-smi") else "openvino"
    return {"darwin": "onnxruntime", "win32": "onnxruntime-directml"}.get(sys.platform, nvidia)
