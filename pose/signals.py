"""Ctrl-C, kill and a closed terminal: they end a program where its results are consistent."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator


class Signals:
    """Ctrl-C, kill, a closed terminal: the first raises KeyboardInterrupt; later ones must not disturb the clean-up."""

    received: int | None = None
    is_deferring = False
    then: Callable[[], None]
    numbers = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

    def listen(self) -> None:
        self.received = None
        for number in self.numbers:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self.handle)

    def ignore(self) -> None:
        for number in self.numbers:
            signal.signal(number, signal.SIG_IGN)

    def handle(self, number: int, _: object) -> None:
        if self.received is None:
            self.received = number
            if not self.is_deferring:
                raise KeyboardInterrupt
            self.then()

    def check(self) -> None:
        """Raise the KeyboardInterrupt of a signal that was deferred."""
        if self.received is not None:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def deferred(self, then: Callable[[], None] = lambda: None) -> Iterator[None]:
        """A signal in the block calls `then` and interrupts at the next check(), at the block's end at the latest."""
        self.check()  # Python drops a KeyboardInterrupt in a callback, such as those of its imports
        self.then, self.is_deferring = then, True
        try:
            yield
        finally:
            self.is_deferring = False
            self.check()


signals = Signals()


def end_at_once() -> None:
    """Until cli.run listens, Ctrl-C ends a command, installed or not, at once, without a traceback of its imports."""
    is_command = os.path.basename(sys.argv[0]).startswith("get_hpe_")
    if is_command and signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
