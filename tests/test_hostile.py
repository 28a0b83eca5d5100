"""A few of hostile.py's runs, always the same ones."""

import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="its inputs are Linux's")


def test_odd_inputs_end_well():
    import hostile

    kinds = list(hostile.KINDS)
    counts, wrong = hostile.trials(kinds, 2, lambda runs: runs >= 2 * len(kinds))
    assert wrong == []
    assert [counts[kind, "runs"] for kind in kinds] == [2] * len(kinds)
