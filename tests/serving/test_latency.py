"""What a call takes by itself, told also while other programs want every core."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from pipeline.serving.latency import alone, measure


@pytest.fixture
def load() -> Iterator[None]:
    """Three programs for each core, all the time."""
    command = [sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(command) for _ in range(3 * len(os.sched_getaffinity(0)))]
    yield
    for process in busy:
        process.kill()
        process.wait()


def work(seconds: float) -> None:
    """Computes for so much processor time of this thread."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


@pytest.mark.parametrize(
    ("wall", "worked", "waited", "expected"),
    [
        (0.002, 0.002, 0.0, 0.002),  # nothing but work
        (0.050, 0.002, 0.048, 0.002),  # waited for a core
        (0.050, 0.002, 0.0, 0.050),  # slept, or waited for a disk: that is the model's own
        (0.050, 0.002, 0.010, 0.040),
        (0.020, 0.040, 0.020, 0.020),  # its own threads were in each other's way
        (0.090, 0.040, 0.140, 0.040),  # so they were, and others too
    ],
)
def test_only_the_wait_for_a_core_is_left_out(wall: float, worked: float, waited: float, expected: float) -> None:
    assert alone(wall, worked, waited) == pytest.approx(expected)


@pytest.mark.usefixtures("load")
def test_a_quick_call_is_quick_on_a_busy_machine() -> None:
    found = measure(lambda: work(0.02), 2.0)
    assert found["waited"] > 0.1
    assert 19 < found["p50_ms"] < 30


@pytest.mark.usefixtures("load")
def test_a_slow_call_is_slow_on_a_busy_machine() -> None:
    def call() -> None:
        helpers = [threading.Thread(target=time.sleep, args=(0.1,)) for _ in range(2)]
        for helper in helpers:
            helper.start()
        work(0.05)
        for helper in helpers:
            helper.join()

    assert measure(call, 0.5)["p50_ms"] >= 50


def test_calls_end_when_they_tell_enough() -> None:
    began = time.monotonic()
    assert measure(lambda: None, 60.0)["calls"] == 500
    assert time.monotonic() - began < 30


def test_no_time_to_measure_still_gives_a_figure() -> None:
    found = measure(lambda: time.sleep(0.01), 0)
    assert found["calls"] == 3
    assert 10 <= found["p50_ms"] <= found["p99_ms"]
