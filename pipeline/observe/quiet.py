"""Silence for jobs: whoever runs a command by the clock mails whatever it prints.

What a command prints is held back, also what native code writes to standard output, and let go at its end, unless it
has ended well.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class _Held:
    """What is held back, and whether it is to be shown although the command ends well.

    Attributes:
        places: descriptors that lead to memory now: the descriptor, a copy of what it led to, the memory.
    """

    places: list[tuple[int, int, int]] = field(default_factory=list)
    insisted: bool = False


_held = _Held()


def hold_back(wanted: bool = True) -> None:
    """Print nothing from now on until the command has ended; what `--quiet` calls."""
    if not wanted or _held.places:
        return
    sys.stdout.flush()
    sys.stderr.flush()
    out, err = _descriptor(sys.stdout, 1), _descriptor(sys.stderr, 2)
    # A run at work writes to descriptor 1 whatever Python's standard output is; descriptor 2 leads nowhere anyhow.
    for descriptor in dict.fromkeys((out, 1, err)):
        memory = _held.places[0][2] if descriptor == 1 and _held.places else os.memfd_create("held back")
        _held.places.append((descriptor, os.dup(descriptor), memory))
        os.dup2(memory, descriptor)


def insist() -> None:
    """Have everything shown, however the command ends: somebody should look."""
    _held.insisted = True


@contextmanager
def settled() -> Iterator[None]:
    """At the end of a command let go what was held back, unless it ended with 0 and nobody insists."""
    try:
        yield
    except SystemExit as exc:
        _let_go(show=exc.code not in (0, None) or _held.insisted)
        raise
    finally:
        _let_go(show=True)


def _let_go(show: bool) -> None:
    if _held.places:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    shown: set[int] = set()
    for descriptor, before, _ in _held.places:
        os.dup2(before, descriptor)
        os.close(before)
    for descriptor, _, memory in _held.places:
        if show and memory not in shown:
            _copy(memory, descriptor)
        shown.add(memory)
    for memory in shown:
        os.close(memory)
    _held.places.clear()
    _held.insisted = False


def _copy(memory: int, descriptor: int) -> None:
    os.lseek(memory, 0, os.SEEK_SET)
    with suppress(OSError):  # nobody may read it any more
        while some := os.read(memory, 1 << 16):
            os.write(descriptor, some)


def _descriptor(stream: object, usual: int) -> int:
    """Return where a stream writes to; the usual one of what has no descriptor, as where a test reads it."""
    try:
        return int(stream.fileno())  # type: ignore[attr-defined]
    except (OSError, ValueError, AttributeError):
        return usual
