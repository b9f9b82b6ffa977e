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
from pipeline.evaluation.tallies import add, metric_values
from pipeline.watch.above import Array, above_promise, spent_slowly
from pipeline.watch.estimates import Estimate
from pipeline.watch.excess import moments, promised_excess
from pipeline.watch.realized import Realized
from pipeline.watch.reference import Reference
from pipeline.watch.sequences import FEWEST_ROWS, Bounds, area_and_variance

LOSS, AREA, EXCESS, ESTIMATE, SLICES, SEGMENTS = 0.05, 0.05, 0.6, 0.1, 0.1, 0.1
"""How delta is shared: the tests of loss, AUC and excess, the test without labels, those of parts of the rows. Most has
the excess, which tells most."""
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
        least: the bound that the loss (or 1 - AUC) is above, but for delta; most: what training promised. Where what is
            found may be lost, the bound is at most that. Windows of before have in `most` what may be lost, too.
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


def promised_of(reference: Reference) -> dict[str, tuple[float, Array]]:
    """Return by metric what training promised, and the moments of a row: rows, sums of the loss and of its square; of
    the excess, whose mean in training is no promise, 0."""
    task = reference.spec.task
    found = {loss_name(task): (reference.loss, _moments(reference.rows, reference.loss, reference.variance))}
    if task == "binary":
        lost = 1 - reference.promise["auc"]
        found["auc"] = lost, _moments(reference.rows, lost, reference.area_variance)
        found[EXCESS_LOSS] = 0.0, promised_excess(reference)[1]
    return found


def bounds_by_labels(
    reference: Reference,
    labelled: Sequence[Labelled],
    may_lose: Mapping[str, float],
    delta: float,
    forgotten: int = 0,
) -> dict[str, tuple[Bounds, float]]:
    """Return by metric what is known after each delivery, above the promise, and the promise.

    Args:
        labelled: in the order in which their labels came; forgotten: how many came before these.
    """
    if not labelled:
        return {}
    promised = promised_of(reference)
    tolerance = allowed(reference, may_lose)
    tolerance[EXCESS_LOSS] = tolerance.get("log_loss", 0.0)
    name = loss_name(reference.spec.task)
    shares = {name: LOSS, "auc": AREA, EXCESS_LOSS: EXCESS} if "auc" in promised else {name: LOSS + AREA + EXCESS}
    deliveries: dict[str, list[Any]] = {name: [[one.found.rows, one.found.loss, one.found.square] for one in labelled]}
    if "auc" in promised:
        center = promised_excess(reference)[0]
        deliveries["auc"] = [_area_moments(one.found) for one in labelled]
        deliveries[EXCESS_LOSS] = [moments(one.found.tally, center) for one in labelled]
    return {
        metric: (
            above_promise(
                *(np.array(deliveries[metric]), promised[metric][1], tolerance[metric]),
                *(delta * share, forgotten),
            ),
            promised[metric][0],
        )
        for metric, share in shares.items()
    }


def _moments(rows: float, mean: float, variance: float) -> Array:
    return np.array([rows, rows * mean, rows * (variance + mean**2)])


def _area_moments(found: Realized) -> Array:
    area, variance = area_of(found)
    if not (math.isfinite(area) and math.isfinite(variance)):
        return np.zeros(3)
    return _moments(found.rows, 1 - area, variance * found.rows)


def harm_by_labels(labelled: Sequence[Labelled], bounds: Mapping[str, tuple[Bounds, float]]) -> dict[int, list[Harm]]:
    """Return by window what is known after it, of all labels that there are by now; see `bounds_by_labels`."""
    found: dict[int, list[Harm]] = {}
    for metric, (known, promised) in bounds.items():
        _add(found, labelled, metric, known, promised)
    return found


def _add(
    found: dict[int, list[Harm]],
    labelled: Sequence[Labelled],
    metric: str,
    bounds: Bounds,
    promised: float,
) -> None:
    """Add what is known by one metric: of a window's deliveries the greatest bound, and whether each harm has ended."""
    by_window: dict[int, list[int]] = {}
    for place, one in enumerate(labelled):
        by_window.setdefault(one.window, []).append(place)
    counts = bounds.counts(0.0)
    for window, places in by_window.items():
        least = float(bounds.least[places].max())
        over = least > 0 and not counts[places].any()
        found.setdefault(window, []).append(Harm(metric, "labels", promised + least, promised, over))


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
    tolerance = allowed(reference, may_lose)
    level = float(spent_slowly(delta * ESTIMATE, number)) / len(tolerance)
    found = []
    for metric, (promised, (rows, total, square)) in promised_of(reference).items():
        if metric not in estimates:
            continue
        value, error, freedom = estimates[metric]
        lost = 1 - value if metric == "auc" else value
        variance = max(square / rows - (total / rows) ** 2, 0.0)
        off = Estimate(lost, math.hypot(error, math.sqrt(variance / rows)), freedom)
        surely = lost - off.reach(1 - level)
        matters = lost - promised > tolerance[metric]
        found.append(Harm(metric, "estimate", surely if matters else min(surely, promised), promised))
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
