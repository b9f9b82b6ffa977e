"""What the paired test claims, by simulation: whole rollouts that are looked at again and again, with fixed seeds."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest

from pipeline.continuous.paired import ABORT, PASS, WAIT, Array, Pairs, bounds, judge, pairs_of

DELTA, MAY_LOSE, ABORTS, FEWEST, LOOK = 0.05, 0.0025, 9, 500, 100
TRIALS, ROWS = 500, 8_000


@functools.cache
def fair() -> tuple[Array, Array, Array]:
    """Rows, sums and squares at each look of TRIALS steps: differences of two log losses, which are skewed; mean 0."""
    rng = np.random.default_rng(1)
    looks = ROWS // LOOK
    p = rng.beta(1, 4, (TRIALS, ROWS)).clip(0.02, 0.98)
    other = p * (1 - p) * rng.normal(0, 0.3, p.shape).clip(-0.9, 0.9)  # how much more the challenger believes
    happens = rng.random(p.shape) < p
    difference = np.log(np.where(happens, p, 1 - p)) - np.log(np.where(happens, p + other, 1 - p - other))
    # What it loses by that on average is taken out.
    lost = p * np.log(p / (p + other)) + (1 - p) * np.log((1 - p) / (1 - p - other))
    parts = (difference - lost).reshape(TRIALS, looks, LOOK)
    rows = np.tile(LOOK * np.arange(1.0, looks + 1), (TRIALS, 1))
    return rows, parts.sum(2).cumsum(1), (parts**2).sum(2).cumsum(1)


def rollouts(mean: float) -> tuple[Array, Array, Array]:
    """The same, where the challenger loses so much more a row."""
    rows, total, square = fair()
    return rows, total + rows * mean, square + 2 * mean * total + rows * mean**2


def shares(mean: float) -> tuple[float, float]:
    """How many of the steps are passed, and how many aborted, whichever comes first."""
    rows, total, square = rollouts(mean)
    usable = rows >= FEWEST
    passed = (total / rows + bounds(rows, total, square, DELTA) < MAY_LOSE) & usable
    aborted = (total / rows - bounds(rows, total, square, DELTA / ABORTS) > 0) & usable
    first_pass = np.where(passed.any(1), passed.argmax(1), ROWS)
    first_abort = np.where(aborted.any(1), aborted.argmax(1), ROWS)
    return float((first_pass < first_abort).mean()), float((first_abort < first_pass).mean())


ERROR = 2 * math.sqrt(DELTA * (1 - DELTA) / TRIALS)
"""Two standard errors of the simulation."""


def test_one_that_loses_just_too_much_is_seldom_passed_though_somebody_looks_all_the_time() -> None:
    passed, _ = shares(MAY_LOSE)
    assert passed <= DELTA + ERROR


def test_one_that_is_as_good_is_seldom_aborted_and_mostly_passed() -> None:
    passed, aborted = shares(0.0)
    assert aborted <= DELTA / ABORTS + ERROR
    assert passed >= 0.25  # with 8,000 rows; the standard deviation of a difference is 0.117, 47 times what may be lost


def test_one_that_is_better_is_passed_and_one_that_is_worse_aborted() -> None:
    passed, aborted = shares(-0.005)
    assert (passed, aborted) >= (0.99, 0.0)
    passed, aborted = shares(0.01)
    assert passed == 0
    assert aborted >= 0.99


def test_a_plain_test_at_each_look_would_pass_many_that_lose_too_much() -> None:
    rows, total, square = rollouts(MAY_LOSE)
    error = np.sqrt(np.maximum(square / rows - (total / rows) ** 2, 0) / rows)
    plain = ((total / rows + 1.645 * error < MAY_LOSE) & (rows >= FEWEST)).any(1).mean()
    assert plain > 0.2


@pytest.mark.parametrize(
    ("mean", "rows", "action"),
    [(-0.01, 2_000, PASS), (0.05, 2_000, ABORT), (0.05, 499, WAIT), (0.001, 600, WAIT), (0.0, 0, WAIT)],
)
def test_a_step_is_judged_by_its_pairs(mean: float, rows: int, action: str) -> None:
    champion = np.random.default_rng(5).gamma(1, 0.5, rows)
    pairs = pairs_of(champion, champion + np.random.default_rng(6).normal(mean, 0.05, rows))
    found = judge(pairs, may_lose=MAY_LOSE, delta=DELTA, aborts=ABORTS, fewest=FEWEST)
    assert (found.action, found.rows) == (action, rows), found.because
    if rows < FEWEST:
        assert f"{rows:,} of 500 labelled rows" in found.because


def test_models_that_answer_alike_pass() -> None:
    pairs = Pairs(1_000, 0.0, 0.0, 500.0, 500.0)
    assert judge(pairs, may_lose=MAY_LOSE, delta=DELTA, aborts=ABORTS, fewest=FEWEST).action == PASS
