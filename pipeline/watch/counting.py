"""Counts the rows of a log into profiles: each column of a batch once, for all hours that it has rows of."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.watch.profiles import (
    BINS,
    HIGH,
    LOW,
    MISSING,
    NOT_FINITE,
    OTHER,
    SCORE_BINS,
    UNKNOWN,
    WRONG_TYPE,
    Array,
    ColumnSpec,
    Profile,
    Spec,
    numbers_of,
)

TOO_OFTEN = 0.2
"""A row that is a greater share of an hour's rows stands for nobody but its sender: it is left out of the bins."""
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def profile(spec: Spec, batch: pa.RecordBatch, scores: Array, step: int) -> Profile:
    """Count rows of one version and one hour; see `profiles`."""
    return profiles(spec, batch, scores, np.zeros(batch.num_rows, np.int64), [step])[0]


def profiles(spec: Spec, batch: pa.RecordBatch, scores: Array, group: Array, steps: Sequence[int]) -> list[Profile]:
    """Count rows of one version by group, that is by hour and route: each column is looked at once for all of them.

    Args:
        scores: (rows,), the first output; NaN where the request was not answered.
        group: (rows,), numbers from 0. steps: of each group: each so many-th row is put into bins.
    """
    order = np.argsort(group, kind="stable")
    rows = np.bincount(group, minlength=len(steps))
    place_in_group = np.arange(len(order)) - np.repeat(np.cumsum(rows) - rows, rows)
    chosen = order[place_in_group % np.repeat(np.array(steps, np.int64), rows) == 0]
    counted = _Counted(group, len(steps), len(spec.columns), chosen)
    names = set(batch.schema.names)
    places = np.full((len(spec.columns), len(chosen)), MISSING, np.uint8)
    mix = np.zeros(len(chosen), np.uint64)
    for k, column in enumerate(spec.columns):
        if column.name not in names:
            counted.missing[:, k] = rows
            continue
        places[k], codes = _count(counted, k, column, batch.column(column.name))
        mix ^= codes
        mix *= _MULTIPLIER
        mix ^= mix >> np.uint64(29)
    scores = scores[chosen]
    ends = np.cumsum(np.bincount(group[chosen], minlength=len(steps)))
    found = []
    for number, end in enumerate(ends):
        mine = slice(ends[number - 1] if number else 0, end)
        one = _binned(spec, places[:, mine], mix[mine], scores[mine])
        one.rows, one.missing, one.broken = int(rows[number]), counted.missing[number], counted.broken[number]
        found.append(one)
    return found


def _binned(spec: Spec, places: Array, mix: Array, scores: Array) -> Profile:
    """Count bins, and scores, of the rows of a group."""
    found = Profile.empty(len(spec.columns))
    _, row, times = np.unique(mix, return_inverse=True, return_counts=True)
    found.binned, found.distinct = len(mix), len(times)
    if times.max(initial=0) > max(TOO_OFTEN * len(mix), 10):  # somebody sends the same row again and again
        kept = (times <= TOO_OFTEN * len(mix))[row]
        places, scores = places[:, kept], scores[kept]
    offsets = np.arange(len(places), dtype=np.int64)[:, None] * BINS
    found.bins += np.bincount((places + offsets).ravel(), minlength=len(places) * BINS).reshape(-1, BINS)
    known = scores[np.isfinite(scores)]
    found.scores += np.bincount(np.searchsorted(spec.score_edges, known, "right"), minlength=SCORE_BINS)[:SCORE_BINS]
    found.scored, found.total = len(known), float(known.sum())
    return found


class _Counted:
    """What is wrong with rows, by group and column.

    Attributes:
        chosen: rows that are put into bins, those of a group together.
        missing: (groups, columns), broken: (groups, columns, 5).
    """

    def __init__(self, group: Array, groups: int, columns: int, chosen: Array) -> None:
        self.chosen, self._group = chosen, group
        self.missing = np.zeros((groups, columns), np.int64)
        self.broken = np.zeros((groups, columns, 5), np.int64)

    def broke(self, k: int, kind: int, rows: Array) -> None:
        """Add rows (a mask) that break a rule."""
        self.broken[:, k, kind] += self._of(rows)

    def lacks(self, k: int, column: pa.Array) -> None:
        """Add rows without a value."""
        if column.null_count:
            self.missing[:, k] += self._of(_mask(column.is_null()))

    def _of(self, rows: Array) -> Array:
        return np.bincount(self._group[rows], minlength=len(self.missing))


def _mask(column: pa.Array) -> Array:
    return np.asarray(column.fill_null(False).to_numpy(zero_copy_only=False), bool)


def _count(counted: _Counted, k: int, spec: ColumnSpec, column: pa.Array) -> tuple[Array, Array]:
    """Count what breaks the schema in all rows; return bins and codes of the chosen ones."""
    counted.lacks(k, column)
    is_text = (
        pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or pa.types.is_binary(column.type)
    )
    if spec.is_number and is_text:
        counted.broke(k, WRONG_TYPE, _mask(column.is_valid()))
        return np.full(len(counted.chosen), OTHER), np.zeros(len(counted.chosen), np.uint64)
    if not spec.is_number:
        return _count_text(counted, k, spec, column if is_text else column.cast(pa.string()))
    values = numbers_of(column)
    finite = np.isfinite(values)
    if pa.types.is_floating(column.type) and int(finite.sum()) < len(column) - column.null_count:
        counted.broke(k, NOT_FINITE, ~finite & _mask(column.is_valid()))
    if (spec.least is not None or spec.greatest is not None) and len(column) > column.null_count:
        bounds = pc.min_max(column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).as_py()
        if spec.least is not None and bounds["min"] < spec.least:
            counted.broke(k, LOW, _mask(pc.less(column, spec.least)))
        if spec.greatest is not None and bounds["max"] > spec.greatest:
            counted.broke(k, HIGH, _mask(pc.greater(column, spec.greatest)))
    sample = values[counted.chosen]
    place = np.zeros(len(sample), np.uint8)
    for edge in spec.edges:  # of so few edges quicker than a search
        place += sample >= edge
    place[~finite[counted.chosen]] = MISSING
    return place, sample.view(np.uint64)


def _count_text(counted: _Counted, k: int, spec: ColumnSpec, column: pa.Array) -> tuple[Array, Array]:
    encoded = column.cast(pa.string()).dictionary_encode()
    words = encoded.dictionary
    size = len(words)
    indices = encoded.indices.fill_null(size).to_numpy(zero_copy_only=False)
    if spec.known is not None:
        listed = pc.is_in(words, value_set=pa.array(spec.known, pa.string())).to_numpy(zero_copy_only=False)
        if not listed.all():
            counted.broke(k, UNKNOWN, (~np.append(listed, True))[indices])
    bins = pc.index_in(words, value_set=pa.array(spec.values, pa.string())).fill_null(OTHER)
    table = np.append(bins.to_numpy(zero_copy_only=False).astype(np.int64), MISSING)
    codes = np.fromiter((hash_of(word) for word in words.to_pylist()), np.uint64, size)
    sample = indices[counted.chosen]
    return table[sample], np.append(codes, np.uint64(1))[sample]


def hash_of(word: str) -> int:
    """Return a number that is the same in every process."""
    return zlib.crc32(word.encode()) * 0x9E3779B1
