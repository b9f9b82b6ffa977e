"""What the test of the excess loss claims, by simulation: few false alarms however often one looks, seasons and base
rates that it does not mind, and the loss that it finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.evaluation.tallies import rows_of
from pipeline.watch.excess import center_of, excess_until_over, moments, spent_slowly
from pipeline.watch.sequences import OVER, Groups, bounds_until_over, upper_bound

Array = Any
VARIANCE = 0.119
"""Of one row's excess, as on the held-out flights; of its log loss it is 0.354."""
DELTA = 0.05 * 0.2
MAY = 0.0025


def week(rng: np.random.Generator, rows: int, excess: float = 0.0) -> Array:
    mean = rng.normal(excess, np.sqrt(VARIANCE / rows))
    return np.array([rows, rows * mean, rows * (VARIANCE + mean**2)])


def tally(rng: np.random.Generator, rows: int, dealt_anew: float = 0.0, mean: float = -1.6, less: float = 0.0) -> Any:
    """Draw calibrated scores and labels; a share of the labels is dealt out anew, or the base rate is another."""
    z = rng.normal(mean, 0.8, rows)
    y = (rng.random(rows) < 1 / (1 + np.exp(-(z - less)))).astype(int)
    some = np.flatnonzero(rng.random(rows) < dealt_anew)
    y[some] = rng.permutation(y[some])
    return rows_of("binary", y, 1 / (1 + np.exp(-z))[:, None], np.arange(rows) % 20).tally(np.arange(rows))


@pytest.mark.parametrize("rows", [300, 6_300])
def test_no_more_lives_than_delta_have_a_false_alarm_though_somebody_looks_every_week(rows: int) -> None:
    """With a delta of 0.05 for this test alone, and no loss that is allowed."""
    rng = np.random.default_rng(rows)
    false = 0
    for _ in range(400):
        found = excess_until_over([week(rng, rows) for _ in range(104)], week(rng, 54_000), np.inf, 0.05).least
        false += max(found) > 0
    assert false / 400 <= 0.05 + 0.02  # two standard errors of the simulation


def test_a_loss_of_two_hundredths_of_auc_is_found_where_the_log_loss_says_nothing_yet() -> None:
    """It is 0.013 of log loss on the flights, and of the excess; within two weeks of 25,000 labelled rows each."""
    rng = np.random.default_rng(1)
    found, by_loss = [], []
    for _ in range(200):
        weeks = [*(week(rng, 25_000) for _ in range(10)), *(week(rng, 25_000, 0.013) for _ in range(2))]
        found.append(excess_until_over(weeks, week(rng, 54_000), np.inf, DELTA).least > MAY)
        means = rng.normal(0.45, np.sqrt(0.354 / 25_000), 12) + 0.013 * (np.arange(12) >= 10)
        groups = Groups(np.full(12, 25_000.0), means, np.full(12, 0.354))
        by_loss.append(
            bounds_until_over(groups, np.inf, DELTA, 0.354).least > upper_bound(0.45, 0.354, 54_000, 0.00375) + MAY
        )
    assert not np.array(found)[:, :10].any()
    assert np.array(found)[:, 10:].any(axis=1).mean() >= 0.75
    assert np.array(by_loss)[:, 10:].any(axis=1).mean() <= 0.1


def test_the_excess_is_what_rows_say_and_minds_neither_mix_nor_base_rate() -> None:
    rng = np.random.default_rng(2)
    reference = tally(rng, 200_000)
    center = center_of(reference)

    def excess(one: Any) -> float:
        rows, total, _ = moments(one, center)
        return float(total / rows)

    assert excess(reference) == pytest.approx(0, abs=0.003)
    assert excess(tally(rng, 200_000, mean=-0.9)) == pytest.approx(0, abs=0.004)  # a season: harder rows
    assert excess(tally(rng, 200_000, less=0.3)) == pytest.approx(0, abs=0.006)
    harmed = tally(rng, 200_000, dealt_anew=0.1)
    p, y = np.full(1_000, 0.2), np.arange(1_000) < 300
    few = rows_of("binary", y.astype(int), p[:, None], np.zeros(1_000, int)).tally(np.arange(1_000))
    assert excess(harmed) > 0.008
    assert excess(few) == pytest.approx(0.1 * (center - np.log(0.25)), abs=1e-3)


def test_too_few_rows_say_nothing_and_all_that_is_spent_is_delta() -> None:
    rng = np.random.default_rng(3)
    assert excess_until_over([week(rng, 100)], week(rng, 54_000), np.inf, 0.05).least.tolist() == [-np.inf]
    assert spent_slowly(0.05, np.arange(1, 1_000_000)).sum() == pytest.approx(0.05, rel=1e-3)


def test_a_bad_week_is_over_soon_and_a_harm_that_goes_on_is_not() -> None:
    rng = np.random.default_rng(7)
    lasted, wrongly = [], 0
    for _ in range(60):
        weeks = [week(rng, 6_300, 0.3 if number == 3 else 0.0) for number in range(16)]
        least = excess_until_over(weeks, week(rng, 54_000), MAY, DELTA).least
        lasted.append((least > MAY).sum())
        weeks = [week(rng, 6_300, 0.02 if number >= 3 else 0.0) for number in range(30)]
        wrongly += bool(excess_until_over(weeks, week(rng, 54_000), MAY, DELTA).over.any())
    assert np.median(lasted) <= 3  # eight weeks are tested together at most, so it was eight
    assert wrongly / 60 <= OVER
