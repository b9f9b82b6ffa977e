"""The most memory that this process, with those that it started, held while a step was at work.

Linux keeps the peak of a process and forgets it when asked, so no moment of this process is missed. What its children
hold is sampled. Steps that work at the same time share one process: each is told the peak of all of them.
"""

from __future__ import annotations

import re
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

_PROC = Path("/proc/self")
_SAMPLED_EVERY_S = 0.5
_FORGET_THE_PEAK = "5"  # proc(5), clear_refs


class MemoryMeter:
    """Measures while it is entered."""

    def __init__(self) -> None:
        self._alone = threading.Lock()
        self._peaks: dict[str, int] = {}
        self._forgets = False
        self._over = threading.Event()
        self._sampler = threading.Thread(target=self._sample, name="memory", daemon=True)

    def __enter__(self) -> Self:
        self._forgets = _forget_peak()
        self._sampler.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._sampler.join()

    def begin(self, step: str) -> None:
        """Learn that the step begins."""
        with self._alone:
            self._read()
            self._peaks[step] = 0

    def end(self, step: str) -> int:
        """Return the peak of a step that has ended, in bytes, 0 where the system does not tell."""
        with self._alone:
            self._read()
            return self._peaks.pop(step, 0)

    def _sample(self) -> None:
        while not self._over.wait(_SAMPLED_EVERY_S):
            with self._alone:
                if self._peaks:
                    self._read()

    def _read(self) -> None:
        """Raise the peaks of the steps at work to the highest since the last reading."""
        own = status_bytes(_PROC, "VmRSS")
        if self._forgets:
            own = max(own, status_bytes(_PROC, "VmHWM"))
            _forget_peak()
        highest = own + _of_children()
        for step, peak in self._peaks.items():
            self._peaks[step] = max(peak, highest)


def _forget_peak() -> bool:
    """Start the system's record of the peak anew; False where that may not be, and the record is of no use."""
    try:
        (_PROC / "clear_refs").write_text(_FORGET_THE_PEAK)
    except OSError:
        return False
    return True


def status_bytes(process: Path, field: str) -> int:
    """Return a figure of a process in /proc/PID/status, such as VmRSS or its peak VmHWM; 0 if it has ended."""
    with suppress(OSError):
        if found := re.search(rf"^{field}:\s+(\d+) kB", (process / "status").read_text(), re.MULTILINE):
            return int(found[1]) * 1024
    return 0


def _of_children() -> int:
    """Return what processes that Python's own threads started hold."""
    pids = set[str]()
    for thread in threading.enumerate():
        with suppress(OSError):
            pids.update((_PROC / "task" / str(thread.native_id) / "children").read_text().split())
    return sum(status_bytes(Path("/proc", pid), "VmRSS") for pid in pids)
