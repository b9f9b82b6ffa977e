"""CSV files: guessing the column types and reading typed batches.

Arrow reads every field as text; the types are applied to whole columns afterwards. That costs
little, keeps zeros in front of zip codes, and when a value does not fit, tells its row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.csv as pa_csv

from pipeline.data import diagnose
from pipeline.data.columns import ColumnType
from pipeline.data.convert import EXPECTED, first_bad_row, nearest, shorten, to_stored
from pipeline.data.guess import ColumnGuess
from pipeline.errors import DataError


def columns_of(path: str) -> list[str]:
    """The column names, in order."""
    return diagnose.read_header(path)


def infer(paths: Sequence[str], skip: Collection[str]) -> tuple[dict[str, ColumnType | None], int]:
    """The types of the columns not in `skip` (None: no value at all) and the number of rows.

    Raises:
        DataError: a file cannot be parsed, or a column is of two types.
    """
    guesses: dict[str, ColumnGuess] = {}
    rows = 0
    for path in paths:
        names = [name for name in diagnose.read_header(path) if name not in skip]
        for name in names:
            guesses.setdefault(name, ColumnGuess())
        for first_row, batch in _text_batches(path, names):
            rows += batch.num_rows
            for name in names:
                guesses[name].add(batch.column(name), path, first_row)
    for name, guess in guesses.items():
        if guess.two_types:
            raise _two_types(name, guess)
    return {name: guess.verdict() for name, guess in guesses.items()}, rows


def read(path: str, columns: Mapping[str, ColumnType]) -> Iterator[pa.RecordBatch]:
    """The given columns, in that order, in their stored types, in batches as they come.

    Raises:
        DataError: the file cannot be parsed, lacks a column, or a value is not of its column's type.
    """
    names = diagnose.read_header(path)
    for name in columns:
        if name not in names:
            raise DataError(
                f"{path} has no column {name!r}; {nearest(name, names)}",
                "correct the column name in the configuration or add the column to the file",
            )
    schema = pa.schema([(name, column_type.stored) for name, column_type in columns.items()])
    for first_row, batch in _text_batches(path, list(columns)):
        arrays = [
            _convert(batch.column(name), path, name, column_type, first_row) for name, column_type in columns.items()
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _text_batches(path: str, names: list[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Columns `names`, maybe one more, as text; with each batch the number of its first row, from 0."""
    header = diagnose.read_header(path)
    wanted = [*names, header[-1]] if header[-1] not in names else names
    first_row = 0
    last = None
    try:
        reader = pa_csv.open_csv(
            path,
            read_options=pa_csv.ReadOptions(block_size=diagnose.MAX_RECORD_BYTES),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(
                column_types={name: pa.string() for name in header},
                include_columns=wanted,
                strings_can_be_null=True,
            ),
        )
        while True:
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                break
            last = batch.column(header[-1]) if batch.num_rows else last
            yield first_row, batch
            first_row += batch.num_rows
    except (pa.ArrowInvalid, UnicodeDecodeError) as exc:
        raise diagnose.explain(path, len(header), exc) from exc
    except OSError as exc:
        raise diagnose.corrupt(path, exc) from exc
    # Arrow takes a quote left open in the last column for a field that ends with the file. The last
    # column is always read, so that a line break in its last value can be looked into.
    if last is not None and "\n" in (last[-1].as_py() or ""):
        diagnose.check_last_quote(path)


def _convert(text: pa.Array, path: str, name: str, column_type: ColumnType, first_row: int) -> pa.Array:
    try:
        return to_stored(text, column_type)
    except pa.ArrowInvalid as exc:
        row = first_bad_row(text, column_type)
        line = diagnose.line_of_row(path, first_row + row)
        raise DataError(
            f"{path}, line {line}: column {name!r} holds {shorten(text[row].as_py())} "
            f"where {EXPECTED[column_type]} is expected",
            "correct the value or declare the column as a string in the schema",
        ) from exc


def _two_types(name: str, guess: ColumnGuess) -> DataError:
    assert guess.stray is not None  # some values are not numbers
    path, row, value = guess.stray
    strays = guess.n_values - guess.n_numbers
    return DataError(
        f"{path}, line {diagnose.line_of_row(path, row)}: column {name!r} holds {shorten(value)} where "
        f"a number is expected; it is a column with two types: {guess.n_numbers:,} of its "
        f"{guess.n_values:,} values are numbers and {strays:,} {'is' if strays == 1 else 'are'} not",
        "correct the values (a missing value is an empty field) or declare the column as a string in the schema",
    )
