"""Make TFDV's histograms by numpy.

Replaces: generate_equi_width_histogram and _get_bin_weights of tensorflow_data_validation.utils.quantiles_util
Why: TFDV loops over buckets in Python, for every numeric column of every split: more than counting a wide table costs.
Upstream: https://github.com/tensorflow/data-validation/blob/master/tensorflow_data_validation/utils/quantiles_util.py
Until: TFDV works on the arrays, as the TODO in generate_equi_width_histogram says.
Test: tests/patches/test_histograms.py::test_tfdv_calls_them_as_before
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from tensorflow_data_validation.utils import quantiles_util
from tensorflow_metadata.proto.v0 import statistics_pb2

Array = npt.NDArray[Any]


def install() -> None:
    """Have TFDV make its histograms so, in this process."""
    quantiles_util._get_bin_weights = bin_weights
    quantiles_util.generate_equi_width_histogram = equi_width_histogram


def bin_weights(boundaries: Array, cum_bin_weights: Array) -> tuple[Array, Array, Array]:
    """Compute (lower bounds, upper bounds, weights), each (bins,).

    The weight of bins with one upper bound is spread evenly among them, that of the least value among the bins that
    are like the first.
    """
    cumulative = cum_bin_weights.astype(np.float64)
    low, high = boundaries[:-1], boundaries[1:]
    if not low.size:
        return low, high, np.diff(cumulative)
    first = np.flatnonzero(np.append(True, high[1:] != high[:-1]))
    alike = np.diff(np.append(first, high.size))
    weights = np.repeat(np.add.reduceat(np.diff(cumulative), first) / alike, alike)
    as_first = (low == low[0]) & (high == high[0])
    weights[as_first] += cumulative[0] / as_first.sum()
    return low, high, weights


def equi_width_histogram(
    quantiles: Array,
    cumulative_counts: Array,
    finite_min: float,
    finite_max: float,
    num_buckets: int,
    num_pos_inf: float,
) -> statistics_pb2.Histogram:
    """Interpolate a standard histogram of `num_buckets` buckets from quantiles, with one more for each infinity."""
    result = statistics_pb2.Histogram(type=statistics_pb2.Histogram.STANDARD)
    if not np.isfinite(finite_min) and not np.isfinite(finite_max):
        result.buckets.add(low_value=finite_min, high_value=finite_max, sample_count=cumulative_counts[-1])
        return result
    quantiles, cumulative_counts, num_neg_inf = quantiles_util._strip_infinities(
        quantiles, cumulative_counts, finite_max, num_pos_inf
    )
    low, high, weights = bin_weights(quantiles, cumulative_counts)
    with np.errstate(over="ignore", invalid="ignore"):
        bounds = np.linspace(finite_min, finite_max, num_buckets + 1 if finite_min < finite_max else 2)
    if not np.isfinite(bounds).all():  # the range overflows: TFDV gives up as well
        return result
    if num_neg_inf:
        result.buckets.add(low_value=-np.inf, high_value=-np.inf, sample_count=num_neg_inf)
    left, right = bounds[:-1, np.newaxis], bounds[1:, np.newaxis]  # (buckets, 1)
    # A bin that is a single value belongs to the bucket that it ends, but the least value to the first.
    holds = (left < low) & (low <= right)
    holds[0] |= low == bounds[0]
    width = high - low
    inside = np.minimum(right, high) - np.maximum(left, low)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(width > 0, np.clip(inside / width, 0.0, 1.0), holds)  # (buckets, bins)
    for start, end, count in zip(bounds[:-1], bounds[1:], share @ weights, strict=True):
        result.buckets.add(low_value=start, high_value=end, sample_count=count)
    if num_pos_inf:
        result.buckets.add(low_value=np.inf, high_value=np.inf, sample_count=num_pos_inf)
    return result
