"""The values that options and arguments can take, the default first unless noted otherwise.

Imports nothing heavy, so that the command line shows them without loading the library.
"""

from pathlib import Path

PACKAGE = Path(__file__).parent  # holds the networks' files; the default model folder

MODES = "COCO", "MPI"
NETWORKS = "auto", "openpose", "blazepose"
DEVICES = "cpu", "gpu"
ENGINES = "auto", "opencv", "openvino", "onnxruntime", "tensorrt"
PRECISIONS = "auto", "fp32", "bf16"
STAGES = 6  # of OpenPose's networks; each refines the heatmaps and fields of the one before
ACCURACIES = "fast", "balanced", "best"  # balanced is the default
STYLES = "modern", "openpose", "classic"
CODECS = "h264", "mp4v", "vp9", "av1", "mjpg", "gif"
