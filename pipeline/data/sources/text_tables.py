"""Tables without types of their own, given as text: workbooks, JSON, SQLite. What all formats of that kind share.

What their values are is told by all of them together, as in CSV; a value is missing where it would be there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from pipeline.data.columns import ColumnType
from pipeline.data.convert import EXPECTED, REMEDY, first_bad_row, shorten, to_stored
from pipeline.data.sources.csv_types import ColumnGuess, two_types
from pipeline.data.sources.typed import lacks
from pipeline.data.values.readings import PLAIN, Readings, to_guess
from pipeline.errors import DataError

_MISSING = pa.array(pa_csv.ConvertOptions().null_values)


class TextTable(Protocol):
    """An open table.

    Attributes:
        path: what messages call it.
    """

    path: str

    def names(self) -> Sequence[str] | None:
        """Return the columns, in order; None where only the rows tell."""

    def unusable(self) -> Mapping[str, DataError]:
        """Return the columns that cannot be used, with the reason, as far as they are known."""

    def batches(
        self, names: Collection[str] | None, byte_range: tuple[int, int] | None
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield rows as text, with the number of the first, from 0, counted from the start of the range.

        Args:
            names: the columns to give; None for those that the rows of a batch have.
            byte_range: where to read, in a format that can be cut; None for all.
        """

    def place(self, row: int, name: str, byte_range: tuple[int, int] | None) -> str:
        """Name the place of a value, as a person would find it."""


def infer(
    tables: Sequence[TextTable], skip: Collection[str], readings: Readings = PLAIN
) -> tuple[dict[str, ColumnType | DataError | None], bool]:
    """Return the types of the columns not in `skip` and whether there is a row.

    A type is None where there is no value; an error says why a column cannot be used.
    """
    guesses: dict[str, ColumnGuess] = {}
    places = {table.path: table for table in tables}
    unusable: dict[str, DataError] = {}
    has_rows = False
    for table in tables:
        names = table.names()
        wanted = None if names is None else [name for name in names if name not in skip]
        for name in wanted or ():
            guesses.setdefault(name, ColumnGuess())
        for first_row, batch in table.batches(wanted, None):
            has_rows = has_rows or bool(batch.num_rows)
            for name in batch.schema.names:
                if name not in skip:
                    text = to_guess(_marked(batch.column(name), readings.raw), name, readings)
                    guesses.setdefault(name, ColumnGuess()).add(text, table.path, first_row)
        unusable |= {name: error for name, error in table.unusable().items() if name not in skip}
    types: dict[str, ColumnType | DataError | None] = {name: guess.verdict() for name, guess in guesses.items()}

    def place(path: str, row: int, name: str) -> str:
        return places[path].place(row, name, None)

    types |= {name: two_types(name, guess, place) for name, guess in guesses.items() if guess.two_types}
    return types | unusable, has_rows


def read(
    table: TextTable, columns: Mapping[str, ColumnType], byte_range: tuple[int, int] | None, raw: bool = False
) -> Iterator[pa.RecordBatch]:
    """Yield the given columns, in that order, in their stored types.

    Args:
        raw: whether only an empty text is missing; else NA, NaN, null and N/A are, too.

    Raises:
        DataError: the file is damaged, lacks a column, or a value is not of its column's type.
    """
    names = table.names()
    for name in columns:
        if names is not None and name not in names:
            raise lacks(table.path, name, names)
    schema = pa.schema([(name, column_type.stored) for name, column_type in columns.items()])
    for first_row, batch in table.batches(list(columns), byte_range):
        for name in columns:
            if name in table.unusable():
                raise table.unusable()[name]
        arrays = [
            _stored(_marked(batch.column(name), raw), table, name, column_type, first_row, byte_range)
            for name, column_type in columns.items()
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def look_through(table: TextTable) -> tuple[list[str], set[str]]:
    """Return the columns of all rows, and those of them that cannot be used."""
    there = dict.fromkeys(name for _, batch in table.batches(table.names(), None) for name in batch.schema.names)
    return list(there), set(table.unusable())


def text_batch(columns: Mapping[str, Sequence[str | None]], rows: int) -> pa.RecordBatch:
    """Return columns as a batch, also if there is none: rows are rows."""
    if not columns:
        return pa.RecordBatch.from_struct_array(pa.array([{}] * rows, pa.struct([])))
    return pa.RecordBatch.from_arrays([pa.array(values, pa.string()) for values in columns.values()], list(columns))


def as_text(value: object) -> str:
    """Return a number, a truth value or a time as people write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def _marked(text: pa.Array, raw: bool = False) -> pa.Array:
    """Return the column with null where a text means 'missing'."""
    return pc.if_else(pc.equal(text, "") if raw else pc.is_in(text, _MISSING), pa.scalar(None, text.type), text)


def _stored(
    text: pa.Array,
    table: TextTable,
    name: str,
    column_type: ColumnType,
    first_row: int,
    byte_range: tuple[int, int] | None,
) -> pa.Array:
    try:
        return to_stored(text, column_type)
    except pa.ArrowInvalid as exc:
        row = first_bad_row(text, column_type)
        raise DataError(
            f"{table.place(first_row + row, name, byte_range)}: column {name!r} holds {shorten(text[row].as_py())} "
            f"where {EXPECTED[column_type]} is expected",
            REMEDY,
        ) from exc
