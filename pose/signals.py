"""Ctrl-C, kill and a closed terminal end a program where its results are consistent."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator


class Signals:
    """The first signal raises KeyboardInterrupt; later ones are ignored, so that they do not disturb the clean-up."""

    received: int | None = None
    is_deferring = False
    on_signal: Callable[[], None]
    numbers = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

    def listen(self) -> None:
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
            self.on_signal()

    def check(self) -> None:
        """Raise the KeyboardInterrupt of a signal that was deferred."""
        if self.received is not None:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def deferred(self, on_signal: Callable[[], None] = lambda: None) -> Iterator[None]:
        """A signal in the block calls `on_signal` and interrupts at the next check() or at the block's end."""
        self.on_signal, self.is_deferring = on_signal, True
        try:
            yield
        finally:
            self.is_deferring = False
            self.check()


signals = Signals()
