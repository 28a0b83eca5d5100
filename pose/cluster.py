"""Many files on many cores and machines: Dask starts the workers, hands out the work, and tries again what fails.

The scheduler counts a worker's death against every file it had, so a worker gets no more of them than it has threads:
others wait at the scheduler where it keeps them from busy workers, else here.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import itertools
import logging
import os
import pickle
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from . import PoseError
from .choices import PACKAGE
from .jobs import Outcome, attempt
from .media.report import counted
from .media.storage import is_remote
from .networks.cores import core_count

DEATHS = 2  # of workers over one file, after which another one gives it up
CONFIGURATION = {
    "distributed.scheduler.allowed-failures": DEATHS,
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.worker.profile.enabled": False,  # which takes processor time
    "distributed.deploy.lost-worker-timeout": "60s",
}
QUEUE = 8  # files for each thread that may wait at the scheduler; submitted many at a time, each takes a third
CHECK_EVERY = 1  # seconds
FILES_AHEAD = 10_000  # files that may be done before the oldest one in work is
CONNECT_WITHIN = 10  # seconds
STOP_WITHIN = 30  # seconds, for what is in work after Ctrl-C
# Ctrl-C in a terminal reaches all its processes; only this one decides what stops.
WORKER_PRELOAD = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"


class OnCluster:
    """Workers that do work of a kind on files: args.workers processes of this machine, or those of args.cluster."""

    def __init__(self, kind: type, args: argparse.Namespace) -> None:
        self.is_local = not args.cluster
        self.task = kind, pickle.dumps(args if self.is_local else for_elsewhere(args)), os.urandom(8).hex()
        self.args = args
        self.running: dict[Any, tuple[int, str]] = {}  # futures, with the file's number and name
        self.threads, self.threads_asked = 0, 0.0
        self.submitted, self.queue = 0, 0

    def __enter__(self) -> OnCluster:
        try:
            import dask
            from distributed import Client, LocalCluster
        except ImportError as error:
            raise PoseError(
                'Several workers take the package Dask (pip install "dask[distributed]")', "workers"
            ) from error
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        self.stack = contextlib.ExitStack()
        if self.is_local:
            dask.config.set(CONFIGURATION)
            self.workers = self.args.workers
            self.address: Any = self.stack.enter_context(
                LocalCluster(
                    n_workers=self.workers,
                    threads_per_worker=1,
                    dashboard_address="127.0.0.1:0",
                    silence_logs=logging.CRITICAL,
                    env={"OMP_NUM_THREADS": str(max(1, core_count() // self.workers))},
                    preload=[WORKER_PRELOAD],
                )
            )
        else:
            self.address = self.args.cluster
            try:
                asyncio.run(knock(self.address))
            except (OSError, ValueError) as error:
                raise PoseError(f"No Dask scheduler answers at {self.address}", "cluster") from error
        self.client = self.stack.enter_context(Client(self.address, set_as_default=False))
        self.network = self.describe()
        self.queue = self.client.run_on_scheduler(queue_length)
        self.description = f"{self.network}, on {counted(len(self.client.nthreads()), 'worker')}"
        return self

    def describe(self) -> str:
        """What runs on the workers, by one of them; PoseError where the work cannot begin there."""
        future = self.client.submit(describe, *self.task, pure=False)
        try:
            description: str = future.result()
        except ImportError as error:
            raise PoseError(f"The workers lack a package: {error}", "cluster") from error
        return description

    def __exit__(self, kind: type | None, *_: object) -> None:
        """Let what is in work end first: a clip as a partial one."""
        from distributed import wait

        with self.stack, contextlib.suppress(Exception):
            if kind and self.running:
                self.client.run(stop, self.task[-1])
                wait(list(self.running), timeout=STOP_WITHIN)

    def __call__(self, files: Iterable[tuple[str, str]]) -> Iterator[tuple[int, Outcome]]:
        """Each file's number, counted from 0, and what became of it, as they come."""
        numbered: Iterator[tuple[int, tuple[str, str]]] = enumerate(files)
        completed: queue.Queue = queue.Queue()
        waiting: list[tuple[int, str, str]] = []
        while True:
            free, in_queue = self.free_threads(), self.queue * self.threads
            room = free + in_queue - len(waiting)
            if room > in_queue // 2 and not self.is_far_ahead():
                waiting += [(number, *file) for number, file in itertools.islice(numbered, room)]
            # Only files of a large group wait at the scheduler.
            is_large = self.queue and self.submitted + len(waiting) > 2 * self.threads
            count = len(waiting) if is_large else max(0, free)
            for future in self.submit(attempt_here, waiting[:count]):
                future.add_done_callback(completed.put)
            del waiting[:count]
            if not self.running:
                return
            try:
                future = completed.get(timeout=CHECK_EVERY)
            except queue.Empty:  # workers may have come or gone
                continue
            number, name = self.running[future]
            outcome = self.outcome(future, name)
            del self.running[future]
            yield number, outcome

    def submit(self, do: Callable, files: list[tuple]) -> list[Any]:
        """The futures of do(work, name, *arguments) on workers. files: (number, name, *arguments) each."""
        if not files:
            return []
        keys = [f"{self.task[-1]}-{self.submitted + n}" for n in range(len(files))]  # of one group
        calls = [(name if self.is_local else absolute(name), *arguments) for _, name, *arguments in files]
        columns = zip(*calls, strict=True)
        futures: list[Any] = self.client.map(functools.partial(process, *self.task, do), *columns, key=keys, pure=False)
        self.running |= {future: (number, name) for future, (number, name, *_) in zip(futures, files, strict=True)}
        self.submitted += len(files)
        return futures

    def is_far_ahead(self) -> bool:
        numbers = [number for number, _ in self.running.values()]
        return bool(numbers) and max(numbers) - min(numbers) >= FILES_AHEAD

    def free_threads(self) -> int:
        """How many more files the workers could begin with, less than 0 where some wait; waits where no worker is."""
        if not self.threads or time.monotonic() - self.threads_asked > CHECK_EVERY:
            if self.is_local:
                self.address.scale(self.workers)  # starts anew what died while it started
            if not self.running:
                self.client.wait_for_workers(1)
            self.threads, self.threads_asked = self.thread_count(), time.monotonic()
        return self.threads - len(self.running)

    def thread_count(self) -> int:
        return sum(self.client.nthreads().values())

    def outcome(self, future: Any, name: str) -> Outcome:
        error = future.exception()
        if isinstance(error, PoseError):  # of the work as a whole, as on a worker that came later
            raise error
        if error:
            return Outcome(name, error=failure(name, error))
        done: Outcome = future.result()
        if self.is_local:
            return done
        folder = str(absolute(self.args.output_dir)), str(self.args.output_dir)
        report = done.report.replace(done.name, name).replace(*folder)
        return done._replace(name=name, report=report)


def failure(name: str, error: Exception) -> PoseError:
    """Why a worker has no result for a file."""
    from distributed import KilledWorker

    if isinstance(error, PoseError):
        return error
    if isinstance(error, KilledWorker):
        return PoseError(f"{name} is given up: each of {DEATHS + 1} workers that had it died")
    return PoseError(f"{name} failed on a worker ({type(error).__name__}: {error})")


async def knock(address: str) -> None:
    """OSError or ValueError where no scheduler answers; Client itself leaves a traceback on the screen."""
    from distributed import Security
    from distributed.comm import connect

    (await connect(address, timeout=CONNECT_WITHIN, **Security().get_connection_args("client"))).abort()


def queue_length(dask_scheduler: Any) -> int:
    """Files for each thread that may wait at a scheduler; none where it gives them to busy workers."""
    return QUEUE if dask_scheduler.WORKER_SATURATION <= 1 else 0


def absolute(name: Any) -> Any:
    """A path as a worker elsewhere finds it, on the same file system but in another folder."""
    return name if is_remote(name) else type(name)(os.path.abspath(name))


def for_elsewhere(args: argparse.Namespace) -> argparse.Namespace:
    """Options with paths that do not depend on this process's folder or on where this package is."""
    own = args.model_folder.resolve() == PACKAGE.resolve()
    changed = {"output_dir": absolute(args.output_dir), "model_folder": None if own else absolute(args.model_folder)}
    return argparse.Namespace(**vars(args) | changed)


# What follows runs on the workers.

at_work: dict[tuple[str, int], Any] = {}  # by run and thread: a network is not for two threads at once
stopped: set[str] = set()  # runs


@functools.cache
def prepare(kind: type, args: bytes, thread: int) -> Any:
    """The work, with its networks loaded: once for each thread of a worker."""
    return kind(pickle.loads(args))


def describe(kind: type, args: bytes, run: str) -> str:
    return prepare(kind, args, threading.get_ident()).description


def process(kind: type, args: bytes, run: str, do: Callable, *arguments: Any) -> Any:
    """do(work, *arguments); None after stop()."""
    work = prepare(kind, args, threading.get_ident())
    if run in stopped:
        return None
    at_work[run, threading.get_ident()] = work
    try:
        return do(work, *arguments)
    except KeyboardInterrupt:  # stop() made it
        return None
    finally:
        del at_work[run, threading.get_ident()]


def attempt_here(work: Any, name: str, stem: str) -> Outcome:
    return attempt(work, name, stem)._replace(pictures={})


def stop(run: str) -> None:
    """End what is in work of a run."""
    stopped.add(run)
    for (of_run, _), work in list(at_work.items()):
        if of_run == run and work.stop:
            work.stop()
