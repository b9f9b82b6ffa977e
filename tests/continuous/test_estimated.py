"""What the test on estimated losses claims, by simulation: rows of another mix, weights that are known, fixed seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq

from pipeline.continuous.estimated import BY, judge_estimated, number_of
from pipeline.continuous.paired import ABORT, PASS, WAIT, Judgement
from pipeline.watch.estimates import Array, Estimate, estimate_mean

DELTA, MAY_LOSE, TRIALS, FEWEST = 0.05, 0.0025, 200, 500
WAITS = Judgement(WAIT, "0 of 500 labelled rows that both have answered are there", 0, math.nan, -math.inf, math.inf)
SHIFT = 0.4


def chance(x: Array) -> Array:
    return 1 / (1 + np.exp(1 - x))


def pair(x: Array, more: float) -> tuple[Array, Array]:
    """Scores of both: the champion is off where x is great, the challenger, by so much, where it is small."""
    p, great = chance(x), x > SHIFT
    return np.where(great, p - 0.08, p).clip(0.001), np.where(great, p, p + more).clip(0.001, 0.999)


def lost(p: Array, y: Array) -> Array:
    return -(y * np.log(p) + (1 - y) * np.log1p(-p))


def true_difference(more: float) -> float:
    """Of the mean losses in production, challenger minus champion."""
    x = np.linspace(-6, 6, 10_001) + SHIFT
    density = np.exp(-((x - SHIFT) ** 2) / 2)
    first, second = pair(x, more)
    return float((density * (lost(second, chance(x)) - lost(first, chance(x)))).sum() / density.sum())


def as_bad_as(difference: float) -> float:
    """How far the challenger is off that loses so much more."""
    return float(brentq(lambda more: true_difference(more) - difference, 0, 0.5))


def shares(more: float, may_lose: float) -> tuple[float, float]:
    """How many of the steps pass, and are aborted, with looks at 500, 1,000, 2,000 and 4,000 rows."""
    rng = np.random.default_rng(2)
    ended = []
    for _ in range(TRIALS):
        x = rng.normal(size=10_000)
        y = (rng.random(len(x)) < chance(x)).astype(float)
        first, second = pair(x, more)
        weights = np.exp(SHIFT * x - SHIFT**2 / 2)
        there = rng.normal(SHIFT, 1, FEWEST * 8)
        ours, theirs = pair(there, more)
        action = WAIT
        for number in range(1, 5):
            rows = FEWEST * 2 ** (number - 1)
            found = estimate_mean(lost(second, y) - lost(first, y), weights, second - first, (theirs - ours)[:rows])
            action = judge_estimated(
                WAITS, found, rows, number, may_lose=may_lose, delta=DELTA, aborts=1, passes=True
            ).action
            if action != WAIT:
                break
        ended.append(action)
    return ended.count(PASS) / TRIALS, ended.count(ABORT) / TRIALS


ERROR = 2 * math.sqrt(DELTA * (1 - DELTA) / TRIALS)


def test_one_that_loses_just_too_much_seldom_passes() -> None:
    assert shares(as_bad_as(MAY_LOSE), MAY_LOSE)[0] <= DELTA + ERROR


def test_one_that_is_as_good_is_seldom_aborted_and_one_that_is_surely_worse_is() -> None:
    assert shares(as_bad_as(0.0), MAY_LOSE)[1] <= DELTA + ERROR
    assert shares(as_bad_as(0.015), MAY_LOSE)[1] >= 0.9


def test_tests_are_made_when_rows_have_doubled() -> None:
    assert [number_of(rows, 500) for rows in (0, 499, 500, 999, 1_000, 3_999, 4_000)] == [0, 0, 1, 1, 2, 3, 4]


@pytest.mark.parametrize(("value", "passes", "action"), [
    (-0.01, True, PASS), (-0.01, False, WAIT), (0.01, False, ABORT), (0.0, True, WAIT),
])  # fmt: skip
def test_it_says_what_it_rests_on_and_the_policy_says_what_may_pass(value: float, passes: bool, action: str) -> None:
    found = judge_estimated(
        WAITS, Estimate(value, 0.002), 500, 1, may_lose=MAY_LOSE, delta=DELTA, aborts=9, passes=passes
    )
    assert found.action == action
    assert found.by == (WAITS.by if action == WAIT else BY)
    assert found.because.startswith("0 of 500 labelled rows that both have answered are there; as estimated on 500")
