"""A picture to heatmaps and part affinity fields."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np

from .. import PoseError
from ..choices import STAGES
from ..maps import STRIDE, Maps, brighten, fit
from .engines import Engine, first_line
from .registry import MOBILENET, Model

USUAL_SIDE = 368  # OpenPose's usual height of the network's input
# Heatmaps are trained to 0 to 1 and fields to -1 to 1; mobilenet_thin's are -1.1 to 1.2 on photos and on noise. With
# damaged weights they are thousands, infinity or NaN.
MAX_VALUE = 4


def usual_size(w: int, h: int, fills_area: bool, larger: float = 1) -> tuple[int, int]:
    """The network input for a picture of w×h pixels: no more work than 368×368, no side over twice 368.

    larger: factor for the sides of networks that fill the area; OpenPose's stay as they were trained.
    """
    if not fills_area:
        return USUAL_SIDE, USUAL_SIDE
    side = USUAL_SIDE * larger
    scale = min(side / math.sqrt(w * h), 2 * side / max(w, h))
    w, h = (max(2 * STRIDE, int(side * scale) // STRIDE * STRIDE) for side in (w, h))
    return w, h


class HeatmapNetwork:
    """Heatmaps and part affinity fields: call it with a picture, and it returns Maps."""

    def __init__(
        self,
        model: Model,
        model_folder: Path,
        engine: Engine,
        net_wh: tuple[int, int] | None = None,
        stages: int = STAGES,
        mirrored: bool = False,
    ) -> None:
        """net_wh: the largest input; mirrored: averaged with the maps of the mirrored picture."""
        self.model, self.skeleton, self.net_wh, self.mirrored = model, model.skeleton, net_wh, mirrored
        self.model_folder, self.where = model_folder, f"{engine.device} with {engine.name}"
        self.forward_blob = model.weights.load(engine, model_folder, stages)

    def __call__(self, picture: np.ndarray, larger: float = 1) -> Maps:
        """Maps of a picture, (H, W, 3) uint8 blue, green, red; larger: factor for the usual input's sides."""
        h, w = picture.shape[:2]
        fitted = fit((w, h), self.net_wh or usual_size(w, h, self.model.fills_area, larger))
        image = fitted.apply(picture)
        if self.model is MOBILENET:
            image = brighten(image)
        values = self.forward(image)
        if self.mirrored:
            values = (values + self.skeleton.mirror_maps(self.forward(image[:, ::-1]))) / 2
        return fitted.maps(values)

    def forward(self, image: np.ndarray) -> np.ndarray:
        """The network's output (C, h, w) for an input picture (H, W, 3)."""
        h, w = image.shape[:2]
        where = f"{self.model.name} failed at {w}x{h} on {self.where}"
        try:
            blob = cv2.dnn.blobFromImage(image, self.model.scale, mean=(self.model.mean,) * 3)
            (values,) = self.forward_blob(blob)["net_output"]
        except Exception as error:  # each engine has its own exceptions
            self.model.weights.check_genuine(self.model_folder)
            raise PoseError(f"{where}: {first_line(error)}", "net_wh") from error
        if values.shape[0] != self.skeleton.channels or not np.abs(values).max() < MAX_VALUE:  # NaN included
            self.model.weights.check_genuine(self.model_folder)
            raise PoseError(f"{where}: its output is not heatmaps and fields", "device")
        return values
