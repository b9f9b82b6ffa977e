"""Rows by the time or the span in which they lie, so that metrics can be told month by month, or span by span."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.spans import date_of
from trainer.features import FeatureTable, Kind

Array = npt.NDArray[Any]
Key = tuple[str, int]
"""A unit of UNITS, and its number since 1970; or SPAN, and the span's number."""

UNITS = {"day": "D", "week": "D", "month": "M", "year": "Y"}
"""By how NumPy counts them; a week begins on a Monday."""
SPAN = "span"
_SPAN_COLUMN = "longhaul: span of the file"
_BEYOND = 253_402_300_800
"""Seconds until the year 10000, which ISO 8601 does not write."""
_MOST_DAYS = 100
"""Of a batch; one that reaches over more is added up by month, or by year."""


def time_column(of_split: str | None, table: FeatureTable) -> str | None:
    """Name the column that tells when a row was: that of the split, else the first one of times; None without one."""
    return of_split or next((one.name for one in table.features if one.kind is Kind.TIMESTAMP), None)


def periods_of(column: pa.Array) -> Iterator[tuple[Key, Array]]:
    """Yield each period with its row numbers; rows without a time, or with one that no date tells, are in none.

    Args:
        column: lists of at most one number, seconds since 1970; of what is no number no row has a time.
    """
    kind = getattr(column.type, "value_type", pa.null())
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return
    seconds = pc.list_element(pc.list_slice(column, 0, 1, return_fixed_size_list=True), 0)
    values = seconds.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    there = np.flatnonzero(np.abs(values) < _BEYOND)  # nor does NaN
    moments = values[there].astype(np.int64).astype("datetime64[s]")
    for unit in ("day", "month", "year"):
        numbers = moments.astype(f"datetime64[{UNITS[unit]}]").astype(np.int64)
        periods, member = np.unique(numbers, return_inverse=True)
        if len(periods) <= _MOST_DAYS or unit == "year":
            for place, number in enumerate(periods):
                yield (unit, int(number)), there[member == place]
            return


def with_span(batches: Iterable[pa.RecordBatch], span: int | None) -> Iterator[pa.RecordBatch]:
    """Yield record batches of a span's file with a column that tells the span; as they are without a span."""
    for batch in batches:
        spans = pa.array([span] * batch.num_rows, pa.int64())
        yield batch if span is None else batch.append_column(_SPAN_COLUMN, spans)


def span_of_batch(batch: pa.RecordBatch) -> Key | None:
    """Return the span that `with_span` told; a span that is a day as that day."""
    if _SPAN_COLUMN not in batch.schema.names or not batch.num_rows:
        return None
    span = batch.column(_SPAN_COLUMN)[0].as_py()
    day = date_of(span)
    return (SPAN, span) if day is None else ("day", int(np.datetime64(day, "D").astype(np.int64)))
