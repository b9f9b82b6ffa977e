"""What only the rows can tell: repeated rows, a feature that gives the label away, labels that look wrong.

Each check takes record batches in their stored types, one after the other, and keeps a bounded amount of memory.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.split import hash_rows
from pipeline.guard.findings import Finding, percent
from pipeline.guard.policy import Policy

if TYPE_CHECKING:
    from pipeline.guard.findings import Offends

Array = npt.NDArray[Any]

_MAX_HASHES = 1 << 23  # 64 MiB
_BY_CHANCE = 1e-3  # a leak that is likelier than this in a table that knows nothing is none
_SPARE_VALUES = 8
_NEIGHBOURS = 10
_CONTRADICTING = 8
_MIN_SKILL = 0.2
_MAX_CELLS = 20_000_000
_CHUNK = 512


class RowCheck(Protocol):
    """Looks at rows as they come by."""

    def add(self, split: str, batch: pa.RecordBatch) -> None:
        """Some rows of a split."""

    def findings(self) -> list[Finding]:
        """What they amount to."""


def row_checks(policy: Policy, label: str, task: str, hidden: Collection[str] = ()) -> list[RowCheck]:
    """All checks of this module.

    Args:
        hidden: columns that the model is not shown: they cannot give the label away.
    """
    leak = NumberLeak if task == "regression" else ClassLeak
    return [
        DuplicateRows(policy.duplicate_rows),
        leak(policy.label_leak, policy.label_leak_hint, label, hidden),
        LabelNoise(policy, label, task),
    ]


class DuplicateRows:
    """Rows that repeat another in every column, in whatever split.

    Keeps a hash of each row. Where those are too many, of the rows whose hash ends in enough zeros only: copies share
    a hash, so that the share of copies among them is an estimate for all.
    """

    def __init__(self, bound: float, max_hashes: int = _MAX_HASHES) -> None:
        self._bound = bound
        self._max_hashes = max_hashes
        self._parts: list[npt.NDArray[np.uint64]] = []
        self._kept = 0
        self._mask = np.uint64(0)

    def add(self, split: str, batch: pa.RecordBatch) -> None:
        del split
        hashes = hash_rows(batch)
        self._parts.append(hashes[hashes & self._mask == 0])
        self._kept += len(self._parts[-1])
        while self._kept > self._max_hashes:
            self._mask = self._mask * np.uint64(2) + np.uint64(1)
            self._parts = [part[part & self._mask == 0] for part in self._parts]
            self._kept = sum(map(len, self._parts))

    def findings(self) -> list[Finding]:
        if not self._kept:
            return []
        values, counts = np.unique(np.concatenate(self._parts), return_counts=True)
        copies = int((counts - 1).sum())
        share = copies / self._kept
        if share <= self._bound:
            return []
        is_sample = bool(self._mask)
        finding = Finding(
            "duplicate_rows",
            None,
            None,
            "policy: duplicate_rows",
            f"at most {percent(self._bound)} of the rows to repeat another",
            f"copies of other rows; one row is there {int(counts.max()):,} times",
            share,
            offends=_hashed(values[counts > 1]),
            finds_some=is_sample,
        )
        return [finding if is_sample else finding.counted(copies, self._kept)]


class ClassLeak:
    """Features that are the label, or the label in other words: by one of their values each class can be told.

    A column with many more values than there are classes is no recoding and is let go of at once.
    """

    def __init__(self, bound: float, hint: float, label: str, hidden: Collection[str] = ()) -> None:
        self._bound = bound
        self._hint = hint
        self._label = label
        self._hidden = frozenset((*hidden, label))
        self._classes: dict[Any, int] = {}
        self._tables: dict[str, dict[Any, dict[int, int]] | None] = {}

    def add(self, split: str, batch: pa.RecordBatch) -> None:
        if split != "train":
            return
        labels = batch.column(self._label).dictionary_encode()
        places = [self._classes.setdefault(value, len(self._classes)) for value in labels.dictionary.to_pylist()]
        codes = np.array(places)[labels.indices.to_numpy()]
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if name not in self._hidden and self._tables.setdefault(name, {}) is not None:
                self._count(name, column, codes)

    def _count(self, name: str, column: pa.Array, codes: Array) -> None:
        most = len(self._classes) + _SPARE_VALUES
        table = self._tables[name]
        assert table is not None
        if len(pc.unique(column.slice(0, 1000))) > most:  # most columns, at little cost
            self._tables[name] = None
            return
        encoded = column.dictionary_encode()
        values = [*encoded.dictionary.to_pylist(), None]
        indices = encoded.indices.fill_null(len(values) - 1).to_numpy()
        n_classes = len(self._classes)
        counts = np.bincount(indices * n_classes + codes, minlength=len(values) * n_classes)
        for place in np.flatnonzero(counts):
            row = table.setdefault(values[place // n_classes], {})
            row[place % n_classes] = row.get(place % n_classes, 0) + int(counts[place])
        if len(table) > most:
            self._tables[name] = None

    def findings(self) -> list[Finding]:
        findings = []
        for name, table in self._tables.items():
            if not table or len(self._classes) < 2:
                continue
            counts = np.zeros((len(table), len(self._classes)))
            for index, row in enumerate(table.values()):
                counts[index, list(row)] = list(row.values())
            told, base = _recoding(counts)
            if base == 1 or not (kind := _kind(_told_beyond(told, base), self._bound, self._hint)):
                continue
            # As many ways as there are to deal the values to the classes, in each of the columns.
            ways = len(self._classes) * math.log(len(table)) + math.log(len(self._tables))
            rows = int(counts.sum())
            if ways - rows * _divergence(told, base) > math.log(_BY_CHANCE):
                continue
            finding = _gives_away(kind, name, "tells the label")
            findings.append(finding.counted(round(told * rows), rows))
        return findings


def _told_beyond(told: float, base: float) -> float:
    """How far from always naming the commonest class (0) to being always right (1)."""
    return (told - base) / (1 - base)


def _kind(skill: float, bound: float, hint: float) -> str:
    """ "" where there is nothing to say."""
    return "label_leak" if skill >= bound else "near_label_leak" if skill >= hint else ""


def _divergence(told: float, base: float) -> float:
    """Kullback and Leibler's, in nats: a share `told` where `base` is expected has a chance of exp(-rows * this) at
    most (Chernoff's bound)."""
    wrong = (1 - told) * math.log((1 - told) / (1 - base)) if told < 1 else 0.0
    return told * math.log(told / base) + wrong


def _recoding(counts: Array) -> tuple[float, float]:
    """The share of rows in which the best one-to-one recoding of values gives the class, and that of the commonest
    class.

    Args:
        counts: rows of each value and class, shape (values, classes).
    """
    best_of_value = counts == counts.max(axis=1, keepdims=True)
    best_of_class = counts == counts.max(axis=0, keepdims=True)
    total = counts.sum()
    told = float(counts[best_of_value & best_of_class].sum() / total)
    return told, float(counts.sum(axis=0).max() / total)


class NumberLeak:
    """Features that are a straight line away from a numeric label: by sums only."""

    def __init__(self, bound: float, hint: float, label: str, hidden: Collection[str] = ()) -> None:
        self._bound = bound
        self._hint = hint
        self._label = label
        self._hidden = frozenset((*hidden, label))
        self._sums: dict[str, Array] = {}
        self._shifts: dict[str, float] = {}

    def add(self, split: str, batch: pa.RecordBatch) -> None:
        if split != "train":
            return
        label = self._shifted(batch, self._label)
        for field in batch.schema:
            if field.name not in self._hidden and (pa.types.is_integer(field.type) or pa.types.is_floating(field.type)):
                feature = self._shifted(batch, field.name)
                there = np.isfinite(feature) & np.isfinite(label)
                x, y = feature[there], label[there]
                sums = np.array([len(x), x.sum(), y.sum(), x @ x, y @ y, x @ y])
                self._sums[field.name] = self._sums.get(field.name, 0.0) + sums

    def _shifted(self, batch: pa.RecordBatch, name: str) -> Array:
        """The values less the first of them all, so that large numbers do not cancel each other out; NaN is none."""
        values = batch.column(name).cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy()
        if name not in self._shifts and np.isfinite(values).any():
            self._shifts[name] = float(values[np.isfinite(values)][0])
        shifted: Array = values - self._shifts.get(name, 0.0)
        return shifted

    def findings(self) -> list[Finding]:
        findings = []
        for name, (n, x, y, xx, yy, xy) in self._sums.items():
            spread = (n * xx - x * x) * (n * yy - y * y)
            if n <= 2 or spread <= 0:
                continue
            explained = min((n * xy - x * y) ** 2 / spread, 1.0)
            by_chance = len(self._sums) * (1 - explained) ** ((n - 2) / 2)
            if (kind := _kind(explained, self._bound, self._hint)) and by_chance <= _BY_CHANCE:
                findings.append(_gives_away(kind, name, f"explains {percent(explained)} of the label's variance"))
        return findings


def _gives_away(kind: str, name: str, what: str) -> Finding:
    rule = "label_leak" if kind == "label_leak" else "label_leak_hint"
    expected = "a feature that leaves something to learn"
    return Finding(kind, name, "train", f"policy: {rule}", expected, f"that it alone {what}")


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
        if split != "train" or self._rows > self._max_rows:
            return
        self._rows += batch.num_rows
        if self._rows > self._max_rows or self._rows * batch.num_columns > _MAX_CELLS:
            self._batches, self._rows = [], self._max_rows + 1
        else:
            self._batches.append(batch)

    def findings(self) -> list[Finding]:
        if not self._batches or self._rows < 5 * _NEIGHBOURS:
            return []
        table = pa.Table.from_batches(self._batches).combine_chunks()
        labels = table.column(self._label).combine_chunks().dictionary_encode()
        codes = labels.indices.to_numpy()
        points = _points(table.drop_columns([self._label]))
        if not points.shape[1]:
            return []
        votes = _votes(points, codes, len(labels.dictionary))
        base = np.bincount(codes).max() / len(codes)
        skill = ((votes.argmax(axis=1) == codes).mean() - base) / (1 - base) if base < 1 else 0.0
        contradicted = (votes.argmax(axis=1) != codes) & (votes.max(axis=1) >= _CONTRADICTING)
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
            f"{_CONTRADICTING} of the {_NEIGHBOURS} rows that are most alike",
            "more",
            offends=_hashed(hashes[contradicted]),
        )
        return [finding.counted(int(contradicted.sum()), len(codes))]


def _points(table: pa.Table) -> npt.NDArray[np.float32]:
    """Numbers in units of their spread, categories as unit vectors; a missing number is the mean. (rows, widths)"""
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


def _votes(points: npt.NDArray[np.float32], codes: Array, n_classes: int) -> Array:
    """How many of a row's nearest neighbours, itself aside, are of each class; shape (rows, classes)."""
    lengths = np.einsum("ij,ij->i", points, points)
    votes = np.zeros((len(points), n_classes), np.int64)
    for start in range(0, len(points), _CHUNK):
        chunk = points[start : start + _CHUNK]
        distances = lengths - 2 * chunk @ points.T  # (chunk, rows), but for a constant in each row
        rows = np.arange(len(chunk))
        distances[rows, start + rows] = np.inf
        nearest = np.argpartition(distances, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]
        for neighbour in nearest.T:
            votes[start + rows, codes[neighbour]] += 1
    return votes


def _hashed(hashes: npt.NDArray[np.uint64]) -> Offends:
    """Rows whose hash is among `hashes`, which are some."""
    wanted = np.unique(hashes)

    def offends(batch: pa.RecordBatch) -> pa.BooleanArray:
        found = hash_rows(batch)
        places = np.minimum(np.searchsorted(wanted, found), len(wanted) - 1)
        return pa.array(wanted[places] == found)

    return offends
