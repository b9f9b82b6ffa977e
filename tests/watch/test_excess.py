"""What the test of the excess loss claims, by simulation: few false alarms however often one looks, seasons and base
rates that it does not mind, and the loss that it finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.evaluation.tallies import rows_of
from pipeline.watch import above
from pipeline.watch.above import LENGTHS, OVERLAP, above_promise, level, spent_slowly
from pipeline.watch.excess import center_of, moments
from pipeline.watch.sequences import OVER
from tests.watch.skewed_losses import skewed_losses

Array = Any
VARIANCE = 0.119
"""Of one row's excess, as on the held-out flights; of its log loss it is 0.354."""
DELTA = 0.05 * 0.6
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


@pytest.mark.parametrize(("rows", "promised"), [(300, 54_000), (6_300, 54_000), (6_300, 10**9)])
def test_no_more_lives_than_delta_have_a_false_alarm_though_somebody_looks_every_week(rows: int, promised: int) -> None:
    """With a delta of 0.05 for this test alone, and no loss that does not matter; also where the promise is certain, so
    that its error, which windows share, makes their tests no rarer."""
    rng = np.random.default_rng(rows)
    false = 0
    for _ in range(400):
        found = above_promise([week(rng, rows) for _ in range(104)], week(rng, promised), 0, 0.05).least
        false += max(found) > 0
    assert false / 400 <= 0.05 + 0.02  # two standard errors of the simulation


def test_losses_that_are_skewed_and_few_call_more_rarely_than_normal_ones() -> None:
    """A mean that is high by chance has a great spread then; 0.75 % of lives have a false alarm, 2 % at twice the
    levels."""
    loss, truth = skewed_losses()
    of_training = 10**9 * np.array([1, truth, truth**2 + loss.var()])
    moments_of = 250 * np.stack([np.ones(loss.shape[:2]), loss.mean(-1), (loss**2).mean(-1)], -1)
    false = np.mean([above_promise(life, of_training, 0, 0.05).least.max() > 0 for life in moments_of])
    assert false <= 0.015


def test_a_loss_from_the_first_day_on_is_told_by_fewer_standard_errors_than_tests_of_lengths_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without chance: 300 rows a day lose four standard errors of 100 days and of a promise that rests on 10,000."""
    excess = 4 * np.sqrt(VARIANCE * (1 / 30_000 + 1 / 10_000))
    days = 300 * np.tile([1, excess, VARIANCE + excess**2], (100, 1))
    promised = 10_000 * np.array([1, 0, VARIANCE])
    assert (above_promise(days, promised, MAY, DELTA).least > 0).any()
    monkeypatch.setattr(above, "SINCE", 1e-9)
    assert not (above_promise(days, promised, MAY, DELTA).least > 0).any()


def test_what_may_be_lost_is_no_harm_be_it_ever_so_sure() -> None:
    rng = np.random.default_rng(4)
    weeks = [week(rng, 10**8, 0.002) for _ in range(8)]
    assert (above_promise(weeks, week(rng, 10**9), 0, DELTA).least > 0).all()
    assert (above_promise(weeks, week(rng, 10**9), MAY, DELTA).least == 0).all()


def test_a_loss_of_two_hundredths_of_auc_is_found_within_two_weeks() -> None:
    """It is 0.013 of log loss on the flights, and of the excess; of 6,300 and of 10,000 labelled rows a week."""
    rng = np.random.default_rng(1)
    power = {}
    for rows in (6_300, 10_000):
        found = []
        for _ in range(200):
            weeks = [*(week(rng, rows) for _ in range(10)), *(week(rng, rows, 0.0133) for _ in range(2))]
            found.append(above_promise(weeks, week(rng, 54_000), MAY, DELTA).least > 0)
        assert np.array(found)[:, :10].mean() < 0.002
        power[rows] = np.array(found)[:, 10:].any(axis=1).mean()
    assert power[6_300] >= 0.65
    assert power[10_000] >= 0.9


def test_days_of_few_rows_tell_together_what_none_does_alone() -> None:
    rng = np.random.default_rng(8)
    found = []
    for _ in range(30):
        days = [week(rng, 200, 0.018) for _ in range(120)]
        found.append((above_promise(days, week(rng, 54_000), MAY, DELTA).least > 0).any())
    assert np.mean(found) >= 0.9


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
    assert above_promise([week(rng, 100)], week(rng, 54_000), MAY, 0.05).least.tolist() == [-np.inf]
    assert spent_slowly(0.05, np.arange(1, 1_000_000)).sum() == pytest.approx(0.05, rel=1e-3)
    assert sum(level(0.05, 1, length) for length in LENGTHS) == pytest.approx(OVERLAP * spent_slowly(0.05, 1))


def test_a_bad_week_is_over_soon_and_a_harm_that_goes_on_is_not() -> None:
    rng = np.random.default_rng(7)
    lasted, wrongly = [], 0
    for _ in range(60):
        weeks = [week(rng, 6_300, 0.3 if number == 3 else 0.0) for number in range(16)]
        least = above_promise(weeks, week(rng, 54_000), MAY, DELTA).least
        lasted.append((least > 0).sum())
        weeks = [week(rng, 6_300, 0.02 if number >= 3 else 0.0) for number in range(30)]
        wrongly += bool(above_promise(weeks, week(rng, 54_000), MAY, DELTA).over.any())
    assert np.median(lasted) <= 3  # what came before the end is not tested again
    assert wrongly / 60 <= OVER
