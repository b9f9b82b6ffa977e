"""Computes intervals of metrics from tallies.

Intervals are TFMA's jackknife (ConfidenceIntervalOptions.JACKKNIFE, evaluators/jackknife.py): rows are dealt into 20
blocks, each metric is computed twenty times without one of them, and the spread of these values gives a standard
error and Student's t with 19 degrees of freedom the interval. TFMA deals at random and computes all metrics twenty
times; here a row's block follows from its content, so that the intervals are the same in each run, and what is
added up by block is so small that all is one pass. Challenger and champion share the blocks: the interval of their
difference knows that both saw the same rows.

A jackknife sees only what happened: where nothing went wrong, or once, it is too sure (of an AUC of 0.98 on 100 rows
its 95% held the truth in 86% of simulations). Accuracy has Wilson's interval; the areas have formulas of their own
where a class has few rows, see share_intervals.py. With weights these formulas are told how many rows that count alike
would tell as much (Tally.rows_per_weight).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.config.evaluation import COUNT, UP_TO_ONE
from pipeline.evaluation.share_intervals import newcombe, wilson
from pipeline.evaluation.tallies import BLOCKS, Tally, is_one_class, metric_values, values_of_sets

Array = npt.NDArray[Any]
Interval = tuple[float, float]

_FEW = 200
"""Rows of a class; with fewer of them the areas have intervals by formula."""
_AREAS = {"auc", "auc_precision_recall"}
_NEVER_NEGATIVE = frozenset({"log_loss", "rmse", "mae", "calibration"})


def intervals(
    task: str,
    found: Tally,
    other: Tally | None,
    confidence: float,
    more: Mapping[str, Array] | None = None,
    more_of_other: Mapping[str, Array] | None = None,
) -> tuple[dict[str, Interval], dict[str, Interval]]:
    """Intervals of a model's metrics, and of their differences to the other model's.

    A metric that is not defined without one of the blocks has none; of a slice in which a block is empty only those
    have one that need no jackknife.

    Args:
        more, more_of_other: further metrics of both models, {metric: (1 + BLOCKS,)}: over all rows, and without each of
            the blocks.
    """
    own = _jackknife(task, found, more) or {}
    spreads = {name: _interval(name, *values, confidence) for name, values in own.items()}
    known = {name: whole for name, (whole, _) in own.items()}
    by_formula = _by_formula(task, found, confidence, known)
    spreads |= by_formula
    differences: dict[str, Interval] = {}
    if other is not None and (its := _jackknife(task, other, more_of_other)):
        differences = {
            name: _interval("", whole - its[name][0], without - its[name][1], confidence)
            for name, (whole, without) in own.items()
            if name in its
        }
        for name in differences.keys() & by_formula.keys():
            if own[name][0] in (0.0, 1.0) and own[name][0] == its[name][0]:
                reach = _both(by_formula[name], _by_formula(task, other, confidence).get(name))
                differences[name] = (-reach, reach)
    return spreads, differences


def fills_blocks(found: Tally) -> bool:
    """Whether there are rows enough for a jackknife: some in each block."""
    return bool((found.sums[:, 0] > 0).all())


def _by_formula(
    task: str, found: Tally, confidence: float, known: Mapping[str, float] | None = None
) -> dict[str, Interval]:
    """Return intervals of the metrics that need no jackknife: of accuracy, and of the areas where a class is rare.

    Args:
        known: values of metrics, where they are known already.
    """
    if task == "regression" or not found.effective_rows:
        return {}
    worth = found.rows_per_weight
    low, high = wilson(found.sums[:, 2].sum() * worth, found.effective_rows, confidence)
    shares = {"accuracy": (float(low), float(high))}
    if task == "binary" and not is_one_class(task, found):
        negative, positive = (float(rows * worth) for rows in found.histograms().sum(axis=(0, 2)))
        values = known if known and known.keys() >= _AREAS else metric_values(task, found)
        if min(negative, positive) < _FEW or values["auc"] in (0.0, 1.0):
            shares["auc"] = newcombe(values["auc"], negative, positive, confidence)
        if positive < _FEW or values["auc_precision_recall"] in (0.0, 1.0):
            low, high = wilson(values["auc_precision_recall"] * positive, positive, confidence)
            shares["auc_precision_recall"] = (float(low), float(high))
    return shares


def _both(own: Interval, other: Interval | None) -> float:
    """How far two metrics may lie apart that are equal, by their own intervals (Newcombe, Statistics in Medicine 17,
    1998, 873-890, method 10)."""
    return float(np.hypot(own[1] - own[0], (other or own)[1] - (other or own)[0]))


def _jackknife(
    task: str, found: Tally, more: Mapping[str, Array] | None = None
) -> dict[str, tuple[float, Array]] | None:
    """By metric its value over all blocks, and (BLOCKS,) its values without each of them; None if a block is empty."""
    if not fills_blocks(found):
        return None
    sums, histograms = _all_and_without_each(found.sums), None
    if task == "binary":
        histograms = _all_and_without_each(found.histograms())
        if found.weighed is not None:  # sums of weights do not cancel out to the last digit
            histograms[histograms < 1e-9 * histograms[0]] = 0.0
    return {
        name: (float(values[0]), values[1:])
        for name, values in (values_of_sets(task, sums, histograms) | dict(more or {})).items()
        if name != COUNT and np.isfinite(values).all()
    }


def _all_and_without_each(by_block: Array) -> Array:
    """(BLOCKS, …) to (1 + BLOCKS, …)."""
    total = by_block.sum(axis=0)
    return np.concatenate([total[None], total - by_block])


def _interval(name: str, whole: float, without: Array, confidence: float) -> Interval:
    """TFMA's: the standard error of pseudo-values, and Student's t."""
    from scipy.special import stdtrit  # as scipy.stats.t.ppf, which takes 0.3 ms to ask for it

    pseudo = whole * BLOCKS - without * (BLOCKS - 1)
    reach = float(stdtrit(BLOCKS - 1, 0.5 + confidence / 2) * pseudo.std(ddof=1) / BLOCKS**0.5)
    low = max(0.0, whole - reach) if name in UP_TO_ONE | _NEVER_NEGATIVE else whole - reach
    high = min(1.0, whole + reach) if name in UP_TO_ONE else whole + reach
    return (low, high)
