"""Waiting for states, not for times: how long something takes here is no subject of a test."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable


def eventually(condition: Callable[[], object], within_s: float = 300) -> None:
    """Returns as soon as the condition holds. The bound is for what hangs: it costs nothing when things are fast.

    Raises:
        AssertionError: it does not hold within `within_s` seconds.
    """
    until = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until, f"not so within {within_s:g} s"
        time.sleep(0.01)


def cpu_s_of_children() -> float:
    """Seconds of processor time that processes took which this one started and waited for: what a command costs,
    however busy the machine is."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
