"""Find people's poses with OpenCV: the five-minute tour.

    picture ──networks/──▶ Maps ──decode.py──▶ people ──draw.py──▶ picture
              (maps.py: there and back)           │──track.py──▶ the same people, frame after frame
                                                  └──media/results.py──▶ OpenPose JSON

So OpenPose's networks go. With the two in the box, topdown.py takes decode.py's candidates, crop.py cuts each one out
of the picture, and blazepose.py estimates the keypoints; crop_tracking.py goes on from a clip's frame to the next.

A program begins with estimate.py: PoseEstimator for photos, VideoPoseEstimator for clips; checks.py checks what they
are given. skeletons.py holds keypoints and limbs, poses.py the geometry of poses. networks/ holds which networks there
are, where they run, and how OpenPose's files are read. media/ reads photos and clips and writes results. draw.py and
labels.py draw, motion.py follows the angles of joints and plot.py draws them, window.py shows pictures. options.py
holds the commands' options, choices.py the names these take, cli.py how a command runs and reports errors, signals.py
what Ctrl-C does; inputs.py finds the files that are named, photo.py and clip.py are what the commands do with each;
jobs.py does many, one after the other, and cluster.py on many cores and machines. mobilenet/ and blazepose/ hold the
networks in the box, where they come from and the recipes that made them.

The data:

people    float32 (N, K, 3): x, y in pixels of the source picture (the centre of its top-left pixel is 0, 0)
          and a score in [0, 1]. Score 0 means "not found", and then x = y = 0. Ask the score, never the
          coordinates. Strongest person first. In space they are (N, K, 6): after the score X, Y, Z in metres
          from the middle of the hips, to the right in the picture, down, and away from the camera.
Maps      a network's output, (C, h, w): heatmaps and part affinity fields, with the way back to the picture.
          It alone turns cells into pixels.
Crop      a square of the picture around a person, turned so that they stand upright in it, with the way back.
Skeleton  names of keypoints, limbs between them, the channels of each limb's field. Frozen, 0-based.

The letters: N people, K keypoints, L limbs, C channels, h×w cells of a map, H×W pixels of a picture.
Units and order stand in names: size_wh, fps, t in seconds, cutoff in Hz.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .draw import draw_heatmaps, draw_keypoints, draw_skeleton
    from .estimate import PoseEstimator, VideoPoseEstimator
    from .skeletons import COCO, MPI

__version__ = "0.1.0"
_HOMES = {
    "PoseEstimator": "estimate",
    "VideoPoseEstimator": "estimate",
    "draw_heatmaps": "draw",
    "draw_keypoints": "draw",
    "draw_skeleton": "draw",
    "COCO": "skeletons",
    "MPI": "skeletons",
}
__all__ = ["COCO", "MPI", "PoseError", "PoseEstimator", "VideoPoseEstimator", "__version__", "draw_heatmaps",
           "draw_keypoints", "draw_skeleton"]  # fmt: skip


class PoseError(Exception):
    """Something a person can put right: one sentence that names the thing. argument: the parameter at fault, if any."""

    def __init__(self, sentence: str, argument: str = "") -> None:
        super().__init__(sentence)
        self.argument = argument


def __getattr__(name: str) -> Any:
    """The public names, imported when first used: `import pose` alone loads neither OpenCV nor numpy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'pose' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
