"""Files of delimited text: guessing the column types, and reading typed batches.

Arrow reads every field as text; the types are applied to whole columns afterwards. That costs
little, keeps zeros in front of zip codes, and when a value does not fit, tells its row. What Arrow cannot read comes
to it through Python (pipeline.data.sources.rewritten).

A large file is read in byte ranges that each hold whole records, so that workers share it. A packed file
cannot be cut, since it unpacks from its start only: one worker reads all of it. Write a large table
as plain text, as Parquet, or as several packed files.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv

from pipeline.config.text_format import CSV, TextFormat
from pipeline.data.columns import ColumnType, nearest
from pipeline.data.convert import EXPECTED, REMEDY, first_bad_row, shorten, to_stored
from pipeline.data.sources import diagnosis
from pipeline.data.sources.csv_ranges import BLOCK_BYTES, byte_ranges, record_starts
from pipeline.data.sources.csv_types import ColumnGuess, two_types
from pipeline.data.sources.damage import corrupt
from pipeline.data.sources.head import Head, read_head, written_otherwise
from pipeline.data.sources.number_marks import decimal_hint, plain_numbers
from pipeline.data.sources.rewritten import Rewritten, needs_rewriting, rows_end
from pipeline.data.sources.text_bytes import UNREADABLE, is_packed, is_utf8, keeps_ascii, open_utf8, unpacked
from pipeline.data.values.readings import PLAIN, Readings, to_guess
from pipeline.errors import DataError

__all__ = ["BLOCK_BYTES", "byte_ranges", "columns_of", "infer", "read", "record_starts"]

_FEW_ROWS, _MANY_BLOCKS = 1024, 16


def columns_of(path: str, form: TextFormat = CSV) -> list[str]:
    """Return the column names, in order."""
    return read_head(path, form).names


def infer(
    paths: Sequence[str], skip: Collection[str], form: TextFormat = CSV, readings: Readings = PLAIN
) -> tuple[dict[str, ColumnType | DataError | None], int]:
    """Return the types of the columns not in `skip` (None: no value at all; an error: it is of two types) and the
    number of rows.

    Raises:
        DataError: a file cannot be parsed.
    """
    guesses: dict[str, ColumnGuess] = {}
    rows = 0
    for path in paths:
        names = [name for name in read_head(path, form).names if name not in skip]
        for name in names:
            guesses.setdefault(name, ColumnGuess())
        for first_row, batch in _text_batches(path, names, form, raw=readings.raw):
            rows += batch.num_rows
            for name in names:
                text = to_guess(batch.column(name), name, readings)
                if readings.of(name).kind != "number":
                    text = plain_numbers(text, form)
                guesses[name].add(text, path, first_row)

    def place(path: str, row: int, _: str) -> str:
        return f"{path}, line {diagnosis.line_of_row(path, row, form=form)}"

    return {
        name: two_types(name, guess, place) if guess.two_types else guess.verdict() for name, guess in guesses.items()
    }, rows


def read(
    path: str,
    columns: Mapping[str, ColumnType],
    byte_range: tuple[int, int] | None = None,
    form: TextFormat = CSV,
    raw: bool = False,
) -> Iterator[pa.RecordBatch]:
    """Yield the given columns, in that order, in their stored types, in batches as they come.

    Args:
        byte_range: one of `byte_ranges`; no byte outside it is read but for the header's.
        raw: whether only an empty field is missing; else NA, NaN, null and N/A are, too.

    Raises:
        DataError: the file cannot be parsed, lacks a column, or a value is not of its column's type.
    """
    names = read_head(path, form).names
    for name in columns:
        if name not in names:
            raise DataError(
                f"{path} has no column {name!r}; {nearest(name, names)}",
                "correct the column name in the configuration or add the column to the file" + written_otherwise(form),
            )
    schema = pa.schema([(name, column_type.stored) for name, column_type in columns.items()])
    begin = byte_range[0] if byte_range else 0
    for first_row, batch in _joined(_text_batches(path, list(columns), form, byte_range, raw)):
        arrays = [
            _convert(batch.column(name), path, name, column_type, first_row, begin, form)
            for name, column_type in columns.items()
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _joined(batches: Iterator[tuple[int, pa.RecordBatch]]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield batches of few rows put together: a block of a table of thousands of columns holds some dozens, and
    converting a column costs as much for those as for a thousand."""
    pending: list[pa.RecordBatch] = []
    start = 0
    for first_row, batch in batches:
        start = start if pending else first_row
        pending.append(batch)
        if first_row + batch.num_rows - start >= _FEW_ROWS or len(pending) == _MANY_BLOCKS:
            yield start, _concatenated(pending)
            pending = []
    if pending:
        yield start, _concatenated(pending)


def _concatenated(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    arrays = [pa.concat_arrays(columns) for columns in zip(*(batch.columns for batch in batches), strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=batches[0].schema)


def _text_batches(
    path: str,
    names: list[str],
    form: TextFormat,
    byte_range: tuple[int, int] | None = None,
    raw: bool = False,
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield columns `names`, maybe one more, as text; with each batch the number of its first row, from 0.

    Rows are counted from the start of the range.
    """
    head = read_head(path, form)
    last_name = head.fields[-1]
    wanted = [*names, last_name] if last_name not in names else names
    first_row = 0
    last = None
    try:
        stream, form_given = _stream(path, form, head, byte_range)
        reader = pa_csv.open_csv(
            stream,
            read_options=pa_csv.ReadOptions(block_size=diagnosis.MAX_RECORD_BYTES, column_names=head.fields),
            parse_options=pa_csv.ParseOptions(
                delimiter=form_given.delimiter,
                quote_char=form_given.quote or False,
                double_quote=form_given.escape is None,
                escape_char=form_given.escape or False,
                newlines_in_values=True,
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types={name: pa.string() for name in head.fields},
                include_columns=wanted,
                strings_can_be_null=True,
                null_values=[""] if raw else None,
            ),
        )
        while True:
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                break
            last = batch.column(last_name) if batch.num_rows else last
            yield first_row, batch
            first_row += batch.num_rows
    except (pa.ArrowInvalid, UnicodeDecodeError) as exc:
        raise diagnosis.explain(path, form, head, exc) from exc
    except UNREADABLE as exc:
        raise corrupt(path, exc) from exc
    # Arrow takes a quote left open in the last column for a field that ends with the file. The last
    # column is always read, so that a line break in its last value can be looked into.
    at_end = byte_range is None or byte_range[1] == Path(path).stat().st_size
    if at_end and last is not None and "\n" in (last[-1].as_py() or ""):
        diagnosis.check_last_quote(path, form)


def _stream(
    path: str, form: TextFormat, head: Head, byte_range: tuple[int, int] | None
) -> tuple[pa.NativeFile, TextFormat]:
    """Return the rows of a file or of a range of it, read as they are asked for, and the format that they come in.

    With the line break before it: Arrow passes over the blank line, but a byte order mark at the start
    of a stream it would swallow, and that one is a value's.
    """
    if needs_rewriting(path, form, head, byte_range):
        return pa.PythonFile(Rewritten(path, form, head, byte_range), mode="r"), CSV
    if is_packed(path) or not keeps_ascii(form.encoding):
        stream = unpacked(path) if is_utf8(form.encoding) else None
        stream = stream or pa.PythonFile(open_utf8(path, form.encoding), mode="r")
        stream.read(max(head.start - 1, 0))
        return stream, form
    start, end = byte_range or (0, Path(path).stat().st_size)
    begin = max((start or head.raw_start) - 1, 0)
    end = rows_end(path, form, begin, end)
    if is_utf8(form.encoding):
        return pa.OSFile(path).get_stream(begin, end - begin), form
    return pa.PythonFile(open_utf8(path, form.encoding, begin, end), mode="r"), form


def _convert(
    text: pa.Array, path: str, name: str, column_type: ColumnType, first_row: int, begin: int, form: TextFormat
) -> pa.Array:
    try:
        return to_stored(plain_numbers(text, form, column_type), column_type)
    except pa.ArrowInvalid as exc:
        row = first_bad_row(plain_numbers(text, form, column_type), column_type)
        line = diagnosis.line_of_row(path, first_row + row, begin, form)
        value = text[row].as_py()
        hint = decimal_hint(value, form)
        if not form.header and first_row + row + begin == 0:
            hint += "; if this file has a header, take header: false out of data.format, or the line out of the file"
        raise DataError(
            f"{path}, line {line}: column {name!r} holds {shorten(value)} where {EXPECTED[column_type]} is expected",
            REMEDY + hint,
        ) from exc
