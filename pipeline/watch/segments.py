"""Segments: parts of the rows, by one or two columns, that nobody declared, in which a model may do harm that the whole
hides. They are chosen when the model is, by its evaluation rows, so that what is tested later does not follow from what
was seen: numbers by quarters, text by its most frequent values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.number_text import bound_text
from pipeline.watch.profiles import ColumnSpec, Spec

Array = npt.NDArray[Any]

COLUMNS = 8
"""The most important ones, of which segments are made."""
MOST = 150
"""Segments, the largest: each more makes the test of all others weaker."""
LEAST_SHARE, LEAST_ROWS = 0.02, 400
"""Of the evaluation rows, that a segment has."""
_PARTS = 8
_VALUES, _OTHERS, _MISSING = 6, 6, 7
_ONE, _TWO = _PARTS, _PARTS * _PARTS


def with_segments(spec: Spec, table: pa.Table, importance: Mapping[str, float]) -> Spec:
    """Choose the segments by the rows of a reference."""
    there = [one for one in spec.columns if one.name in table.schema.names]
    columns = sorted(there, key=lambda one: -importance.get(one.name, 0.0))[:COLUMNS]
    spec = replace(spec, segment_columns=tuple(one.name for one in columns))
    if not columns or not table.num_rows:
        return spec
    rows = _sums(spec, table.select(list(spec.segment_columns)), np.zeros(table.num_rows))[0]
    least = max(LEAST_ROWS, LEAST_SHARE * table.num_rows)
    usable = np.flatnonzero((rows >= least) & (rows <= table.num_rows - least))
    largest = usable[np.argsort(-rows[usable], kind="stable")][:MOST]
    return replace(spec, segments=tuple(sorted(map(int, largest))))


def losses_by_segment(spec: Spec, batch: pa.RecordBatch | pa.Table, loss: Array) -> Array:
    """Return rows, losses and squared losses, added up by segment: (3, segments)."""
    return _sums(spec, batch, loss)[:, list(spec.segments)]


def _sums(spec: Spec, batch: pa.RecordBatch | pa.Table, loss: Array) -> Array:
    known = {one.name: one for one in spec.columns}
    names = set(batch.schema.names)
    codes = [
        _codes(known[name], batch.column(name)) if name in names else np.full(len(loss), _MISSING)
        for name in spec.segment_columns
    ]
    weights = (None, loss, loss**2)
    found = [[np.bincount(one, w, _ONE) for one in codes] for w in weights]
    for of_weight, w in zip(found, weights, strict=True):
        of_weight += [np.bincount(one * _PARTS + other, w, _TWO) for one, other in combinations(codes, 2)]
    return np.array([np.concatenate(one) for one in found], float)


def _codes(spec: ColumnSpec, column: pa.Array | pa.ChunkedArray) -> Array:
    """Return the part of each row, from 0 to 7."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if spec.is_number:
        try:
            values = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), float)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # text in the place of numbers: the schema tells of it
            return np.full(len(column), _MISSING)
        found = np.searchsorted(_cuts(spec), values, "right")
        return np.where(np.isfinite(values), found, _MISSING)
    words = pa.array(spec.values[:_VALUES], pa.string())
    place = pc.index_in(column.cast(pa.string()), value_set=words).fill_null(_OTHERS)
    place = np.asarray(place.to_numpy(zero_copy_only=False), np.int64)
    return np.where(column.is_null().to_numpy(zero_copy_only=False), _MISSING, place)


def _cuts(spec: ColumnSpec) -> list[float]:
    edges = spec.edges
    return sorted({edges[len(edges) * k // 4] for k in (1, 2, 3)}) if edges else []


def segment_names(spec: Spec) -> list[str]:
    """Return the segments in words, in their order."""
    known = {one.name: one for one in spec.columns}
    columns = [known[name] for name in spec.segment_columns]
    pairs = list(combinations(columns, 2))
    names = []
    for cell in spec.segments:
        if cell < len(columns) * _ONE:
            names.append(_words(columns[cell // _ONE], cell % _ONE))
            continue
        pair, parts = divmod(cell - len(columns) * _ONE, _TWO)
        names.append(", ".join(_words(one, part) for one, part in zip(pairs[pair], divmod(parts, _PARTS), strict=True)))
    return names


def _words(spec: ColumnSpec, part: int) -> str:
    if part == _MISSING:
        return f"{spec.name} is missing"
    if not spec.is_number:
        return f"{spec.name} is another value" if part == _OTHERS else f"{spec.name}={spec.values[part]}"
    cuts: Sequence[float] = _cuts(spec)
    if part == 0:
        return f"{spec.name} < {bound_text(cuts[0])}" if cuts else f"{spec.name} is there"
    return f"{spec.name} >= {bound_text(cuts[part - 1])}" + (
        f" and < {bound_text(cuts[part])}" if part < len(cuts) else ""
    )
