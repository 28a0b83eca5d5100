"""The networks: their files and hashes, the input that each was trained with, and which one to use."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .. import PoseError
from ..choices import PACKAGE, STAGES
from ..skeletons import COCO, MPI, Skeleton
from .caffe_to_onnx import onnx_model
from .engines import Engine, Forward


@dataclass(frozen=True)
class WeightsFile:
    """A published file of weights."""

    name: str  # below the model folder
    hash: str  # SHA-256, or SHA-1 where only that one is confirmed by a second source
    prototxt: str | None = None  # below this package; None: an ONNX file, which needs none

    @property
    def hash_kind(self) -> str:
        return "SHA-1" if len(self.hash) == 40 else "SHA-256"

    def is_hash_of(self, parts: Iterable[bytes]) -> bool:
        digest = hashlib.new(self.hash_kind.replace("-", ""))
        for part in parts:
            digest.update(part)
        return digest.hexdigest() == self.hash

    def is_genuine(self, folder: Path) -> bool:
        """Whether it is a file with this hash, which is half a second's work for OpenPose's."""
        path = folder / self.name
        if not path.is_file():  # a pipe has no end
            return False
        with path.open("rb") as file:
            return self.is_hash_of(iter(lambda: file.read(1 << 20), b""))

    def check_genuine(self, folder: Path) -> None:
        """PoseError where it is no file or has another hash."""
        path = folder / self.name
        remedy = f"fetch it again with ./getModels.sh {path.parent.name}"
        if self.prototxt is None:
            remedy = "put the project's own file back"
        if not path.is_file():
            raise PoseError(f"{path} is missing or not a file; {remedy}")
        try:
            if self.is_genuine(folder):
                return
            with path.open("rb") as file:
                start = file.read(32)
        except OSError as error:
            raise PoseError(f"{path} cannot be read ({error.strerror}); {remedy}") from error
        starts = {b"<": "a web page", b"version https://git-lfs": "a Git LFS pointer"}
        kinds = [what for known, what in starts.items() if start.startswith(known)] if start else ["empty"]
        what = f"{kinds[0]}, not a network" if kinds else f"not the genuine file (its {self.hash_kind} differs)"
        raise PoseError(f"{path} is {what}; {remedy}")

    def read(self, folder: Path) -> bytes:
        """A bundled file; PoseError where it is not the genuine one."""
        path, data = folder / self.name, b""
        with contextlib.suppress(OSError):  # check_genuine reports it
            if path.is_file():  # a pipe has no end
                data = path.read_bytes()
        if not self.is_hash_of([data]):  # the same bytes are hashed and loaded
            self.check_genuine(folder)
        return data

    def load(self, engine: Engine, folder: Path, stages: int = STAGES) -> Forward:
        """The network, computed by this engine.

        PoseError where a bundled file is not the genuine one, or another cannot be loaded and is not.
        """
        if self.prototxt is None:
            return engine.load(self.read(folder))
        path = folder / self.name
        if not path.is_file():  # a pipe has no end
            self.check_genuine(folder)
        try:
            files = PACKAGE / self.prototxt, path, stages
            if engine.locate_weights:
                with contextlib.suppress(Exception):  # the engine does not open weights there
                    return engine.load(onnx_model(*files, engine.locate_weights(path)), path.parent)
            return engine.load(onnx_model(*files), path.parent)
        except Exception:  # a damaged file may raise any
            self.check_genuine(folder)
            raise


@dataclass(frozen=True)
class Model:
    """A network of heatmaps and part affinity fields as it was trained."""

    name: str
    skeleton: Skeleton
    weights: WeightsFile
    scale: float = 1 / 256  # its input is scale · (value − mean), blue, green, red; OpenPose's imageToCaffeInput
    mean: float = 128
    fills_area: bool = False  # usual input size: as much work as 368x368, or 368 for the longer side


def _openpose(skeleton: Skeleton, weights: str, hash: str) -> Model:
    folder = skeleton.name.lower()
    files = WeightsFile(f"{folder}/{weights}", hash, f"{folder}/pose_deploy_linevec.prototxt")
    return Model(f"OpenPose {skeleton.name}", skeleton, files)


OPENPOSE = {
    "COCO": _openpose(
        COCO, "pose_iter_440000.caffemodel", "b4cf475576abd7b15d5316f1ee65eb492b5c9f5865e70a2e7882ed31fb682549"
    ),
    "MPI": _openpose(MPI, "pose_iter_160000.caffemodel", "a344f4da6b52892e44a0ca8a4c68ee605fc611cf"),
}
MOBILENET = Model(
    "mobilenet_thin",
    COCO,
    WeightsFile("mobilenet/mobilenet_thin.onnx", "efcc7c30c12d773240c707337907820c23947c8ac3c7aff2d0cb5786bd984b88"),
    scale=1.0,
    mean=0,
    fills_area=True,
)
BLAZEPOSE = WeightsFile(
    "blazepose/pose_landmark_full.onnx", "c696e2fbfab6ab2c70c2e91b5038fb70ccffebd30d371412dd203e193a2a83b0"
)


def choose_network(mode: str, network: str, model_folder: Path) -> tuple[str, str]:
    """openpose or blazepose, and the reason; PoseError where network is openpose and its weights are missing."""
    model = OPENPOSE[mode]
    if not model_folder.is_dir():
        raise PoseError(f"{model_folder} is not a folder", "model_folder")
    path = model_folder / model.weights.name
    if network == "blazepose":
        return "blazepose", "as asked"
    if path.exists():
        return "openpose", "as asked" if network == "openpose" else "its weights are here"
    if network == "auto":
        return "blazepose", f"{model.name}'s weights are not here"
    raise PoseError(f"{path} is not there; fetch it once with ./getModels.sh {path.parent.name}", "network")
