"""Tables whose columns have types of their own, whatever file holds them: what all formats of that kind share.

A format opens a file as a TypedTable; here its columns get the types of `pipeline.data.columns`, or a DataError.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Protocol

import pyarrow as pa

from pipeline.data.columns import ColumnType, nearest
from pipeline.data.convert import EXPECTED, column_type_of, first_bad_row, shorten, to_stored
from pipeline.errors import DataError

# Below this average, parts are too small to be worth a Beam element each.
SMALL_PART = 8192
_INT64_DIGITS = 18


class TypedTable(Protocol):
    """An open table.

    Attributes:
        path: what messages call it.
    """

    path: str

    @property
    def schema(self) -> pa.Schema:
        """The columns, in order."""

    def has_rows(self) -> bool:
        """Return whether there is a row."""

    def parts(self) -> Sequence[int | None]:
        """Return the units in which to read it; [None] is the whole."""

    def first_row(self, part: int) -> int:
        """Return how many rows there are before a part."""

    def batches(self, part: int | None, names: Sequence[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a part, None the whole; of each the columns `names`, in that order.

        Raises:
            DataError: the file is damaged.
        """


def check_names(path: str, schema: pa.Schema) -> pa.Schema:
    """Return the schema; a name may be there once only."""
    twice = sorted(name for name, times in Counter(schema.names).items() if times > 1)
    if twice:
        raise DataError(
            f"{path}: the schema names {', '.join(map(repr, twice))} more than once",
            "give every column its own name",
        )
    return schema


def infer(table: TypedTable, skip: Collection[str]) -> tuple[dict[str, ColumnType | DataError | None], bool]:
    """Return the types of the columns not in `skip` and whether there is a row.

    None is Arrow's null type; an error says why a column cannot be used.
    """
    types: dict[str, ColumnType | DataError | None] = {}
    for field in table.schema:
        if field.name in skip:
            continue
        try:
            types[field.name] = _type_of(table.path, field)
            if may_be_beyond_int64(field.type):
                types[field.name] = _whole_type(table, field.name)
            elif is_binary(field.type):
                for _ in read(table, None, {field.name: ColumnType.STRING}, 65536):
                    pass  # old writers leave text unmarked; reading it checks that it is UTF-8
        except UnusableColumnError as error:
            types[field.name] = error
    return types, table.has_rows()


def may_be_beyond_int64(data_type: pa.DataType) -> bool:
    """Return whether a type holds whole numbers of which some have more bits than ours."""
    types = pa.types
    return bool(
        types.is_uint64(data_type)
        or (types.is_decimal(data_type) and data_type.scale <= 0 and data_type.precision > _INT64_DIGITS)
    )


def _whole_type(table: TypedTable, name: str) -> ColumnType:
    """Return INT if it holds all values of a column of whole numbers, else STRING, which keeps every digit: figures so
    long are names of things."""
    for batch in table.batches(None, [name], 65536):
        try:
            batch.column(name).cast(pa.int64())
        except pa.ArrowInvalid:
            return ColumnType.STRING
    return ColumnType.INT


def read(
    table: TypedTable, part: int | None, columns: Mapping[str, ColumnType], batch_rows: int
) -> Iterator[pa.RecordBatch]:
    """Yield the given columns of a part (None: of all), in that order, in their stored types.

    Raises:
        DataError: the file is damaged, lacks a column, or a value is not of its column's type.
    """
    found = table.schema  # made anew each time it is asked for, which takes its time of thousands of columns
    names = set(found.names)
    for name in columns:
        if name not in names:
            raise lacks(table.path, name, found.names)
        _type_of(table.path, found.field(name))
    schema = pa.schema([(name, column_type.stored) for name, column_type in columns.items()])
    row = table.first_row(part) if part else 0

    def place(index: int) -> str:
        return f"{table.path}, row {row + index + 1:,}"

    for batch in table.batches(part, list(columns), batch_rows):
        arrays = [converted(batch.column(name), place, name, column_type) for name, column_type in columns.items()]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        row += batch.num_rows


def own_types(table: TypedTable, names: Collection[str]) -> pa.Schema:
    """Return the columns `names`, in that order, in the types that the file gives them."""
    stored = table.schema
    return pa.schema([(name, stored.field(name).type) for name in names])


def converted(array: pa.Array, place: Callable[[int], str], name: str, column_type: ColumnType) -> pa.Array:
    """Return a column, shape [rows], in its stored type.

    Args:
        place: names file and row of an index into `array`, for the message.

    Raises:
        DataError: a value is not of that type.
    """
    try:
        return to_stored(array, column_type)
    except pa.ArrowInvalid as exc:
        row = first_bad_row(array, column_type)
        if is_binary(array.type) and column_type is ColumnType.STRING:
            raise not_text(name, _holds(place(row), name, array, row, column_type)) from exc
        raise DataError(
            _holds(place(row), name, array, row, column_type),
            "correct the value or change the column's type in the schema",
        ) from exc


class UnusableColumnError(DataError):
    """A column that no table may have; the others may be fine."""

    def __init__(self, what: str, remedy: str = "", column: str = "") -> None:
        super().__init__(what, remedy)
        self.column = column


def unusable(name: str, what: str, instead: str) -> UnusableColumnError:
    """Make the error for a column that no table may have; the remedy is to leave it out, or `instead`."""
    return UnusableColumnError(
        what, f"leave it out by `longhaul drop {shlex.quote(name)}` (data.drop), {instead}", name
    )


def not_text(name: str, what: str) -> UnusableColumnError:
    """Make the error for a column of bytes that are no text."""
    return unusable(name, what, "or write what the bytes stand for, for example as hexadecimal text")


def is_binary(data_type: pa.DataType) -> bool:
    """Return whether only its bytes can tell whether a column is text."""
    types = pa.types
    if types.is_dictionary(data_type):
        data_type = data_type.value_type
    return bool(types.is_binary(data_type) or types.is_large_binary(data_type) or types.is_fixed_size_binary(data_type))


def lacks(path: str, name: str, names: Sequence[str]) -> DataError:
    """Make the error for a column that is not there."""
    return DataError(
        f"{path} has no column {name!r}; {nearest(name, names)}",
        "correct the column name in the configuration or add the column to the file",
    )


def _holds(place: str, name: str, array: pa.Array, row: int, column_type: ColumnType) -> str:
    return (
        f"{place}: column {name!r} ({array.type}) holds {shorten(array[row].as_py())} "
        f"where {EXPECTED[column_type]} is expected"
    )


def _type_of(path: str, field: pa.Field) -> ColumnType | None:
    try:
        return column_type_of(field.type)
    except TypeError as exc:
        raise unusable(
            field.name,
            f"{path}: column {field.name!r} is of type {exc}; a column must hold one number, text, boolean or time "
            "per row",
            "or flatten it before",
        ) from exc
