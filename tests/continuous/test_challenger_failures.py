"""What the test of failures claims, by simulation with fixed seeds: rollouts that are looked at again and again."""

from __future__ import annotations

import math

import numpy as np

from pipeline.continuous.failures import Failures, judge_failures, rate_bounds
from pipeline.continuous.paired import ABORT, WAIT

DELTA, TRIALS, REQUESTS, LOOK = 0.05, 200, 1_000, 50


def aborted(champion: float, challenger: float) -> float:
    """The share of rollouts that are ever aborted, with these rates of failures."""
    rng = np.random.default_rng(4)
    looks = REQUESTS // LOOK
    first, second = (rng.binomial(LOOK, rate, (TRIALS, looks)).cumsum(1) for rate in (champion, challenger))
    ever = 0
    for one, other in zip(first.tolist(), second.tolist(), strict=True):
        ever += any(
            judge_failures(Failures(LOOK * k, one[k - 1], LOOK * k, other[k - 1]), delta=DELTA).action == ABORT
            for k in range(1, looks + 1)
        )
    return ever / TRIALS


def test_one_that_fails_as_often_is_seldom_aborted_though_somebody_looks_all_the_time() -> None:
    assert aborted(0.02, 0.02) <= DELTA + 2 * math.sqrt(DELTA * (1 - DELTA) / TRIALS)


def test_one_that_fails_more_often_is_aborted() -> None:
    assert aborted(0.01, 0.1) >= 0.95


def test_a_bound_of_a_rate_holds_at_all_times_together() -> None:
    rng = np.random.default_rng(5)
    wrong = 0
    for _ in range(TRIALS):
        failed = rng.binomial(20, 0.1, 30).cumsum()
        sides = [rate_bounds(20 * (k + 1), int(failed[k]), DELTA) for k in range(30)]
        wrong += not all(least <= 0.1 <= most for least, most in sides)
    assert wrong / TRIALS <= DELTA + 2 * math.sqrt(DELTA * (1 - DELTA) / TRIALS)


def test_one_that_answers_nothing_is_seen_within_some_twenty_requests() -> None:
    part = DELTA / 9
    found = judge_failures(Failures(20, 0, 20, 20), delta=part)
    assert (found.action, found.rows) == (ABORT, 20)
    assert "failed at 20 of 20 requests, the champion at 0 of 20: surely more often" in found.because
    assert judge_failures(Failures(5, 0, 5, 5), delta=part).action == WAIT
    assert judge_failures(Failures(20, 20, 20, 20), delta=part).action == WAIT  # both fail: it is not the model
    assert judge_failures(Failures(), delta=part).action == WAIT
