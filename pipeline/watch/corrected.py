"""How far estimates without labels are off, and the newest estimate put right by what labels said of earlier windows.

The standard error of an estimate knows the chance of its rows, and not that the same rows lead to another outcome from
season to season. Two sources tell of that. The evaluation rows, in their order, are dealt into blocks, and each is
estimated from the others as if it had no labels (`backtest`). And as labels of earlier windows come, realized minus
estimated is known of them: their mean, recent ones first and shrunk where they are few, corrects the newest estimate
(exponential smoothing, the steady state of a Kalman filter of a random walk), and what is left of them, by corrections
made as far ahead, tells with the backtest how wide the interval is. So it follows the errors that are seen, as adaptive
conformal inference does (Gibbs and Candes, arXiv 2106.00170), by Student's t since they are few.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.evaluation.tallies import metric_values
from pipeline.watch.estimates import Array, Estimate
from pipeline.watch.harm import loss_name
from pipeline.watch.realized import tally_of
from pipeline.watch.reference import Reference, losses
from pipeline.watch.samples import categorical, columns_of, estimated, matrix

ENOUGH = 0.8
"""From this share of labelled rows on, an estimate is history, and what it was off is known."""
BLOCKS, FEWEST_ROWS = 8, 500
"""Of the evaluation rows, each of at least so many."""
FEWEST = 3
"""Errors that tell how far an estimate is off."""
FADES, SHRINKS = 0.85, 1.0
"""What an error counts a window later, and what no error counts beside them."""
REMEMBERED = 30
"""Windows before, whose errors are looked at."""


def backtest(reference: Reference) -> dict[str, tuple[float, ...]]:
    """Return by metric what was realized in each block of the evaluation rows, minus what the others estimate of it."""
    columns = columns_of(reference)
    return backtest_rows(
        *(reference.spec.task, matrix(columns, reference.table), categorical(columns)),
        *(reference.scores, reference.truth),
    )


def backtest_rows(
    task: str, values: Array, places: list[int], scores: Array, truth: Array
) -> dict[str, tuple[float, ...]]:
    """Do so for rows as numbers, in their order; nothing where they are too few."""
    count = min(BLOCKS, len(truth) // FEWEST_ROWS)
    found: dict[str, list[float]] = {}
    for block in range(count if count >= FEWEST else 0):
        mine = np.arange(len(truth)) * count // len(truth) == block
        others = values[~mine], scores[~mine], truth[~mine]
        real = realized(task, scores[mine], truth[mine])
        for metric, one in estimated(task, *others, places, values[mine], scores[mine]).items():
            if math.isfinite(real.get(metric, math.nan)):
                found.setdefault(metric, []).append(real[metric] - one.value)
    return {metric: tuple(errors) for metric, errors in found.items()}


def realized(task: str, scores: Array, truth: Array) -> dict[str, float]:
    """Return the metrics that are estimated, by labels."""
    loss = float(losses(task, truth, scores).mean())
    return metric_values(task, tally_of(task, truth, scores)) | {loss_name(task): loss}


class Corrections:
    """Corrects the estimates of one version's windows, one after the other."""

    def __init__(self, off: Mapping[str, Sequence[float]]) -> None:
        self._off = off
        self._past: list[dict[str, float]] = []

    def put_right(self, estimates: Mapping[str, Estimate]) -> dict[str, Estimate]:
        """Return the estimates of the next window, put right by what is known of those before it."""
        errors = {name: [one.get(name, math.nan) for one in self._past] for name in estimates}
        self._past = [*self._past, {}][-REMEMBERED:]
        return {name: corrected(one, errors[name], self._off.get(name, ())) for name, one in estimates.items()}

    def learn(self, estimates: Mapping[str, Estimate], labelled: Mapping[str, Any]) -> None:
        """Take in what was estimated of that window without corrections, and `harm.measured` with the `share` of
        labelled rows, if it is enough."""
        known = dict(labelled["metrics"]) if labelled["share"] >= ENOUGH else {}
        if "rmse" in known:
            known["mse"] = known["rmse"] ** 2
        self._past[-1] = {name: known[name] - one.value for name, one in estimates.items() if name in known}


def corrected(estimate: Estimate, errors: Sequence[float], backtested: Sequence[float]) -> Estimate:
    """Return an estimate put right by the errors of earlier windows, and as uncertain as such estimates were.

    Args:
        errors: realized minus estimated of each earlier window, in order; NaN of one without labels.
        backtested: the same, of blocks of the evaluation rows.
    """
    past = np.asarray(errors, float)
    there = np.isfinite(past)
    place = np.arange(len(past) + 1)
    ahead = len(past) - int(np.flatnonzero(there)[-1]) if there.any() else 1
    age = place[:, None] - place[None, :-1]  # of each window's error, as each later one and the newest saw it
    weights = np.where(there & (age >= ahead), FADES ** np.maximum(age, 0), 0.0)
    expected = weights @ np.where(there, past, 0.0) / (weights.sum(axis=1) + SHRINKS)
    seen = np.array([*backtested, *(past - expected[:-1])[there]])
    value = estimate.value + float(expected[-1])
    if len(seen) < FEWEST:
        return Estimate(value, estimate.error)
    return Estimate(value, math.hypot(estimate.error, math.sqrt(float((seen**2).mean()))), len(seen))
