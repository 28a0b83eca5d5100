"""Many files, in this process or by workers: the outcome of each, progress, what failed."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from . import PoseError, cli

if TYPE_CHECKING:
    from .window import Windows

MAX_UNSUMMARIZED = 20  # files; of more, a summary follows the lines of each
LOG_EVERY = 30  # seconds between two lines on the progress
T = TypeVar("T")


class Outcome(NamedTuple):
    """The result of the work on a file."""

    name: str
    report: str = ""  # for the screen
    notes: tuple[str, ...] = ()  # on what is wrong with the file
    people_json: str = ""  # of a photo
    frames: list[Any] = []  # noqa: RUF012  of a clip, for the table: number, seconds, people, identities
    pictures: dict[str, Any] = {}  # noqa: RUF012  for windows, by title
    error: PoseError | None = None
    skipped: bool = False


def attempt(work: Callable[[str, str], Outcome], name: str, stem: str) -> Outcome:
    """One bad file does not stop a folder of them; a full disk does."""
    try:
        with cli.memory_errors(name):
            return work(name, stem)
    except PoseError as error:
        if error.argument == "full":
            raise
        return Outcome(name, error=error)


class InThisProcess:
    """Work on files, one after the other. work: Photos or Clips."""

    def __init__(self, work: Any) -> None:
        self.work, self.description = work, work.description

    def __call__(self, files: Iterable[tuple[str, str]]) -> Iterator[tuple[int, Outcome]]:
        """Each file's number, counted from 0, and its outcome."""
        for number, (name, stem) in enumerate(files):
            cli.signals.check()  # Python ignores a KeyboardInterrupt in a callback, such as an import's
            with cli.signals.deferred(self.work.stop) if self.work.stop else contextlib.nullcontext():
                yield number, attempt(self.work, name, stem)  # a finished file is reported before Ctrl-C takes effect


def open_jobs(work_class: type, args: argparse.Namespace, windows: Windows | None = None) -> Any:
    """Work on files in this process, or on workers if args.workers or args.cluster says so. windows: of Clips."""
    if args.cluster or args.workers != 1:
        from .pieces import ClipsOnCluster, OnCluster

        return ClipsOnCluster(args, windows) if windows else OnCluster(work_class, args)
    return contextlib.nullcontext(InThisProcess(work_class(args, windows) if windows else work_class(args)))


def in_order(numbered: Iterable[tuple[int, T]]) -> Iterator[T]:
    """Items in the order of their numbers."""
    waiting: dict[int, T] = {}
    next_number = 0
    for number, item in numbered:
        waiting[number] = item
        while next_number in waiting:
            yield waiting.pop(next_number)
            next_number += 1


class Progress:
    """Reports the outcome of each file, and the progress. count: returns the number of files, or None."""

    def __init__(self, unit: str, quiet: bool, count: Callable[[], int | None], with_bar: bool = True) -> None:
        self.unit, self.quiet = unit, quiet
        self.total: int | None = None
        self.done, self.skipped = 0, 0
        self.failed: list[str] = []
        self.start = self.logged = time.monotonic()
        self.bar: Any = None
        if quiet:
            return
        threading.Thread(target=self.count, args=(count,), daemon=True).start()
        if with_bar and sys.stderr and sys.stderr.isatty():
            from tqdm import tqdm  # takes longer to import than all of this package

            self.bar = tqdm(unit=f" {unit}", leave=False)

    def count(self, count: Callable[[], int | None]) -> None:
        with contextlib.suppress(OSError, PoseError):  # the work reports them itself
            self.total = count()

    def watch(self, outcomes: Iterable[tuple[int, Outcome]]) -> Iterator[tuple[int, Outcome]]:
        for number, outcome in outcomes:
            self.add(outcome)
            yield number, outcome

    def add(self, outcome: Outcome) -> None:
        self.done += 1
        self.skipped += outcome.skipped
        if self.bar is not None:
            self.bar.clear()
        if outcome.report and not self.quiet:
            print(cli.printable(outcome.report), flush=True)
        for note in outcome.notes:
            print(cli.printable(f"Note: {note}."), file=sys.stderr)
        if outcome.error:
            self.failed.append(outcome.name)
            cli.report_error(outcome.error)
        if self.bar is not None:
            self.bar.total = self.total
            self.bar.set_postfix_str(f"{len(self.failed)} failed", refresh=False)
            self.bar.update()
            self.bar.refresh()
        elif not self.quiet and time.monotonic() - self.logged >= LOG_EVERY:
            self.logged = time.monotonic()
            print(self.line(), flush=True)

    def line(self) -> str:
        """The progress."""
        seconds = time.monotonic() - self.start
        rate = (self.done - self.skipped) / seconds
        of_all = f" of {max(self.total, self.done)}" if self.total else ""
        left = f", {show_time((self.total - self.done) / rate)} left" if self.total and rate else ""
        return f"{self.done}{of_all} {self.unit} done, {rate:.3g} a second{left}, {len(self.failed)} failed"

    def finish(self) -> int:
        """The exit code; of many files, those that failed are listed."""
        if self.bar is not None:
            self.bar.close()
        if self.done > MAX_UNSUMMARIZED and not self.quiet:
            print(self.line(), flush=True)
        if self.done > MAX_UNSUMMARIZED and self.failed:
            title = f"{len(self.failed)} of {self.done} {self.unit} failed:"
            print(title, *map(cli.printable, self.failed), sep="\n", file=sys.stderr)
        return 1 if self.failed else 0


def show_time(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min" if hours < 2 else f"{hours:.0f} h"
