"""Computes intervals of metrics from tallies.

Intervals are TFMA's jackknife (ConfidenceIntervalOptions.JACKKNIFE, evaluators/jackknife.py): rows are dealt into 20
blocks, each metric is computed twenty times without one of them, and the spread of these values gives a standard
error and Student's t with 19 degrees of freedom the interval. TFMA deals at random and computes all metrics twenty
times; here a row's block follows from its content, so that the intervals are the same in each run, and what is
added up by block is so small that all is one pass. Challenger and champion share the blocks: the interval of their
difference knows that both saw the same rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.config.evaluation import COUNT
from pipeline.evaluation.tallies import BLOCKS, Tally, values_of_sets

Array = npt.NDArray[Any]
Interval = tuple[float, float]

_SHARES = frozenset({"auc", "auc_precision_recall", "accuracy", "expected_calibration_error", "squared_correlation"})
"""Between 0 and 1, and so are their intervals."""
_NEVER_NEGATIVE = frozenset({"log_loss", "rmse", "mae", "calibration"})


def intervals(
    task: str, found: Tally, other: Tally | None, confidence: float
) -> tuple[dict[str, Interval], dict[str, Interval]]:
    """Intervals of a model's metrics, and of their differences to the other model's.

    A metric that is not defined without one of the blocks has none; of a slice in which a block is empty accuracy has
    one alone, Wilson's.
    """
    own = _jackknife(task, found)
    if own is None:
        if task == "regression" or not found.rows:
            return {}, {}
        low, high = wilson(found.sums[:, 2].sum(), found.sums[:, 0].sum(), confidence)
        return {"accuracy": (float(low), float(high))}, {}
    spreads = {name: _interval(name, *values, confidence) for name, values in own.items()}
    differences: dict[str, Interval] = {}
    if other is not None and (its := _jackknife(task, other)):
        differences = {
            name: _interval("", whole - its[name][0], without - its[name][1], confidence)
            for name, (whole, without) in own.items()
            if name in its
        }
    return spreads, differences


def fills_blocks(found: Tally) -> bool:
    """Whether there are rows enough for a jackknife: some in each block."""
    return bool((found.sums[:, 0] > 0).all())


def wilson(hits: Any, rows: Any, confidence: float) -> tuple[Array, Array]:
    """Wilson's interval of a share: low and high ends of `hits` of `rows`, numbers or arrays of one shape."""
    from scipy import stats

    share = np.asarray(hits / rows)
    z = float(stats.norm.ppf(0.5 + confidence / 2))
    center = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    reach = z / (1 + z * z / rows) * np.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return np.minimum(center - reach, share), np.maximum(center + reach, share)


def _jackknife(task: str, found: Tally) -> dict[str, tuple[float, Array]] | None:
    """By metric its value over all blocks, and (BLOCKS,) its values without each of them; None if a block is empty."""
    if not fills_blocks(found):
        return None
    sums, histograms = _all_and_without_each(found.sums), None
    if task == "binary":
        histograms = _all_and_without_each(found.histograms())
    return {
        name: (float(values[0]), values[1:])
        for name, values in values_of_sets(task, sums, histograms).items()
        if name != COUNT and np.isfinite(values).all()
    }


def _all_and_without_each(by_block: Array) -> Array:
    """(BLOCKS, …) to (1 + BLOCKS, …)."""
    total = by_block.sum(axis=0)
    return np.concatenate([total[None], total - by_block])


def _interval(name: str, whole: float, without: Array, confidence: float) -> Interval:
    """TFMA's: the standard error of pseudo-values, and Student's t."""
    from scipy import stats

    pseudo = whole * BLOCKS - without * (BLOCKS - 1)
    reach = float(stats.t.ppf(0.5 + confidence / 2, BLOCKS - 1) * pseudo.std(ddof=1) / BLOCKS**0.5)
    low = max(0.0, whole - reach) if name in _SHARES | _NEVER_NEGATIVE else whole - reach
    high = min(1.0, whole + reach) if name in _SHARES else whole + reach
    return (low, high)
