"""Which engine is chosen where, by stand-ins for engines that are missing, broken or on a GPU."""

import sys

import pytest

from pose import PoseError
from pose.networks import engine_choice
from pose.networks.engine_choice import choose_engine
from pose.networks.engines import OpenCV

ORDER = dict(engine_choice.ORDER)
MISSING = "is not installed (pip install it)"


def stand_ins(monkeypatch, **problems):
    """Engines that start, or raise this problem; on a GPU one that is called "partial" fails when it loads.

    Only OpenVINO computes bf16.
    """

    def make(key):
        class StandIn:
            def __init__(self, device, precision):
                self.name, self.device = key, device.upper()
                self.precision = "bf16" if (key, precision) == ("openvino", "bf16") else "f32"
                if problems.get(key, "partial") != "partial":
                    raise PoseError(problems[key], "engine")

            def load(self, model):
                if problems.get(key) == "partial":
                    raise RuntimeError("This session contains graph nodes that are assigned to the CPU\nin detail")
                return lambda blob: {}

        return StandIn

    monkeypatch.setattr(engine_choice, "ORDER", ORDER)
    monkeypatch.setattr(engine_choice, "BY_NAME", {key: make(key) for key in engine_choice.BY_NAME})


@pytest.mark.parametrize(
    ("device", "problems", "chosen"),
    [
        ("cpu", {}, "onnxruntime"),
        ("cpu", {"onnxruntime": MISSING}, "opencv"),
        ("cpu", {"openvino": MISSING, "onnxruntime": MISSING}, "opencv"),
        ("gpu", {}, "onnxruntime"),
        ("gpu", {"onnxruntime": "partial"}, "openvino"),
        ("gpu", {"onnxruntime": MISSING, "openvino": "finds no GPU"}, "opencv"),
    ],
)
def test_auto_takes_the_first_that_works(monkeypatch, device, problems, chosen):
    stand_ins(monkeypatch, **problems)
    engine, hint = choose_engine("auto", device)
    assert (engine.name, engine.device) == (chosen, device.upper())
    assert MISSING not in hint


@pytest.mark.parametrize(
    ("platform", "nvidia", "package"),
    [
        ("linux", "/usr/bin/nvidia-smi", "onnxruntime-gpu[cuda,cudnn]"),
        ("linux", None, "openvino"),
        ("win32", None, "onnxruntime-directml"),
        ("darwin", None, "onnxruntime"),
    ],
)
def test_no_gpu_is_an_error_that_names_one_package(monkeypatch, platform, nvidia, package):
    stand_ins(monkeypatch, onnxruntime="partial", openvino="OpenVINO finds no GPU", opencv="OpenCV finds none")
    monkeypatch.setattr(engine_choice.sys, "platform", platform)
    monkeypatch.setattr(engine_choice.shutil, "which", lambda _: nvidia)
    with pytest.raises(PoseError) as raised:
        choose_engine("auto", "gpu")
    assert str(raised.value) == (
        "No GPU can be used: onnxruntime fails on GPU (This session contains graph nodes that are assigned to the "
        f"CPU); OpenVINO finds no GPU; OpenCV finds none; run: pip install {package}"
    )
    assert raised.value.argument == "device"


def test_what_was_asked_for_is_never_something_else(monkeypatch):
    with pytest.raises(PoseError, match="TensorRT needs device gpu"):
        choose_engine("tensorrt", "cpu")
    stand_ins(monkeypatch, openvino=MISSING)
    assert choose_engine("opencv")[0].name == "opencv"
    with pytest.raises(PoseError, match="is not installed"):
        choose_engine("openvino")
    with pytest.raises(PoseError, match=r"bf16 cannot be used: .*onnxruntime computes no bf16") as raised:
        choose_engine("auto", "cpu", "bf16")
    assert raised.value.argument == "precision"
    stand_ins(monkeypatch)
    engine, hint = choose_engine("auto", "cpu", "bf16")
    assert (engine.name, hint) == ("openvino", "")
    assert choose_engine("openvino", "cpu", "bf16")[0].precision == "bf16"


def test_a_broken_installation_is_a_sentence_and_the_next_engine(monkeypatch, tmp_path):
    for module in ("openvino", "onnxruntime"):
        (tmp_path / f"{module}.py").write_text("raise OSError('libtbb.so.12: no such file\\nin detail')")
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(engine_choice, "ORDER", ORDER)
    broken = "is installed but cannot be imported (libtbb.so.12: no such file)"
    engine, hint = choose_engine()
    assert isinstance(engine, OpenCV)
    assert hint == f"ONNX Runtime {broken}"
    with pytest.raises(PoseError) as raised:
        choose_engine("openvino")
    assert (str(raised.value), raised.value.argument) == (f"OpenVINO {broken}", "engine")


@pytest.mark.parametrize(
    ("flags", "message"),
    [("avx2", "pip install onnxruntime"), ("avx512_bf16", "pip install openvino; precision bf16")],
)
def test_where_only_opencv_is_a_hint_says_what_another_engine_brings(monkeypatch, tmp_path, flags, message):
    stand_ins(monkeypatch, openvino=MISSING, onnxruntime=MISSING)
    (tmp_path / "cpuinfo").write_text(f"flags: {flags}\n")
    monkeypatch.setattr(engine_choice, "CPU_FLAGS", tmp_path / "cpuinfo")
    monkeypatch.setattr(engine_choice.importlib.util, "find_spec", lambda name: None)
    hint = choose_engine()[1]
    assert message in hint
    assert choose_engine("opencv")[1] == choose_engine("auto", "gpu")[1] == ""
    stand_ins(monkeypatch)
    assert choose_engine()[1] == ""
