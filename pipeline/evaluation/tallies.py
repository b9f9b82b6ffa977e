"""Sums over rows from which all metrics, intervals and curves follow. Nothing else here knows how to compute a metric.

Metrics are those of TFMA and Keras, to the last digits that floats agree in (tests/bench/test_equal_metrics.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.config.evaluation import COUNT
from pipeline.evaluation.own_metrics import ScoredRows

Array = npt.NDArray[Any]

BLOCKS = 20
"""Rows are dealt into them, see intervals.py."""
BUCKETS = 10_000
"""Of a binary task's probabilities, as in TFMA; one more is for a probability of 1."""
BINS = 15
"""Of the calibration error."""
_CERTAIN = 1e-7
"""keras.config.epsilon(), by which Keras bounds probabilities."""


def _tfma_thresholds() -> Array:
    """Find the threshold of TFMA's that each bucket comes after, (BUCKETS + 1,).

    TFMA puts 10,000 thresholds beside 10,000 buckets: so the lowest two buckets, and two near 1, fall together.
    """
    thresholds = np.arange(BUCKETS) / (BUCKETS - 1) + 1e-7
    thresholds[[0, -1]] = 0.0, 1.0 + 2e-7
    return np.searchsorted(thresholds, np.append(np.arange(BUCKETS) / BUCKETS, np.inf), "right") - 1


_THRESHOLD = _tfma_thresholds()


@dataclass(frozen=True)
class Tally:
    """What adds up over the rows of a slice.

    Attributes:
        sums: (BLOCKS, k): see `rows_of`; of rows with weights each is weighted.
        cells: (n,) sorted numbers of the cells that rows fell into: of a binary task (block, label, bucket of the
            probability), of several classes (label, predicted class); none of a regression.
        counts: (n,) rows in each of them, or the sum of their weights.
        weighed: (2,) of rows with weights: how many they are, and the sum of the squares of their weights; else None.
        scored: the rows themselves, where a metric of the user's needs them.
    """

    sums: Array
    cells: Array
    counts: Array
    weighed: Array | None = None
    scored: ScoredRows | None = None

    @property
    def rows(self) -> int:
        """Rows that were tallied."""
        return int(self.sums[:, 0].sum() if self.weighed is None else self.weighed[0])

    @property
    def rows_per_weight(self) -> float:
        """How many rows a unit of weight is worth: 1 without weights.

        n rows with weights w tell as much as (sum w)^2 / sum w^2 rows that count alike (Kish: Survey Sampling, 1965,
        section 11.7); by this factor a sum of weights becomes such an effective number of rows.
        """
        if self.weighed is None:
            return 1.0
        return float(self.sums[:, 0].sum() / self.weighed[1]) if self.weighed[1] > 0 else 0.0

    @property
    def effective_rows(self) -> float:
        """So many rows that count alike would tell as much."""
        return float(self.sums[:, 0].sum()) * self.rows_per_weight

    def histograms(self) -> Array:
        """Count a binary task's rows by block, label and threshold: (BLOCKS, 2, thresholds between which rows are)."""
        block_and_label, bucket = np.divmod(self.cells, BUCKETS + 1)
        thresholds, place = np.unique(_THRESHOLD[bucket], return_inverse=True)
        size = len(thresholds)
        return np.bincount(block_and_label * size + place, self.counts, BLOCKS * 2 * size).reshape(BLOCKS, 2, size)

    def distribution(self, buckets: int) -> Array:
        """Count a binary task's rows by label and so many buckets of the probability: (2, buckets)."""
        block_and_label, bucket = np.divmod(self.cells, BUCKETS + 1)
        place = block_and_label % 2 * buckets + np.minimum(bucket * buckets // BUCKETS, buckets - 1)
        return np.bincount(place, self.counts, 2 * buckets).reshape(2, buckets)

    def by_bucket(self) -> Array:
        """Count a binary task's rows by label and bucket of the probability: (2, BUCKETS + 1)."""
        block_and_label, bucket = np.divmod(self.cells, BUCKETS + 1)
        place = block_and_label % 2 * (BUCKETS + 1) + bucket
        return np.bincount(place, self.counts, 2 * (BUCKETS + 1)).reshape(2, BUCKETS + 1)

    def calibration_sums(self) -> Array:
        """Rows, sum of probabilities and number that came true by bin of a classification: (3, BINS)."""
        return _binned(self.sums).sum(axis=0)


def add(tallies: Iterable[Tally]) -> Tally:
    """Add up one or more."""
    parts = list(tallies)
    if len(parts) == 1:
        return parts[0]
    cells = np.concatenate([part.cells for part in parts])
    order = np.argsort(cells, kind="stable")  # of sorted parts that is one merge
    cells = cells[order]
    starts = np.flatnonzero(np.diff(cells, prepend=-1))
    counts = np.concatenate([part.counts for part in parts])[order]
    weighed = [part.weighed for part in parts if part.weighed is not None]
    scored = [part.scored for part in parts if part.scored is not None]
    return Tally(
        np.sum([part.sums for part in parts], axis=0),
        cells[starts],
        np.add.reduceat(counts, starts) if len(starts) else counts,
        np.sum(weighed, axis=0) if weighed else None,
        ScoredRows.joined(scored) if scored else None,
    )


@dataclass(frozen=True)
class Rows:
    """Rows of a batch, ready to be counted.

    Attributes:
        blocks: (rows,), 0 … BLOCKS - 1.
        values: (k, rows), what is added up by block: a one for each row, then what the task's metrics need.
        bins: (rows,) of the calibration error, to which `values` 3 and 4, probability and whether it came true, are
            added; None of a regression.
        cells: (rows,), see Tally; None of a regression.
        weights: (rows,), by which `values` are multiplied already; None where all rows count alike.
    """

    blocks: Array
    values: Array
    bins: Array | None = None
    cells: Array | None = None
    weights: Array | None = None

    def tally(self, rows: Array) -> Tally:
        """Count those with the given numbers; one of weight 0 is among the rows, and else as if it were not there."""
        weighed, weights = None, None
        if self.weights is not None:
            weighed = np.array([len(rows), (self.weights[rows] ** 2).sum()])
            rows = rows[self.weights[rows] > 0]
            weights = self.weights[rows]
        blocks, values = self.blocks[rows], self.values[:, rows]
        if self.bins is None or self.cells is None:
            sums = np.stack([np.bincount(blocks, of, BLOCKS) for of in values], axis=1)
            return Tally(sums, np.empty(0, np.int64), np.empty(0, np.int64), weighed)
        place = blocks * BINS + self.bins[rows]
        ones, loss, correct, probability, came_true = values
        plain = [np.bincount(blocks, of, BLOCKS)[:, None] for of in (ones, loss, correct)]
        binned = [np.bincount(place, of, BLOCKS * BINS).reshape(BLOCKS, BINS) for of in (ones, probability, came_true)]
        if weights is None:
            cells, counts = np.unique(self.cells[rows], return_counts=True)
        else:
            cells, of_row = np.unique(self.cells[rows], return_inverse=True)
            counts = np.bincount(of_row, weights, len(cells))
        return Tally(np.concatenate([*plain, *binned], axis=1), cells, counts, weighed)


def rows_of(task: str, labels: Array, predictions: Array, blocks: Array, weights: Array | None = None) -> Rows:
    """Prepare labels (rows,), predictions (rows, outputs) and blocks (rows,) for counting.

    Errors and losses have the precision of the predictions, as in Keras; sums are float64.

    Args:
        weights: (rows,), 0 or more; None where all rows count alike.
    """
    rows = _rows_of(task, labels, predictions, blocks)
    return rows if weights is None else replace(rows, values=rows.values * weights, weights=weights)


def _rows_of(task: str, labels: Array, predictions: Array, blocks: Array) -> Rows:
    ones = np.ones(len(labels))
    if task == "regression":
        error = np.abs(labels - predictions[:, 0])
        y, p = labels.astype(np.float64), predictions[:, 0].astype(np.float64)
        known = ~np.isnan(error)  # TFMA's mean of absolute errors leaves the others out
        return Rows(blocks, np.stack([ones, known, np.where(known, error, 0), error**2, y, p, y * y, p * p, y * p]))
    labels = labels.astype(np.int64)
    probability, came_true = confidences(labels, predictions)
    bounded = np.clip(predictions, _CERTAIN, 1 - _CERTAIN)
    if task == "binary":
        loss = -np.where(labels == 1, np.log(bounded[:, 0]), np.log(1 - bounded[:, 0]))
        correct = (probability > 0.5) == (labels == 1)
        bucket = np.clip((probability * BUCKETS + 1).astype(np.int64) - 1, 0, BUCKETS)
        cells = (blocks * 2 + labels) * (BUCKETS + 1) + bucket
    else:
        loss = np.log(bounded.sum(axis=1)) - np.log(bounded[np.arange(len(labels)), labels])
        correct = came_true
        cells = labels * predictions.shape[1] + predictions.argmax(axis=1)
    return Rows(blocks, np.stack([ones, loss, correct, probability, came_true]), bins_of(probability), cells)


def confidences(labels: Array, predictions: Array) -> tuple[Array, Array]:
    """Tell what was predicted, and whether it came true, both (rows,).

    Args:
        labels: (rows,), 0 and 1 or the number of the class.
        predictions: (rows, outputs), probabilities of the second of two classes or of each of several.
    """
    if predictions.shape[1] == 1:
        return predictions[:, 0].astype(np.float64), labels.astype(np.float64)
    return predictions.max(axis=1).astype(np.float64), (predictions.argmax(axis=1) == labels).astype(np.float64)


def bins_of(probability: Array) -> Array:
    """(rows,) the bins that the calibration error puts probabilities (rows,) into."""
    return np.clip((probability * BINS).astype(np.int64), 0, BINS - 1)


def calibration_error(binned: Array) -> Array:
    """Compute the expected calibration error of sums by bin (…, 3, BINS), see Tally; NaN without a row."""
    with np.errstate(invalid="ignore"):
        distance = np.abs(binned[..., 1, :] - binned[..., 2, :]).sum(axis=-1)
        error: Array = distance / binned[..., 0, :].sum(axis=-1)
        return error


def is_one_class(task: str, found: Tally) -> bool:
    """Whether all rows of a binary task have the same label."""
    return task == "binary" and len(np.unique(found.cells // (BUCKETS + 1) % 2)) < 2


def metric_values(task: str, found: Tally) -> dict[str, float]:
    """Metrics over all rows, in the order in which people see them; NaN where one cannot be computed."""
    histograms = found.histograms().sum(axis=0, keepdims=True) if task == "binary" else None
    values = values_of_sets(task, found.sums.sum(axis=0, keepdims=True), histograms)
    return {name: float(value[0]) for name, value in values.items()} | {COUNT: float(found.rows)}


def values_of_sets(task: str, sums: Array, histograms: Array | None) -> dict[str, Array]:
    """Metrics of several sets of rows at once; NaN where one cannot be computed.

    Args:
        sums: (sets, k).
        histograms: of a binary task, (sets, 2, thresholds).
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        rows = sums[:, 0]
        if task == "regression":
            _, known, absolute, squared, y, p, yy, pp, yp = sums.T
            spread = (yy - y * y / rows) * (pp - p * p / rows)
            return {
                "rmse": np.sqrt(squared / rows),
                "mae": absolute / known,
                "squared_correlation": np.where(spread > 0, (yp - y * p / rows) ** 2 / spread, np.nan),
                COUNT: rows,
            }
        binned = _binned(sums)
        loss, accuracy = sums[:, 1] / rows, sums[:, 2] / rows
        error = calibration_error(binned)
        if histograms is None:
            return {"accuracy": accuracy, "log_loss": loss, "expected_calibration_error": error, COUNT: rows}
        positive = binned[:, 2].sum(axis=1)
        return {
            "log_loss": loss,
            "expected_calibration_error": error,
            COUNT: rows,
            "auc": _area_under_roc(histograms),
            "auc_precision_recall": _area_under_precision_recall(histograms),
            "accuracy": accuracy,
            "calibration": np.where(positive > 0, binned[:, 1].sum(axis=1) / positive, np.nan),
        }


def _binned(sums: Array) -> Array:
    """Cut a classification's sums by calibration bin from (sets, k): (sets, 3, BINS)."""
    return sums[:, 3:].reshape(len(sums), 3, BINS)


def _area_under_roc(histograms: Array) -> Array:
    """How often a positive row is above a negative one; between the same thresholds counts half."""
    negative, positive = histograms[:, 0], histograms[:, 1]  # (sets, thresholds)
    below = np.cumsum(negative, axis=1) - negative / 2
    return (positive * below).sum(axis=1) / (positive.sum(axis=1) * negative.sum(axis=1))


def _area_under_precision_recall(histograms: Array) -> Array:
    """TFMA's: hits and alarms grow evenly from a threshold to the next (Davis, Goadrich, ICML 2006), not precision."""
    hits = histograms[:, 1, ::-1]  # (sets, thresholds), the highest first
    flagged = histograms.sum(axis=1)[:, ::-1]
    hits_before, flagged_before = np.cumsum(hits, axis=1) - hits, np.cumsum(flagged, axis=1) - flagged
    # Sums of weights may be less than 1: what nobody is in is left out, and nothing is divided by.
    slope = np.divide(hits, flagged, out=np.zeros_like(flagged, dtype=float), where=flagged > 0)
    follows = flagged_before > 0
    growth = np.log(np.divide(flagged_before + flagged, flagged_before, out=np.ones(follows.shape), where=follows))
    area = (slope * (hits + (hits_before - slope * flagged_before) * growth)).sum(axis=1)
    return np.where(histograms[:, 0].sum(axis=1) > 0, area / hits.sum(axis=1), np.nan)
