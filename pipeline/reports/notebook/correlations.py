"""How much each column says of the label by itself, from the rows: statistics do not hold it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.data.columns import ColumnType
from pipeline.data.examples import read_examples

_COLUMNS_AT_ONCE = 100

Array = npt.NDArray[Any]


def label_correlations(
    examples: Path, columns: Mapping[str, ColumnType], label: str, *, split: str = "train", most_rows: int = 200_000
) -> dict[str, float]:
    """Correlate by column, on the rows that have both values; columns that are constant there are left out.

    Pearson's correlation, -1 to 1, where column and label are numbers (yes and no are 1 and 0). Text has no order:
    then it is the correlation ratio, 0 to 1, the root of the share of the number's variance that the text explains.
    Of two texts it is Cramér's V, 0 to 1.

    Args:
        examples: an Examples artifact.
        most_rows: of the first shards; enough to rank columns.
    """
    others = [name for name in columns if name != label]
    result: dict[str, float] = {}
    for start in range(0, len(others), _COLUMNS_AT_ONCE):
        names = others[start : start + _COLUMNS_AT_ONCE]
        table = _rows(examples, split, {name: columns[name] for name in [label, *names]}, most_rows)
        target = _numbers(table.column(label))
        for name in names:
            found = _association(_numbers(table.column(name)), target)
            if np.isfinite(found):
                result[name] = float(found)
    return result


def _rows(examples: Path, split: str, columns: Mapping[str, ColumnType], most: int) -> pa.Table:
    batches, rows = [], 0
    for batch in read_examples(examples, split, columns):
        batches.append(batch.slice(0, most - rows))
        rows += batches[-1].num_rows
        if rows == most:
            break
    schema = pa.schema([(name, column_type.stored) for name, column_type in columns.items()])
    return pa.Table.from_batches(batches, schema)


def _numbers(column: pa.ChunkedArray) -> tuple[Array, bool]:
    """Return (rows,) as float64, NaN where nothing is; of text the codes of its values, and True."""
    is_text = pa.types.is_string(column.type)
    if is_text:
        column = column.combine_chunks().dictionary_encode().indices
    return column.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy(), is_text


def _association(column: tuple[Array, bool], target: tuple[Array, bool]) -> float:
    (x, x_is_text), (y, y_is_text) = column, target
    both = np.isfinite(x) & np.isfinite(y)
    x, y = x[both], y[both]
    if not both.any() or x.min() == x.max() or y.min() == y.max():
        return np.nan
    if x_is_text and y_is_text:
        return _cramers_v(x.astype(np.int64), y.astype(np.int64))
    if x_is_text or y_is_text:
        return _correlation_ratio(x.astype(np.int64), y) if x_is_text else _correlation_ratio(y.astype(np.int64), x)
    return float(np.corrcoef(x, y)[0, 1])


def _correlation_ratio(groups: Array, values: Array) -> float:
    values = values - values.mean()
    counts, sums = np.bincount(groups), np.bincount(groups, values)
    known = counts > 0
    return float(np.sqrt((sums[known] ** 2 / counts[known]).sum() / (values**2).sum()))


def _cramers_v(x: Array, y: Array) -> float:
    table = np.zeros((x.max() + 1, y.max() + 1))  # (values of x, values of y)
    np.add.at(table, (x, y), 1)
    table = table[table.any(axis=1)][:, table.any(axis=0)]
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    chi2 = ((table - expected) ** 2 / expected).sum()
    return float(np.sqrt(chi2 / table.sum() / (min(table.shape) - 1)))
