import cv2
import numpy as np
import pytest
import truth
from painting import paint, standing

from pose.cli import PROJECT
from pose.look import TURNS, Follower, box_around, find_everyone, look_closer, turn_of, turn_people
from pose.network import MODELS, Network
from pose.skeletons import COCO, MPI

SMALL = MODELS["COCO", "mobilenet"]
needs_small = pytest.mark.skipif(
    not (PROJECT / "pose" / SMALL.weights).exists(), reason="needs ./getModels.sh mobilenet"
)
PICTURE = np.zeros((400, 600, 3), np.uint8)


class Painted:
    """Stands in for a network: "sees" the given people, and counts its looks."""

    skeleton, model = COCO, SMALL

    def __init__(self, *people):
        self.people, self.wholes, self.boxes, self.without = list(people), 0, [], []

    def __call__(self, picture, follow=False):
        self.wholes += 1
        return paint("COCO", self.people, (75, 50))

    def closer(self, picture, box, follow=False):
        self.boxes.append(box)
        x, y, w, h = box
        maps = paint("COCO", self.people, (w // 4, h // 4), cell=4.0, offset=(x, y))
        for limb in COCO.limbs:
            if (limb.start, limb.end) in self.without:
                maps.values[list(limb.fields)] = 0
        return maps


def test_each_person_is_seen_closer():
    network = Painted(standing("COCO", (60, 60)), standing("COCO", (350, 80), 1.2))
    people = find_everyone(network, PICTURE)
    assert len(people) == len(network.boxes) == 2
    assert np.abs(people[0, :, :2] - network.people[1]).max() < 1  # the larger one first


def test_the_box_holds_the_person_and_stays_in_the_picture():
    person = np.column_stack([standing("COCO", (-40, 250)), np.ones(18)])
    x, y, w, h = box_around(person, PICTURE, 0.25)
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
    assert look_closer(network, PICTURE, person, 0.1)[0, 4].tolist() == person[0, 4].tolist()
    assert look_closer(network, PICTURE, person, 0.1, follow=True)[0, 4].tolist() == [0, 0, 0]


def test_legs_found_apart_belong_to_who_was_expected_there():
    whole = standing("COCO", (60, 60))
    network = Painted(whole)
    network.without = [(1, 8), (1, 11)]  # no field from the neck to the hips: the legs are a group of their own
    person = np.column_stack([whole, np.ones(18)]).astype(np.float32)
    (found,) = look_closer(network, PICTURE, person[None], 0.1, follow=True)
    assert np.abs(found[:, :2] - whole).max() < 1
    elsewhere = person.copy()
    elsewhere[8:14, 0] += 60
    (found,) = look_closer(network, PICTURE, elsewhere[None], 0.1, follow=True)
    assert found[8:14].tolist() == [[0, 0, 0]] * 6


def test_a_clips_next_box_holds_what_is_hidden_now():
    whole = standing("COCO", (60, 60))
    without_legs = whole.copy()
    without_legs[[9, 10, 12, 13]] = np.nan
    network = Painted(whole)
    follow = Follower(network)
    follow(PICTURE, 0.0)
    network.people = [np.add(without_legs, (20, 0))]
    (person,) = follow(PICTURE, 0.1)
    assert person[10].tolist() == [0, 0, 0]
    network.people = [np.add(whole, (40, 0))]
    (person,) = follow(PICTURE, 0.2)
    _, y, _, h = network.boxes[-1]
    assert y + h > whole[:, 1].max()
    assert np.abs(person[:, :2] - network.people[0]).max() < 1


def test_one_person_is_not_found_twice():
    network = Painted(standing("COCO", (60, 60)))
    person = np.column_stack([standing("COCO", (60, 60)), np.ones(18)]).astype(np.float32)
    near = person + np.array([5, 5, 0], np.float32)
    assert len(look_closer(network, PICTURE, np.stack([person, near]), 0.1)) == 1


def test_a_clip_is_seen_whole_now_and_then_and_closer_between():
    network = Painted(standing("COCO", (60, 60)))
    follow = Follower(network)
    for frame in range(60):
        network.people = [standing("COCO", (60 + 3 * frame, 60))]
        (person,) = follow(PICTURE, frame / 30)
        assert np.abs(person[:, :2] - network.people[0]).max() < 1
    assert network.wholes == 2


def test_a_newcomer_is_found_soon_and_who_leaves_is_gone_at_once():
    a, b = standing("COCO", (60, 60)), standing("COCO", (350, 80))
    network = Painted(a)
    follow = Follower(network)
    follow(PICTURE, 0.0)
    network.people = [a, b]
    assert len(follow(PICTURE, 0.5)) == 1
    assert len(follow(PICTURE, 1.6)) == 2
    network.people = [b]
    (person,) = follow(PICTURE, 1.7)
    assert np.abs(person[:, :2] - b).max() < 1
    network.people = []
    assert follow(PICTURE, 1.8).shape == (0, 18, 3)


def test_where_nobody_was_a_newcomer_is_found_within_a_few_frames():
    network = Painted()
    follow = Follower(network)
    for frame in range(10):
        assert len(follow(PICTURE, frame / 30)) == 0
    assert network.wholes == 2 + len(TURNS)  # yet not every frame is searched, and those who lie once a second
    network.people = [standing("COCO", (60, 60))]
    assert any(len(follow(PICTURE, frame / 30)) for frame in range(10, 17))


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
        assert (truth.errors(people, person) < 0.1).mean() >= 0.95


EXAMPLE = PROJECT / "Input" / "example_image1.png"  # 530x530
CELL = 16  # pixels of the example that a cell of her closer look spans


def moves():
    """Name, how the picture moves, and how its keypoints (N, 2) go back."""
    for shift in range(1, 8):
        matrix = np.float32([[1, 0, shift], [0, 1, shift // 2]])
        yield (
            f"shift {shift}",
            lambda p, m=matrix: cv2.warpAffine(p, m, (530, 530), borderMode=cv2.BORDER_REPLICATE),
            lambda xy, m=matrix: xy - m[:, 2],
        )
    for side in (265, 424, 477, 583, 795, 1060):
        how = cv2.INTER_AREA if side < 530 else cv2.INTER_LINEAR
        yield (
            f"scale to {side}",
            lambda p, side=side, how=how: cv2.resize(p, (side, side), interpolation=how),
            lambda xy, side=side: (xy + 0.5) * 530 / side - 0.5,
        )
    yield "mirror", lambda p: np.ascontiguousarray(p[:, ::-1]), lambda xy: (529, 0) + xy * (-1, 1)


@needs_small
def test_keypoints_move_with_the_picture():
    picture, network = cv2.imread(str(EXAMPLE)), Network(SMALL, PROJECT / "pose")
    (still,) = find_everyone(network, picture)
    off = []
    for name, move, back in moves():
        (person,) = find_everyone(network, move(picture))
        if name == "mirror":
            person = person[list(COCO.mirrored)]
        assert ((person[:, 2] > 0) == (still[:, 2] > 0)).all(), name
        found = person[:, 2] > 0
        off.append(np.linalg.norm(back(person[found, :2]) - still[found, :2], axis=1) / CELL)
    off = np.concatenate(off)
    assert (off < 1 / 3).mean() > 0.97
    assert off.max() < 2 / 3


@needs_small
@pytest.mark.parametrize("turn", [cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_COUNTERCLOCKWISE])
def test_who_lies_or_stands_on_their_head_is_found(turn):
    picture, network = cv2.imread(str(EXAMPLE)), Network(SMALL, PROJECT / "pose")
    picture = np.ascontiguousarray(picture[:, 50:400])  # not square, so that width and height cannot be mistaken
    (upright,) = find_everyone(network, picture)
    (lying,) = find_everyone(network, cv2.rotate(picture, turn))
    for k in np.flatnonzero(upright[:, 2]):
        dot = np.zeros(picture.shape[:2], np.uint8)  # where it would lie, by OpenCV's own turning
        x, y = np.rint(upright[k, :2]).astype(int)
        dot[y, x] = 1
        ((expected_y, expected_x),) = np.argwhere(cv2.rotate(dot, turn))
        assert np.abs(lying[k, :2] - (expected_x, expected_y)).max() < 1, COCO.keypoints[k]
    assert lying[upright[:, 2] == 0].tolist() == [[0, 0, 0]] * (upright[:, 2] == 0).sum()


@pytest.mark.parametrize("skeleton", [COCO, MPI])
def test_the_turn_that_sets_a_person_upright(skeleton):
    person = np.column_stack([standing(skeleton.name, (60, 60)), np.ones(len(skeleton.keypoints))])
    assert turn_of(person, skeleton) is None
    for turn, back in TURNS.items():
        (lying,) = turn_people(person[None], back, PICTURE)
        assert turn_of(lying, skeleton) == turn
        (again,) = turn_people(lying[None], turn, cv2.rotate(PICTURE, back))
        assert np.abs(again - person).max() < 1e-4
    lying[skeleton.ends[1]] = 0
    assert turn_of(lying, skeleton) is None  # it does not show


@pytest.fixture(scope="module")
def walk():
    """The example clip's frames from when all of her is in it, with her keypoints where they are labelled."""
    labels, frames = (
        truth.load("walk"),
        truth.frames_of("Input/example_video1.mp4", [str(n) for n in range(20, 80, 2)]),
    )
    return [(int(number), frame, labels.get(int(number), [None])[0]) for number, frame in frames.items()]


@needs_small
@pytest.mark.parametrize("turn", TURNS)
def test_who_lies_in_a_clip_is_followed(turn, walk):
    follow, errors = Follower(Network(SMALL, PROJECT / "pose")), []
    for number, frame, labels in walk:
        lying = cv2.rotate(frame, turn)
        people = turn_people(follow(lying, number / 30), TURNS[turn], lying)
        assert len(people) == 1
        if labels is not None:
            errors.append(truth.errors(people, labels))
    assert (np.concatenate(errors) < 0.1).mean() > 0.95


@needs_small
def test_who_lies_down_in_a_clip_is_followed(walk):
    follow, errors = Follower(Network(SMALL, PROJECT / "pose")), []
    for step, (number, frame, labels) in enumerate(walk):
        matrix = cv2.getRotationMatrix2D((428, 212), -min(90, 6 * step), 0.5)
        people = follow(cv2.warpAffine(frame, matrix, (856, 424), borderMode=cv2.BORDER_REPLICATE), number / 30)
        assert len(people) == 1
        if labels is not None and step >= 15:
            labels = labels.copy()
            labels[:, :2] = labels[:, :2] @ matrix[:, :2].T + matrix[:, 2]
            errors.append(truth.errors(people, labels))
    assert (np.concatenate(errors) < 0.1).mean() > 0.9


@needs_small
def test_one_person_in_labelled_pictures_and_nobody_in_others():
    network = Network(SMALL, PROJECT / "pose")
    for case in truth.cases():
        if case.group == "one person" and not case.name.startswith("walk "):
            people = find_everyone(network, case.picture)
            assert (truth.errors(people, case.people[0]) < 0.1).mean() > 0.8, case.name
    for path in truth.DATA.glob("nobody_*"):
        assert len(find_everyone(network, cv2.imread(str(path)))) == 0, path.name


@needs_small
@pytest.mark.parametrize("shape", [(600, 800), (100, 100), (50, 500)])
def test_nobody_in_noise_and_plain_pictures(shape):
    network = Network(SMALL, PROJECT / "pose")
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    assert len(find_everyone(network, noise)) == 0
    assert len(find_everyone(network, np.full_like(noise, 90))) == 0
