"""What a command does first. Imports little, as Ctrl-C before it leaves a traceback."""

from __future__ import annotations

import os
import signal
import sys


def end_at_once() -> None:
    """Until cli.run listens, Ctrl-C ends a command, installed or not, at once, without a traceback of its imports."""
    is_command = os.path.basename(sys.argv[0]).startswith("get_hpe_")
    if is_command and signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
