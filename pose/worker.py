"""What runs on Dask's workers for cluster.py: the work on files, with its networks loaded once for each thread."""

from __future__ import annotations

import functools
import pickle
import threading
from collections.abc import Callable
from typing import Any

from .jobs import Outcome, attempt

works_in_progress: dict[tuple[str, int], Any] = {}  # by run and thread
stopped_runs: set[str] = set()


@functools.cache
def load_work(work_class: type, args: bytes, thread: int) -> Any:
    """The work on files of a thread, as two threads cannot use a network at once. args: pickled."""
    return work_class(pickle.loads(args))


def describe(work_class: type, args: bytes, run_id: str) -> str:
    return load_work(work_class, args, threading.get_ident()).description


def run_work(work_class: type, args: bytes, run_id: str, function: Callable, *arguments: Any) -> Any:
    """function(work, *arguments); None after stop_run()."""
    thread = threading.get_ident()
    work = load_work(work_class, args, thread)
    if run_id in stopped_runs:
        return None
    works_in_progress[run_id, thread] = work
    try:
        return function(work, *arguments)
    except KeyboardInterrupt:  # raised by stop_run()
        return None
    finally:
        del works_in_progress[run_id, thread]


def attempt_without_pictures(work: Any, name: str, stem: str) -> Outcome:
    return attempt(work, name, stem)._replace(pictures={})


def stop_run(run_id: str) -> None:
    """Stop a run's work in progress."""
    stopped_runs.add(run_id)
    for (of_run, _), work in list(works_in_progress.items()):
        if of_run == run_id and work.stop:
            work.stop()
