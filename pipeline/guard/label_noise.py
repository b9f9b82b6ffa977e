"""Finds labels that look wrong: those of small tables that nearly all of the nearest neighbours contradict."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.data.split import hash_rows
from pipeline.guard.duplicate_rows import rows_with
from pipeline.guard.findings import Finding, percent
from pipeline.guard.policy import Policy

Array = npt.NDArray[Any]

NEIGHBOURS = 10
_CONTRADICTING = 8
_MIN_SKILL = 0.2
_MAX_CELLS = 20_000_000
_CHUNK, _MOST_DISTANCES = 512, 16_000_000
"""Rows that are compared with all others at a time."""


class LabelNoise:
    """Small tables of classes only: labels that nearly all of the nearest neighbours contradict.

    Said only where neighbours are of use at all: where the features do not tell the classes apart, a contradicted
    label is no sign of anything.
    """

    def __init__(self, policy: Policy, label: str, task: str) -> None:
        self._bound = policy.label_noise
        self._max_rows = policy.label_noise_rows if task != "regression" else 0
        self._label = label
        self._batches: list[pa.RecordBatch] = []
        self._rows = 0

    def add(self, split: str, batch: pa.RecordBatch) -> None:
        """Take in rows of a split; only those of the training split count."""
        if split != "train" or self._rows > self._max_rows:
            return
        self._rows += batch.num_rows
        if self._rows > self._max_rows or self._rows * batch.num_columns > _MAX_CELLS:
            self._batches, self._rows = [], self._max_rows + 1
        else:
            self._batches.append(batch)

    def findings(self) -> list[Finding]:
        """Say what was found in all rows taken in."""
        if not self._batches or self._rows < 5 * NEIGHBOURS:
            return []
        table = pa.Table.from_batches(self._batches).combine_chunks()
        labels = table.column(self._label).combine_chunks().dictionary_encode()
        codes = labels.indices.to_numpy()
        points = points_of(table.drop_columns([self._label]))
        if not points.shape[1]:
            return []
        every = np.arange(len(codes))
        found = votes(points, codes, len(labels.dictionary), every, every)
        base = np.bincount(codes).max() / len(codes)
        skill = ((found.argmax(axis=1) == codes).mean() - base) / (1 - base) if base < 1 else 0.0
        contradicted = (found.argmax(axis=1) != codes) & (found.max(axis=1) >= _CONTRADICTING)
        share = float(contradicted.mean())
        if skill < _MIN_SKILL or share <= self._bound:
            return []
        hashes = np.concatenate([hash_rows(batch) for batch in self._batches])
        finding = Finding(
            "label_noise",
            self._label,
            "train",
            "policy: label_noise",
            f"at most {percent(self._bound)} of the labels contradicted by "
            f"{_CONTRADICTING} of the {NEIGHBOURS} rows that are most alike",
            "more",
            offends=rows_with(hashes[contradicted]),
        )
        return [finding.counted(int(contradicted.sum()), len(codes))]


def points_of(table: pa.Table) -> npt.NDArray[np.float32]:
    """Put rows into a space: numbers in units of their spread, categories as unit vectors, the mean for a missing one.

    Returns:
        (rows, widths).
    """
    parts = []
    for column in table.columns:
        flat = column.combine_chunks()
        if pa.types.is_string(flat.type):
            encoded = flat.dictionary_encode()
            width = len(encoded.dictionary)
            if 2 <= width <= 50:  # more are names
                units = np.eye(width + 1, dtype=np.float32) / np.float32(np.sqrt(2))
                parts.append(units[encoded.indices.fill_null(width).to_numpy()])
            continue
        values = flat.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy(zero_copy_only=False)
        values = np.where(np.isfinite(values), values, np.nan)
        if np.isfinite(values).any() and (spread := np.nanstd(values)) > 0:
            scaled = (values - np.nanmean(values)) / spread
            parts.append(np.nan_to_num(scaled).astype(np.float32)[:, np.newaxis])
    return np.hstack(parts) if parts else np.empty((table.num_rows, 0), np.float32)


def votes(points: npt.NDArray[np.float32], codes: Array, n_classes: int, rows: Array, among: Array) -> Array:
    """Return how many of the nearest neighbours of `rows`, themselves aside, are of each class; (rows, classes).

    Args:
        points: (n, widths); codes: (n,) classes.
        rows, among: numbers of those who are asked about, and of those who may be neighbours.
    """
    others = points[among]
    lengths = np.einsum("ij,ij->i", others, others)
    found = np.zeros((len(rows), n_classes), np.int64)
    size = max(1, min(_CHUNK, _MOST_DISTANCES // len(among)))
    for start in range(0, len(rows), size):
        chunk = rows[start : start + size]
        distances = lengths - 2 * points[chunk] @ others.T  # (chunk, among), but for a constant in each row
        places = np.searchsorted(among, chunk)
        itself = np.flatnonzero(among[np.minimum(places, len(among) - 1)] == chunk)
        distances[itself, places[itself]] = np.inf
        nearest = np.argpartition(distances, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        for neighbour in nearest.T:
            found[start + np.arange(len(chunk)), codes[among[neighbour]]] += 1
    return found
