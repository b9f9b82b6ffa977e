"""What the bounds of `watch` claim, by simulation: whole lives of models, with fixed seeds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pipeline.watch.above import above_promise
from pipeline.watch.harm import AREA, LOSS
from pipeline.watch.moved import discoveries, p_values
from pipeline.watch.sequences import (
    OVER,
    Groups,
    area_and_variance,
    best_rho,
    bounds_until_over,
    margin,
    spent,
)
from tests.watch.skewed_losses import skewed_losses

VARIANCE = 0.25
"""Of one row's log loss, about that of the flights."""
DELTA = 0.05


def lives(rows: int, trials: int, weeks: int, seed: int, loss: float = 0.5) -> Groups:
    """Weekly means of losses of rows without change."""
    mean = np.random.default_rng(seed).normal(loss, math.sqrt(VARIANCE / rows), (trials, weeks))
    return Groups(np.full(mean.shape, rows), mean, np.full(mean.shape, VARIANCE))


@pytest.mark.parametrize("rows", [300, 6_300, 100_000])
def test_no_more_lives_than_delta_have_a_false_alarm_though_somebody_looks_every_week(rows: int) -> None:
    found = bounds_until_over(lives(rows, 1_000, 104, seed=rows), np.inf, DELTA, VARIANCE).least
    false = (found > 0.5).any(axis=1).mean()
    assert false <= DELTA + 2 * math.sqrt(DELTA * (1 - DELTA) / 1_000)  # two standard errors of the simulation


def test_a_plain_test_each_week_would_alarm_in_most_lives() -> None:
    groups = lives(6_300, 1_000, 104, seed=1)
    z = (groups.mean - 0.5) / math.sqrt(VARIANCE / 6_300)
    assert (z > 1.645).any(axis=1).mean() > 0.9


def test_losses_that_are_skewed_and_few_keep_the_promise() -> None:
    loss, truth = skewed_losses()
    groups = Groups(np.full(loss.shape[:2], 250), loss.mean(-1), loss.var(-1))
    found = bounds_until_over(groups, np.inf, DELTA, float(loss.var())).least
    assert (found > truth).any(axis=1).mean() <= DELTA + 0.02


@pytest.mark.parametrize("weeks_before", [0, 10, 26])
def test_a_loss_of_a_hundredth_is_found_within_two_weeks_of_labels(weeks_before: int) -> None:
    """With 100,000 labelled rows a week, by the log loss alone, at the default of what may be lost, if the promise is
    certain."""
    groups = lives(100_000, 100, weeks_before + 2, seed=weeks_before)
    groups.mean[:, weeks_before:] += 0.01
    assert found(groups, 10**9, 0.5, 0.0025, LOSS)[:, weeks_before:].any(axis=1).mean() >= 0.9


def test_a_loss_of_two_hundredths_of_auc_is_found_within_two_weeks_of_labels() -> None:
    """With 40,000 labelled rows a week, by AUC alone, at the default of what may be lost."""
    rng = np.random.default_rng(5)
    edges = np.linspace(-5, 6, 401)

    def week(distance: float) -> tuple[float, float]:
        positive = np.histogram(rng.normal(distance, 1, 9_600), edges)[0]
        area, variance = area_and_variance(np.histogram(rng.normal(0, 1, 30_400), edges)[0], positive)
        return 1 - float(area), float(variance) * 40_000

    good, bad = 0.824, 0.742  # areas of 0.72 and 0.70
    parts = np.array([[week(good if k < 10 else bad) for k in range(12)] for _ in range(100)])
    groups = Groups(np.full(parts.shape[:2], 40_000), parts[..., 0], parts[..., 1])
    harmful = found(groups, 54_000, 0.28, 0.005, AREA)
    assert not harmful[:, :10].any()
    assert harmful[:, 10:].any(axis=1).mean() >= 0.9


def found(groups: Groups, promised: int, loss: float, may: float, share: float) -> np.ndarray[tuple[int, ...], Any]:
    """Return after which weeks a life is called harmful, by a share of delta, with so many rows of training."""
    moments = np.stack([groups.rows, groups.rows * groups.mean, groups.rows * (groups.variance + groups.mean**2)], -1)
    of_training = promised * np.array([1, loss, VARIANCE + loss**2])
    return np.array([above_promise(life, of_training, may, DELTA * share).least > 0 for life in moments])


MOST = 0.5 + 0.0025 + 2.5 * math.sqrt(VARIANCE / 54_000)
"""What may be lost above a promise that rests on 54,000 rows."""


def test_one_very_bad_week_is_harm_for_some_weeks_and_not_for_most_of_a_year() -> None:
    groups = lives(6_300, 200, 60, seed=11)
    groups.mean[:, 10] += 0.5
    carried = (bounds_until_over(groups, np.inf, DELTA * 0.2, VARIANCE).least > MOST).sum(axis=1)
    least, over, *_ = bounds_until_over(groups, MOST, DELTA * 0.2, VARIANCE)
    assert np.median(carried) > 35
    assert np.median((least > MOST).sum(axis=1)) <= 5
    assert over.any(axis=1).all()


@pytest.mark.parametrize("worse", [0.0, 0.01])
def test_few_harms_that_go_on_are_taken_for_over(worse: float) -> None:
    """Also of those that are no greater than may be, after a week that was."""
    groups = lives(6_300, 400, 60, seed=12, loss=MOST + worse)
    groups.mean[:, 10] += 0.3
    assert bounds_until_over(groups, MOST, DELTA * 0.2, VARIANCE).over.any(axis=1).mean() <= OVER


def test_a_harm_that_is_over_is_found_again() -> None:
    groups = lives(25_000, 100, 40, seed=13)
    groups.mean[:, [5, 30]] += 0.1
    harmful = bounds_until_over(groups, MOST, DELTA * 0.2, VARIANCE).least > MOST
    assert harmful[:, 5].all()
    assert harmful[:, 30].all()
    assert not harmful[:, 20].any()


def test_the_bound_is_tightest_where_it_was_tuned() -> None:
    total = np.array(1_000.0)
    widths = [float(margin(4_000.0, total, best_rho(total * factor, 0.05), 0.05)) for factor in (0.1, 1, 10)]
    assert widths[1] < min(widths[0], widths[2])


def test_what_is_spent_adds_up_to_delta() -> None:
    assert spent(DELTA, np.arange(1, 100_000)).sum() == pytest.approx(DELTA, rel=1e-4)


def test_the_variance_of_an_area_is_what_simulations_show() -> None:
    rng = np.random.default_rng(8)
    edges = np.linspace(-6, 7, 300)
    found = [
        area_and_variance(*(np.histogram(rng.normal(d, 1, n), edges)[0] for d, n in ((0, 900), (0.8, 300))))
        for _ in range(400)
    ]
    areas, variances = np.array(found).T
    assert float(variances.mean()) == pytest.approx(float(areas.var()), rel=0.2)


def test_of_the_columns_that_are_named_few_are_false_ones() -> None:
    rng = np.random.default_rng(4)
    shares, found = [], []
    for _ in range(60):
        before, after = (rng.multinomial(5_000, np.full(20, 0.05), 200) for _ in range(2))
        weights = np.full(20, 0.05)
        weights[0], weights[1] = 0.07, 0.03
        after[:20] = rng.multinomial(5_000, weights, 20)
        named = discoveries(p_values(before, after), 0.05)
        shares.append(named[20:].sum() / max(named.sum(), 1))
        found.append(named[:20].mean())
    assert np.mean(shares) <= 0.05 + 0.02
    assert np.mean(found) > 0.9
