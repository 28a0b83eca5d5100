"""What is reported of many files, by a clock of the test's own; test_many.py runs the commands on them."""

import time
from types import SimpleNamespace

from pose import jobs
from pose.jobs import Outcome, Progress


def test_a_line_every_30_seconds_whose_rate_is_without_skipped_files(monkeypatch, capsys):
    clock = SimpleNamespace(now=0)
    monkeypatch.setattr(jobs, "time", SimpleNamespace(monotonic=lambda: clock.now))
    progress = Progress("photos", False, lambda: 99, with_bar=False)
    while progress.total is None:  # counted in a thread
        time.sleep(0.01)
    for number in range(7):
        clock.now += 10
        progress.add(Outcome(str(number), skipped=number < 3))
    assert capsys.readouterr().out.splitlines() == [
        "3 of 99 photos done, 0 a second, 0 failed",
        "6 of 99 photos done, 0.05 a second, 31 min left, 0 failed",
    ]
