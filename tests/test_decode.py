import numpy as np
import pytest
from synthetic_maps import paint, standing

from pose import decode
from pose.decode import find_candidates, find_peaks, find_people, sample
from pose.skeletons import COCO, MPI, SKELETONS

CELL = 8


def assert_same_people(found, expected, within):
    assert len(found) == len(expected)
    for person in expected:
        errors = [np.abs(other[:, :2] - person).max() for other in found]
        assert min(errors) < within, f"nearest person is {min(errors):.2f} px off"
    assert (found[:, :, 2] > 0).all()


@pytest.mark.parametrize("name", ["COCO", "MPI"])
@pytest.mark.parametrize("shift", [(0, 0), (1.7, 3.1), (3.9, 5.5), (6.2, 7.9)])
def test_one_person_to_a_tenth_of_a_cell(name, shift):
    truth = standing(name, at=np.add((60, 50), shift), scale=1.3)
    people = find_people(paint(name, [truth], (46, 46)), SKELETONS[name])
    assert people.dtype == np.float32
    assert people.shape == (1, len(truth), 3)
    assert_same_people(people, [truth], within=0.1 * CELL)


@pytest.mark.parametrize("name", ["COCO", "MPI"])
def test_three_people_each_their_own(name):
    truth = [standing(name, at=(x, 40), scale=s) for x, s in ((20, 1.0), (130, 1.2), (260, 0.9))]
    people = find_people(paint(name, truth, (46, 46)), SKELETONS[name])
    assert_same_people(people, truth, within=0.2 * CELL)


def test_people_who_stand_close_are_not_mixed():
    truth = [standing("COCO", at=(60, 40)), standing("COCO", at=(100, 60))]
    people = find_people(paint("COCO", truth, (46, 46)), COCO)
    assert_same_people(people, truth, within=0.5 * CELL)


def test_the_way_back_goes_through_the_scale():
    truth = standing("COCO", at=(100, 100), scale=2.5)
    people = find_people(paint("COCO", [truth], (46, 46), cell=16.0), COCO)
    assert_same_people(people, [truth], within=1.6)


def test_strongest_first_and_number_people_max():
    small, large = standing("COCO", at=(20, 40), scale=0.7), standing("COCO", at=(150, 40), scale=1.4)
    maps = paint("COCO", [small, large], (46, 46))
    people = find_people(maps, COCO)
    assert np.ptp(people[0, :, 1]) > np.ptp(people[1, :, 1])
    only = find_people(maps, COCO, number_people_max=1)
    assert np.array_equal(only, people[:1])


def test_a_small_passer_by_with_stronger_peaks_is_not_the_main_person():
    large = paint("COCO", [standing("COCO", at=(150, 20), scale=1.6)], (46, 46), peak=0.6)
    small = paint("COCO", [standing("COCO", at=(20, 40), scale=0.6)], (46, 46), peak=1.0)
    large.values[:] = np.where(np.abs(small.values) > np.abs(large.values), small.values, large.values)
    (main,) = find_people(large, COCO, number_people_max=1)
    assert np.ptp(main[:, 1]) > 250


def test_nobody():
    maps = paint("COCO", [], (46, 46))
    assert find_people(maps, COCO).shape == (0, 18, 3)
    assert find_people(maps, COCO, number_people_max=1).shape == (0, 18, 3)


def test_nobody_in_a_picture_a_cell_wide():
    maps = paint("COCO", [standing("COCO", at=(-45, 40))], (1, 46))
    maps.values[:] = np.abs(maps.values) + 0.5
    assert find_people(maps, COCO).shape == (0, 18, 3)


def test_peaks_without_fields_are_nobody():
    maps = paint("COCO", [standing("COCO", at=(60, 40))], (46, 46))
    maps.values[19:] = 0
    assert len(find_people(maps, COCO)) == 0


def test_fields_that_run_the_other_way_do_not_join():
    maps = paint("COCO", [standing("COCO", at=(60, 40))], (46, 46))
    maps.values[19:] *= -1
    assert len(find_people(maps, COCO)) == 0


def test_a_field_that_runs_only_half_the_way_joins_nothing():
    truth = standing("COCO", at=(60, 40))
    maps = paint("COCO", [truth, standing("COCO", at=(240, 40))], (46, 46))
    knee, ankle = truth[9] / 8, truth[10] / 8
    maps.values[23:25, int((knee[1] + ankle[1]) / 2) :, : int(ankle[0]) + 4] = 0  # the lower half of the right shin
    people = find_people(maps, COCO)
    left = people[np.argmin(people[:, 1, 0])]
    assert left[9, 2] > 0
    assert left[10].tolist() == [0, 0, 0]


def test_two_keypoints_are_no_person():
    truth = np.full((18, 2), np.nan)
    truth[[1, 2]] = (100, 100), (140, 100)
    assert len(find_people(paint("COCO", [truth], (46, 46)), COCO)) == 0
    truth[3] = (150, 150)
    assert len(find_people(paint("COCO", [truth], (46, 46)), COCO)) == 1


def test_missing_keypoints_are_zero():
    truth = standing("COCO", at=(60, 40))
    truth[[4, 10, 16]] = np.nan
    (person,) = find_people(paint("COCO", [truth], (46, 46)), COCO)
    assert person[[4, 10, 16]].tolist() == [[0, 0, 0]] * 3
    assert (np.delete(person, [4, 10, 16], axis=0)[:, 2] > 0).all()


def test_the_only_person_gets_what_no_link_reached():
    truth = standing("COCO", at=(60, 40))
    maps = paint("COCO", [truth], (46, 46))
    maps.values[[35, 36]] = 0  # the right wrist's field
    (person,) = find_people(maps, COCO)
    assert np.abs(person[4, :2] - truth[4]).max() < 1


def test_gaps_are_not_filled_from_far_away_nor_among_several():
    truth = standing("COCO", at=(60, 40), scale=0.6)
    truth[4] = (350, 350)
    maps = paint("COCO", [truth], (46, 46))
    maps.values[[35, 36]] = 0
    (person,) = find_people(maps, COCO)
    assert person[4].tolist() == [0, 0, 0]
    two = [standing("COCO", at=(20, 40)), standing("COCO", at=(200, 40))]
    maps = paint("COCO", two, (46, 46))
    maps.values[[35, 36]] = 0
    maps.values[4, :, 20:] = 0  # the only wrist to be seen is the left person's own
    assert find_people(maps, COCO)[:, 4].tolist() == [[0, 0, 0]] * 2


R_KNEE, R_ANKLE, L_KNEE, L_ANKLE = 9, 10, 12, 13
R_SHANK, L_SHANK = [23, 24], [29, 30]


def test_shanks_seen_with_the_wrong_side_go_to_their_own_knees():
    truth = standing("COCO", at=(60, 40), scale=1.3)
    maps = paint("COCO", [truth], (46, 46))
    maps.values[[R_ANKLE, L_ANKLE]] = maps.values[[L_ANKLE, R_ANKLE]]
    maps.values[R_SHANK + L_SHANK] = maps.values[L_SHANK + R_SHANK]
    assert_same_people(find_people(maps, COCO), [truth], within=1)


def test_two_peaks_on_one_foot_do_not_take_the_other_foot_away():
    truth = standing("COCO", at=(60, 40), scale=1.3)
    maps = paint("COCO", [truth], (46, 46))
    maps.values[L_ANKLE] = np.maximum(maps.values[L_ANKLE] * 0.3, maps.values[R_ANKLE])
    assert_same_people(find_people(maps, COCO), [truth], within=1)


def test_crossed_legs_stay_crossed():
    truth = standing("COCO", at=(60, 40), scale=1.3)
    truth[[R_ANKLE, L_ANKLE]] = truth[[L_ANKLE, R_ANKLE]] + [(25, 0), (-25, 0)]
    assert_same_people(find_people(paint("COCO", [truth], (46, 46)), COCO), [truth], within=1)


def one_of_two(person, change=lambda values: None):
    """The person as decoded from maps with someone else at the right, so that gaps stay gaps."""
    maps = paint("COCO", [person, standing("COCO", at=(250, 20))], (46, 46))
    change(maps.values)
    people = find_people(maps, COCO)
    assert len(people) == 2
    return people[people[:, 1, 0].argmin()]


def test_legs_that_pass_each_other_are_both_found():
    truth = standing("COCO", at=(60, 40), scale=1.3)
    truth[[L_KNEE, L_ANKLE]] = truth[[R_KNEE, R_ANKLE]] + (3, 0)
    assert np.abs(one_of_two(truth)[:, :2] - truth).max() < 1


def from_the_side():
    """Someone whose knees are at one place and whose feet are 30 pixels apart."""
    person = standing("COCO", at=(60, 40), scale=1.3)
    person[L_KNEE] = person[R_KNEE] + (3, 0)
    person[L_ANKLE] = person[R_ANKLE] + (30, 0)
    return person


def test_with_the_knees_at_one_place_the_heatmaps_say_whose_foot_it_is():
    def fields_of_the_other_way_round(values):
        values[R_SHANK + L_SHANK] = paint("COCO", [uncrossed], (46, 46)).values[R_SHANK + L_SHANK]

    uncrossed = from_the_side()
    uncrossed[L_KNEE] = uncrossed[R_KNEE] + (6, 0)
    crossed = uncrossed.copy()
    crossed[[R_ANKLE, L_ANKLE]] = uncrossed[[L_ANKLE, R_ANKLE]]
    assert np.abs(one_of_two(crossed, fields_of_the_other_way_round)[:, :2] - crossed).max() < 2


def test_one_foot_is_for_one_ankle_where_another_foot_is_seen():
    def stronger_on_the_wrong_foot(values):
        values[L_ANKLE, :, :30] = np.maximum(0.7 * values[L_ANKLE], values[R_ANKLE])[:, :30]

    truth = from_the_side()
    found = one_of_two(truth, stronger_on_the_wrong_foot)
    assert np.abs(found[:, :2] - truth).max() < 2


def test_a_better_connection_outweighs_a_weak_heatmap():
    def sides_exchanged(values):
        values[[R_ANKLE, L_ANKLE], :, :30] = 0.15 / 0.9 * values[[L_ANKLE, R_ANKLE], :, :30]
        values[R_SHANK + L_SHANK, :, :30] = values[L_SHANK + R_SHANK, :, :30]

    truth = from_the_side()
    truth[L_KNEE] += (12, 0)
    found = one_of_two(truth, sides_exchanged)
    assert np.abs(found[:, :2] - truth).max() < 2


def test_a_foot_that_goes_to_the_other_leg_leaves_its_first_one():
    def seen_as_the_right_foot(values):
        values[R_ANKLE, :, :30] = 0.25 * values[L_ANKLE, :, :30]
        values[L_ANKLE, :, :30] = 0
        values[R_SHANK, :, :30] = values[L_SHANK, :, :30]

    truth = from_the_side()
    truth[L_KNEE] += (12, 0)
    hidden = truth.copy()
    hidden[R_ANKLE] = np.nan
    found = one_of_two(hidden, seen_as_the_right_foot)
    assert np.abs(found[L_ANKLE, :2] - truth[L_ANKLE]).max() < 2
    assert found[R_ANKLE].tolist() == [0, 0, 0]


def test_a_hidden_ankle_is_not_put_on_the_other_foot_nor_on_a_neighbours():
    neighbour = standing("COCO", at=(200, 40), scale=1.3)
    seen = standing("COCO", at=(60, 40), scale=1.3)
    seen[R_ANKLE] = seen[L_ANKLE] = np.nan
    seen[L_KNEE] = neighbour[[R_KNEE, R_ANKLE]].mean(axis=0)  # the left knee lies on the neighbour's right shank
    people = find_people(paint("COCO", [seen, neighbour], (46, 46)), COCO)
    one = people[people[:, 1, 0].argmin()]
    assert np.abs(one[L_KNEE, :2] - seen[L_KNEE]).max() < 2
    assert one[[R_ANKLE, L_ANKLE]].tolist() == [[0, 0, 0]] * 2


def test_threshold():
    maps = paint("COCO", [standing("COCO", at=(60, 40))], (46, 46), peak=0.5)
    assert (find_people(maps, COCO, threshold=0.3)[:, :, 2] > 0).all()
    assert len(find_people(maps, COCO, threshold=0.6)) == 0


def test_scores_stay_within_0_and_1():
    people = find_people(paint("COCO", [standing("COCO", at=(60, 40))], (46, 46), peak=1.2), COCO)
    assert people[:, :, 2].max() == 1


def test_candidates_of_clear_people_are_the_people():
    truth = [standing("COCO", at=(20, 40)), standing("COCO", at=(200, 40), scale=1.4)]
    candidates = find_candidates(paint("COCO", truth, (46, 46)), COCO)
    assert candidates.dtype == np.float32
    assert_same_people(candidates, truth, within=0.2 * CELL)


def test_candidates_are_weak_groups_too():
    truth = standing("COCO", at=(60, 40))
    faint = paint("COCO", [truth], (46, 46), peak=0.08)  # below find_people's threshold of a peak
    assert len(find_people(faint, COCO, threshold=0)) == 0
    assert_same_people(find_candidates(faint, COCO), [truth], within=0.2 * CELL)
    weak = paint("COCO", [truth], (46, 46), peak=0.12)
    weak.values[19:] *= 0.06  # fields just above the threshold: with its peaks 0.18 a keypoint
    assert len(find_people(weak, COCO, threshold=0)) == 0
    assert_same_people(find_candidates(weak, COCO), [truth], within=0.2 * CELL)


def test_candidates_are_no_noise_and_no_two_keypoints():
    fainter = paint("COCO", [standing("COCO", at=(60, 40))], (46, 46), peak=0.04)
    assert find_candidates(fainter, COCO).shape == (0, 18, 3)
    assert find_candidates(paint("COCO", [], (46, 46)), COCO).shape == (0, 18, 3)
    assert find_candidates(paint("COCO", [], (1, 46)), COCO).shape == (0, 18, 3)
    two = np.full((18, 2), np.nan)
    two[[1, 2]] = (100, 100), (140, 100)
    assert len(find_candidates(paint("COCO", [two], (46, 46)), COCO)) == 0


def test_a_plateau_is_one_peak():
    heatmaps = np.zeros((1, 8, 8), np.float32)
    heatmaps[0, 2:4, 3:5] = 0.8
    peaks = find_peaks(heatmaps, 0.1)
    assert len(peaks.score) == 1
    assert np.abs(peaks.xy[0] - (3.5, 2.5)).max() <= 0.5


def test_a_peak_on_the_border_stays_inside():
    heatmaps = np.zeros((1, 8, 8), np.float32)
    heatmaps[0, 0, 0], heatmaps[0, 7, 7] = 0.9, 0.9
    assert find_peaks(heatmaps, 0.1).xy.tolist() == [[0, 0], [7, 7]]


def test_fields_are_sampled_between_cells_and_repeat_their_border():
    y, x = np.indices((5, 7), np.float32)
    values = np.stack([2 * x + 30 * y, 100 + x * y, x])
    points = np.array([[[1.25, 2.5], [6, 4]], [[-0.4, 1], [6.5, 4.5]]], np.float32)
    found = sample(values, np.array([[0, 1], [1, 2]]), points)
    right = [[[77.5, 103.125], [132, 124]], [[100, 0], [124, 6]]]
    assert np.abs(found - right).max() < 1e-4


def test_of_too_many_peaks_the_best_count():
    rng = np.random.default_rng(2)
    heatmaps = np.zeros((2, 64, 64), np.float32)
    heatmaps[1, ::4, ::4] = rng.permutation(np.linspace(0.2, 0.9, 256)).reshape(16, 16)
    heatmaps[0, 5, 5] = 0.3
    peaks = find_peaks(heatmaps, 0.1)
    assert list(peaks.of(0)) == [0] and peaks.score[0] == np.float32(0.3)
    assert list(peaks.of(1)) == list(range(1, 101))
    assert peaks.score[1:].tolist() == sorted(heatmaps[1].ravel().tolist(), reverse=True)[:100]


def test_a_limb_between_many_peaks_is_found(monkeypatch):
    """However few of the pairs are scored at once."""
    maps = paint("COCO", [standing("COCO", at=(10 + 110 * i, 40)) for i in range(3)], (46, 46))
    right = find_people(maps, COCO)
    assert len(right) == 3
    monkeypatch.setattr(decode, "MAX_PAIRS", 7)
    assert np.array_equal(find_people(maps, COCO), right)


def test_any_numbers_decode_without_failing():
    rng = np.random.default_rng(1)
    for shape in [(1, 1), (1, 5), (2, 2), (46, 46)]:
        maps = paint("MPI", [], (shape[1], shape[0]))
        maps.values[:] = rng.normal(0, 0.3, maps.values.shape)
        people = find_people(maps, MPI)
        assert np.isfinite(people).all()
        assert (people[people[:, :, 2] == 0] == 0).all()


def test_a_peak_in_the_corner_cell_stays_in_its_middle():
    """There are no neighbours outside, so the shift is from one side only: none."""
    values = np.zeros((1, 6, 6), np.float32)
    values[0, 0, 0], values[0, 0, 1], values[0, 1, 0] = 0.9, 0.5, 0.3
    peaks = decode.find_peaks(values, 0.1)
    assert np.allclose(peaks.xy, [[0, 0]])


def test_a_person_seen_weakly_is_found():
    """Peaks of 0.15 and fields of 0.25 give 0.4 a keypoint, above the least of 0.2; fields of 0.04 do not."""
    maps = paint("COCO", [standing("COCO", (20, 20))], (20, 32), peak=0.15)
    maps.values[19:] *= 0.25
    (person,) = find_people(maps, COCO)
    assert (person[:, 2] > 0).all()
    maps.values[19:] *= 0.2
    assert len(find_people(maps, COCO)) == 0
