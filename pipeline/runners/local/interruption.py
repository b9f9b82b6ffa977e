"""What ends a command from outside: Ctrl-C, SIGTERM and a limit of time do, each with its own words; the end of a
terminal does not."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from pipeline.errors import EXIT_INTERRUPTED, EXIT_TERMINATED, EXIT_TIMEOUT

_TERMINATED = threading.Event()
"""Whether SIGTERM has come: the exception that it raises is a KeyboardInterrupt, so that steps end as after Ctrl-C."""
_EXPIRED: list[str] = []
"""The limit of time that was reached, if one was."""


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM (`kill`, a container's or a machine's shutdown) end the block as Ctrl-C does. Python would end
    without a word."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _TERMINATED.clear()
    _EXPIRED.clear()
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


@contextmanager
def expiring() -> Iterator[None]:
    """Let SIGALRM, which comes when a limit of time is reached, end the block as Ctrl-C does."""
    _EXPIRED.clear()
    before = signal.signal(signal.SIGALRM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


def expire(reason: str) -> None:
    """Note which limit was reached; whoever does then sends SIGALRM."""
    _EXPIRED.append(reason)


def expired() -> str:
    """Return which limit was reached; "" if none was."""
    return _EXPIRED[0] if _EXPIRED else ""


def stopped() -> tuple[str, int]:
    """Say what ended the command, after a KeyboardInterrupt, and the exit code for it."""
    if reason := expired():
        return reason, EXIT_TIMEOUT
    if _TERMINATED.is_set():
        return "stopped by SIGTERM", EXIT_TERMINATED
    return "stopped from the keyboard", EXIT_INTERRUPTED


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _terminate(number: int, frame: FrameType | None) -> None:
    _TERMINATED.set()
    raise KeyboardInterrupt
