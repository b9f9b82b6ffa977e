"""Rows by the time in which they lie, so that metrics can be told month by month, or day by day."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from trainer.features import FeatureTable, Kind

Array = npt.NDArray[Any]
Key = tuple[str, int]
"""A unit of UNITS, and its number since 1970."""

UNITS = {"day": "D", "week": "D", "month": "M", "year": "Y"}
"""By how NumPy counts them; a week begins on a Monday."""
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
