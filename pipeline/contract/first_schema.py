"""A first schema of a table, from its rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.contract.lists import list_delimiter
from pipeline.data.columns import ColumnType

MAX_DOMAIN = 100
"""A column with more distinct texts gets no closed domain."""
_LONGEST_VALUE = 200
_PRESENT = 50
"""A column with so many values hardly loses all of them in a split; one with fewer may be empty there."""
_TIMES = 10
"""So often must a value come, on average, for a column to look like categories."""
_PERIOD = r"(?i)^((19|20)\d\d\W?([qhwst]?\d{1,3}(-\d)?)|([qhwst]?\d{1,2})\W?(19|20)\d\d)$"
"""A month, a quarter, a week or a season of a year, in either order."""


def infer_schema(rows: pa.Table, columns: Mapping[str, ColumnType], label: str) -> schema_pb2.Schema:
    """Return what TFDV's inference would say of flat columns, with booleans and times told apart.

    Args:
        columns: those to describe.
    """
    schema = schema_pb2.Schema(default_environment=["TRAINING", "SERVING"])
    for name, kind in columns.items():
        column = rows.column(name)
        feature = schema.feature.add(name=name)
        feature.type = {ColumnType.STRING: schema_pb2.BYTES, ColumnType.FLOAT: schema_pb2.FLOAT}.get(
            kind, schema_pb2.INT
        )
        feature.value_count.min = feature.value_count.max = 1
        if len(column) - column.null_count >= _PRESENT or column.null_count == 0:
            feature.presence.min_count = 1
        if column.null_count == 0:
            feature.presence.min_fraction = 1.0
        if name == label:
            feature.not_in_environment.append("SERVING")
        if kind is ColumnType.BOOL:
            feature.bool_domain.SetInParent()
        elif kind is ColumnType.TIMESTAMP:
            feature.time_domain.integer_format = schema_pb2.TimeDomain.UNIX_SECONDS
        elif kind is ColumnType.STRING and (values := closed_set(column)):
            schema.string_domain.add(name=name, value=values)
            feature.domain = name
    return schema


def closed_set(column: pa.ChunkedArray) -> list[str]:
    """Return all values of a column of texts if it looks like categories that are all seen; else nothing.

    They are few and short, come often, none of them once only, and the second half of the rows brings no new one. Items
    of lists come in ever new orders, and periods go on.
    """
    values = column.drop_null()
    counts = pc.value_counts(values)
    distinct, times = counts.field("values"), np.asarray(counts.field("counts"))
    if not 0 < len(distinct) <= MAX_DOMAIN or len(values) < _TIMES * len(distinct) or times.min() == 1:
        return []
    if pc.max(pc.binary_length(distinct)).as_py() > _LONGEST_VALUE:
        return []
    half = column.slice(0, len(column) // 2).drop_null()
    if pc.count_distinct(half).as_py() < len(distinct):
        return []
    if pc.all(pc.match_substring_regex(distinct, _PERIOD)).as_py() or list_delimiter(values):
        return []
    return sorted(distinct.to_pylist())
