import sys

import numpy as np
import pytest

from pose import window

PICTURE = {"Skeleton": np.zeros((1500, 1000, 3), np.uint8)}


def test_no_process_where_no_window_is_wanted_or_there_is_no_display(monkeypatch):
    assert window.Windows(enabled=False).process is None
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert window.Windows().process is None
    assert window.Windows().show(PICTURE) == window.NO_DISPLAY


@pytest.mark.skipif(sys.platform != "linux", reason="needs X's way of naming displays")
def test_a_display_that_may_not_be_used_is_no_display(monkeypatch):
    """Qt ends the process that asks for it."""
    monkeypatch.setenv("DISPLAY", ":4711")
    windows = window.Windows()
    assert windows.show(PICTURE, wait=True) == window.NO_DISPLAY
    assert windows.process is None
    assert windows.show(PICTURE) == window.NO_DISPLAY


def with_a_display(monkeypatch, program):
    monkeypatch.setenv("DISPLAY", ":4711")
    monkeypatch.setattr(window, "__file__", str(program))
    return window.Windows()


def test_keys_come_back_and_a_display_that_goes_away_ends_nothing_else(monkeypatch, tmp_path):
    program = tmp_path / "one_key.py"
    program.write_text("import pickle, sys\npictures, _ = pickle.load(sys.stdin.buffer)\n"
                       "print(*pictures['Skeleton'].shape[:1], flush=True)")  # fmt: skip
    windows = with_a_display(monkeypatch, program)
    assert windows.show(PICTURE) == 720  # fits the screen
    assert windows.show(PICTURE) == window.NO_DISPLAY
    windows.close()
