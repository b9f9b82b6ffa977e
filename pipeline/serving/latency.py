"""How long a call takes by itself, also on a machine that is busy with other work.

On a busy machine a call waits until a core is free. That says nothing of the model, so the wait is left out. The kernel
tells for each thread how long it was ready to run and waited (/proc/PID/task/*/schedstat). Threads of one call can also
wait for each other, all at once; so no call is taken for shorter than the processor time of all its threads together,
which is what it would take on a single free core. On a machine with nothing else to do nothing is left out.

Nothing of Longhaul is imported: the check's own process loads this file by its path.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

WARM_UP_CALLS = 3
FEWEST_CALLS = 3
"""Of a call that takes seconds no more are worth waiting for."""
ENOUGH_CALLS = 500
"""Five of them take longer than the 99th percentile: more would tell it little better."""


def measure(call: Callable[[], object], seconds: float) -> dict[str, float]:
    """Call again and again until `seconds` are over, or ENOUGH_CALLS were made.

    Returns:
        `p50_ms` and `p99_ms` without the wait for a core, `waited`: its share of all the time, and how many `calls`.
    """
    began = time.monotonic()
    for _ in range(WARM_UP_CALLS):
        call()
        if time.monotonic() - began > seconds:
            break
    took: list[float] = []
    whole = 0.0
    with _Threads() as threads:
        began = time.monotonic()
        while len(took) < FEWEST_CALLS or (len(took) < ENOUGH_CALLS and time.monotonic() - began < seconds):
            waited, worked, start = threads.waited_s(), time.process_time(), time.perf_counter()
            call()
            wall = time.perf_counter() - start
            worked, waited = time.process_time() - worked, threads.waited_s() - waited
            took.append(alone(wall, worked, waited))
            whole += wall
    p50, p99 = np.percentile(took, (50, 99))
    return {
        "p50_ms": 1000 * float(p50),
        "p99_ms": 1000 * float(p99),
        "waited": 1 - sum(took) / whole if whole else 0.0,
        "calls": len(took),
    }


def alone(wall: float, worked: float, waited: float) -> float:
    """Return how long a call would have taken on a machine of its own.

    Args:
        wall: seconds that it took.
        worked: processor time of all threads.
        waited: seconds that threads were ready and had no core, of all together.
    """
    return min(wall, max(worked, wall - waited))


class _Threads:
    """The threads that this process has now. Without the kernel's account (CONFIG_SCHED_INFO) none has waited."""

    def __enter__(self) -> _Threads:
        self._files: list[int] = []
        for path in Path("/proc/self/task").glob("*/schedstat"):
            with suppress(OSError):  # the thread has ended
                self._files.append(os.open(path, os.O_RDONLY))
        return self

    def __exit__(self, *exc: object) -> None:
        for file in self._files:
            os.close(file)

    def waited_s(self) -> float:
        """Return how long all together have waited so far."""
        total = 0
        for file in self._files:
            with suppress(OSError):
                total += int(os.pread(file, 96, 0).split()[1])  # running, waiting (ns), times that it ran
        return total / 1e9
