"""Turns requests into Arrow record batches, a row for each row of a request; those that are alike in one, column by
column."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.serving.request_layout import NOTHING, Column, Entry, Layout, Redaction, schema_of, shown

_OUTPUTS = ("prediction", "scores", "outputs")
"""Where a model's scores stand, by signature: see trainer.signatures and trainer.graded_signatures."""


def batches(entries: Sequence[Entry], layout: Layout, redaction: Redaction) -> Iterator[Any]:
    """Yield record batches of requests of one layout; those that can be put together by column, in one."""
    together: dict[tuple[int, int], list[Entry]] = defaultdict(list)
    for entry in entries:  # an entry that shares its columns with nobody is one by itself
        together[id(entry.columns or entry), id(entry.outputs)].append(entry)
    alike: dict[tuple[Any, ...], list[_Asked]] = defaultdict(list)
    for group in together.values():
        asked = _Asked(group)
        alike[asked.width, asked.columns is not None and tuple(asked.columns)].append(asked)
    schema = schema_of(layout, redaction)
    for several in alike.values():
        yield _batch(several, layout, redaction, schema)


class _Asked:
    """Requests that were asked together, and which rows of their common columns they are.

    Attributes:
        picked: the rows' places; None when they are all.
        scores: (rows, n) of the picked ones; None where there are none.
    """

    def __init__(self, entries: list[Entry]) -> None:
        first = entries[0]
        self.entries, self.columns = entries, first.columns
        end = entries[-1].at + entries[-1].rows  # beyond the common rows, where columns are not of one length
        self.rows = first.rows if first.whole is None else max(first.whole, end)
        self.picked = None if self._are_all() else self._picked()
        scores = _scores(first, self.rows)
        self.scores = scores if scores is None or self.picked is None else scores[self.picked]
        self.width = -1 if scores is None else scores.shape[1]

    def _are_all(self) -> bool:
        """Return whether they are all of the common rows, one after the other: so it is where none was left out."""
        at = 0
        for entry in self.entries:
            if entry.at != at:
                return False
            at += entry.rows
        return at == self.rows

    def _picked(self) -> Any:
        starts = np.fromiter((entry.at for entry in self.entries), np.int64, len(self.entries))
        sizes = np.fromiter((entry.rows for entry in self.entries), np.int64, len(self.entries))
        places = np.repeat(starts - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())
        return None if np.array_equal(places, np.arange(self.rows)) else places

    def column(self, name: str) -> Any:
        """Return the values of the requests' rows; None where there is not one for each."""
        found = self.columns.get(name) if self.columns is not None else None
        if type(found) is not list and found is not None and not found.ndim:
            found = found.reshape(1)
        if found is None or len(found) != self.rows:
            return None
        if self.picked is None:
            return found
        return [found[place] for place in self.picked.tolist()] if type(found) is list else found[self.picked]


def _scores(entry: Entry, rows: int) -> Any:
    outputs = entry.outputs or {}
    numeric = [name for name, array in outputs.items() if array.dtype.kind in "fiu" and array.ndim]
    name = next((name for name in _OUTPUTS if name in numeric), numeric[0] if len(numeric) == 1 else None)
    if name is None or len(outputs[name]) != rows:
        return None
    found = outputs[name].reshape(rows, -1)
    return found[:, 1:] if name == "scores" and entry.layout.task == "binary" and found.shape[1] == 2 else found


def _batch(several: Sequence[_Asked], layout: Layout, redaction: Redaction, schema: Any) -> Any:
    entries = [entry for asked in several for entry in asked.entries]
    rows = np.array([entry.rows for entry in entries], np.int64)
    total, whose = int(rows.sum()), np.repeat(np.arange(len(entries)), rows)

    def each(values: Sequence[Any], kind: Any) -> Any:
        found = pa.array(values, kind)
        return found if total == len(entries) else found.take(pa.array(whose))

    places = np.arange(total) - np.repeat(np.cumsum(rows) - rows, rows)
    for start, entry in zip(np.cumsum(rows) - rows, entries, strict=True):
        if entry.places is not None:
            places[start : start + entry.rows] = entry.places
    scores, label = _answers(several, layout, total)
    return pa.RecordBatch.from_arrays(
        [
            each([entry.request_id for entry in entries], pa.string()),
            pa.array(places.astype(np.int32)),
            each([round(entry.time * 1e6) for entry in entries], pa.timestamp("us", "UTC")),
            each([None if entry.version is None else str(entry.version) for entry in entries], pa.string()),
            each([entry.route for entry in entries], pa.string()),
            each([entry.signature for entry in entries], pa.string()),
            each([entry.caller for entry in entries], pa.string()),
            each([entry.latency_s for entry in entries], pa.float64()),
            each([entry.error and redaction.error(entry.error) for entry in entries], pa.string()),
            _features(several, layout, redaction, schema.field("features").type, total),
            scores,
            label,
        ],
        schema=schema,
    )


def _answers(several: Sequence[_Asked], layout: Layout, total: int) -> tuple[Any, Any]:
    """Return scores and label of each row."""
    if several[0].scores is None:
        return pa.nulls(total, pa.list_(pa.float64())), pa.nulls(total, pa.string())
    scores = np.concatenate([asked.scores for asked in several]).astype(np.float64)
    width = scores.shape[1]
    listed = pa.ListArray.from_arrays(
        pa.array(np.arange(total + 1, dtype=np.int32) * width), pa.array(np.ascontiguousarray(scores).ravel())
    )
    names = np.array(layout.classes, object)
    if layout.task == "binary" and width == 1 and len(names) == 2:
        return listed, pa.array(names[(scores[:, 0] >= layout.threshold).astype(int)], pa.string())
    if layout.task == "multiclass" and width == len(names):
        return listed, pa.array(names[scores.argmax(axis=1)], pa.string())
    return listed, pa.nulls(total, pa.string())


def _features(several: Sequence[_Asked], layout: Layout, redaction: Redaction, kind: Any, total: int) -> Any:
    columns = shown(layout, redaction)
    given: Any = several[0].columns
    if given is None or columns[0] is NOTHING:
        return pa.nulls(total, kind)
    if layout.of_examples and len(given) == 1 and not given.keys() & {column.input for column in layout.columns}:
        parts = [asked.column(next(iter(given))) for asked in several]
        rows = [row for part in parts if part is not None for row in np.ravel(np.array(part, object))]
        if len(rows) == total and all(isinstance(row, bytes) for row in rows):
            return _of_examples(rows, columns, redaction, kind)
    arrays = []
    for column, field in zip(columns, kind, strict=True):
        parts = [asked.column(column.input) for asked in several]
        if any(part is None for part in parts):
            arrays.append(pa.nulls(total, field.type))
        else:
            arrays.append(_array(parts, column, redaction, field.type))
    return pa.StructArray.from_arrays(arrays, fields=list(kind))


def _array(parts: Sequence[Any], column: Column, redaction: Redaction, kind: Any) -> Any:
    """Return a column of all requests; what stands for a missing value in a plain tensor, as null."""
    if column.many:
        rows: list[Any] = [row for part in parts for row in np.asarray(part).tolist()]
        clean = [[_plain(value) for value in np.ravel(np.asarray(row, object))] for row in rows]
        return pa.array(clean, kind)
    if column.kind == "string":
        flat = list(chain.from_iterable(parts))
        if column.name in redaction.columns:
            return pa.array(redaction.hashed(flat), kind)
        try:
            # Arrow takes four times as long to make bytes of str, and half as long again to make text of bytes.
            found = pa.array(flat, kind if type(flat[0]) is str else pa.binary()).cast(kind)
        except pa.ArrowInvalid:
            found = pa.array([_plain(value) for value in flat], kind)
        return pc.if_else(pc.equal(found, ""), pa.scalar(None, kind), found)
    if column.kind == "bool":
        return pa.array(list(map(bool, chain.from_iterable(parts))), kind)
    if all(type(part) is list for part in parts):
        values = chain.from_iterable(parts)
        numbers = np.array(list(values)) if column.kind == "int64" else np.fromiter(values, np.float64)
    else:
        numbers = np.asarray(parts[0]) if len(parts) == 1 else np.concatenate([np.asarray(part) for part in parts])
    if column.kind == "double":
        return pa.array(numbers.astype(np.float64, copy=False), kind, from_pandas=True)
    if numbers.dtype.kind in "iub":
        return pa.array(numbers.astype(np.int64), kind)
    # A number that is not whole, which only a request to the letter can bring, has no place in the column.
    with np.errstate(invalid="ignore"):
        found = numbers.astype(np.int64)
    lost = (found != numbers) | (numbers >= 2.0**63)  # to which the greatest integer is rounded
    return pa.array(found, kind, mask=lost if lost.any() else None)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return None if value != value else value


def _of_examples(rows: Sequence[Any], columns: Sequence[Column], redaction: Redaction, kind: Any) -> Any:
    """Return the features of serialized tf.Examples."""
    from tensorflow.core.example import example_pb2

    table: dict[str, list[Any]] = {column.name: [] for column in columns}
    for row in rows:
        try:
            features = example_pb2.Example.FromString(row).features.feature
        except Exception:  # what protobuf raises has no name of its own
            features = {}
        for column in columns:
            table[column.name].append(_value(features, column))
    arrays = []
    for column, field in zip(columns, kind, strict=True):
        values: list[Any] = table[column.name]
        hides = column.kind == "string" and column.name in redaction.columns and not column.many
        arrays.append(pa.array(redaction.hashed(values) if hides else values, field.type))
    return pa.StructArray.from_arrays(arrays, fields=list(kind))


def _value(features: Any, column: Column) -> Any:
    feature = features.get(column.name) if column.name in features else None
    which = feature.WhichOneof("kind") if feature is not None else None
    values = [_plain(value) for value in getattr(feature, which).value] if which else []
    if column.kind == "int64":
        values = [int(value) if isinstance(value, int) or (value is not None and value % 1 == 0) else None
                  for value in values if not isinstance(value, str)]  # fmt: skip
    elif column.kind == "double":
        values = [float(value) for value in values if isinstance(value, int | float)]
    else:
        values = [str(value) for value in values if value not in (None, "")]
    if column.many:
        return values or None
    return values[0] if values else None
