"""A person's crop to keypoints: BlazePose's landmark network, which MediaPipe Pose calls "full".

    pose ──crop_around──▶ Crop ──extract──▶ 256×256 ──network──▶ landmarks and heatmaps ──▶ PersonEstimate
                            ▲                                                                    │
                            └──────────────── next crop: the same person, better ────────────────┘

Numbers and rules are MediaPipe's (pose_landmark graphs, refine_landmarks_from_heatmap) where no other source is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .crop import CROP_MARGIN, CROP_SIDE, Crop, make_crop
from .maps import brighten
from .networks.engines import Engine
from .poses import size
from .skeletons import COCO, HEAD, HIPS, NECK, SHOULDERS

LANDMARKS = 39  # 33 of the body and 6 that describe the crop
CENTRE, RIM = 33, 34  # the middle of the hips, and a point straight above it on the circle around the body
HEATMAP_STRIDE = CROP_SIDE / 64  # pixels of the input in a cell of the heatmaps
CELL_CENTRE = 0.2  # of cell 0, in pixels of the input: measured against the landmarks on the labelled pictures
REACH = 3  # cells on each side of a landmark over which its heatmap is averaged
MIN_PEAK = 0.5  # of the heatmap there; with a lower one the landmark is not refined
MAX_MIRROR_DISTANCE = 0.04  # mean, in sides of the crop, of the same pose in the mirrored crop
BODY_WIDTH = 0.09  # thickness of a limb that is masked, in sizes of the person
HEAD_RADIUS = 0.8  # of a masked head, in such thicknesses
MAX_THICKNESS, GREY = 255, (128, 128, 128)
NOSE, EARS = 0, [7, 8]  # landmarks; the eyes are those in between
FACE_AWAY = 0.2  # by which the nose is farther away than the ears where no face is seen, in radii of the circle
TRUNK_PART = slice(70, 140), slice(108, 148)  # rows and columns of the input where the trunk is
TRUNK_SHARE = 0.9  # of the pixels there, as the brightest tenth may be background

# The landmarks that are COCO keypoints, by number; BlazePose has six more between nose and ears, and hands and feet.
_NUMBERS = {
    "Nose": 0, "LEye": 2, "REye": 5, "LEar": 7, "REar": 8, "LShoulder": 11, "RShoulder": 12, "LElbow": 13, "RElbow": 14,
    "LWrist": 15, "RWrist": 16, "LHip": 23, "RHip": 24, "LKnee": 25, "RKnee": 26, "LAnkle": 27, "RAnkle": 28,
}  # fmt: skip
LANDMARK_OF = [_NUMBERS.get(name, 0) for name in COCO.keypoints]  # the neck's 0 is a placeholder
HIP_LANDMARKS = [_NUMBERS["RHip"], _NUMBERS["LHip"]]
MIRRORED = [0, 4, 5, 6, 1, 2, 3, 8, 7, 10, 9, *(k + (1 if k % 2 else -1) for k in range(11, 33)), *range(33, LANDMARKS)]


@dataclass(frozen=True)
class PersonEstimate:
    """The network's estimate of the person in a crop."""

    pose: np.ndarray  # (18, 6) float32, COCO, with metres; keypoints outside the picture score 0 but keep their places
    presence: float  # probability that there is a person
    confidence: float  # mean peak of the heatmaps at the keypoints inside the picture, 0 to 1
    next_crop: Crop


# Landmarks (39, 3), the same refined (39, 2) and in metres (39, 3), peaks (39,) of their heatmaps, and presence.
Inference = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]


class LandmarkNetwork:
    """Call it with a picture and a crop of it for a PersonEstimate. model: BLAZEPOSE's file."""

    def __init__(self, engine: Engine, model: bytes) -> None:
        self.forward = engine.load(model)

    def __call__(
        self,
        picture: np.ndarray,
        crop: Crop,
        mirrored: bool = False,
        masked: Sequence[np.ndarray] = (),
        exposed: bool = False,
    ) -> PersonEstimate:
        """mirrored: averaged with the mirrored crop's result; masked: poses (18, 3) of other people to cover.

        exposed: brightened for the trunk, as a person against the light is dark in a bright crop.
        """
        image = brighten(crop.extract(picture))
        if exposed:
            image = brighten(image, TRUNK_PART, TRUNK_SHARE)
        for pose in masked:
            mask_person(image, pose, crop)
        inference = self.infer(image)
        if mirrored:
            inference = merge_mirrored(inference, self.infer(np.ascontiguousarray(image[:, ::-1])))
        landmarks, refined, world, peaks, presence = inference
        xy = crop.to_picture(refined)
        inside = np.all((xy >= 0) & (xy <= np.subtract(picture.shape[1::-1], 1)), axis=1)
        visible = inside[LANDMARK_OF]
        confidence = float(peaks[LANDMARK_OF][visible].mean()) if visible.any() else 0.0
        scores = peaks * inside
        if landmarks[NOSE, 2] - landmarks[EARS, 2].mean() > FACE_AWAY * CROP_SIDE / (2 * CROP_MARGIN):
            scores[: EARS[0]] = 0  # nose and eyes of a head seen from behind
        next_crop = next_crop_of(crop.to_picture(landmarks[:, :2]))
        return PersonEstimate(coco_pose(xy, scores, crop.rotate_to_picture(world)), presence, confidence, next_crop)

    def infer(self, image: np.ndarray) -> Inference:
        outputs = self.forward(cv2.dnn.blobFromImage(image, 1 / 255, swapRB=True))
        xyz = outputs["landmarks"].reshape(LANDMARKS, 5)[:, :3].copy()
        refined, peaks = refine_by_heatmaps(xyz[:, :2], outputs["heatmaps"][0])
        world = in_metres(refined, outputs["world_landmarks"].reshape(LANDMARKS, 3))
        return xyz, refined, world, peaks, float(outputs["presence"][0, 0])


def merge_mirrored(one: Inference, mirrored: Inference) -> Inference:
    """The average of a crop's inference and its mirror image's, or the more confident one where they disagree."""
    for values, width in zip(mirrored[:3], (CROP_SIDE - 1, CROP_SIDE - 1, 0), strict=True):
        values[:, 0] = width - values[:, 0]
    landmarks, refined, world, peaks = (values[MIRRORED] for values in mirrored[:4])
    if np.linalg.norm(refined - one[1], axis=1)[LANDMARK_OF].mean() < MAX_MIRROR_DISTANCE * CROP_SIDE:
        return (landmarks + one[0]) / 2, (refined + one[1]) / 2, (world + one[2]) / 2, (peaks + one[3]) / 2, one[4]
    if peaks[LANDMARK_OF].mean() > one[3][LANDMARK_OF].mean():  # one of them confuses front and back
        return landmarks, refined, world, peaks, mirrored[4]
    return one


def mask_person(image: np.ndarray, pose: np.ndarray, crop: Crop) -> None:
    """Cover the body of a COCO pose (18, 3) in a crop's image, so that only the other person is visible."""
    points, found = np.rint(crop.to_input(pose[:, :2])).astype(int), pose[:, 2] > 0
    width = BODY_WIDTH * size(pose) * CROP_SIDE / (2 * crop.half_side)
    thickness = max(1, min(round(width), MAX_THICKNESS))
    for limb in COCO.drawn_limbs:
        if found[limb.start] and found[limb.end]:
            cv2.line(image, points[limb.start].tolist(), points[limb.end].tolist(), GREY, thickness)
    trunk = SHOULDERS + HIPS[::-1]
    if found[trunk].all():
        cv2.fillConvexPoly(image, points[trunk], GREY)
    head = [k for k in HEAD if found[k]]
    if head:
        centre = np.rint(points[head].mean(axis=0)).astype(int).tolist()
        cv2.circle(image, centre, round(HEAD_RADIUS * width), GREY, cv2.FILLED)


def refine_by_heatmaps(landmarks: np.ndarray, heatmaps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks (39, 2) refined to the mean of their heatmaps (39, 64, 64) around them, and the peaks there (39,).

    Where the peak is below MIN_PEAK the landmark stays. Peaks are between 0 and 1, the heatmaps before the sigmoid.
    """
    cells = np.floor(landmarks / HEATMAP_STRIDE).astype(int)[:, :, None] + np.arange(-REACH, REACH + 1)  # (39, 2, 7)
    inside = (cells >= 0) & (cells < heatmaps.shape[1])
    x, y = np.moveaxis(np.where(inside, cells, 0), 1, 0)
    logits = heatmaps[np.arange(LANDMARKS)[:, None, None], y[:, :, None], x[:, None]]  # (39, 7, 7)
    weights = 1 / (1 + np.exp(-np.clip(logits, -30, 30))) * (inside[:, 1, :, None] & inside[:, 0, None])
    total = np.maximum(weights.sum(axis=(1, 2)), 1e-9)
    mean = np.stack([(weights * x[:, None]).sum(axis=(1, 2)), (weights * y[:, :, None]).sum(axis=(1, 2))], axis=1)
    peaks = weights.max(axis=(1, 2))
    refined = HEATMAP_STRIDE * mean / total[:, None] + CELL_CENTRE
    return np.where(peaks[:, None] >= MIN_PEAK, refined, landmarks), peaks


def in_metres(refined: np.ndarray, world: np.ndarray) -> np.ndarray:
    """The landmarks in metres (39, 3): Z is the network's, X and Y are the more exact refined ones (39, 2), scaled."""
    xy = refined - refined[HIP_LANDMARKS].mean(axis=0)
    scale = np.linalg.norm(world[LANDMARK_OF, :2]) / max(1e-6, float(np.linalg.norm(xy[LANDMARK_OF])))
    return np.column_stack([scale * xy, world[:, 2]])


def coco_pose(xy: np.ndarray, scores: np.ndarray, world: np.ndarray) -> np.ndarray:
    """Landmarks (39, 2), scores (39,) and metres (39, 3) as a COCO pose (18, 6); the neck is between the shoulders."""
    pose = np.column_stack([xy, scores, world])[LANDMARK_OF].astype(np.float32)
    pose[NECK] = pose[SHOULDERS].mean(axis=0)
    pose[NECK, 2] = pose[SHOULDERS, 2].min()
    return pose


def next_crop_of(landmarks: np.ndarray) -> Crop:
    """The crop of a person whose landmarks (39, 2) in the picture are known."""
    up = landmarks[RIM] - landmarks[CENTRE]
    return make_crop(landmarks[CENTRE], CROP_MARGIN * float(np.linalg.norm(up)), up)
