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

from . import PoseError, caffe_to_onnx, tensorflow
from .maps import STRIDE, Fit, Maps, fit
from .skeletons import COCO, MPI, Skeleton

PROTOTXT_FOLDER = Path(__file__).parent
FAST_FP16 = 7  # CUDA compute capability from which all cards are faster with 16-bit floats than with 32
SIDE = 368  # OpenPose's usual height of the network's input
STAGES = 6  # of every network here; each stage looks again at what the one before said
# Heatmaps are trained to be 0 to 1 and fields -1 to 1, and mobilenet_thin gives -1.1 to 1.2 on photos and on noise. A
# wrong bit in the weights easily gives thousands, infinity or NaN.
MOST_VALUE = 4


@dataclass(frozen=True)
class Model:
    """A network as it was trained."""

    name: str
    skeleton: Skeleton
    weights: str  # below the model folder
    hash: str  # of the weights: SHA-256, or SHA-1 where nobody else confirms a SHA-256
    prototxt: str | None  # below this package; None: a TensorFlow graph, for tensorflow.py
    scale: float  # the network sees scale · (value − mean), blue, green, red
    mean: float
    licence: str
    fills_area: bool  # default --net_resolution: as much work as 368x368, or 368 for the longer side
    closer: int | None  # side of a second look at each person; None: the first is enough


@dataclass(frozen=True)
class Care:
    """How --accuracy spends time. A mirrored look is averaged with one at the mirrored picture."""

    larger: float  # sides of the small network's first look at a photo, in the usual ones
    mirrored_first: bool
    mirrored_closer: bool
    follow: int  # side of the look at each person of a clip's last frame, where the model has closer looks
    mirrored_follow: bool


CARES = {
    "fast": Care(1, False, False, 168, False),
    "balanced": Care(1.2, False, True, 184, False),
    "best": Care(1.2, True, True, 256, True),
}
# OpenPose feeds its Caffe networks x/256 − 0.5 (its imageToCaffeInput); mobilenet_thin takes the bytes as they are.
OPENPOSE_LICENCE = "non-commercial research only"
MODELS = {
    ("COCO", "openpose"): Model(
        name="OpenPose COCO",
        skeleton=COCO,
        weights="coco/pose_iter_440000.caffemodel",
        hash="b4cf475576abd7b15d5316f1ee65eb492b5c9f5865e70a2e7882ed31fb682549",
        prototxt="coco/pose_deploy_linevec.prototxt",
        scale=1 / 256,
        mean=128,
        licence=OPENPOSE_LICENCE,
        fills_area=False,
        closer=None,
    ),
    ("MPI", "openpose"): Model(
        name="OpenPose MPI",
        skeleton=MPI,
        weights="mpi/pose_iter_160000.caffemodel",
        hash="a344f4da6b52892e44a0ca8a4c68ee605fc611cf",
        prototxt="mpi/pose_deploy_linevec.prototxt",
        scale=1 / 256,
        mean=128,
        licence=OPENPOSE_LICENCE,
        fills_area=False,
        closer=None,
    ),
    ("COCO", "mobilenet"): Model(
        name="mobilenet_thin",
        skeleton=COCO,
        weights="mobilenet/graph_opt.pb",
        hash="51f84ea82b3d0143dd4cf362e018c125e832c64771908ee8766fbd8b0328008d",
        prototxt=None,
        scale=1.0,
        mean=0,
        licence="Apache-2.0",
        fills_area=True,
        closer=256,
    ),
}


def choose_model(mode: str, network: str, model_folder: Path) -> tuple[Model, str]:
    """The network for --mode and --network, and why in a few words; PoseError where its weights are missing."""
    names = ["openpose", "mobilenet"] if network == "auto" else [network]
    candidates = [MODELS[mode, name] for name in names if (mode, name) in MODELS]
    if not candidates:
        raise PoseError(f"--network {network} has no {mode} keypoints; use --mode COCO or --network openpose.")
    for model in candidates:
        if (model_folder / model.weights).exists():
            if network != "auto":
                return model, "as asked"
            return model, "its weights are here" if model is candidates[0] else "OpenPose's weights are not here"
    fetch_names = " or ".join(f"./getModels.sh {model.weights.split('/')[0]}" for model in reversed(candidates))
    raise PoseError(
        f"The weights for --mode {mode} are not in {model_folder}; fetch them once with {fetch_names}, "
        "or say where they are with --model_folder."
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


def load(model: Model, model_folder: Path, stages: int, on_cpu: bool) -> cv2.dnn.Net:
    """The network in OpenCV's hands: OpenPose's by Caffe's importer where it has one, else as ONNX.

    PoseError where the weights are not the genuine file and cannot be loaded.
    """
    path = model_folder / model.weights
    if not 1 <= stages <= STAGES:
        raise ValueError(f"stages must be from 1 to {STAGES}, not {stages}")
    try:
        if model.prototxt is None:
            return read_onnx(tensorflow.onnx_model(path, stages), on_cpu)
        files = PROTOTXT_FOLDER / model.prototxt, path, stages
        if hasattr(cv2.dnn, "readNetFromCaffe"):
            return cv2.dnn.readNetFromCaffe(*caffe_to_onnx.caffe_model(*files))
        if on_cpu:
            with contextlib.suppress(cv2.error):  # a path that OpenCV itself cannot open
                return read_onnx(caffe_to_onnx.onnx_model(*files, embed=False), on_cpu)
        return read_onnx(caffe_to_onnx.onnx_model(*files), on_cpu)
    except Exception:  # whatever a damaged file leads to
        check_genuine(path, model.hash)
        raise


def check_genuine(path: Path, expected: str) -> None:
    """PoseError where a file of weights has another hash; for after a failure, as it takes up to half a second."""
    name = "SHA-1" if len(expected) == 40 else "SHA-256"
    remedy = f"fetch it again with ./getModels.sh {path.parent.name}"
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


def read_onnx(graph: np.ndarray, on_cpu: bool) -> cv2.dnn.Net:
    """OpenCV 5's new engine is the faster one and runs on the CPU only, its classic one also on GPUs."""
    if on_cpu or not hasattr(cv2.dnn, "ENGINE_CLASSIC"):
        return cv2.dnn.readNetFromONNX(graph)
    with tempfile.TemporaryDirectory() as folder:  # OpenCV 5.0 lets us choose the engine for a file only
        path = Path(folder) / "net.onnx"
        graph.tofile(path)
        return cv2.dnn.readNetFromONNX(str(path), engine=cv2.dnn.ENGINE_CLASSIC)


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
    """Call it with a picture; it answers with Maps."""

    def __init__(
        self,
        model: Model,
        model_folder: Path,
        device: str = "cpu",
        net_wh: tuple[int, int] | None = None,
        stages: int = STAGES,
        accuracy: str = "balanced",
    ) -> None:
        backend, target, self.device_name = choose_device(device)
        self.model, self.skeleton = model, model.skeleton
        self.net_wh, self.care = net_wh, CARES[accuracy]
        self.path = model_folder / model.weights
        self.net = load(model, model_folder, stages, on_cpu=target == cv2.dnn.DNN_TARGET_CPU)
        if target != cv2.dnn.DNN_TARGET_CPU:  # the CPU is where a network runs unasked
            self.net.setPreferableBackend(backend)
            self.net.setPreferableTarget(target)

    def __call__(self, picture: np.ndarray, follow: bool = False) -> Maps:
        """Maps of a picture, (H, W, 3) uint8 blue, green, red; follow: a clip's, where time is shorter."""
        h, w = picture.shape[:2]
        net_wh = self.net_wh or usual_size(w, h, self.model.fills_area, 1 if follow else self.care.larger)
        mirrored = self.care.mirrored_follow if follow else self.care.mirrored_first
        return self.maps(picture, fit((w, h), net_wh), mirrored)

    def closer(self, picture: np.ndarray, box: tuple[int, int, int, int], follow: bool = False) -> Maps:
        """Maps of a box (x, y, width, height) inside a picture, at the size that the network likes a person."""
        side = self.care.follow if follow else self.model.closer
        how = fit((picture.shape[1], picture.shape[0]), (side, side), box)
        return self.maps(picture, how, self.care.mirrored_follow if follow else self.care.mirrored_closer)

    def maps(self, picture: np.ndarray, how: Fit, mirrored: bool) -> Maps:
        """Maps of the part of a picture that `how` cuts out; mirrored: averaged with those of its mirror image."""
        cut = how.cut(picture)
        values = self.forward(cut)
        if mirrored:
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
