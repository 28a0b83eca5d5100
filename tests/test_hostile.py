"""A few of hostile.py's runs, always the same ones."""

import re
import sys

import pytest

import get_hpe_image
import get_hpe_video

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="its inputs are Linux's")


def test_odd_inputs_end_well():
    import hostile

    kinds = list(hostile.KINDS)
    counts, wrong = hostile.trials(kinds, 2, lambda runs: runs >= 2 * len(kinds))
    assert wrong == []
    assert [counts[kind, "runs"] for kind in kinds] == [2] * len(kinds)


@pytest.mark.parametrize(
    ("command", "table", "inputs"),
    [(get_hpe_image, "PHOTO_OPTIONS", "image_file"), (get_hpe_video, "CLIP_OPTIONS", "video_file")],
)
def test_all_options_are_tried(capsys, command, table, inputs):
    import hostile_inputs

    with pytest.raises(SystemExit):
        command.parse(["--help"])
    groups = hostile_inputs.groups(vars(hostile_inputs)[table])
    tried = {option.split()[0] for group in groups for option in group}
    offered = set(re.findall(r"--(\w+)", capsys.readouterr().out))
    assert offered - {"help", "version", "cluster", inputs} == tried
