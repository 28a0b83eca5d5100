"""Rules that hold for any input: geometry there and back, moved and mirrored maps, any time step, any name."""

import argparse
import string

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_maps import paint, pose_at, standing

from pose import options
from pose.crop import make_crop
from pose.decode import find_people
from pose.media.atomic import atomic_write
from pose.media.results import people_to_json
from pose.skeletons import COCO, SKELETONS
from pose.track import Tracker

settings.register_profile("here", max_examples=40, deadline=None, derandomize=True)
settings.load_profile("here")
offset = st.floats(-500, 500, width=32)
crops = st.builds(lambda x, y, r, up: make_crop(np.array([x, y]), r, np.array([np.cos(up), np.sin(up)])),
                  offset, offset, st.floats(8, 2000), st.floats(0, 7))  # fmt: skip


@given(crops, st.lists(st.tuples(offset, offset), min_size=1))
def test_in_a_crop_up_is_up_and_there_and_back_is_the_same_place(crop, points):
    points = np.array(points)
    assert np.allclose(crop.to_picture(crop.to_input(points)), points, atol=1e-6 * (1 + crop.half_side))
    up, right = crop.up, np.array([-crop.up[1], crop.up[0]])
    assert np.allclose(crop.to_input(crop.centre + 0.5 * crop.half_side * up), [127.5, 63.5])
    assert np.allclose(crop.to_input(crop.centre + 0.5 * crop.half_side * right), [191.5, 127.5])


@given(st.sampled_from(["COCO", "MPI"]), st.floats(0, 60), st.floats(0, 60))
def test_the_mirrored_picture_shows_the_mirrored_person(name, x, y):
    skeleton, maps = SKELETONS[name], paint(name, [standing(name, (10 + x, 10 + y))], (24, 40))
    (person,), (mirrored,) = (find_people(m, skeleton) for m in (
        maps, type(maps)(skeleton.mirror_maps(maps.values), maps.cell_wh, maps.picture_wh)))  # fmt: skip
    back = mirrored[list(skeleton.mirrored)]
    back[:, 0] = 24 * 8 - 1 - back[:, 0]
    assert np.allclose(back, person, atol=1e-2)


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
