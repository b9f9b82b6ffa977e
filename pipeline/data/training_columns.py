"""What a table must have for a run to learn from it: its label, its weights, and the column that it is split by."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.config.data import Data
from pipeline.config.split import Split, deciding_columns, time_column
from pipeline.data.columns import ColumnType, nearest
from pipeline.data.row_weights import check_weight_column
from pipeline.errors import DataError


def check_training_columns(columns: Mapping[str, ColumnType], path: str, data: Data, split: Split) -> None:
    """Refuse a table without the columns that training needs. One that only the schema has is left to ExampleValidator,
    but for those that ingestion needs.

    Args:
        columns: as found.
        path: a file of the table, for the message.

    Raises:
        DataError: one of them is not there, or of a type that cannot serve.
    """
    setting_of_split = "split.columns" if split.by == "hash" else "split.column"
    when = time_column(split)
    of_split = dict.fromkeys([*(deciding_columns(split) or ()), *([when] if when else [])])
    needed = [("data.label", data.label), *((setting_of_split, name) for name in of_split)]
    if split.by == "hash" and split.stratify:
        needed.append(("split.stratify", split.stratify))
    for setting, name in needed:
        if name not in columns:
            raise DataError(
                f"{setting}: {path} has no column {name!r}; {nearest(name, columns)}",
                "correct the name",
            )
    check_weight_column(columns, path, data.weight)
    if when is not None and columns[when] is not ColumnType.TIMESTAMP:
        raise DataError(
            f"split.column: {when!r} holds {columns[when].value} values, a time split needs timestamps",
            "name a column of dates or times, or mark it with time_domain in the schema",
        )
    if data.task == "regression" and columns[data.label] not in (ColumnType.INT, ColumnType.FLOAT):
        raise DataError(
            f"label {data.label!r} holds {columns[data.label].value} values, a regression needs numbers",
            "set data.task to binary or multiclass, or choose another label",
        )
    if data.task != "regression" and columns[data.label] is ColumnType.FLOAT:  # has no one way to be written as text
        raise DataError(
            f"label {data.label!r} holds fractional numbers, classes are whole numbers or text",
            "make its type INT in the schema if the values are whole, or set data.task: regression",
        )
