"""bench.quality: what it measures, and that both sides learn what there is to learn from the same rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bench.quality import calibration_error, measure, run_lightgbm, run_longhaul, tune_lightgbm
from bench.quality_tables import split_at_random


def test_calibration_is_the_mean_distance_in_bins() -> None:
    # Two bins of two rows: predicted 0.1 and 0.9, came true 1/2 and 2/2.
    assert calibration_error(np.array([0, 1, 1, 1]), np.array([0.1, 0.1, 0.9, 0.9])) == pytest.approx(0.25)
    # Of several classes the likeliest counts: 0.8 and 0.6 by chance, right and wrong; 0.8 and 0.6 lie in two bins.
    several = np.array([[0.8, 0.1, 0.1], [0.2, 0.6, 0.2]])
    assert calibration_error(np.array([0, 2]), several) == pytest.approx((0.2 + 0.6) / 2)


def test_what_is_measured_depends_on_the_task() -> None:
    assert measure("regression", np.array([1.0, 2.0]), np.array([4.0, 6.0])) == {"rmse": pytest.approx(12.5**0.5)}
    found = measure("binary", np.array([0, 1, 0, 1]), np.array([0.25, 0.75, 0.5, 0.5]))
    assert found["auc"] == pytest.approx(0.875)
    assert found["log_loss"] == pytest.approx(-(2 * np.log(0.75) + 2 * np.log(0.5)) / 4)


@pytest.mark.slow
def test_both_sides_learn_a_table() -> None:
    dice = np.random.default_rng(1)
    frame = pd.DataFrame({"miles": dice.random(1200) * 2500, "carrier": dice.choice(["UA", "OO", "B6"], 1200)})
    late = (frame["miles"] > 1000) ^ (frame["carrier"] == "OO") ^ (dice.random(1200) < 0.1)
    table = split_at_random(frame.assign(late=late), "late", seed=0)
    assert (len(table.train), len(table.test)) == (960, 240)
    assert table.raw(table.test)["carrier"].cat.categories.tolist() == ["B6", "OO", "UA"]
    settings = tune_lightgbm(table, trials=3)
    for scores in (run_lightgbm(table, settings, seed=0), run_longhaul(table, seed=0)):
        assert scores["auc"] > 0.85
