"""What the unpaired test claims, by simulation: canaries whose requests meet one version each, with fixed seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.continuous.paired import ABORT, PASS, WAIT
from pipeline.continuous.unpaired import BLOCKS, Arms, judge_unpaired

DELTA, MAY_LOSE, TRIALS, ROWS, LOOKS = 0.05, 0.0025, 200, 1_000, 8


def canary(rng: np.random.Generator, more: float, of_a_key: float) -> list[str]:
    """What each look says; rows of one key are alike by `of_a_key`, and one version answers all of them."""
    keys = 4 * BLOCKS
    at = rng.random(keys) < 0.3
    mean = 0.4 + of_a_key * rng.normal(size=keys)
    arms, said = Arms(), []
    for _ in range(LOOKS):
        key = rng.integers(0, keys, ROWS)
        loss = mean[key] + 0.2 * (rng.exponential(size=ROWS) - 1) + more * at[key]
        for version in (0, 1):
            mine = at[key] == bool(version)
            arms.add(version, key[mine] % BLOCKS, loss[mine])
        said.append(judge_unpaired(arms, may_lose=MAY_LOSE, delta=DELTA, aborts=1, fewest=200).action)
    return said


def shares(more: float, of_a_key: float = 0.2) -> tuple[float, float]:
    rng = np.random.default_rng(3)
    first = [next((one for one in canary(rng, more, of_a_key) if one != WAIT), WAIT) for _ in range(TRIALS)]
    return first.count(PASS) / TRIALS, first.count(ABORT) / TRIALS


ERROR = 2 * math.sqrt(DELTA * (1 - DELTA) / TRIALS)


@pytest.mark.parametrize("of_a_key", [0.0, 0.2])
def test_one_that_loses_just_too_much_seldom_passes_and_one_that_is_as_good_is_seldom_aborted(of_a_key: float) -> None:
    assert shares(MAY_LOSE, of_a_key)[0] <= DELTA + ERROR
    assert shares(0.0, of_a_key)[1] <= DELTA + ERROR


def test_one_that_is_much_worse_is_aborted_and_one_that_is_much_better_passes() -> None:
    assert shares(0.1)[1] >= 0.95
    assert shares(-0.1)[0] >= 0.95


def test_with_few_rows_of_either_version_it_waits() -> None:
    arms = Arms()
    arms.add(0, np.zeros(5_000, int), np.ones(5_000))
    arms.add(1, np.zeros(150, int), np.ones(150))
    found = judge_unpaired(arms, may_lose=MAY_LOSE, delta=DELTA, aborts=9, fewest=200)
    assert (found.action, found.rows, found.because) == (
        WAIT,
        150,
        "150 of 200 labelled rows of each version are there",
    )
