"""Everyone in a picture: a look at the whole finds people, a closer one at each says where their keypoints are.

The small network was trained on people of some 200 pixels: larger and smaller ones it sees worse. OpenPose's networks
need no second look. People whom the closer look does not find again were none.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

from .decode import carry_on, find_people, pose_distance, size, strength, strongest_first
from .network import Network
from .skeletons import Skeleton

WHOLE_EVERY = 1.5  # seconds after which a clip's whole frame is looked at again, for newcomers
NOBODY_EVERY = 0.2  # the same where nobody was
LYING_EVERY = 1.0  # and there in the frame's other turns, for those who lie or stand on their head
MARGIN = 0.25  # of the person's size, around the keypoints found: where the missing ones may lie
FOLLOW_MARGIN = 0.2  # the same around the pose of a clip's last look, which has most of them
SAME_PERSON = 0.3  # mean distance of keypoints, as a share of the person's size, up to which two poses are one person's
DOUBLE = 0.1  # and up to which they are so much one person's that one of them is enough
PIECE = 0.15  # in sizes too: how far from where it was expected a keypoint may lie that was found apart from the rest
TURNS = {  # of those who lie or stand on their head, and the way back
    cv2.ROTATE_90_CLOCKWISE: cv2.ROTATE_90_COUNTERCLOCKWISE,
    cv2.ROTATE_90_COUNTERCLOCKWISE: cv2.ROTATE_90_CLOCKWISE,
    cv2.ROTATE_180: cv2.ROTATE_180,
}
LEANS = 55  # degrees from upright, from which the network sees a person better in a turned picture


def find_everyone(
    network: Network, picture: np.ndarray, threshold: float = 0.1, number_people_max: int = -1
) -> np.ndarray:
    """People (N, K, 3) in a picture (H, W, 3), strongest first; where nobody stands upright, those who lie."""

    def find(picture: np.ndarray) -> np.ndarray:
        return find_upright(network, picture, threshold, number_people_max)

    people = find(picture)
    return people if len(people) else find_lying(picture, find)


def find_lying(picture: np.ndarray, find: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The people (N, K, 3) that `find` finds in that turn of a picture (H, W, 3) which shows most of them."""
    found = []
    for turn, back in TURNS.items():
        turned = cv2.rotate(picture, turn)
        found.append(turn_people(find(turned), back, turned))
    return max(found, key=lambda people: sum(map(strength, people)))


def turn_people(people: np.ndarray, turn: int | None, picture: np.ndarray) -> np.ndarray:
    """People (N, K, 3) in a picture, as they lie in cv2.rotate(picture, turn); turn None: as they are."""
    if turn is None:
        return people
    h, w = picture.shape[:2]
    x, y, score = np.moveaxis(people, 2, 0)
    x, y = {
        cv2.ROTATE_90_CLOCKWISE: (h - 1 - y, x),
        cv2.ROTATE_180: (w - 1 - x, h - 1 - y),
        cv2.ROTATE_90_COUNTERCLOCKWISE: (y, w - 1 - x),
    }[turn]
    return np.where(score[..., None] > 0, np.stack([x, y, score], axis=2), 0).astype(np.float32)


def turn_of(person: np.ndarray, skeleton: Skeleton) -> int | None:
    """Which of TURNS sets a person (K, 3) upright; None: they are, more or less, or it does not show."""
    ends = [[k for k in keypoints if person[k, 2] > 0] for keypoints in skeleton.ends]
    if not all(ends):
        return None
    top, bottom = (person[keypoints, :2].mean(axis=0) for keypoints in ends)
    right, down = (bottom - top).tolist()
    if abs(down) >= math.cos(math.radians(LEANS)) * math.hypot(right, down):
        return None if down >= 0 else cv2.ROTATE_180
    return cv2.ROTATE_90_CLOCKWISE if right > 0 else cv2.ROTATE_90_COUNTERCLOCKWISE


def find_upright(network: Network, picture: np.ndarray, threshold: float, number_people_max: int) -> np.ndarray:
    """People (N, K, 3) in a picture by a look at the whole and a closer one at each."""
    people = find_people(network(picture), network.skeleton, threshold, number_people_max)
    if network.model.closer is None:
        return people
    return strongest_first(look_closer(network, picture, people, threshold))


class Follower:
    """find_everyone for the frames of a clip: most of the time it looks only where people were in the frame before."""

    def __init__(self, network: Network, threshold: float = 0.1, number_people_max: int = -1) -> None:
        self.network, self.threshold, self.number_people_max = network, threshold, number_people_max
        self.people = np.zeros((0, len(network.skeleton.keypoints), 3), np.float32)
        self.whole_at = self.turns_at = -math.inf

    def __call__(self, picture: np.ndarray, t: float) -> np.ndarray:
        """People (N, K, 3) in a frame at time t in seconds, strongest first."""
        if self.network.model.closer is None:
            maps = self.network(picture, follow=True)
            return find_people(maps, self.network.skeleton, self.threshold, self.number_people_max)
        expected, people = self.people, look_closer(self.network, picture, self.people, self.threshold, follow=True)
        is_lost = len(people) < len(expected)
        if is_lost or t - self.whole_at >= (WHOLE_EVERY if len(people) else NOBODY_EVERY):
            people, self.whole_at = np.concatenate([people, self.newcomers(picture, people)]), t
        if not len(people) and t - self.turns_at >= LYING_EVERY:
            people, self.turns_at = find_lying(picture, lambda turned: self.newcomers(turned, people)), t
        people = strongest_first(people, self.number_people_max)
        self.people = people.copy()
        for person in self.people:  # what is hidden now is remembered, so that the next box holds it
            before = min(expected, key=lambda pose: pose_distance(pose, person), default=person)
            if pose_distance(before, person) <= SAME_PERSON:
                carry_on(before, person, person[:, 2] == 0)
        return people

    def newcomers(self, picture: np.ndarray, known: np.ndarray) -> np.ndarray:
        """People (N, K, 3) whom a look at the whole frame finds beside those known."""
        maps = self.network(picture, follow=True)
        people = find_people(maps, self.network.skeleton, self.threshold, self.number_people_max)
        new = [all(pose_distance(person, other) > SAME_PERSON for other in known) for person in people]
        return look_closer(self.network, picture, people[np.array(new, bool)], self.threshold, follow=True)


def look_closer(
    network: Network, picture: np.ndarray, people: np.ndarray, threshold: float, follow: bool = False
) -> np.ndarray:
    """Each of the people (N, K, 3) seen anew in a box around them; those who are found again, each once.

    follow: the people are those of the frame before, and who lies there is seen in a turned picture. Otherwise what
    only the first look at this picture saw stays.
    """
    found: list[np.ndarray] = []
    for person in people:
        turn = turn_of(person, network.skeleton) if follow else None
        turned = picture if turn is None else cv2.rotate(picture, turn)
        (expected,) = turn_people(person[None], turn, picture)
        again = see_again(network, turned, expected, threshold, follow)
        again = turn_people(again, TURNS.get(turn), turned)
        found += [pose for pose in again if all(pose_distance(pose, other) > DOUBLE for other in found)]
    return np.stack(found) if found else people[:0]


def see_again(network: Network, picture: np.ndarray, person: np.ndarray, threshold: float, follow: bool) -> np.ndarray:
    """The person (K, 3) seen anew in a box around them, (1, K, 3), or (0, K, 3) where they are not."""
    maps = network.closer(picture, box_around(person, picture, FOLLOW_MARGIN if follow else MARGIN), follow)
    candidates = find_people(maps, network.skeleton, threshold)
    nearest = min(candidates, key=lambda other: pose_distance(person, other), default=None)
    if nearest is None or pose_distance(person, nearest) > SAME_PERSON:
        return candidates[:0]
    add_pieces(nearest, candidates, person)
    if not follow:
        nearest[nearest[:, 2] == 0] = person[nearest[:, 2] == 0]
    return nearest[None]


def add_pieces(person: np.ndarray, candidates: np.ndarray, expected: np.ndarray) -> None:
    """Give the person (K, 3) the keypoints that were found apart from it, such as legs, if they lie where expected."""
    for piece in candidates:
        near = np.linalg.norm(piece[:, :2] - expected[:, :2], axis=1) < PIECE * size(expected)
        missing = near & (piece[:, 2] > 0) & (expected[:, 2] > 0) & (person[:, 2] == 0)
        person[missing] = piece[missing]


def box_around(person: np.ndarray, picture: np.ndarray, margin: float) -> tuple[int, int, int, int]:
    """x, y, width, height of the box in the picture that holds the person (K, 3) with a margin in their sizes."""
    keypoints, margin = person[person[:, 2] > 0, :2], margin * size(person)
    x0, y0 = np.maximum(np.floor(keypoints.min(axis=0) - margin), 0).astype(int).tolist()
    x1, y1 = np.minimum(np.ceil(keypoints.max(axis=0) + margin) + 1, picture.shape[1::-1]).astype(int).tolist()
    return x0, y0, x1 - x0, y1 - y0
