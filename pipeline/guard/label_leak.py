"""Finds features that give the label away."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.guard.findings import Finding, percent

Array = npt.NDArray[Any]
_BY_CHANCE = 1e-3  # a leak that is likelier than this in a table that knows nothing is none
_SPARE_VALUES = 8


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
        """Take in rows of a split; only those of the training split count."""
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
        """Say what was found in all rows taken in."""
        findings = []
        for name, table in self._tables.items():
            if not table or len(self._classes) < 2:
                continue
            counts = np.zeros((len(table), len(self._classes)))
            for index, row in enumerate(table.values()):
                counts[index, list(row)] = list(row.values())
            told, base = _recoding(counts)
            skill = _told_beyond(told, base) if base < 1 else 0.0
            if not _kind(skill, self._bound, self._hint):
                continue
            # As many ways as there are to deal the values to the classes, in each of the columns.
            ways = len(self._classes) * math.log(len(table)) + math.log(len(self._tables))
            rows = int(counts.sum())
            if ways - rows * _divergence(told, base) > math.log(_BY_CHANCE):
                continue
            what = f"tells the label: {math.floor(100 * skill + 1e-9) / 100:.2f}, where 0 is a guess and 1 always right"
            finding = _gives_away(name, what, skill, self._bound, self._hint)
            findings.append(finding.counted(round(told * rows), rows))
        return findings


def _told_beyond(told: float, base: float) -> float:
    """Return how far from always naming the commonest class (0) to being always right (1)."""
    return (told - base) / (1 - base)


def _kind(skill: float, bound: float, hint: float) -> str:
    """Name the kind of finding; empty where there is nothing to say."""
    return "label_leak" if skill >= bound else "near_label_leak" if skill >= hint else ""


def _divergence(told: float, base: float) -> float:
    """Return Kullback and Leibler's divergence, in nats: a share `told` where `base` is expected has a chance of
    exp(-rows * this) at most (Chernoff's bound)."""
    wrong = (1 - told) * math.log((1 - told) / (1 - base)) if told < 1 else 0.0
    return told * math.log(told / base) + wrong


def _recoding(counts: Array) -> tuple[float, float]:
    """Return the share of rows in which the best one-to-one recoding of values gives the class, and that of the
    commonest class.

    Args:
        counts: rows of each value and class, shape (values, classes).
    """
    best_of_value = counts == counts.max(axis=1, keepdims=True)
    best_of_class = counts == counts.max(axis=0, keepdims=True)
    total = counts.sum()
    told = float(np.where(best_of_value & best_of_class, counts, 0).max(axis=1).sum() / total)  # of equals, one
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
        """Take in rows of a split; only those of the training split count."""
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
        """Return the values less the first of them all, so that large numbers do not cancel each other out; NaN is
        none."""
        values = batch.column(name).cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy()
        if name not in self._shifts and np.isfinite(values).any():
            self._shifts[name] = float(values[np.isfinite(values)][0])
        shifted: Array = values - self._shifts.get(name, 0.0)
        return shifted

    def findings(self) -> list[Finding]:
        """Say what was found in all rows taken in."""
        findings = []
        for name, (n, x, y, xx, yy, xy) in self._sums.items():
            spread = (n * xx - x * x) * (n * yy - y * y)
            if n <= 2 or spread <= 0:
                continue
            explained = min((n * xy - x * y) ** 2 / spread, 1.0)
            by_chance = len(self._sums) * (1 - explained) ** ((n - 2) / 2)
            if _kind(explained, self._bound, self._hint) and by_chance <= _BY_CHANCE:
                what = f"explains {percent(explained)} of the label's variance"
                findings.append(_gives_away(name, what, explained, self._bound, self._hint))
        return findings


def _gives_away(name: str, what: str, skill: float, bound: float, hint: float) -> Finding:
    kind = _kind(skill, bound, hint)
    rule = "label_leak" if kind == "label_leak" else "label_leak_hint"
    expected = f"a feature that leaves something to learn (a warning from {hint:g} on, a leak from {bound:g} on)"
    return Finding(kind, name, "train", f"policy: {rule}", expected, f"that it alone {what}")
