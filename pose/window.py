"""Windows in a process of their own, as Qt aborts a process whose display fails."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

MAX_WH = 1280, 720  # pixels, which fit most screens; users can enlarge a window
NO_DISPLAY = -2


class Windows:
    """Shows pictures in windows; does nothing where none can open."""

    def __init__(self, enabled: bool = True) -> None:
        self.process: subprocess.Popen | None = None
        has_display = not sys.platform.startswith("linux") or os.getenv("DISPLAY") or os.getenv("WAYLAND_DISPLAY")
        if enabled and has_display:
            command = [sys.executable, "-u", __file__]
            pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            self.process = subprocess.Popen(command, **pipes, start_new_session=True)  # Ctrl-C does not reach it

    def show(self, pictures: dict[str, np.ndarray], wait: bool = False) -> int:
        """The key that was pressed, -1 for none, or NO_DISPLAY. wait: for a key or for a window to be closed."""
        if self.process is None or self.process.stdin is None or self.process.stdout is None:
            return NO_DISPLAY
        with contextlib.suppress(OSError):
            pickle.dump(({title: fitted(picture) for title, picture in pictures.items()}, wait), self.process.stdin)
            self.process.stdin.flush()
            if answer := self.process.stdout.readline():
                return int(answer)
        self.close()
        return NO_DISPLAY

    def close(self) -> None:
        if self.process:
            self.process.kill()
            self.process.communicate()
            self.process = None


def fitted(picture: np.ndarray) -> np.ndarray:
    """The picture (H, W, 3), smaller where it would not fit the screen."""
    import cv2

    h, w = picture.shape[:2]
    scale = min(MAX_WH[0] / w, MAX_WH[1] / h)
    return picture if scale >= 1 else cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def serve(requests: IO[bytes]) -> None:
    """Runs in the process with the windows: prints a key for each request, until there are no more."""
    import cv2

    titles: set[str] = set()
    with contextlib.suppress(EOFError):
        while True:
            pictures, wait = pickle.load(requests)
            if wait:
                cv2.destroyAllWindows()
                titles.clear()
            for title, picture in pictures.items():
                title = title.encode(errors="replace").decode()  # OpenCV accepts no other names
                if title not in titles:
                    cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
                    cv2.resizeWindow(title, picture.shape[1], picture.shape[0])
                    titles.add(title)
                cv2.imshow(title, picture)
            key = cv2.waitKey(100 if wait else 1)
            while wait and key < 0 and all(cv2.getWindowProperty(t, cv2.WND_PROP_VISIBLE) >= 1 for t in titles):
                key = cv2.waitKey(100)
            print(key & 0xFF if key >= 0 else -1)


if __name__ == "__main__":
    sys.path.pop(0)  # this folder, whose modules must not shadow others
    serve(sys.stdin.buffer)
