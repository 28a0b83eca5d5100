import cv2
import numpy as np
import pytest
import truth
from painting import paint, standing

from pose.cli import PROJECT
from pose.look import Follower, box_around, find_everyone, look_closer
from pose.network import MODELS, Network
from pose.skeletons import COCO

SMALL = MODELS["COCO", "mobilenet"]
needs_small = pytest.mark.skipif(
    not (PROJECT / "pose" / SMALL.weights).exists(), reason="needs ./getModels.sh mobilenet"
)
PICTURE = np.zeros((400, 600, 3), np.uint8)


class Painted:
    """Stands in for a network: "sees" the given people, and counts its looks."""

    skeleton, model = COCO, SMALL

    def __init__(self, *people):
        self.people, self.wholes, self.boxes = list(people), 0, []

    def __call__(self, picture):
        self.wholes += 1
        return paint("COCO", self.people, (75, 50))

    def closer(self, picture, box):
        self.boxes.append(box)
        x, y, w, h = box
        return paint("COCO", self.people, (w // 4, h // 4), cell=4.0, offset=(x, y))


def test_each_person_is_seen_closer():
    network = Painted(standing("COCO", (60, 60)), standing("COCO", (350, 80), 1.2))
    people = find_everyone(network, PICTURE)
    assert len(people) == len(network.boxes) == 2
    assert np.abs(people[0, :, :2] - network.people[1]).max() < 1  # the larger one first


def test_the_box_holds_the_person_and_stays_in_the_picture():
    person = np.column_stack([standing("COCO", (-40, 250)), np.ones(18)])
    x, y, w, h = box_around(person, PICTURE)
    assert 0 <= x < x + w <= 600
    assert 0 <= y < y + h <= 400
    inside = person[(person[:, 0] >= 0) & (person[:, 1] < 400)]
    assert (inside[:, 0] <= x + w).all()
    assert (inside[:, 1] >= y).all()


def test_who_is_not_seen_again_was_nobody():
    network = Painted(standing("COCO", (60, 60)))
    ghost = np.column_stack([standing("COCO", (400, 60)), np.ones(18)]).astype(np.float32)
    assert len(look_closer(network, PICTURE, ghost[None], 0.1)) == 0


def test_what_only_the_first_look_saw_stays_in_a_photo_but_not_in_a_clip():
    whole = standing("COCO", (60, 60))
    without_wrist = whole.copy()
    without_wrist[4] = np.nan
    network = Painted(without_wrist)
    person = np.column_stack([whole, np.ones(18)]).astype(np.float32)[None]
    assert look_closer(network, PICTURE, person, 0.1, keep=True)[0, 4].tolist() == person[0, 4].tolist()
    assert look_closer(network, PICTURE, person, 0.1)[0, 4].tolist() == [0, 0, 0]


def test_one_person_is_not_found_twice():
    network = Painted(standing("COCO", (60, 60)))
    person = np.column_stack([standing("COCO", (60, 60)), np.ones(18)]).astype(np.float32)
    near = person + np.array([5, 5, 0], np.float32)
    assert len(look_closer(network, PICTURE, np.stack([person, near]), 0.1)) == 1


def test_a_clip_is_seen_whole_once_a_second_and_closer_between():
    network = Painted(standing("COCO", (60, 60)))
    follow = Follower(network)
    for frame in range(60):
        network.people = [standing("COCO", (60 + 3 * frame, 60))]
        (person,) = follow(PICTURE, frame / 30)
        assert np.abs(person[:, :2] - network.people[0]).max() < 1
    assert network.wholes == 2


def test_a_newcomer_is_found_within_a_second_and_who_leaves_is_gone_at_once():
    a, b = standing("COCO", (60, 60)), standing("COCO", (350, 80))
    network = Painted(a)
    follow = Follower(network)
    follow(PICTURE, 0.0)
    network.people = [a, b]
    assert len(follow(PICTURE, 0.5)) == 1
    assert len(follow(PICTURE, 1.1)) == 2
    network.people = [b]
    (person,) = follow(PICTURE, 1.2)
    assert np.abs(person[:, :2] - b).max() < 1
    network.people = []
    assert follow(PICTURE, 1.3).shape == (0, 18, 3)


def test_who_jumps_away_is_found_in_the_same_frame():
    network = Painted(standing("COCO", (60, 60)))
    follow = Follower(network)
    follow(PICTURE, 0.0)
    network.people = [standing("COCO", (350, 80))]
    (person,) = follow(PICTURE, 0.1)
    assert np.abs(person[:, :2] - network.people[0]).max() < 1


def test_the_main_person_only():
    network = Painted(standing("COCO", (60, 60)), standing("COCO", (350, 80), 1.2))
    follow = Follower(network, number_people_max=1)
    for t in (0.0, 0.1, 1.5):
        (person,) = follow(PICTURE, t)
        assert np.abs(person[:, :2] - network.people[1]).max() < 1


@needs_small
def test_two_people_against_labels():
    picture = cv2.imread(str(PROJECT / "Input" / "example_image2.jpg"))
    people = find_everyone(Network(SMALL, PROJECT / "pose"), picture)
    assert len(people) == 2
    for person in truth.load("two_people")[0]:
        assert (truth.errors(people, person) < 0.1).mean() >= 0.85


@needs_small
@pytest.mark.parametrize("shape", [(600, 800), (100, 100), (50, 500)])
def test_nobody_in_noise_and_plain_pictures(shape):
    network = Network(SMALL, PROJECT / "pose")
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    assert len(find_everyone(network, noise)) == 0
    assert len(find_everyone(network, np.full_like(noise, 90))) == 0
