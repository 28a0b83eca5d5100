"""Fixtures that several test files share."""

import contextlib
import os
import signal
from pathlib import Path

os.environ["OPENCV_LOG_LEVEL"] = "SILENT"  # as in a command's process; read when OpenCV is imported

import cv2
import pytest

from pose import estimate
from pose.networks import engine_choice
from pose.signals import Signals, signals

GOLDEN = Path(__file__).parent / "golden"
EDGE = 48  # of 255: a pixel on an edge may differ by more than this from one version of OpenCV to the next
MAX_EDGES = 0.002  # of the pixels


def pytest_addoption(parser):
    parser.addoption("--golden", action="store_true", help="write the golden pictures anew; look at them")


@pytest.fixture(autouse=True, scope="session")
def opencv_computes():
    """As in a plain install, whatever else is here; test_engines.py is of the other engines."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(engine_choice.ORDER, "cpu", ("opencv", "openvino"))
        yield


@pytest.fixture(scope="module")
def networks_loaded_once():
    """The two bundled ones, for a file whose tests are of what is done with them."""
    loaded, load = {}, estimate.TopDown

    def load_once(engine, *settings):
        key = engine.name, engine.device, engine.precision, *settings
        if key not in loaded:
            loaded[key] = load(engine, *settings)
        return loaded[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimate, "TopDown", load_once)
        yield


@pytest.fixture(autouse=True)
def no_signal_is_left():
    """One that a test has raised must not end the next test's work."""
    yield
    signals.received = None


@contextlib.contextmanager
def restoring_signals():
    """cli.run is a program's whole life: it leaves signals as that needs them."""
    before = {number: signal.getsignal(number) for number in Signals.numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.fixture
def restored_signals():
    with restoring_signals():
        yield


@pytest.fixture
def golden(request):
    """A function of (name, picture) that fails where the picture is not the one in tests/golden/.

    has_text: OpenCV 4 and 5 draw letters differently, so each has its own picture.
    """

    def check(name, picture, has_text=False):
        path = GOLDEN / f"{name}{f'_opencv{cv2.__version__[0]}' if has_text else ''}.png"
        if request.config.getoption("--golden"):
            path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
        expected = cv2.imread(str(path))
        assert expected is not None, f"{path} is not there; run pytest --golden and look at it"
        assert picture.shape == expected.shape
        difference = cv2.absdiff(picture, expected).max(axis=2)
        assert (difference > EDGE).mean() <= MAX_EDGES, f"differs from {path}"
        assert difference.mean() < 0.5, f"differs from {path}"

    return check
