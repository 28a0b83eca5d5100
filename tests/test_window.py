import io
import os
import pickle
import signal
import sys

import cv2
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
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-4711")
    monkeypatch.setattr(window, "__file__", str(program))
    return window.Windows()


def test_keys_come_back_and_a_display_that_goes_away_ends_nothing_else(monkeypatch, tmp_path):
    program = tmp_path / "one_key.py"
    program.write_text("import pickle, sys\nfor _ in range(2):\n    pictures, _ = pickle.load(sys.stdin.buffer)\n"
                       "    print(*pictures['Skeleton'].shape[:1], flush=True)")  # fmt: skip
    windows = with_a_display(monkeypatch, program)
    assert windows.show(PICTURE) == 720  # fits the screen
    assert windows.show({"Skeleton": PICTURE["Skeleton"][:90]}) == 90
    assert windows.show(PICTURE) == window.NO_DISPLAY
    windows.close()


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX process groups")
def test_ctrl_c_does_not_reach_the_windows_and_closing_them_waits_for_no_key(monkeypatch, tmp_path):
    (tmp_path / "no_key.py").write_text("import time; time.sleep(9)")
    windows = with_a_display(monkeypatch, tmp_path / "no_key.py")
    process = windows.process
    assert os.getpgid(process.pid) != os.getpgid(0)
    windows.close()
    assert process.returncode == -signal.SIGKILL


def test_a_clips_window_stays_and_photos_wait_for_a_key_or_a_closed_window(monkeypatch, capsys):
    """By stand-ins for OpenCV's windows. keys: what is pressed each time somebody looks."""
    opened, seen, keys = set(), [], iter([-1, ord("q"), -1, -1, 0x100000 + ord("x"), -1, "closed"])

    def wait_for_key(_):
        seen.append(sorted(opened))
        if (key := next(keys)) == "closed":
            opened.clear()
            return -1
        return key

    monkeypatch.setattr(cv2, "namedWindow", lambda title, _: opened.add(title.encode().decode()))
    monkeypatch.setattr(cv2, "resizeWindow", lambda title, w, h: None)
    monkeypatch.setattr(cv2, "imshow", lambda title, picture: None)
    monkeypatch.setattr(cv2, "destroyAllWindows", opened.clear)
    monkeypatch.setattr(cv2, "getWindowProperty", lambda title, _: float(title in opened))
    monkeypatch.setattr(cv2, "waitKey", wait_for_key)
    requests = ["clip", False], ["clip", False], ["a\udcff.png", True], ["b.png", True]
    window.serve(io.BytesIO(b"".join(pickle.dumps(({title: PICTURE["Skeleton"]}, wait)) for title, wait in requests)))
    assert capsys.readouterr().out.split() == ["-1", str(ord("q")), str(ord("x")), "-1"]
    assert seen == [["clip"]] * 2 + [["a?.png"]] * 3 + [["b.png"]] * 2
