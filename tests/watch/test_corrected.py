"""What corrected estimates claim, by simulation: coverage where outcomes change from week to week, and few alarms."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline.watch.corrected import FADES, SHRINKS, Corrections, backtest_rows, corrected
from pipeline.watch.estimates import Estimate
from pipeline.watch.harm import harm_by_estimate

REFERENCE: Any = SimpleNamespace(
    spec=SimpleNamespace(task="multiclass"), promise={}, loss=0.5, variance=0.25, rows=54_000
)
WEEKS = 52


def seasons(rng: np.random.Generator, weeks: int, off: float) -> np.ndarray[Any, Any]:
    """Draw errors: a part that stays for some months, and one of each week."""
    stays = np.zeros(weeks)
    for week in range(1, weeks):
        stays[week] = 0.9 * stays[week - 1] + rng.normal(0, 0.01)
    return np.asarray(stays + off + rng.normal(0, 0.03, weeks))


@pytest.mark.parametrize("labels", [False, True])
def test_intervals_hold_what_is_realized_and_no_more_lives_than_delta_have_a_false_alarm(labels: bool) -> None:
    """Labels come after two weeks, or never; the standard error alone held a fifth, and alarmed in each life."""
    rng = np.random.default_rng(5)
    held, off, alarms = [], [], 0
    for _ in range(60):
        errors = seasons(rng, WEEKS + 8, 0.0)
        backtested, errors = errors[:8], errors[8:]
        found = False
        for week in range(0, WEEKS, 2):
            past = np.where(np.arange(week) < week - 1, errors[:week], np.nan) if labels else np.full(week, np.nan)
            one = corrected(Estimate(0.5 - errors[week], 0.008), past[-30:].tolist(), backtested.tolist())
            low, high = one.interval(0.95)
            held.append(low <= 0.5 <= high)
            off.append(one.value - 0.5)
            found |= any(h.harmful for h in harm_by_estimate(REFERENCE, {"log_loss": one}, week + 1, {}, 0.05))
        alarms += found
    assert np.mean(held) >= 0.9
    assert alarms / 60 <= 0.05
    assert np.std(off) < 0.045


def test_an_estimate_that_is_always_off_is_put_right_by_labels() -> None:
    rng = np.random.default_rng(6)
    corrections, left = Corrections({"auc": (0.01, -0.02, 0.03)}), []
    for _ in range(20):
        raw = {"auc": Estimate(0.72, 0.005)}
        left.append(0.68 - corrections.put_right(raw)["auc"].value)
        corrections.learn(raw, {"metrics": {"auc": 0.68 + rng.normal(0, 0.005)}, "share": 1.0})
    assert left[0] == pytest.approx(-0.04)
    assert abs(np.mean(left[10:])) < 0.01


def test_few_labels_are_no_error_and_a_loss_that_labels_show_is_in_the_next_estimate() -> None:
    raw = {"mse": Estimate(4.0, 0.1)}
    for share, expected in ((0.5, 4.0), (0.9, 4.0 + 5 * FADES / (FADES + SHRINKS))):
        corrections = Corrections({})
        corrections.put_right(raw)
        corrections.learn(raw, {"metrics": {"rmse": 3.0}, "share": share})
        assert corrections.put_right(raw)["mse"].value == pytest.approx(expected)


def test_the_backtest_sees_outcomes_that_change_and_none_where_nothing_does() -> None:
    rng = np.random.default_rng(7)
    rows = 3_000
    x = rng.normal(size=(rows, 1))
    scores = 1 / (1 + np.exp(1 - x))
    season = np.where(np.arange(rows) // 500 % 2, 0.2, 1.8)
    spread = []
    for slope in (1.0, season):
        truth = (rng.random(rows) < 1 / (1 + np.exp(1 - slope * x[:, 0]))).astype(float)
        spread.append(float(np.std(backtest_rows("binary", x, [], scores, truth)["auc"])))
    assert spread[0] < 0.04
    assert spread[1] > 0.1
    assert backtest_rows("binary", x[:1_000], [], scores[:1_000], truth[:1_000]) == {}
