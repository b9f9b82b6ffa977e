"""Curves of a model as short lists of numbers, from what was added up over all rows; a report only draws them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.row_sample import RowSample
from pipeline.evaluation.share_intervals import wilson
from pipeline.evaluation.tallies import Tally

Array = npt.NDArray[Any]

_MOST_POINTS = 200
"""Of a curve."""
_BUCKETS = 1_000
"""Of the probability: more than any picture shows."""
_BARS = 50
"""Of a histogram; divides _BUCKETS."""
_MOST_CLASSES = 40
"""In a confusion matrix: the commonest; the others are one."""
_SAMPLED_POINTS = 2_000
"""Of a regression."""


def curves(
    task: str,
    classes: Sequence[str],
    tallies: Sequence[Tally],
    sample: RowSample | None,
    confidence: float,
    *,
    ordered: bool = False,
    when: str | None = None,
) -> dict[str, Any]:
    """Compute by `challenger` and `champion` (if there is one) what their task has.

    binary: `roc` {false_positive_rate, true_positive_rate}; `precision_recall` {recall, precision}; `thresholds`
    {threshold, precision, recall, flagged}; `calibration`; `distribution` {edges, negative, positive}.
    multiclass: `confusion` {classes, rows: a list for each true class, rest: how many classes the last one stands for,
    0 where it is one}; `calibration` of the likeliest class;
    if they are in order, `order` {places_off, weighted_kappa}, see `_order`.
    regression, of the challenger only and of an even choice of rows: `points` {true, predicted}, and `when` (seconds
    since 1970, None where a row has no time) if a column tells it.

    `calibration` is {predicted, came_true, low, high, rows}, a number for each bin that has rows; low and high are
    Wilson's interval of the share that came true.

    Args:
        tallies: the challenger's and perhaps the champion's over all rows; empty if there was no row.
        ordered: whether several classes are in order.
        when: the column that tells when a row was.
    """
    found: dict[str, Any] = {"task": task}
    for role, of_role in zip(("challenger", "champion"), tallies, strict=False):
        if task == "binary":
            found[role] = _of_two_classes(of_role) | {"calibration": _calibration(of_role, confidence)}
        elif task == "multiclass":
            found[role] = {"confusion": _confusion(of_role, classes), "calibration": _calibration(of_role, confidence)}
            if ordered:
                found[role]["order"] = _order(_matrix(of_role, len(classes)))
    if task == "regression" and sample is not None:
        points = sample.even(_SAMPLED_POINTS)
        told = {"true": _numbers(points.labels, 6), "predicted": _numbers(points.predictions[:, 0], 6)}
        times = {"when": _times(points.records, when)} if when else {}
        found["challenger"] = {"points": told | times}
    return found


def _times(records: Array, when: str) -> list[float | None]:
    from trainer.rows import from_examples

    batch = from_examples(list(records))
    return batch.column(when).to_pylist() if when in batch.schema.names else [None] * len(records)


def _of_two_classes(found: Tally) -> dict[str, Any]:
    negative, positive = found.distribution(_BUCKETS)
    # Above each bucket's lower bound, the highest first; ahead of them a threshold that nothing reaches.
    hits, alarms = (np.concatenate([[0.0], np.cumsum(of_class[::-1])]) for of_class in (positive, negative))
    bounds = np.concatenate([[1.0], np.arange(_BUCKETS)[::-1] / _BUCKETS])
    curves: dict[str, Any] = {
        "distribution": {
            "edges": _numbers(np.linspace(0, 1, _BARS + 1), 4),
            "negative": _counts(negative.reshape(_BARS, -1).sum(axis=1), found),
            "positive": _counts(positive.reshape(_BARS, -1).sum(axis=1), found),
        }
    }
    if not (positive.any() and negative.any()):
        return curves
    kept = _thinned(hits + alarms)
    curves["roc"] = {
        "false_positive_rate": _numbers(alarms[kept] / alarms[-1]),
        "true_positive_rate": _numbers(hits[kept] / hits[-1]),
    }
    kept = kept[(hits + alarms)[kept] > 0]
    precision, recall = hits[kept] / (hits + alarms)[kept], hits[kept] / hits[-1]
    curves["precision_recall"] = {"recall": _numbers(recall), "precision": _numbers(precision)}
    curves["thresholds"] = {
        "threshold": _numbers(bounds[kept]),
        "precision": _numbers(precision),
        "recall": _numbers(recall),
        "flagged": _numbers((hits + alarms)[kept] / (hits + alarms)[-1]),
    }
    return curves


def _thinned(cumulative: Array) -> Array:
    """Places where a cumulative count moved on, evenly chosen if they are many, the first and the last among them."""
    moved = np.flatnonzero(np.diff(cumulative, prepend=-1.0))
    chosen = np.unique(np.linspace(0, len(moved) - 1, _MOST_POINTS).round().astype(int))
    places: Array = moved[chosen]
    return places


def _calibration(found: Tally, confidence: float) -> dict[str, list[Any]]:
    rows, predicted, came_true = found.calibration_sums()
    filled = rows > 0
    rows, predicted, came_true = rows[filled], predicted[filled], came_true[filled]
    share = came_true / rows
    low, high = wilson(came_true * found.rows_per_weight, rows * found.rows_per_weight, confidence)
    return {
        "predicted": _numbers(predicted / rows),
        "came_true": _numbers(share),
        "low": _numbers(low),
        "high": _numbers(high),
        "rows": _counts(rows, found),
    }


def _confusion(found: Tally, classes: Sequence[str]) -> dict[str, Any]:
    size, names, heap = len(classes), list(classes), 0
    matrix = _matrix(found, size)
    if size > _MOST_CLASSES:
        order = np.argsort(-matrix.sum(axis=1), kind="stable")
        common, rest = np.sort(order[: _MOST_CLASSES - 1]), order[_MOST_CLASSES - 1 :]
        matrix = np.concatenate([matrix[common], matrix[rest].sum(axis=0)[None]])
        matrix = np.concatenate([matrix[:, common], matrix[:, rest].sum(axis=1)[:, None]], axis=1)
        names, heap = [*(names[place] for place in common), f"{len(rest)} others"], len(rest)
    return {"classes": names, "rows": _counts(matrix, found), "rest": heap}


def _counts(rows: Array, found: Tally) -> list[Any]:
    """Return rows, or the effective rows of sums of weights; a list of lists of a matrix."""
    counted = rows.astype(int) if found.weighed is None else (rows * found.rows_per_weight).round(3)
    return list(counted.tolist())


def _matrix(found: Tally, size: int) -> Array:
    """Count rows by true and predicted class, (size, size)."""
    return np.bincount(found.cells, found.counts, size * size).reshape(size, size)


def _order(matrix: Array) -> dict[str, float | None]:
    """Compute of classes in order how many places predictions are off on average, and Cohen's kappa with quadratic
    weights (J. Cohen, Psychological Bulletin 70, 1968): 1 for no error, 0 for chance; None where all is one class."""
    places = np.arange(len(matrix))
    distance = np.abs(places[:, None] - places)
    by_chance = np.outer(matrix.sum(axis=1), matrix.sum(axis=0)) / matrix.sum()
    expected = (by_chance * distance**2).sum()
    return {
        "places_off": float((matrix * distance).sum() / matrix.sum()),
        "weighted_kappa": float(1 - (matrix * distance**2).sum() / expected) if expected else None,
    }


def _numbers(values: Array, digits: int = 5) -> list[float]:
    """Short enough for a file that people may read."""
    return [float(f"{value:.{digits}g}") for value in values]
