"""What ends a command from outside: Ctrl-C and SIGTERM do, each with its own words; the end of a terminal does not."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from pipeline.errors import EXIT_INTERRUPTED, EXIT_TERMINATED

_TERMINATED = threading.Event()
"""Whether SIGTERM has come: the exception that it raises is a KeyboardInterrupt, so that steps end as after Ctrl-C."""


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM (`kill`, a container's or a machine's shutdown) end the block as Ctrl-C does. Python would end
    without a word."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _TERMINATED.clear()
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def outliving_the_terminal() -> Iterator[None]:
    """Ignore SIGHUP in the block: a window that is closed, a connection that breaks, end no work of hours."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def stopped() -> tuple[str, int]:
    """Say what ended the command, after a KeyboardInterrupt, and the exit code for it."""
    if _TERMINATED.is_set():
        return "stopped by SIGTERM", EXIT_TERMINATED
    return "stopped from the keyboard", EXIT_INTERRUPTED


def _terminate(number: int, frame: FrameType | None) -> None:
    _TERMINATED.set()
    raise KeyboardInterrupt
