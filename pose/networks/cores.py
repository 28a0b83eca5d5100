"""How many cores and threads there are to compute with. Imports nothing heavy."""

from __future__ import annotations

import os


def core_count() -> int:
    """How many of the machine's cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_count() -> int:
    """What OMP_NUM_THREADS asks for; 0: as many as the engine takes by itself, which is the fastest.

    Where this process may use some of the cores only, their number, as ONNX Runtime would take the others too.
    """
    text = os.environ.get("OMP_NUM_THREADS", "")
    if text.isdecimal():
        return int(text)
    return 0 if core_count() == os.cpu_count() else core_count()
