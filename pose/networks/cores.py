"""How many cores and threads to compute with. Imports nothing heavy."""

from __future__ import annotations

import os


def core_count() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_count() -> int:
    """OMP_NUM_THREADS; without it 0, for the engine's own choice, which is the fastest.

    Where this process may use only some of the cores, their number, as ONNX Runtime would use the others too.
    """
    text = os.environ.get("OMP_NUM_THREADS", "")
    if text.isdecimal():
        return int(text)
    return 0 if core_count() == os.cpu_count() else core_count()
