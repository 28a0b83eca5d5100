import numpy as np
import pytest
from synthetic_maps import paint, standing

from pose import decode
from pose.decode import find_candidates, find_peaks, find_people, sample
from pose.skeletons import COCO, MPI, SKELETONS

CELLS = 46, 46  # of the maps, 8 pixels each
FIELDS = slice(19, None)  # of COCO's channels
R_WRIST, R_KNEE, R_ANKLE, L_KNEE, L_ANKLE = 4, 9, 10, 12, 13
R_FOREARM, R_SHANK, L_SHANK = [35, 36], [23, 24], [29, 30]


def painted(*people, **how):
    """Maps of people with COCO's keypoints."""
    return paint("COCO", list(people), CELLS, **how)


def assert_same_people(found, expected, within):
    assert found.dtype == np.float32
    assert len(found) == len(expected)
    for person in expected:
        errors = [np.abs(other[:, :2] - person).max() for other in found]
        assert min(errors) < within, f"nearest person is {min(errors):.2f} px off"
    assert (found[:, :, 2] > 0).all()


@pytest.mark.parametrize("name", ["COCO", "MPI"])
@pytest.mark.parametrize(
    ("people", "cell", "within"),  # at, scale; pixels
    [
        ([(60, 50, 1.3)], 8, 0.8),
        ([(61.7, 53.1, 1.3)], 8, 0.8),
        ([(63.9, 55.5, 1.3)], 8, 0.8),
        ([(66.2, 57.9, 1.3)], 8, 0.8),
        ([(20, 40, 1), (130, 40, 1.2), (260, 40, 0.9)], 8, 1.6),
        ([(60, 40, 1), (100, 60, 1)], 8, 4),  # close together
        ([(100, 100, 2.5)], 16, 1.6),
    ],
)
def test_everyone_is_found_to_a_fraction_of_a_cell_in_their_own_keypoints(name, people, cell, within):
    truth = [standing(name, (x, y), scale) for x, y, scale in people]
    assert_same_people(find_people(paint(name, truth, CELLS, cell), SKELETONS[name]), truth, within)


def test_a_small_passer_by_with_stronger_peaks_is_not_the_main_person():
    maps = painted(standing("COCO", (150, 20), 1.6), peak=0.6)
    small = painted(standing("COCO", (20, 40), 0.6), peak=1.2)
    maps.values[:] = np.where(np.abs(small.values) > np.abs(maps.values), small.values, maps.values)
    people = find_people(maps, COCO)
    assert len(people) == 2
    assert np.ptp(people[0, :, 1]) > 250
    assert np.array_equal(find_people(maps, COCO, number_people_max=1), people[:1])
    assert people[1, :, 2].max() == 1  # a score is no more than 1


@pytest.mark.parametrize("factor", [0, -1])
def test_peaks_without_fields_or_with_fields_that_run_the_other_way_are_nobody(factor):
    maps = painted(standing("COCO", (60, 40)))
    maps.values[FIELDS] *= factor
    assert find_people(maps, COCO).shape == (0, 18, 3)
    assert find_people(maps, COCO, number_people_max=1).shape == (0, 18, 3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (46, 1), (2, 2), (46, 46)])
def test_any_numbers_decode_without_failing(shape):
    maps = paint("MPI", [], shape[::-1])
    maps.values[:] = np.random.default_rng(1).normal(0, 0.3, maps.values.shape)
    people = find_people(maps, MPI)
    assert np.isfinite(people).all()
    assert (people[people[:, :, 2] == 0] == 0).all()
    if 1 in shape:  # too thin for a peak with neighbours
        maps.values[:] = np.abs(maps.values) + 0.5
        assert len(find_people(maps, MPI)) == len(find_candidates(maps, MPI)) == 0


def one_of_two(person, change=lambda values: None):
    """The person as decoded from maps with someone else at the right, so that gaps stay gaps."""
    maps = painted(person, standing("COCO", (250, 20)))
    change(maps.values)
    people = find_people(maps, COCO)
    assert len(people) == 2
    return people[people[:, 1, 0].argmin()]


def test_a_field_that_runs_only_half_the_way_joins_nothing():
    def lower_half_of_the_right_shank_gone(values):
        values[R_SHANK, int((truth[R_KNEE, 1] + truth[R_ANKLE, 1]) / 16) :, : int(truth[R_ANKLE, 0] / 8) + 4] = 0

    def a_fifth_of_the_right_shank_gone(values):
        values[R_SHANK, 26:28, : int(truth[R_ANKLE, 0] / 8) + 4] = 0

    truth = standing("COCO", (60, 40))
    found = one_of_two(truth, lower_half_of_the_right_shank_gone)
    assert found[R_KNEE, 2] > 0
    assert found[R_ANKLE].tolist() == [0, 0, 0]
    assert one_of_two(truth, a_fifth_of_the_right_shank_gone)[R_ANKLE, 2] > 0


@pytest.mark.parametrize("find", [find_people, find_candidates])
def test_two_keypoints_are_no_person_and_three_are(find):
    truth = np.full((18, 2), np.nan)
    truth[[1, 2]] = (100, 100), (140, 100)
    assert len(find(painted(truth), COCO)) == 0
    truth[3] = (150, 150)
    (person,) = find(painted(truth), COCO)
    assert np.flatnonzero(person[:, 2]).tolist() == [1, 2, 3]
    assert not person[[0, *range(4, 18)]].any()  # what is missing is zero


def test_the_only_person_gets_what_no_link_reached_but_not_from_far_away_nor_among_several():
    def without_forearms(*people):
        maps = painted(*people)
        maps.values[R_FOREARM] = 0
        return maps

    truth = standing("COCO", (60, 40))
    (person,) = find_people(without_forearms(truth), COCO)
    assert np.abs(person[R_WRIST, :2] - truth[R_WRIST]).max() < 1
    for beside, is_hers in ((60, True), (130, False)):  # pixels from all others; she is 191 tall
        truth[R_WRIST] = (150 + beside, 140)
        (person,) = find_people(without_forearms(truth), COCO)
        assert (person[R_WRIST, 2] > 0) == is_hers
    two = without_forearms(standing("COCO", (20, 40)), standing("COCO", (200, 40)))
    two.values[R_WRIST, :, 20:] = 0  # the only wrist to be seen is the left person's own
    assert find_people(two, COCO)[:, R_WRIST].tolist() == [[0, 0, 0]] * 2


def sides_exchanged(values):
    values[[R_ANKLE, L_ANKLE]] = values[[L_ANKLE, R_ANKLE]]
    values[R_SHANK + L_SHANK] = values[L_SHANK + R_SHANK]


def both_peaks_on_the_right_foot(values):
    values[L_ANKLE] = np.maximum(values[L_ANKLE] * 0.3, values[R_ANKLE])


@pytest.mark.parametrize("change", [sides_exchanged, both_peaks_on_the_right_foot])
def test_shanks_and_feet_go_to_their_own_knees(change):
    truth = standing("COCO", (60, 40), 1.3)
    maps = painted(truth)
    change(maps.values)
    assert_same_people(find_people(maps, COCO), [truth], within=1)


def test_legs_that_cross_stay_crossed_and_those_that_pass_each_other_are_both_found():
    crossed, passing = standing("COCO", (60, 40), 1.3), standing("COCO", (60, 40), 1.3)
    crossed[[R_ANKLE, L_ANKLE]] = crossed[[L_ANKLE, R_ANKLE]] + [(25, 0), (-25, 0)]
    passing[[L_KNEE, L_ANKLE]] = passing[[R_KNEE, R_ANKLE]] + (3, 0)
    assert_same_people(find_people(painted(crossed), COCO), [crossed], within=1)
    assert np.abs(one_of_two(passing)[:, :2] - passing).max() < 1


def from_the_side(knees_apart):
    """Someone whose knees are at nearly one place and whose feet are 30 pixels apart."""
    person = standing("COCO", (60, 40), 1.3)
    person[L_KNEE] = person[R_KNEE] + (knees_apart, 0)
    person[L_ANKLE] = person[R_ANKLE] + (30, 0)
    return person


CROSSED = from_the_side(6)
CROSSED[[R_ANKLE, L_ANKLE]] = CROSSED[[L_ANKLE, R_ANKLE]]


def fields_of_the_other_way_round(values):
    values[R_SHANK + L_SHANK] = painted(from_the_side(6)).values[R_SHANK + L_SHANK]


def stronger_on_the_wrong_foot(values):
    values[L_ANKLE, :, :30] = np.maximum(0.7 * values[L_ANKLE], values[R_ANKLE])[:, :30]


def faint_and_exchanged(values):
    values[[R_ANKLE, L_ANKLE], :, :30] = 0.15 / 0.9 * values[[L_ANKLE, R_ANKLE], :, :30]
    values[R_SHANK + L_SHANK, :, :30] = values[L_SHANK + R_SHANK, :, :30]


@pytest.mark.parametrize(
    ("truth", "change"),
    [
        (CROSSED, fields_of_the_other_way_round),  # with the knees at one place the heatmaps say whose foot it is
        (from_the_side(3), stronger_on_the_wrong_foot),  # one foot is for one ankle where another foot is seen
        (from_the_side(15), faint_and_exchanged),  # a better connection outweighs a weak heatmap
    ],
)
def test_what_says_whose_foot_it_is(truth, change):
    assert np.abs(one_of_two(truth, change)[:, :2] - truth).max() < 2


def both_in_the_right_ones_map(values):
    values[R_ANKLE, :, :30] = values[[R_ANKLE, L_ANKLE], :, :30].max(axis=0)
    values[L_ANKLE, :, :30] = 0


def faint_left_foot(heat, field):
    def change(values):
        values[L_ANKLE, :, :30] *= heat
        values[L_SHANK, :, :30] *= field

    return change


@pytest.mark.parametrize(
    ("apart", "change", "is_seen"),
    [
        (16, both_in_the_right_ones_map, True),  # two cells
        (10, faint_left_foot(0.15, 0.15), True),
        (10, faint_left_foot(0.12, 0.07), False),  # may be the right one, seen twice
    ],
)
def test_feet_beside_each_other(apart, change, is_seen):
    truth = from_the_side(15)
    truth[L_ANKLE] = truth[R_ANKLE] + (apart, 0)
    found, expected = one_of_two(truth, change)[[R_ANKLE, L_ANKLE]], truth[[R_ANKLE, L_ANKLE]]
    assert (found[:, 2] > 0).tolist() == [True, is_seen]
    assert np.abs(found[:, :2] - expected)[found[:, 2] > 0].max() < 3


def test_a_foot_that_goes_to_the_other_leg_leaves_its_first_one():
    def seen_as_the_right_foot(values):
        values[R_ANKLE, :, :30] = 0.25 * values[L_ANKLE, :, :30]
        values[L_ANKLE, :, :30] = 0
        values[R_SHANK, :, :30] = values[L_SHANK, :, :30]

    truth = from_the_side(15)
    truth[R_ANKLE] = np.nan
    found = one_of_two(truth, seen_as_the_right_foot)
    assert np.abs(found[L_ANKLE, :2] - truth[L_ANKLE]).max() < 2
    assert found[R_ANKLE].tolist() == [0, 0, 0]


def test_a_hidden_ankle_is_not_put_on_the_other_foot_nor_on_a_neighbours():
    neighbour, seen = standing("COCO", (200, 40), 1.3), standing("COCO", (60, 40), 1.3)
    seen[R_ANKLE] = seen[L_ANKLE] = np.nan
    seen[L_KNEE] = neighbour[[R_KNEE, R_ANKLE]].mean(axis=0)  # the left knee lies on the neighbour's right shank
    people = find_people(painted(seen, neighbour), COCO)
    one = people[people[:, 1, 0].argmin()]
    assert np.abs(one[L_KNEE, :2] - seen[L_KNEE]).max() < 2
    assert one[[R_ANKLE, L_ANKLE]].tolist() == [[0, 0, 0]] * 2


@pytest.mark.parametrize(
    ("peak", "field", "person", "candidate"),
    [
        (0.9, 1, True, True),
        (0.15, 0.25, True, True),  # 0.4 a keypoint
        (0.12, 0.06, False, True),  # fields just above the threshold: 0.18 a keypoint
        (0.08, 1, False, True),  # below find_people's threshold of a peak
        (0.15, 0.04, False, False),
        (0.04, 1, False, False),
    ],
)
def test_how_faint_a_person_and_a_candidate_may_be(peak, field, person, candidate):
    truth = standing("COCO", (60, 40))
    maps = painted(truth, peak=peak)
    maps.values[FIELDS] *= field
    for find, seen in ((lambda *of: find_people(*of, threshold=0), person), (find_candidates, candidate)):
        assert_same_people(find(maps, COCO), [truth] * seen, within=1.6)
    assert len(find_people(maps, COCO, threshold=peak + 0.01)) == 0
    assert len(find_people(maps, COCO, threshold=peak - 0.03)) == person


def test_a_plateau_is_one_peak_and_one_in_a_corner_stays_in_the_middle_of_its_cell():
    """There are no neighbours outside, so the shift is from one side only: none."""
    heatmaps = np.zeros((2, 8, 8), np.float32)
    heatmaps[0, 2:4, 3:5] = 0.8
    heatmaps[1, 0, :2], heatmaps[1, 1, 0], heatmaps[1, 7, 7] = (0.9, 0.5), 0.3, 0.8
    plateau, *corners = find_peaks(heatmaps, 0.1).xy.tolist()
    assert np.abs(np.subtract(plateau, (3.5, 2.5))).max() <= 0.5
    assert corners == [[0, 0], [7, 7]]


def test_fields_are_sampled_between_cells_and_repeat_their_border():
    y, x = np.indices((5, 7), np.float32)
    values = np.stack([2 * x + 30 * y, 100 + x * y, x])
    points = np.array([[[1.25, 2.5], [6, 4]], [[-0.4, 1], [6.5, 4.5]]], np.float32)
    found = sample(values, np.array([[0, 1], [1, 2]]), points)
    right = [[[77.5, 103.125], [132, 124]], [[100, 0], [124, 6]]]
    assert np.abs(found - right).max() < 1e-4


def test_of_too_many_peaks_the_best_count():
    heatmaps = np.zeros((2, 64, 64), np.float32)
    heatmaps[1, ::4, ::4] = np.random.default_rng(2).permutation(np.linspace(0.2, 0.9, 256)).reshape(16, 16)
    heatmaps[0, 5, 5] = 0.3
    peaks = find_peaks(heatmaps, 0.1)
    assert (list(peaks.of(0)), list(peaks.of(1))) == ([0], list(range(1, 101)))
    assert peaks.score[1:].tolist() == sorted(heatmaps[1].ravel().tolist(), reverse=True)[:100]


def test_it_does_not_matter_how_many_limbs_are_scored_at_once(monkeypatch):
    maps = painted(*(standing("COCO", (10 + 110 * i, 40)) for i in range(3)))
    right = find_people(maps, COCO)
    monkeypatch.setattr(decode, "MAX_PAIRS", 7)
    assert np.array_equal(find_people(maps, COCO), right)
