"""Networks: which one, its files, where it runs, and a picture in, Maps out.

The only file that knows that the networks differ.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from . import PoseError, caffe_to_onnx
from .blazepose import OUTPUTS, LandmarkNetwork
from .maps import STRIDE, Maps, brighten, fit
from .skeletons import COCO, MPI, Skeleton

PACKAGE = Path(__file__).parent
FAST_FP16 = 7  # CUDA compute capability from which all cards are faster with 16-bit floats than with 32
SIDE = 368  # OpenPose's usual height of the network's input
STAGES = 6  # of OpenPose's networks; each refines the heatmaps and fields of the one before
# Heatmaps are trained to be 0 to 1 and fields -1 to 1, and mobilenet_thin gives -1.1 to 1.2 on photos and on noise. A
# wrong bit in the weights easily gives thousands, infinity or NaN.
MOST_VALUE = 4


@dataclass(frozen=True)
class Model:
    """A network of heatmaps and part affinity fields as it was trained."""

    name: str
    skeleton: Skeleton
    weights: str  # below the model folder
    hash: str  # of the weights: SHA-256, or SHA-1 where nobody else confirms a SHA-256
    prototxt: str | None  # below this package; None: an ONNX file, which needs none
    scale: float  # the network sees scale · (value − mean), blue, green, red
    mean: float
    fills_area: bool  # default --net_resolution: as much work as 368x368, or 368 for the longer side


# OpenPose feeds its Caffe networks x/256 − 0.5 (its imageToCaffeInput); mobilenet_thin takes the bytes as they are.
OPENPOSE = {
    "COCO": Model(
        name="OpenPose COCO",
        skeleton=COCO,
        weights="coco/pose_iter_440000.caffemodel",
        hash="b4cf475576abd7b15d5316f1ee65eb492b5c9f5865e70a2e7882ed31fb682549",
        prototxt="coco/pose_deploy_linevec.prototxt",
        scale=1 / 256,
        mean=128,
        fills_area=False,
    ),
    "MPI": Model(
        name="OpenPose MPI",
        skeleton=MPI,
        weights="mpi/pose_iter_160000.caffemodel",
        hash="a344f4da6b52892e44a0ca8a4c68ee605fc611cf",
        prototxt="mpi/pose_deploy_linevec.prototxt",
        scale=1 / 256,
        mean=128,
        fills_area=False,
    ),
}
MOBILENET = Model(
    name="mobilenet_thin",
    skeleton=COCO,
    weights="mobilenet/mobilenet_thin.onnx",
    hash="efcc7c30c12d773240c707337907820c23947c8ac3c7aff2d0cb5786bd984b88",
    prototxt=None,
    scale=1.0,
    mean=0,
    fills_area=True,
)
LANDMARKS = "blazepose/pose_landmark_full.onnx"
LANDMARKS_HASH = "a1f95de1e13dd4be37c8a247bebbf855183c5892e536b1c885efe5091cd24a62"


def choose_network(mode: str, network: str, model_folder: Path) -> tuple[str, str]:
    """openpose or blazepose for --mode and --network, and why in a few words; PoseError where weights are missing."""
    model = OPENPOSE[mode]
    if not model_folder.is_dir():
        raise PoseError(f"{model_folder} is not a folder; check --model_folder.")
    path = model_folder / model.weights
    if network == "blazepose":
        return "blazepose", "as asked"
    if path.exists():
        return "openpose", "as asked" if network == "openpose" else "its weights are here"
    if network == "auto":
        return "blazepose", f"{model.name}'s weights are not here"
    raise PoseError(
        f"{path} is not there; fetch it once with ./getModels.sh {path.parent.name}, or say where it is with "
        "--model_folder; --network blazepose needs no download."
    )


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
        "--device gpu: this OpenCV finds neither CUDA (pip's opencv-python has none: it takes a build with "
        "WITH_CUDA=ON) nor an OpenCL GPU (install its driver); use --device cpu."
    )


class Device:
    """Where networks run: cpu or gpu. PoseError where no GPU can be used."""

    def __init__(self, device: str) -> None:
        self.backend, self.target, self.name = choose_device(device)
        self.is_cpu = self.target == cv2.dnn.DNN_TARGET_CPU

    def load_model(self, model: Model, path: Path, stages: int) -> cv2.dnn.Net:
        """OpenPose's networks by Caffe's importer where OpenCV has one, else as ONNX.

        PoseError where the weights are not the genuine file and cannot be loaded.
        """
        try:
            if model.prototxt is None:
                return self.read_onnx(np.fromfile(path, np.uint8))
            files = PACKAGE / model.prototxt, path, stages
            if hasattr(cv2.dnn, "readNetFromCaffe"):
                return self.prepared(cv2.dnn.readNetFromCaffe(*caffe_to_onnx.caffe_model(*files)))
            if self.is_cpu:
                with contextlib.suppress(cv2.error):  # a path that OpenCV itself cannot open
                    return self.read_onnx(caffe_to_onnx.onnx_model(*files, embed=False))
            return self.read_onnx(caffe_to_onnx.onnx_model(*files))
        except Exception:  # whatever a damaged file leads to
            check_genuine(path, model.hash)
            raise

    def load_landmarks(self) -> LandmarkNetwork:
        path = PACKAGE / LANDMARKS
        try:
            net = self.read_onnx(np.fromfile(path, np.uint8))
        except (cv2.error, OSError):
            check_genuine(path, LANDMARKS_HASH)
            raise

        def forward(blob: np.ndarray) -> list[np.ndarray]:
            net.setInput(blob)
            return net.forward(OUTPUTS)

        return LandmarkNetwork(forward)

    def read_onnx(self, graph: np.ndarray) -> cv2.dnn.Net:
        """OpenCV 5's new engine is the faster one and runs on the CPU only, its classic one also on GPUs."""
        if self.is_cpu or not hasattr(cv2.dnn, "ENGINE_CLASSIC"):
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


def check_genuine(path: Path, expected: str) -> None:
    """PoseError where a file of weights has another hash; for after a failure, as it takes up to half a second."""
    name = "SHA-1" if len(expected) == 40 else "SHA-256"
    comes_with_us = path.suffix == ".onnx"
    remedy = (
        "put the project's own file back" if comes_with_us else f"fetch it again with ./getModels.sh {path.parent.name}"
    )
    if not path.is_file():
        raise PoseError(f"{path} is missing or not a file; {remedy}.")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PoseError(f"{path} cannot be read ({error.strerror}); {remedy}.") from error
    if hashlib.new(name.replace("-", ""), data).hexdigest() != expected:
        starts = {b"<": "a web page", b"version https://git-lfs": "a Git LFS pointer"} if data else {b"": "empty"}
        kinds = [kind for start, kind in starts.items() if data.startswith(start)]
        what = f"{kinds[0]} and no network" if kinds else f"not the genuine file (its {name} differs)"
        raise PoseError(f"{path} is {what}; {remedy}.")


def usual_size(w: int, h: int, fills_area: bool, larger: float = 1) -> tuple[int, int]:
    """The network input for a picture of w×h pixels: never more work than SIDE×SIDE, no side over twice SIDE.

    larger: sides of networks that fill the area may be so many times as long; OpenPose's stay as they were trained.
    """
    if not fills_area:
        return SIDE, SIDE
    side = SIDE * larger
    scale = min(side / math.sqrt(w * h), 2 * side / max(w, h))
    w, h = (max(2 * STRIDE, int(side * scale) // STRIDE * STRIDE) for side in (w, h))
    return w, h


class Network:
    """Heatmaps and part affinity fields: call it with a picture, and it answers with Maps."""

    def __init__(
        self,
        model: Model,
        model_folder: Path,
        device: Device,
        net_wh: tuple[int, int] | None = None,
        stages: int = STAGES,
        mirrored: bool = False,
    ) -> None:
        """net_wh: the most that the input may measure; mirrored: averaged with the maps of the mirrored picture."""
        if not 1 <= stages <= STAGES:
            raise ValueError(f"stages must be from 1 to {STAGES}, not {stages}")
        self.model, self.skeleton, self.net_wh, self.mirrored = model, model.skeleton, net_wh, mirrored
        self.path, self.device_name = model_folder / model.weights, device.name
        self.net = device.load_model(model, self.path, stages)

    def __call__(self, picture: np.ndarray, larger: float = 1) -> Maps:
        """Maps of a picture, (H, W, 3) uint8 blue, green, red; larger: factor on the usual input's sides."""
        h, w = picture.shape[:2]
        how = fit((w, h), self.net_wh or usual_size(w, h, self.model.fills_area, larger))
        cut = how.cut(picture)
        if self.model is MOBILENET:
            cut = brighten(cut)
        values = self.forward(cut)
        if self.mirrored:
            values = (values + self.skeleton.mirror_maps(self.forward(cut[:, ::-1]))) / 2
        return how.maps(values)

    def forward(self, cut: np.ndarray) -> np.ndarray:
        """What the network says, (C, h, w), to an input picture (H, W, 3)."""
        h, w = cut.shape[:2]
        where = f"{self.model.name} failed at {w}x{h} on {self.device_name}"
        try:
            self.net.setInput(cv2.dnn.blobFromImage(cut, self.model.scale, mean=(self.model.mean,) * 3))
            values = self.net.forward()[0]
        except cv2.error as error:
            check_genuine(self.path, self.model.hash)
            reason = error.err or "unknown error"
            raise PoseError(f"{where}: {reason}; try another --net_resolution or --device cpu.") from error
        if values.shape[0] != self.skeleton.channels or not np.abs(values).max() < MOST_VALUE:  # NaN included
            check_genuine(self.path, self.model.hash)
            raise PoseError(f"{where}: what it gives are no heatmaps and fields; use --device cpu.")
        return values
