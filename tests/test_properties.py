"""Rules that hold for any input: geometry there and back, moved and mirrored maps, any time step, any name."""

import argparse
import string

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_maps import paint, pose_at, standing

from pose import options
from pose.crop import make_crop
from pose.decode import find_people
from pose.maps import fit
from pose.media.atomic import atomic_write
from pose.media.results import people_to_json
from pose.poses import pose_distance, similarity
from pose.skeletons import COCO, SKELETONS
from pose.topdown import ROTATIONS, rotate_people
from pose.track import Tracker

settings.register_profile("here", max_examples=40, deadline=None, derandomize=True)
settings.load_profile("here")
side = st.integers(1, 5000)
offset = st.floats(-500, 500, width=32)
scale = st.floats(0.2, 5)
crops = st.builds(lambda x, y, r, up: make_crop(np.array([x, y]), r, np.array([np.cos(up), np.sin(up)])),
                  offset, offset, st.floats(8, 2000), st.floats(0, 7))  # fmt: skip


@given(crops, st.lists(st.tuples(offset, offset), min_size=1))
def test_in_a_crop_up_is_up_and_there_and_back_is_the_same_place(crop, points):
    points = np.array(points)
    assert np.allclose(crop.to_picture(crop.to_input(points)), points, atol=1e-6 * (1 + crop.half_side))
    up, right = crop.up, np.array([-crop.up[1], crop.up[0]])
    assert np.allclose(crop.to_input(crop.centre + 0.5 * crop.half_side * up), [127.5, 63.5])
    assert np.allclose(crop.to_input(crop.centre + 0.5 * crop.half_side * right), [191.5, 127.5])


@given(side, side, st.sampled_from([(368, 368), (-1, 256), (320, -1), (16, 4096)]))
def test_a_fit_keeps_the_aspect_ratio_and_the_whole_picture(w, h, net_wh):
    how = fit((w, h), net_wh)
    (cw, ch), (nw, nh) = how.content_wh, how.size_wh
    assert cw <= nw and ch <= nh and nw % 8 == nh % 8 == 0
    if min(cw, ch) > 1:
        assert abs(cw / w - ch / h) <= 0.5 / w + 0.5 / h
    maps = how.maps(np.zeros((1, nh // 8, nw // 8), np.float32))
    corner = maps.to_picture(np.array([1e9, 1e9]))
    assert np.array_equal(corner, [w - 1, h - 1])
    assert np.array_equal(maps.to_picture(np.array([-1e9, -1e9])), [0, 0])


@given(st.sampled_from(["COCO", "MPI"]), st.integers(0, 6), st.integers(0, 6), st.floats(0, 7.9), st.floats(0, 7.9))
def test_whoever_moves_by_whole_cells_is_found_moved_by_them(name, dx, dy, x, y):
    person = standing(name, (10 + x, 10 + y))
    first = find_people(paint(name, [person], (24, 40)), SKELETONS[name])
    moved = find_people(paint(name, [person + np.array([8 * dx, 8 * dy])], (24, 40)), SKELETONS[name])
    assert first.shape == moved.shape == (1, len(person), 3)
    assert np.allclose(moved[0, :, :2] - first[0, :, :2], (8 * dx, 8 * dy), atol=1e-3)


@given(st.sampled_from(["COCO", "MPI"]), st.floats(0, 60), st.floats(0, 60))
def test_the_mirrored_picture_shows_the_mirrored_person(name, x, y):
    skeleton, maps = SKELETONS[name], paint(name, [standing(name, (10 + x, 10 + y))], (24, 40))
    (person,), (mirrored,) = (find_people(m, skeleton) for m in (
        maps, type(maps)(skeleton.mirror_maps(maps.values), maps.cell_wh, maps.picture_wh)))  # fmt: skip
    back = mirrored[list(skeleton.mirrored)]
    back[:, 0] = 24 * 8 - 1 - back[:, 0]
    assert np.allclose(back, person, atol=1e-2)


@given(st.sampled_from(list(ROTATIONS)), st.integers(2, 300), st.integers(2, 300))
def test_people_turned_with_the_picture_are_where_they_were(turn, w, h):
    picture = np.zeros((h, w, 3), np.uint8)
    x, y = w // 3, h // 4
    picture[y, x] = 255
    turned = cv2.rotate(picture, turn)
    person = np.zeros((1, 18, 3), np.float32)
    at = np.argwhere(turned[:, :, 0])[0][::-1]
    person[0, 0] = [*at, 1]
    back = rotate_people(person, ROTATIONS[turn], turned)
    assert back[0, 0].tolist() == [x, y, 1]
    assert not back[0, 1:].any()


@given(offset, offset, offset, scale)
def test_distance_and_similarity_do_not_depend_on_place_and_size(x, y, apart, factor):
    near, far = (pose_at(), pose_at(apart)), (pose_at(x, y, factor), pose_at(x + factor * apart, y, factor))
    assert pose_distance(*far) == pytest.approx(pose_distance(*near), rel=1e-2, abs=1e-4)
    assert similarity(*far, COCO) == pytest.approx(similarity(*near, COCO), rel=2e-2, abs=1e-4)


@given(st.floats(1 / 240, 0.2), st.floats(-0.5, 0.5))
def test_who_walks_on_keeps_their_identity_at_any_frame_rate(dt, speed):
    """speed: in sizes a second."""
    tracker = Tracker(COCO)
    for n in range(12):
        there = [pose_at(200 * speed * n * dt), pose_at(2000 - 200 * speed * n * dt)]
        people, ids = tracker.update(np.stack(there[:: 1 if n % 2 else -1]), n * dt)
        where = dict(zip(ids, people[:, 1, 0], strict=True))
    assert sorted(where) == [0, 1]
    assert where[1] < where[0]  # the second one came first in frame 0


@given(st.text(sorted({*string.printable, *"ü²\x1b\x7f\u202e🚀"} - {*"/\\"}), min_size=1, max_size=40))
def test_any_name_can_be_written(tmp_path_factory, name):
    path = tmp_path_factory.mktemp("any") / f"{name}.json"
    with atomic_write(path) as part:
        part.write_text(people_to_json(pose_at()[None]))
        assert not path.exists()
    assert list(path.parent.iterdir()) == [path]


@given(st.text("0123456789-+.,xe autonif²é\n", max_size=12))
def test_a_value_of_an_option_is_taken_or_refused(text):
    for parse in (options.net_resolution, options.share, options.auto_or(options.share), options.whole_number(1, -1)):
        try:
            parse(text)
        except argparse.ArgumentTypeError as error:
            assert repr(text) in str(error)
