"""Where networks run, and their files into cv2.dnn.Net."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import cv2
import numpy as np

from .. import PoseError
from . import caffe_to_onnx
from .registry import PACKAGE, STAGES, WeightsFile

DEVICES = ("cpu", "gpu")
IS_OPENCV_5 = hasattr(cv2.dnn, "ENGINE_CLASSIC")
FAST_FP16 = 7  # CUDA compute capability from which all cards are faster with 16-bit floats than with 32


def choose_device(device: str) -> tuple[int, int, str]:
    """OpenCV's backend and target for cpu or gpu, and what to call it; PoseError where no GPU can be used."""
    if device == "cpu":
        return cv2.dnn.DNN_BACKEND_OPENCV, cv2.dnn.DNN_TARGET_CPU, "CPU"
    cuda_targets = cv2.dnn.getAvailableTargets(cv2.dnn.DNN_BACKEND_CUDA)
    if cv2.dnn.DNN_TARGET_CUDA_FP16 in cuda_targets and cv2.cuda.DeviceInfo().majorVersion() >= FAST_FP16:
        return cv2.dnn.DNN_BACKEND_CUDA, cv2.dnn.DNN_TARGET_CUDA_FP16, "GPU (CUDA, 16-bit floats)"
    if cv2.dnn.DNN_TARGET_CUDA in cuda_targets:
        return cv2.dnn.DNN_BACKEND_CUDA, cv2.dnn.DNN_TARGET_CUDA, "GPU (CUDA)"
    if cv2.ocl.haveOpenCL():
        opencl = cv2.ocl.Device.getDefault()
        if opencl.type() & cv2.ocl.Device_TYPE_GPU or os.environ.get("OPENCV_DNN_OPENCL_ALLOW_ALL_DEVICES") == "1":
            return cv2.dnn.DNN_BACKEND_OPENCV, cv2.dnn.DNN_TARGET_OPENCL, f"OpenCL ({opencl.name().strip()})"
    raise PoseError(
        "This OpenCV finds neither CUDA (pip's opencv-python has none: it takes a build with WITH_CUDA=ON) "
        "nor an OpenCL GPU (install its driver)",
        "device",
    )


class Device:
    """Where networks run: cpu or gpu. PoseError where no GPU can be used."""

    def __init__(self, device: str) -> None:
        self.backend, self.target, self.name = choose_device(device)
        self.is_cpu = self.target == cv2.dnn.DNN_TARGET_CPU

    def load(self, weights: WeightsFile, folder: Path, stages: int = STAGES) -> cv2.dnn.Net:
        """The network of a file below the folder.

        PoseError where the weights are not the genuine file and cannot be loaded.
        """
        path = folder / weights.name
        try:
            if weights.prototxt is None:
                return self.read_onnx(np.fromfile(path, np.uint8))
            files = PACKAGE / weights.prototxt, path, stages
            if self.is_cpu and IS_OPENCV_5:
                with contextlib.suppress(cv2.error):  # a path that OpenCV itself cannot open
                    return self.read_onnx(caffe_to_onnx.onnx_model(*files, embed=False))
            return self.read_onnx(caffe_to_onnx.onnx_model(*files))
        except Exception:  # whatever a damaged file leads to
            weights.check_genuine(folder)
            raise

    def read_onnx(self, graph: np.ndarray) -> cv2.dnn.Net:
        """OpenCV 5's new engine is the faster one and runs on the CPU only, its classic one also on GPUs."""
        if self.is_cpu or not IS_OPENCV_5:
            return self.prepared(cv2.dnn.readNetFromONNX(graph))
        with tempfile.TemporaryDirectory() as folder:  # OpenCV 5.0 lets us choose the engine for a file only
            path = Path(folder) / "net.onnx"
            graph.tofile(path)
            return self.prepared(cv2.dnn.readNetFromONNX(str(path), engine=cv2.dnn.ENGINE_CLASSIC))

    def prepared(self, net: cv2.dnn.Net) -> cv2.dnn.Net:
        if not self.is_cpu:  # the CPU is where a network runs unasked
            net.setPreferableBackend(self.backend)
            net.setPreferableTarget(self.target)
        return net
