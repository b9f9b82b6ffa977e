"""Is it harmful: the losses of one version, window by window, against what training promised; and before labels are
there, what the scores say they will be. Both tests may be looked at at any time; together they are wrong once in
1 / delta lives of a model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.evaluation.intervals import intervals
from pipeline.evaluation.tallies import add, metric_values, rows_of
from pipeline.watch.estimates import Estimate
from pipeline.watch.excess import center_of, excess_until_over, moments
from pipeline.watch.realized import Realized
from pipeline.watch.reference import Reference
from pipeline.watch.sequences import (
    FEWEST_ROWS,
    Bounds,
    Groups,
    area_and_variance,
    bounds_until_over,
    normal_quantile,
    spent,
    upper_bound,
)

PROMISE, LOSS, AREA, EXCESS, ESTIMATE, SLICES, SEGMENTS = 0.15, 0.2, 0.1, 0.2, 0.15, 0.1, 0.1
"""How delta is shared: the bound of the promise, the tests of loss, AUC and excess, the test without labels, those of
parts of the rows."""
EXCESS_LOSS = "excess_log_loss"
MAY_LOSE = {"log_loss": 0.0025, "auc": 0.005}
_MSE_SHARE = 0.02


@dataclass(frozen=True)
class Labelled:
    """Losses of one window whose labels came with one delivery, which is how sequences are ordered."""

    arrival: int
    window: int
    found: Realized


@dataclass(frozen=True)
class Harm:
    """What is known of harm after a window.

    Attributes:
        metric: log_loss, auc, mse or excess_log_loss (pipeline.watch.excess).
        by: `labels`, or `estimate` without them.
        least: the bound that the loss (or 1 - AUC) is above, but for delta; most: what may be, at most.
        over: whether a later delivery ended this harm.
    """

    metric: str
    by: str
    least: float
    most: float
    over: bool = False

    @property
    def harmful(self) -> bool:
        """Whether more is lost than may be."""
        return bool(self.least > self.most)


def loss_name(task: str) -> str:
    """Return what the loss of one row is called."""
    return "mse" if task == "regression" else "log_loss"


def allowed(reference: Reference, may_lose: Mapping[str, float]) -> dict[str, float]:
    """Return how much each loss may be above its promise."""
    task = reference.spec.task
    names = (loss_name(task), "auc") if task == "binary" else (loss_name(task),)
    return {name: tolerated(name, may_lose, reference.loss) for name in names}


def tolerated(name: str, may_lose: Mapping[str, float], promised: float) -> float:
    """Return how much a loss may be above its promise: as the settings say, else by default, a squared error by a share
    of what was promised."""
    return may_lose.get(name, MAY_LOSE.get(name, _MSE_SHARE * promised))


def most_by_promise(reference: Reference, may_lose: Mapping[str, float], delta: float) -> dict[str, float]:
    """Return the greatest loss (or 1 - AUC) that is no harm: the promise's upper bound and what may be lost."""
    tolerance = allowed(reference, may_lose)
    name = loss_name(reference.spec.task)
    part = delta * PROMISE / len(tolerance)
    most = {name: upper_bound(reference.loss, reference.variance, reference.rows, part) + tolerance[name]}
    if "auc" in tolerance:
        lost = 1 - reference.promise["auc"]
        most["auc"] = upper_bound(lost, reference.area_variance, reference.rows, part) + tolerance["auc"]
    return most


def bounds_by_labels(
    reference: Reference,
    labelled: Sequence[Labelled],
    may_lose: Mapping[str, float],
    delta: float,
    forgotten: int = 0,
) -> dict[str, tuple[Bounds, float]]:
    """Return by metric what is known after each delivery, and the most that is no harm.

    Args:
        labelled: in the order in which their labels came; forgotten: how many came before these.
    """
    if not labelled:
        return {}
    most = most_by_promise(reference, may_lose, delta)
    name = loss_name(reference.spec.task)
    whole = LOSS if "auc" in most else LOSS + AREA + EXCESS
    rows = np.array([one.found.rows for one in labelled], float)
    mean = np.array([one.found.loss for one in labelled]) / np.maximum(rows, 1)
    square = np.array([one.found.square for one in labelled]) / np.maximum(rows, 1)
    groups = Groups(rows, mean, np.maximum(square - mean**2, 0))
    bounds = {name: bounds_until_over(groups, most[name], delta * whole, reference.variance, forgotten=forgotten)}
    if "auc" in most:
        areas = [area_of(one.found) for one in labelled]
        lost, variance = np.array([1 - area for area, _ in areas]), np.array([v for _, v in areas])
        usable = np.isfinite(lost) & np.isfinite(variance)
        groups = Groups(np.where(usable, rows, 0), np.where(usable, lost, 0), np.where(usable, variance * rows, 0))
        bounds["auc"] = bounds_until_over(
            groups, most["auc"], delta * AREA, reference.area_variance, forgotten=forgotten
        )
    found = {metric: (known, most[metric]) for metric, known in bounds.items()}
    if "auc" in most:
        may = may_lose.get("log_loss", MAY_LOSE["log_loss"])
        found[EXCESS_LOSS] = _excess(reference, labelled, may, delta * EXCESS, forgotten), may
    return found


def harm_by_labels(labelled: Sequence[Labelled], bounds: Mapping[str, tuple[Bounds, float]]) -> dict[int, list[Harm]]:
    """Return by window what is known after it, of all labels that there are by now; see `bounds_by_labels`."""
    found: dict[int, list[Harm]] = {}
    for metric, (known, most) in bounds.items():
        _add(found, labelled, metric, known, most)
    return found


def _add(
    found: dict[int, list[Harm]],
    labelled: Sequence[Labelled],
    metric: str,
    bounds: Bounds,
    most: float,
) -> None:
    """Add what is known by one metric: of a window's deliveries the greatest bound, and whether each harm has ended."""
    by_window: dict[int, list[int]] = {}
    for place, one in enumerate(labelled):
        by_window.setdefault(one.window, []).append(place)
    counts = bounds.counts(most)
    for window, places in by_window.items():
        least = float(bounds.least[places].max())
        over = least > most and not counts[places].any()
        found.setdefault(window, []).append(Harm(metric, "labels", least, most, over))


def _excess(reference: Reference, labelled: Sequence[Labelled], may: float, delta: float, forgotten: int) -> Bounds:
    truth, scores = reference.truth, reference.scores
    promised = rows_of("binary", truth, scores, np.zeros(len(truth), np.int64)).tally(np.arange(len(truth)))
    center = center_of(promised)
    of_labelled = [moments(one.found.tally, center) for one in labelled]
    return excess_until_over(of_labelled, moments(promised, center), may, delta, forgotten)


def area_of(found: Realized) -> tuple[float, float]:
    """Return the area under the ROC curve and its variance; NaN of few rows."""
    histogram = found.tally.histograms().sum(axis=0)
    if min(histogram.sum(axis=1)) < 20:
        return math.nan, math.nan
    area, variance = area_and_variance(*histogram)
    return float(area), float(variance)


def harm_by_estimate(
    reference: Reference, estimates: Mapping[str, Estimate], number: int, may_lose: Mapping[str, float], delta: float
) -> list[Harm]:
    """Return what the estimates of a version's window with this number, from 1, say; each is a test of its own.

    The estimates of windows share the reference's labels, so their errors do not average out: no sequence of them is
    used, but a test each.
    """
    most = most_by_promise(reference, may_lose, delta)
    part = float(spent(delta * ESTIMATE, number)) / len(most)
    found = []
    for metric, bound in most.items():
        if metric not in estimates:
            continue
        value, error = estimates[metric]
        lost = 1 - value if metric == "auc" else value
        found.append(Harm(metric, "estimate", lost - float(normal_quantile(1 - part)) * error, bound))
    return found


def measured(task: str, parts: Sequence[Realized], confidence: float) -> dict[str, Any]:
    """Return metrics and intervals of rows whose labels are known, as Evaluator computes them."""
    tally = add(part.tally for part in parts)
    values = {name: value for name, value in metric_values(task, tally).items() if math.isfinite(value)}
    spreads, _ = intervals(task, tally, None, confidence) if tally.rows >= FEWEST_ROWS else ({}, {})
    return {
        "rows": tally.rows,
        "metrics": {name: round(value, 6) for name, value in values.items()},
        "intervals": {
            name: [round(float(end), 6) for end in spread]
            for name, spread in spreads.items()
            if all(map(math.isfinite, spread))
        },
    }
