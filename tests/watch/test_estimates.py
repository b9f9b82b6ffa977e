"""Whether what is estimated without labels holds the truth as often as it says, for rows of another mix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.watch.estimates import density_ratio, estimate_binary
from pipeline.watch.sequences import area_and_variance

Array = Any


def draw(rng: np.random.Generator, rows: int, shift: float) -> tuple[Array, Array, Array]:
    x = rng.normal(size=(rows, 2))
    x[:, 0] += shift
    z = -1.2 + 0.8 * x[:, 0] + 0.4 * x[:, 1]
    return x, 1 / (1 + np.exp(-(0.9 * z + 0.1))), (rng.random(rows) < 1 / (1 + np.exp(-z))).astype(float)


def truth(shift: float) -> tuple[float, float]:
    _, s, y = draw(np.random.default_rng(1), 1_000_000, shift)
    edges = np.linspace(0, 1, 2_001)
    area = area_and_variance(*(np.histogram(s[y == k], edges)[0] for k in (0, 1)))[0]
    return float(-(y * np.log(s) + (1 - y) * np.log1p(-s)).mean()), float(area)


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_the_interval_holds_the_metric_of_a_shifted_window(shift: float) -> None:
    """With weights that are known."""
    rng = np.random.default_rng(2)
    expected = truth(shift)
    held = np.zeros(2)
    errors = []
    for _ in range(100):
        x, s, y = draw(rng, 8_000, 0)
        _, scores, _ = draw(rng, 3_000, shift)
        weights = np.exp(shift * x[:, 0])
        found = estimate_binary(s, y, weights / weights.mean(), scores)
        for k, name in enumerate(("log_loss", "auc")):
            low, high = found[name].interval(0.95)
            held[k] += low <= expected[k] <= high
        errors.append([found["log_loss"].value - expected[0], found["auc"].value - expected[1]])
    assert (held / 100 >= 0.9).all(), held
    assert np.abs(np.mean(errors, axis=0)).max() < 0.005


def test_the_classifier_finds_the_rows_that_production_has_more_of() -> None:
    rng = np.random.default_rng(3)
    x, _, _ = draw(rng, 8_000, 0)
    px, _, _ = draw(rng, 4_000, 0.5)
    weights = density_ratio(x, px)
    assert weights.mean() == pytest.approx(1)
    assert float((weights * x[:, 0]).mean()) == pytest.approx(0.5, abs=0.12)
