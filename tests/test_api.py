"""The package as a program sees it."""

import subprocess
import sys

import cv2
import numpy as np
import pytest

import pose
from pose import PoseError, PoseEstimator, VideoPoseEstimator
from pose.options import PROJECT

EXAMPLE = PROJECT / "Input" / "example_image1.png"


def test_the_readmes_program_runs(tmp_path):
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    program = readme.split("```python\n")[1].split("```")[0].replace("photo.jpg", EXAMPLE.as_posix())
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path, env={"PYTHONPATH": str(PROJECT)})
    assert cv2.imread(str(tmp_path / "skeleton.jpg")).shape == cv2.imread(str(EXAMPLE)).shape


def test_importing_it_loads_nothing_heavy():
    program = "import pose, sys; print(pose.__version__, {'cv2', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout == f"{pose.__version__} set()\n"
    with pytest.raises(AttributeError, match="nothing"):
        _ = pose.nothing


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"mode": "BODY_25"}, ValueError, "mode must be one of 'COCO', 'MPI', not 'BODY_25'"),
        ({"network": "vgg"}, ValueError, "network must be one of 'auto', 'openpose', 'blazepose', not 'vgg'"),
        ({"device": "tpu"}, ValueError, "device must be one of 'cpu', 'gpu', not 'tpu'"),
        ({"stages": 7}, ValueError, "stages must be one of 1, 2, 3, 4, 5, 6, not 7"),
        ({"accuracy": "high"}, ValueError, "accuracy must be one of 'fast', 'balanced', 'best', not 'high'"),
        ({"threshold": 1.1}, ValueError, "threshold must be from 0 to 1, not 1.1"),
        ({"threshold": float("nan")}, ValueError, "threshold must be from 0 to 1, not nan"),
        ({"threshold": "low"}, TypeError, "threshold must be a number, not 'low'"),
        ({"number_people_max": 0}, ValueError, "number_people_max must be -1 or from 1 to inf, not 0"),
        ({"network": "blazepose", "stages": 2}, PoseError, "Only OpenPose's networks have stages"),
        ({"model_folder": "nowhere"}, PoseError, "nowhere is not a folder"),
    ],
)
def test_a_wrong_argument_is_named_with_what_is_allowed(options, error, message):
    with pytest.raises(error, match=f"^{message}"):
        PoseEstimator(**options)


@pytest.mark.parametrize(
    ("picture", "error", "message"),
    [
        (None, TypeError, "picture must be a numpy array, not None; cv2.imread returns None"),
        (np.zeros((9, 9), np.uint8), ValueError, r"picture must be \(height, width, 3\) uint8, not \(9, 9\) uint8"),
        (np.zeros((9, 9, 4), np.uint8), ValueError, r"not \(9, 9, 4\) uint8"),
        (np.zeros((9, 9, 3)), ValueError, r"not \(9, 9, 3\) float64"),
        (np.zeros((0, 9, 3), np.uint8), ValueError, r"not \(0, 9, 3\)"),
    ],
)
def test_what_is_no_picture(picture, error, message, estimators):
    photo, video = estimators
    with pytest.raises(error, match=message):
        photo(picture)
    with pytest.raises(error, match=message):
        video(picture, 0.0)


@pytest.fixture(scope="module")
def estimators():
    """With limits that are just allowed."""
    return PoseEstimator(threshold=0, number_people_max=1), VideoPoseEstimator(threshold=1)
