"""A few rows of all that were scored: an even choice, and the worst errors of each kind."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


_OF_A_BYTE = np.frombuffer(b"".join(hashlib.sha256(bytes([byte])).digest()[:8] for byte in range(256)), "<u8")
_MOST_BYTES, _FEWEST_ROWS = 1 << 26, 256
"""Of the records; rows of a wide table are long."""


@dataclass(frozen=True)
class RowSample:
    """Rows with what was predicted for them.

    Attributes:
        order: (n,) from the rows' content, as good as random: the least are the even choice.
        error: (n,) how wrong the challenger was, in its own unit.
        labels: (n,).
        predictions: (n, outputs), the challenger's.
        records: (n,) serialized tf.Examples.
        weights: (n,), all 1 where rows count alike.
    """

    order: Array
    error: Array
    labels: Array
    predictions: Array
    records: Array
    weights: Array

    def take(self, rows: Array) -> RowSample:
        """Select rows by their numbers."""
        return RowSample(*(part[rows] for part in vars(self).values()))

    def even(self, rows: int) -> RowSample:
        """Return an even choice of at most so many rows."""
        return self.take(np.argsort(self.order, kind="stable")[:rows])

    def worst_by_kind(self, task: str, rows: int, *, of_part: bool = False) -> Array:
        """Find the numbers of at most so many rows: of each kind of error in turn the worst one that is left; where
        errors are fewer than that, those that were predicted rightly and least surely.

        Args:
            of_part: kinds take their turns in a fixed order, not the worst first: then no row is lost that would be
                among those of the whole.
        """
        worst = np.lexsort((self.order, -self.error))
        kinds = error_kinds(task, self.labels, self.predictions)[worst]
        rank = np.zeros(len(worst), np.int64)  # among those of its kind
        for kind in np.unique(kinds):
            rank[kinds == kind] = np.arange((kinds == kind).sum())
        turn = np.lexsort((kinds if of_part else np.arange(len(worst)), rank, kinds == RIGHT))
        chosen: Array = worst[turn[:rows]]
        return chosen


RIGHT = -1


def error_kinds(task: str, labels: Array, predictions: Array) -> Array:
    """Return (rows,) in what way each is wrong, RIGHT if it is not: of a binary task 0 for a false positive and 1 for a
    false negative, of several classes the true class, of a regression 0 for too high and 1 for too low."""
    if task == "multiclass":
        kinds = labels.astype(np.int64)
        right = predictions.argmax(axis=1) == kinds
    elif task == "binary":
        kinds = (labels == 1).astype(np.int64)
        right = (predictions[:, 0] > 0.5) == (labels == 1)
    else:
        kinds = (predictions[:, 0] < labels).astype(np.int64)
        right = predictions[:, 0] == labels
    return np.where(right, RIGHT, kinds)


def digests(records: Sequence[bytes]) -> Array:
    """Return (rows,) 32-bit checksums of the rows, which deal them into blocks and samples alike in every run.

    Every process writes the features of a tf.Example in an order of its own: the bytes count, not their places.
    """
    sums = (_OF_A_BYTE[np.frombuffer(record, np.uint8)].sum(dtype=np.uint64) for record in records)
    return np.fromiter(sums, np.uint64, len(records)) >> np.uint64(32)


def sample_of(
    task: str, checksums: Array, labels: Array, predictions: Array, records: Array, weights: Array | None = None
) -> RowSample:
    """Return all rows of a batch: labels (rows,), predictions (rows, outputs); not those of weight 0."""
    if task == "multiclass":
        error = 1.0 - predictions[np.arange(len(labels)), labels.astype(np.int64)]
    else:
        error = np.abs(predictions[:, 0] - labels)
    # Blocks are the checksum's remainder; the sample must not favour some of them.
    order = checksums * np.uint64(2_654_435_761) % np.uint64(2**32)
    each = np.ones(len(labels)) if weights is None else weights
    every = RowSample(order, np.nan_to_num(error.astype(np.float64)), labels, predictions, records, each)
    return every if weights is None else every.take(np.flatnonzero(weights > 0))


class KeepSample(beam.CombineFn):
    """Merges samples, and keeps `even` rows of an even choice and `wrong` of the worst errors, each kind in turn."""

    def __init__(self, task: str, even: int, wrong: int) -> None:
        self._task = task
        self._even = even
        self._wrong = wrong

    def create_accumulator(self) -> RowSample | None:
        """Start with nothing."""
        return None

    def add_input(self, kept: RowSample | None, sample: RowSample) -> RowSample:
        """Add rows, and keep a sample of all."""
        if kept is not None:
            pairs = zip(vars(kept).values(), vars(sample).values(), strict=True)
            sample = RowSample(*(np.concatenate(pair) for pair in pairs))
        even = min(
            self._even, max(_FEWEST_ROWS, _MOST_BYTES // max(map(len, sample.records[:_FEWEST_ROWS]), default=1))
        )
        by_order = np.argsort(sample.order, kind="stable")[:even]
        by_error = sample.worst_by_kind(self._task, self._wrong, of_part=True)
        return sample.take(np.union1d(by_order, by_error))

    def merge_accumulators(self, accumulators: Iterable[RowSample | None]) -> RowSample | None:
        """Sample the rows of several samples."""
        kept = None
        for accumulator in accumulators:
            if accumulator is not None:
                kept = self.add_input(kept, accumulator)
        return kept

    def extract_output(self, kept: RowSample | None) -> RowSample | None:
        """Give the sample."""
        return kept
