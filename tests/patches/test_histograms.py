"""TFDV's histograms by numpy against TFDV's own, on quantiles such as columns give."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from tensorflow_data_validation.utils import quantiles_util

from pipeline.patches import histograms
from tests.patches.untouched import untouched

COLUMNS = {
    "uniform": np.linspace(-5, 7, 5001),
    "two values": np.repeat([0.0, 1.0], [700, 300]),
    "one value": np.full(50, 3.0),
    "one row": np.array([2.5]),
    "mostly one value": np.append(np.zeros(900), np.linspace(0, 100, 100)),
    "a value in the middle": np.concatenate([np.linspace(0, 1, 300), np.full(400, 1.0), np.linspace(1, 9, 300)]),
    "whole numbers": np.repeat(np.arange(12), 80),
    "heavy tail": np.exp(np.linspace(0, 30, 2000)),
    "infinities": np.concatenate([np.full(7, -np.inf), np.linspace(0, 1, 500), np.full(9, np.inf)]),
    "too wide to divide": np.array([-1.7e308, 0.0, 1.7e308]),
    "only infinite": np.full(5, np.inf),
}


@pytest.fixture(scope="module")
def original() -> ModuleType:
    """A second copy of TFDV's module, that nobody has touched."""
    return untouched(quantiles_util)


def quantiles_of(values: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """As TFDV's sketch gives them: bounds, and how many values are up to each."""
    ordered = np.sort(values)
    places = np.round(np.linspace(0, len(ordered) - 1, bins + 1)).astype(int)
    bounds = ordered[places]
    return bounds, np.searchsorted(ordered, bounds, "right").astype(float)


@pytest.mark.parametrize("bins", [1, 10, 1000])
@pytest.mark.parametrize("name", COLUMNS)
def test_bin_weights_are_tfdvs(original: ModuleType, name: str, bins: int) -> None:
    bounds, counts = quantiles_of(COLUMNS[name], bins)
    for ours, theirs in zip(
        histograms.bin_weights(bounds, counts), original._get_bin_weights(bounds, counts), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize("bins", [1, 10, 1000])
@pytest.mark.parametrize("name", COLUMNS)
def test_equi_width_histograms_are_tfdvs(original: ModuleType, name: str, bins: int) -> None:
    values = COLUMNS[name]
    finite = values[np.isfinite(values)]
    least, greatest = (finite.min(), finite.max()) if len(finite) else (math.inf, -math.inf)

    def buckets(make: Callable[..., object]) -> list[tuple[float, float, float]]:
        histogram = make(*quantiles_of(values, bins), least, greatest, 10, float(np.sum(values == np.inf)))
        return [(b.low_value, b.high_value, b.sample_count) for b in histogram.buckets]  # type: ignore[attr-defined]

    theirs = buckets(original.generate_equi_width_histogram)
    np.testing.assert_allclose(
        np.array(buckets(histograms.equi_width_histogram)), np.array(theirs), rtol=1e-9, atol=1e-9
    )
    # A difference beyond the largest double cannot be cut into ten: TFDV gives no bins.
    assert (len(theirs) > 0) == (name != "too wide to divide")


def test_tfdv_calls_them_as_before(original: ModuleType) -> None:
    """The replaced functions are still what TFDV's histograms are made of."""
    assert original.generate_equi_width_histogram.__code__.co_varnames[:6] == (
        "quantiles", "cumulative_counts", "finite_min", "finite_max", "num_buckets", "num_pos_inf",
    )  # fmt: skip
    assert original._get_bin_weights.__code__.co_varnames[:2] == ("boundaries", "cum_bin_weights")
    assert "_get_bin_weights" in original.generate_quantiles_histogram.__code__.co_names
