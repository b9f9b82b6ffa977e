"""Peaks of this very process and of one that it starts. A megabyte is 2**20 bytes."""

from __future__ import annotations

import mmap
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.runners.local import memory
from pipeline.runners.local.memory import MemoryMeter
from tests.waiting import eventually

MB = 2**20


def touch(megabytes: int) -> None:
    """Holds so much for a moment."""
    with mmap.mmap(-1, megabytes * MB) as held:
        for page in range(0, megabytes * MB, mmap.PAGESIZE):
            held[page] = 1


def held_now() -> int:
    """Also by what other tests of this process have started."""
    return memory.status_bytes(Path("/proc/self"), "VmRSS") + memory._of_children()


def test_each_step_has_the_peak_of_its_own_time() -> None:
    with MemoryMeter() as meter:
        before = held_now()
        meter.begin("large")
        touch(200)
        large = meter.end("large") - before
        before = held_now()
        meter.begin("small")
        touch(20)
        small = meter.end("small") - before
    assert 195 * MB < large < 300 * MB
    assert 15 * MB < small < 120 * MB  # not the 200 of the step before


def test_steps_at_once_are_told_the_peak_of_both() -> None:
    with MemoryMeter() as meter:
        before = held_now()
        meter.begin("long")
        touch(150)
        meter.begin("late")
        touch(10)
        late = meter.end("late") - before
        long = meter.end("long") - before
    assert 145 * MB < long < 250 * MB
    assert late < 100 * MB  # it began afterwards


def test_what_a_child_holds_counts() -> None:
    program = "import mmap; held = mmap.mmap(-1, 1 << 28); held.write(bytes(1 << 28)); input()"
    with MemoryMeter() as meter:
        before = held_now()
        meter.begin("InfraCheck")
        with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) as child:
            eventually(lambda: meter._peaks["InfraCheck"] - before > 250 * MB)  # sampled while it is at work
            child.communicate(b"\n")
        assert meter.end("InfraCheck") - before > 250 * MB


def test_where_the_system_never_forgets_samples_must_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_forget_peak", lambda: False)
    touch(200)
    with MemoryMeter() as meter:
        before = held_now()
        meter.begin("small")
        small = meter.end("small") - before
    assert abs(small) < 100 * MB


def test_a_step_that_never_began_has_no_peak() -> None:
    with MemoryMeter() as meter:
        assert meter.end("Trainer") == 0
