import re

import numpy as np
import pytest

from pose.media.report import Stopwatch, Summary, counted


def report_lines(*frames):
    """Of a clip of 25 fps whose frames hold people with these identities, or so many without any."""
    summary = Summary()
    for n, ids in enumerate(frames):
        count = ids if isinstance(ids, int) else len(ids)
        summary.add(10 + n / 25, (640, 360), np.zeros((count, 18, 3)), None if isinstance(ids, int) else ids)
    clock = Stopwatch()
    clock.seconds["inference"] = 0.254
    return summary.report("in/a.mp4", 25, clock, ["b.mp4", "b_json"]).splitlines()


def test_a_clip_is_summed_up_in_two_lines():
    first, second = report_lines(*[[0, 1]] * 25, *[[1]] * 25)
    assert first.startswith("in/a.mp4, 640x360, 50 frames at 25 fps (2.0 s): 2 people, seen for 2.0, 1.0 s; ")
    assert re.search(r"; inference 0\.25 s, in all 0\.0\d s, \d+ frames a second$", first)
    assert second == "  -> b.mp4, b_json"
    assert "1 frame at 25 fps (0.0 s): 1 person, seen for 0.0 s" in report_lines([4])[0]
    assert "nobody seen" in report_lines([], [])[0]
    assert "0.0 s and 3 for less" in report_lines(list(range(9)))[0]


def test_without_identities_it_is_most_people_in_one_frame():
    assert "up to 3 people in a frame" in report_lines(1, 3, 0)[0]


@pytest.mark.parametrize(
    ("number", "nouns", "says"),
    [(0, ["frame"], "0 frames"), (1, ["frame"], "1 frame"), (1, ["person", "people"], "1 person"),
     (2, ["person", "people"], "2 people")],
)  # fmt: skip
def test_plurals(number, nouns, says):
    assert counted(number, *nouns) == says
