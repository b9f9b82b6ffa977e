"""Sums from which metrics can be had again without a part of the rows: for confidence intervals and for curves.

Intervals are TFMA's jackknife (ConfidenceIntervalOptions.JACKKNIFE, evaluators/jackknife.py): rows are dealt into 20
blocks, each metric is computed twenty times without one of them, and the spread of these values gives a standard
error and Student's t with 19 degrees of freedom the interval. TFMA deals at random and computes all metrics twenty
times; here a row's block follows from its content, so that the intervals are the same in each run, and what is
added up by block is so small that all is one pass. Challenger and champion share the blocks: the interval of their
difference knows that both saw the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.evaluation import calibration_error

Array = npt.NDArray[Any]
Interval = tuple[float, float]

BLOCKS = 20
BUCKETS = 1_000
"""Of a binary task's probabilities; the area under a curve changes in the fifth digit by them."""
_CERTAIN = 1e-7
"""keras.config.epsilon(), by which Keras bounds probabilities."""
_SHARES = frozenset({"auc", "auc_precision_recall", "accuracy", "expected_calibration_error", "squared_correlation"})
"""Between 0 and 1, and so are their intervals."""
_NEVER_NEGATIVE = frozenset({"log_loss", "rmse", "mae", "calibration"})


@dataclass(frozen=True)
class Tally:
    """What adds up over the rows of a slice.

    Attributes:
        sums: (BLOCKS, k): see `_row_values`.
        cells: (n,) sorted numbers of the cells that rows fell into: of a binary task (block, label, bucket of the
            probability), of several classes (label, predicted class); none of a regression.
        counts: (n,) rows in each of them.
    """

    sums: Array
    cells: Array
    counts: Array

    def __add__(self, other: Tally) -> Tally:
        cells, place = np.unique(np.concatenate([self.cells, other.cells]), return_inverse=True)
        counts = np.bincount(place, np.concatenate([self.counts, other.counts]), len(cells))
        return Tally(self.sums + other.sums, cells, counts.astype(np.int64))

    @property
    def rows(self) -> int:
        """Rows that were tallied."""
        return int(self.sums[:, 0].sum())

    def histograms(self) -> Array:
        """Of a binary task: rows by block, label and bucket, (BLOCKS, 2, BUCKETS)."""
        return np.bincount(self.cells, self.counts, BLOCKS * 2 * BUCKETS).reshape(BLOCKS, 2, BUCKETS)


@dataclass(frozen=True)
class Rows:
    """Rows of a batch, ready to be counted.

    Attributes:
        blocks: (rows,), 0 … BLOCKS - 1.
        values: (rows, k), see `_row_values`.
        cells: (rows,), see Tally; None of a regression.
    """

    blocks: Array
    values: Array
    cells: Array | None

    def tally(self, rows: Array) -> Tally:
        """Counts those with the given numbers."""
        sums = np.zeros((BLOCKS, self.values.shape[1]))
        np.add.at(sums, self.blocks[rows], self.values[rows])
        cells, counts = np.unique(self.cells[rows] if self.cells is not None else [], return_counts=True)
        return Tally(sums, cells.astype(np.int64), counts)


def rows_of(task: str, labels: Array, predictions: Array, blocks: Array) -> Rows:
    """From labels (rows,), predictions (rows, outputs), and blocks (rows,)."""
    cells = None
    if task == "binary":
        bucket = np.clip((predictions[:, 0].astype(np.float64) * BUCKETS).astype(np.int64), 0, BUCKETS - 1)
        cells = (blocks * 2 + labels.astype(np.int64)) * BUCKETS + bucket
    elif task == "multiclass":
        cells = labels.astype(np.int64) * predictions.shape[1] + predictions.argmax(axis=1)
    return Rows(blocks, _row_values(task, labels, predictions), cells)


def _row_values(task: str, labels: Array, predictions: Array) -> Array:
    """(rows, k): 1, then what the task's metrics add up, then a calibration bin's three sums for each bin."""
    if task == "regression":
        y, p = labels.astype(np.float64), predictions[:, 0].astype(np.float64)
        return np.stack([np.ones(len(y)), np.abs(y - p), (y - p) ** 2, y, p, y * y, p * p, y * p], axis=1)
    confidence, came_true = calibration_error.confidences(labels, predictions)
    bounded = np.clip(predictions.astype(np.float64), _CERTAIN, 1 - _CERTAIN)
    if task == "binary":
        p = bounded[:, 0]
        loss = -np.where(labels == 1, np.log(p), np.log1p(-p))
        correct = (confidence > 0.5) == (labels == 1)
    else:
        own = bounded[np.arange(len(labels)), labels.astype(np.int64)]
        loss = np.log(bounded.sum(axis=1)) - np.log(own)
        correct = came_true == 1
    bins = calibration_error.BINS
    place = np.clip((confidence * bins).astype(np.int64), 0, bins - 1)
    binned = np.zeros((len(labels), 3, bins))
    binned[np.arange(len(labels)), :, place] = np.stack([np.ones(len(labels)), confidence, came_true], axis=1)
    plain = np.stack([np.ones(len(labels)), loss, correct], axis=1)
    return np.concatenate([plain, binned.reshape(len(labels), 3 * bins)], axis=1)


def calibration_sums(found: Tally) -> Array:
    """Rows, sum of probabilities and number that came true by bin of a classification: (3, bins)."""
    sums: Array = found.sums[:, 3:].sum(axis=0).reshape(3, calibration_error.BINS)
    return sums


def is_one_class(task: str, found: Tally) -> bool:
    """Whether all rows of a binary task have the same label."""
    return task == "binary" and not found.histograms().sum(axis=(0, 2)).all()


def metric_values(task: str, sums: Array, histograms: Array | None) -> dict[str, Array]:
    """Metrics of several sets of rows at once; NaN where one cannot be computed.

    Args:
        sums: (sets, k).
        histograms: of a binary task, (sets, 2, BUCKETS).
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        rows = sums[:, 0]
        if task == "regression":
            _, absolute, squared, y, p, yy, pp, yp = sums.T
            spread = (yy - y * y / rows) * (pp - p * p / rows)
            correlation = np.where(spread > 0, (yp - y * p / rows) ** 2 / spread, np.nan)
            return {"rmse": np.sqrt(squared / rows), "mae": absolute / rows, "squared_correlation": correlation}
        binned = sums[:, 3:].reshape(len(sums), 3, calibration_error.BINS)
        found = {
            "log_loss": sums[:, 1] / rows,
            "accuracy": sums[:, 2] / rows,
            "expected_calibration_error": calibration_error.error_of(binned),
        }
        if histograms is not None:
            found |= {
                "auc": _area_under_roc(histograms),
                "auc_precision_recall": _area_under_precision_recall(histograms),
                "calibration": binned[:, 1].sum(axis=1) / binned[:, 2].sum(axis=1),
            }
        return found


def _area_under_roc(histograms: Array) -> Array:
    """How often a positive row's bucket is above a negative one's; the same bucket counts half."""
    negative, positive = histograms[:, 0], histograms[:, 1]  # (sets, BUCKETS)
    below = np.cumsum(negative, axis=1) - negative / 2
    return (positive * below).sum(axis=1) / (positive.sum(axis=1) * negative.sum(axis=1))


def _area_under_precision_recall(histograms: Array) -> Array:
    """The mean precision at the positive rows, the highest bucket first."""
    both = np.cumsum(histograms[:, :, ::-1], axis=2)
    precision = both[:, 1] / np.maximum(both.sum(axis=1), 1)
    total = histograms[:, 1].sum(axis=1)
    return np.where(histograms[:, 0].sum(axis=1) > 0, (histograms[:, 1, ::-1] * precision).sum(axis=1) / total, np.nan)


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
    total = found.sums.sum(axis=0)
    sums = np.concatenate([total[None], total - found.sums])  # all, then without each block
    histograms = None
    if task == "binary":
        by_block = found.histograms()
        total = by_block.sum(axis=0)
        histograms = np.concatenate([total[None], total - by_block])
    return {
        name: (float(values[0]), values[1:])
        for name, values in metric_values(task, sums, histograms).items()
        if np.isfinite(values).all()
    }


def _interval(name: str, whole: float, without: Array, confidence: float) -> Interval:
    """TFMA's: the standard error of pseudo-values, and Student's t."""
    from scipy import stats

    pseudo = whole * BLOCKS - without * (BLOCKS - 1)
    reach = float(stats.t.ppf(0.5 + confidence / 2, BLOCKS - 1) * pseudo.std(ddof=1) / BLOCKS**0.5)
    low = max(0.0, whole - reach) if name in _SHARES | _NEVER_NEGATIVE else whole - reach
    high = min(1.0, whole + reach) if name in _SHARES else whole + reach
    return (low, high)
