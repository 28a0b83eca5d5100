"""A stand-in for both bundled networks: they see the people of a made-up scene and count what they are asked."""

from unittest import mock

import cv2
import numpy as np
from synthetic_maps import paint

from pose import topdown
from pose.blazepose import PersonEstimate
from pose.crop import crop_around
from pose.networks.engines import OpenCV
from pose.poses import pose_distance
from pose.topdown import PRESETS, TopDown, rotate_people

WH = (640, 400)
CORNERS = {
    None: (0, 0),
    cv2.ROTATE_90_CLOCKWISE: (0, -1),
    cv2.ROTATE_180: (-1, -1),
    cv2.ROTATE_90_COUNTERCLOCKWISE: (-1, 0),
}


def turned(pose, degrees):
    """A pose (18, 3) turned clockwise around the middle of its hips."""
    matrix = cv2.getRotationMatrix2D(pose[[8, 11], :2].mean(axis=0).tolist(), -degrees, 1)
    return np.column_stack([pose[:, :2] @ matrix[:, :2].T + matrix[:, 2], pose[:, 2]]).astype(np.float32)


class Scene:
    """Frames of people, and what was inferred in them.

    A picture holds its frame's number in the corner that was its top left one, so that turned ones are known.
    """

    def __init__(self, *frames, presence=1.0, confidence=0.9, detected_up_to=80, masks_work=True):
        """frames: poses (18, 3) in each. detected_up_to: degrees from upright. masks_work: masks hide people."""
        self.frames, self.presence, self.confidence = frames, presence, confidence
        self.detected_up_to, self.masks_work = detected_up_to, masks_work
        self.pictures = [np.zeros((*WH[::-1], 3), np.uint8) for _ in frames]
        for number, picture in enumerate(self.pictures):
            picture[0, 0] = number + 1
        self.detections = 0
        self.crops, self.options, self.masked = [], [], []  # of the landmark network's inferences

    def topdown(self, accuracy="balanced"):
        def network(*_, mirrored):
            self.detector_is_mirrored = mirrored
            return self.detect

        with (
            mock.patch.object(topdown, "HeatmapNetwork", network),
            mock.patch.object(topdown, "LandmarkNetwork", lambda *_: self.estimate),
        ):
            made = TopDown(OpenCV("cpu", "fp32"), PRESETS[accuracy])
            made.second_landmarks.result()
        return made

    def detect(self, picture, scale=1):
        self.detections += 1
        ((rotation, corner),) = ((r, picture[c][0]) for r, c in CORNERS.items() if picture[c].any())
        people = np.array(self.frames[corner - 1], np.float32).reshape(-1, 18, 3)
        if rotation is not None:
            people = rotate_people(people, rotation, self.pictures[corner - 1])
        up = -np.cos(np.radians(self.detected_up_to))
        upright = [person[:, :2] for person in people if crop_around(person).up[1] < up]
        return paint("COCO", upright, (picture.shape[1] // 8, picture.shape[0] // 8))

    def estimate(self, picture, crop, mirrored=False, masked=(), exposed=False):
        """Whoever's hips are nearest to the crop's centre and who is not masked."""
        self.crops.append(crop)
        self.options.append({"mirrored": mirrored, "exposed": exposed})
        self.masked.append(list(masked))
        poses = [
            pose for pose in self.frames[picture[0, 0, 0] - 1]
            if not (self.masks_work and any(pose_distance(pose, other) < 0.1 for other in masked))
        ]  # fmt: skip
        near = [(np.linalg.norm(crop_around(pose).centre - crop.centre), pose) for pose in poses]
        distance, pose = min(near, key=lambda pair: pair[0], default=(np.inf, None))
        if distance > crop.half_side:
            return PersonEstimate(np.zeros((18, 6), np.float32), 0.0, 0.0, crop)
        pose = np.column_stack([pose, np.zeros((18, 3))]).astype(np.float32)
        return PersonEstimate(pose, self.presence, self.confidence, crop_around(pose))
