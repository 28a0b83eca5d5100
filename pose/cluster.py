"""Many files on many cores and machines: Dask starts workers, assigns files to them, and retries what fails.

The scheduler counts a worker's death against every file assigned to it, so a worker gets only as many files as it has
threads. The other files wait at the scheduler if its settings allow that, else here. worker.py runs on the workers.
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
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from . import PoseError, cli, worker
from .choices import PACKAGE
from .jobs import Outcome
from .media.report import counted
from .media.storage import is_remote
from .networks.cores import core_count

MAX_DEATHS = 2  # of workers that had the same file; one more, and the file is given up
CONFIGURATION = {
    "distributed.scheduler.allowed-failures": MAX_DEATHS,
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.worker.profile.enabled": False,  # it costs processor time
    "distributed.deploy.lost-worker-timeout": "60s",
}
QUEUE_LENGTH = 8  # files for each thread at the scheduler, as submitting many at once costs a third for each
CHECK_EVERY = 1  # seconds
FILES_AHEAD = 10_000  # files that may be done before the oldest one in progress is
CONNECT_WITHIN = 10  # seconds
STOP_WITHIN = 30  # seconds for work in progress to stop after Ctrl-C
# Signals of a terminal or of a batch system reach all processes; only this one decides what stops.
WORKER_PRELOAD = "from pose.signals import signals\nsignals.ignore()\n"


class OnCluster:
    """Work on files by workers: args.workers processes of this machine, or those of args.cluster."""

    def __init__(self, work_class: type, args: argparse.Namespace) -> None:
        self.args, self.workers, self.is_local = args, args.workers, not args.cluster
        self.run_id = os.urandom(8).hex()
        self.task = work_class, pickle.dumps(args if self.is_local else for_other_machines(args)), self.run_id
        self.running: dict[Any, tuple[int, str]] = {}  # futures, with the file's number and name
        self.threads, self.threads_counted_at = 0, 0.0
        self.submitted, self.queue_length = 0, 0

    def __enter__(self) -> OnCluster:
        try:
            from dask.distributed import Client
        except ImportError as error:
            reason = 'Several workers need the package Dask (pip install "dask[distributed]")'
            raise PoseError(reason, "workers") from error
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        with contextlib.ExitStack() as stack:
            if self.is_local:
                with cli.signals.deferred():  # Dask does not end workers of which it is still starting some
                    self.scheduler: Any = stack.enter_context(start_workers(self.workers))
            else:
                self.scheduler = self.args.cluster
                check_scheduler(self.scheduler)
            self.client = stack.enter_context(Client(self.scheduler, set_as_default=False))
            try:
                self.work_description = self.client.submit(worker.describe, *self.task, pure=False).result()
            except ImportError as error:
                raise PoseError(f"The workers lack a package: {error}", "cluster") from error
            self.queue_length = self.client.run_on_scheduler(queue_length)
            self.description = f"{self.work_description}, on {counted(len(self.client.nthreads()), 'worker')}"
            self.stack = stack.pop_all()  # after an error or Ctrl-C until here, the workers end here
        return self

    def __exit__(self, error: type | None, *_: object) -> None:
        """After an error or Ctrl-C, let work in progress stop first: a clip is kept as a partial one."""
        from distributed import wait

        with self.stack, contextlib.suppress(Exception):
            if error and self.running:
                self.client.run(worker.stop_run, self.run_id)
                with self.client.as_current():  # wait() needs one
                    wait(list(self.running), timeout=STOP_WITHIN)

    def __call__(self, files: Iterable[tuple[str, str]]) -> Iterator[tuple[int, Outcome]]:
        """Each file's number, counted from 0, and its outcome, in the order in which they are done."""
        numbered: Iterator[tuple[int, tuple[str, str]]] = enumerate(files)
        completed: queue.Queue = queue.Queue()
        waiting: list[tuple[int, str, str]] = []
        while True:
            cli.signals.check()
            free, in_queue = self.free_threads(), self.queue_length * self.threads
            room = free + in_queue - len(waiting)
            if room > in_queue // 2 and not self.is_far_ahead():
                waiting += [(number, *file) for number, file in itertools.islice(numbered, room)]
            # Only files of a large group wait at the scheduler.
            is_large = self.queue_length and self.submitted + len(waiting) > 2 * self.threads
            count = len(waiting) if is_large else max(0, free)
            for future in self.submit(worker.attempt_without_pictures, waiting[:count]):
                future.add_done_callback(completed.put)
            del waiting[:count]
            if not self.running:
                return
            try:
                future = completed.get(timeout=CHECK_EVERY)
            except queue.Empty:  # workers may have joined or left
                continue
            number, name = self.running[future]
            outcome = self.outcome(future, name)
            del self.running[future]
            yield number, outcome

    def submit(self, function: Callable, files: list[tuple]) -> list[Any]:
        """The futures of function(work, name, *arguments) on workers. files: (number, name, *arguments) each."""
        if not files:
            return []
        keys = [f"{self.run_id}-{self.submitted + n}" for n in range(len(files))]  # a common prefix makes them a group
        calls = [(name if self.is_local else absolute(name), *arguments) for _, name, *arguments in files]
        call = functools.partial(worker.run_work, *self.task, function)
        futures: list[Any] = self.client.map(call, *zip(*calls, strict=True), key=keys, pure=False)
        self.running |= {future: (number, name) for future, (number, name, *_) in zip(futures, files, strict=True)}
        self.submitted += len(files)
        return futures

    def is_far_ahead(self) -> bool:
        numbers = [number for number, _ in self.running.values()]
        return bool(numbers) and max(numbers) - min(numbers) >= FILES_AHEAD

    def free_threads(self) -> int:
        """How many more files the workers could start, negative where some wait; waits while there is no worker."""
        if not self.threads or time.monotonic() - self.threads_counted_at > CHECK_EVERY:
            if self.is_local:
                self.scheduler.scale(self.workers)  # replaces workers that died while they started
            if not self.running:
                self.client.wait_for_workers(1)
            self.threads, self.threads_counted_at = self.thread_count(), time.monotonic()
        return self.threads - len(self.running)

    def thread_count(self) -> int:
        return sum(self.client.nthreads().values())

    def outcome(self, future: Any, name: str) -> Outcome:
        error = future.exception()
        if isinstance(error, PoseError):  # on a worker that joined later and cannot load the work
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
        return PoseError(f"{name} is given up: each of {MAX_DEATHS + 1} workers that had it died")
    return PoseError(f"{name} failed on a worker ({type(error).__name__}: {error})")


def start_workers(count: int) -> Any:
    """Dask's LocalCluster, whose workers share the cores."""
    import dask
    from distributed import LocalCluster

    dask.config.set(CONFIGURATION)
    return LocalCluster(
        n_workers=count,
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
        env={"OMP_NUM_THREADS": str(max(1, core_count() // count))},
        preload=[WORKER_PRELOAD],
    )


def check_scheduler(address: str) -> None:
    """PoseError where no scheduler answers; Client would print a traceback."""
    from distributed import Security
    from distributed.comm import connect

    async def check() -> None:
        (await connect(address, timeout=CONNECT_WITHIN, **Security().get_connection_args("client"))).abort()

    try:
        asyncio.run(check())
    except (OSError, ValueError) as error:
        raise PoseError(f"No Dask scheduler answers at {address}", "cluster") from error


def queue_length(dask_scheduler: Any) -> int:
    """Files for each thread that may wait at a scheduler; none where it would assign them to busy workers."""
    return QUEUE_LENGTH if dask_scheduler.WORKER_SATURATION <= 1 else 0


def absolute(name: Any) -> Any:
    """A path for a worker that has the same file system but another current folder."""
    return name if is_remote(name) else type(name)(os.path.abspath(name))


def for_other_machines(args: argparse.Namespace) -> argparse.Namespace:
    """Options with paths that depend neither on the current folder nor on this package's."""
    is_own = args.model_folder.resolve() == PACKAGE.resolve()
    changed = {"output_dir": absolute(args.output_dir), "model_folder": None if is_own else absolute(args.model_folder)}
    return argparse.Namespace(**vars(args) | changed)
