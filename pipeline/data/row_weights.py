"""What the column of `data.weight` must hold: a finite number of 0 or more in each row, and one above in each split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from pipeline.config.number_text import bound_text
from pipeline.data.columns import ColumnType, nearest
from pipeline.data.sources.meaning import Misfit, rows_without
from pipeline.errors import DataError

_REMEDY = "correct the value (with 0 a row counts for nothing), or take data.weight out of the configuration"


def check_weight_column(columns: Mapping[str, ColumnType], path: str, weight: str | None) -> None:
    """Refuse a table without the column of `data.weight`, or in which it holds no numbers.

    Raises:
        DataError: so it is.
    """
    if weight is None:
        return
    if weight not in columns:
        raise DataError(
            f"data.weight: {path} has no column {weight!r}; {nearest(weight, columns)}",
            "correct the name, or take data.weight out of the configuration",
        )
    if columns[weight] not in (ColumnType.INT, ColumnType.FLOAT):
        raise DataError(
            f"data.weight: {weight!r} holds {columns[weight].value} values, weights are numbers of 0 or more",
            "name a column of numbers, or take data.weight out of the configuration",
        )


def check_weights(
    batch: pa.RecordBatch, weight: str, label: str, misfits: Sequence[Misfit], place: Callable[[int, str], str]
) -> None:
    """Refuse the first weight that is none; rows that are left out need none.

    Args:
        batch: rows in their stored types, with those that have no label and those that are set aside for `misfits`.
        place: names the file and where in it a value is, by the row in the batch and the column.

    Raises:
        DataError: it is missing, negative or infinite.
    """
    weights = batch.column(weight).to_numpy(zero_copy_only=False).astype(np.float64)  # NaN where it is missing
    used = rows_without(list(misfits), len(weights)) & batch.column(label).is_valid().to_numpy(zero_copy_only=False)
    bad = np.flatnonzero(used & ~(np.isfinite(weights) & (weights >= 0)))
    if len(bad):
        row = int(bad[0])
        found = "no value" if np.isnan(weights[row]) else bound_text(float(weights[row]))
        raise DataError(
            f"{place(row, weight)}: column {weight!r} holds {found} where a weight (data.weight), a finite number of 0"
            " or more, is expected",
            _REMEDY,
        )


def check_weighed(weights: Mapping[str, float], weight: str) -> None:
    """Refuse a split in which nothing counts.

    Args:
        weights: the sum by split.

    Raises:
        DataError: there is one.
    """
    for split, total in weights.items():
        if not total > 0:
            raise DataError(
                f"data.weight: column {weight!r} holds 0 in every row of split {split!r}: nothing there counts",
                "give rows of this split a weight, or move the split's bounds",
            )
