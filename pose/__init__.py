"""Find people's poses with OpenCV: the five-minute tour.

    picture ──networks/──▶ Maps ──decode.py──▶ people ──draw.py──▶ picture
              (maps.py: there and back)           │──track.py──▶ the same people, frame after frame
                                                  └──media/results.py──▶ OpenPose JSON

These are the steps with OpenPose's networks. With the bundled ones, topdown.py takes decode.py's candidates, crop.py
crops each one out of the picture, and blazepose.py estimates the keypoints; crop_tracking.py moves the crops from a
clip's frame to the next.

estimate.py             PoseEstimator for photos, VideoPoseEstimator for clips; checks.py checks their arguments
skeletons.py, poses.py  keypoints and limbs; the geometry of poses
networks/, media/       the networks and what computes them; photos and clips read, results written
draw.py, plot.py        people drawn, with labels.py; motion.py's joint angles drawn; window.py shows pictures
options.py, cli.py      the commands' options, with choices.py; how a command runs; startup.py, signals.py: Ctrl-C
inputs.py, jobs.py      the files that are named; work on many, on several cores and machines by cluster.py, worker.py
photo.py, clip.py       the work on one file; pieces.py cuts long clips
mobilenet/, blazepose/  the bundled networks, where they come from and how their files were made

The data:

people    float32 (N, K, 3): x, y in pixels of the source picture (the centre of its top-left pixel is 0, 0)
          and a score in [0, 1]. Score 0 means "not found", and then x = y = 0. Test the score, never the
          coordinates. Strongest person first. In space they are (N, K, 6): after the score X, Y, Z in metres
          from the middle of the hips, to the right in the picture, down, and away from the camera.
Maps      a network's output, (C, h, w): heatmaps and part affinity fields, with the way back to the picture.
          It alone turns cells into pixels.
Crop      a square of the picture around a person, rotated so that they are upright in it, with the way back.
Skeleton  names of keypoints, limbs between them, the channels of each limb's field. Frozen, 0-based.

The letters: N people, K keypoints, L limbs, C channels, h×w cells of a map, H×W pixels of a picture.
Units and order stand in names: size_wh, fps, t in seconds, cutoff in Hz.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # as in typing, which takes long to import
if TYPE_CHECKING:
    from typing import Any

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
    """An error that the user can fix, as one sentence. argument: the parameter at fault, if any."""

    def __init__(self, sentence: str, argument: str = "") -> None:
        super().__init__(sentence)
        self.argument = argument


def __getattr__(name: str) -> Any:
    """The public names, imported when first used: `import pose` alone loads neither OpenCV nor numpy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'pose' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
