import re
import time

import numpy as np

from pose.media.report import Stopwatch, Summary


def test_the_stopwatch_says_where_the_time_went():
    clock = Stopwatch()
    with clock("working"):
        time.sleep(0.05)
    assert clock.seconds["working"] >= 0.05
    assert re.fullmatch(r"Time: working \d+ %, waiting for frames and the codec \d+ %", clock.report())


def said(*frames):
    summary = Summary()
    for n, ids in enumerate(frames):
        summary.add(10 + n / 25, np.zeros((ids if isinstance(ids, int) else len(ids), 18, 3)), ids or None)
    return summary.report("a.mp4", Stopwatch(), {"clip": "b.mp4", "json": "b_json"}).splitlines()


def test_a_clip_is_summed_up_for_people():
    lines = said(*[[0, 1]] * 25, *[[1]] * 25)
    assert lines[0].startswith("a.mp4: 50 frames (2.0 s), 2 people, seen for 2.0, 1.0 s; ")
    assert lines[0].endswith("frames a second")
    assert [line.split() for line in lines[1:]] == [["clip", "b.mp4"], ["json", "b_json"]]
    assert "1 person, seen for 0.0 s" in said([4])[0]
    assert "nobody seen" in said([], [])[0]
    assert "6 s and 3 for less" not in said(list(range(9)))[0]
    assert "0.0 s and 3 for less" in said(list(range(9)))[0]


def test_without_identities_it_is_most_people_in_one_frame():
    summary = Summary()
    for count in (1, 3, 0):
        summary.add(0.0, np.zeros((count, 18, 3)), None)
    assert "up to 3 people in a frame" in summary.report("a.mp4", Stopwatch(), {})
