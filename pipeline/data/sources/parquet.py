"""Parquet files: the column types and typed batches of one row group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.data.columns import ColumnType
from pipeline.data.convert import EXPECTED, column_type_of, first_bad_row, nearest, shorten, to_stored
from pipeline.data.sources.damage import corrupt
from pipeline.errors import DataError

# Below this average, row groups are too small to be worth a Beam element each.
SMALL_ROW_GROUP = 8192


def columns_of(path: str) -> list[str]:
    """Return the column names, in order."""
    return list(_open(path).schema_arrow.names)


def row_groups(path: str) -> list[int | None]:
    """Return the units in which to read a file: its row groups, or [None], the whole file, if those are tiny."""
    metadata = _open(path).metadata
    if metadata.num_row_groups < 2 or metadata.num_rows < SMALL_ROW_GROUP * metadata.num_row_groups:
        return [None]
    return list(range(metadata.num_row_groups))


def infer(path: str, skip: Collection[str]) -> tuple[dict[str, ColumnType | None], int]:
    """Return the types of the columns not in `skip` (None: Arrow's null type) and the number of rows.

    Raises:
        DataError: the file is corrupt, names a column twice, or holds a column of an unusable type.
    """
    file = _open(path)
    types: dict[str, ColumnType | None] = {}
    for field in file.schema_arrow:
        if field.name in skip:
            continue
        types[field.name] = _type_of(path, field)
        if _is_binary(field.type):
            for _ in read(path, None, {field.name: ColumnType.STRING}, 65536):
                pass  # old writers leave text unmarked; reading it checks that it is UTF-8
    return types, file.metadata.num_rows


def read(
    path: str, row_group: int | None, columns: Mapping[str, ColumnType], batch_rows: int
) -> Iterator[pa.RecordBatch]:
    """Yield the given columns of a row group (None: of all), in that order, in their stored types.

    Raises:
        DataError: the file is corrupt, lacks a column, or a value is not of its column's type.
    """
    file = _open(path)
    found = file.schema_arrow  # made anew each time it is asked for, which takes its time of thousands of columns
    names = set(found.names)
    for name in columns:
        if name not in names:
            raise DataError(
                f"{path} has no column {name!r}; {nearest(name, found.names)}",
                "correct the column name in the configuration or add the column to the file",
            )
        _type_of(path, found.field(name))
    groups = range(file.metadata.num_row_groups) if row_group is None else [row_group]
    row = sum(file.metadata.row_group(group).num_rows for group in range(row_group or 0))
    schema = pa.schema([(name, column_type.stored) for name, column_type in columns.items()])
    try:
        for batch in file.iter_batches(batch_rows, row_groups=list(groups), columns=list(columns)):
            arrays = [
                _convert(batch.column(name), path, name, column_type, row) for name, column_type in columns.items()
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)
            row += batch.num_rows
    except (OSError, pa.ArrowException) as exc:
        raise corrupt(path, exc) from exc


def own_types(path: str, names: Collection[str]) -> pa.Schema:
    """Return the columns `names`, in that order, in the types that the file gives them."""
    stored = _open(path).schema_arrow
    return pa.schema([(name, stored.field(name).type) for name in names])


def read_as_stored(
    path: str, row_group: int | None, names: Collection[str], batch_rows: int
) -> Iterator[pa.RecordBatch]:
    """Yield the columns `names` of a row group (None: of all), in that order, unconverted.

    Raises:
        DataError: the file is corrupt.
    """
    file = _open(path)
    try:
        for batch in file.iter_batches(
            batch_rows, row_groups=None if row_group is None else [row_group], columns=list(names)
        ):
            yield batch.select(list(names))
    except (OSError, pa.ArrowException) as exc:
        raise corrupt(path, exc) from exc


def _open(path: str) -> pq.ParquetFile:
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as exc:
        raise corrupt(path, exc) from exc
    twice = sorted(name for name, times in Counter(file.schema_arrow.names).items() if times > 1)
    if twice:
        raise DataError(
            f"{path}: the schema names {', '.join(map(repr, twice))} more than once",
            "give every column its own name",
        )
    return file


def _type_of(path: str, field: pa.Field) -> ColumnType | None:
    try:
        return column_type_of(field.type)
    except TypeError as exc:
        raise DataError(
            f"{path}: column {field.name!r} is of type {exc}; a column must hold one number, text, "
            "boolean or time per row",
            f"list {field.name!r} in data.drop, or flatten it before",
        ) from exc


def _is_binary(data_type: pa.DataType) -> bool:
    types = pa.types
    if types.is_dictionary(data_type):
        data_type = data_type.value_type
    return bool(types.is_binary(data_type) or types.is_large_binary(data_type) or types.is_fixed_size_binary(data_type))


def _convert(array: pa.Array, path: str, name: str, column_type: ColumnType, first_row: int) -> pa.Array:
    try:
        return to_stored(array, column_type)
    except pa.ArrowInvalid as exc:
        row = first_bad_row(array, column_type)
        binary = _is_binary(array.type) and column_type is ColumnType.STRING
        raise DataError(
            f"{path}, row {first_row + row + 1:,}: column {name!r} ({array.type}) holds "
            f"{shorten(array[row].as_py())} where {EXPECTED[column_type]} is expected",
            f"list {name!r} in data.drop: it is not text"
            if binary
            else "correct the value or change the column's type in the schema",
        ) from exc
