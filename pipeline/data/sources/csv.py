"""CSV files: guessing the column types, cutting at record ends, and reading typed batches.

Arrow reads every field as text; the types are applied to whole columns afterwards. That costs
little, keeps zeros in front of zip codes, and when a value does not fit, tells its row.

A large file is read in byte ranges that each hold whole records, so that workers share it. A .csv.gz
cannot be cut, since gzip unpacks from its start only: one worker reads all of it. Write a large table
as plain CSV, as Parquet, or as several .csv.gz files.
"""

from __future__ import annotations

import codecs
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pa_csv

from pipeline.data.columns import ColumnType
from pipeline.data.convert import EXPECTED, first_bad_row, nearest, shorten, to_stored
from pipeline.data.sources import diagnosis
from pipeline.data.sources.csv_types import ColumnGuess
from pipeline.errors import DataError

BLOCK_BYTES = 64 << 20
"""A file of at least two such blocks is read in ranges of about this size."""

_FEW_ROWS, _MANY_BLOCKS = 1024, 16
_SCAN_BYTES = 1 << 18  # stays in a core's cache
_QUOTE, _COMMA, _LF, _CR = b'",\n\r'


def columns_of(path: str) -> list[str]:
    """Return the column names, in order."""
    return diagnosis.read_header(path)


def infer(paths: Sequence[str], skip: Collection[str]) -> tuple[dict[str, ColumnType | None], int]:
    """Return the types of the columns not in `skip` (None: no value at all) and the number of rows.

    Raises:
        DataError: a file cannot be parsed, or a column is of two types.
    """
    guesses: dict[str, ColumnGuess] = {}
    rows = 0
    for path in paths:
        names = [name for name in diagnosis.read_header(path) if name not in skip]
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


def byte_ranges(path: str, block_bytes: int = BLOCK_BYTES) -> list[tuple[int, int] | None]:
    """Return the units in which to read a file: [None], the whole file, or ranges [start, end) that make it up.

    Every range but the first, which has the header, starts where a record does. No range but the last
    is smaller than `block_bytes`. The file is scanned once, in under a second per GB.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        size = Path(path).stat().st_size
        if size < 2 * block_bytes:
            return [None]
        if path.endswith(".gz"):
            logging.getLogger(__name__).warning(
                "%s is read by one worker only, since gzip cannot be split; "
                "write it as plain CSV, as Parquet, or as several .csv.gz files",
                path,
            )
            return [None]
        step = -(-size // (size // block_bytes))  # rounded up, so that no crumb is left at the end
        cuts = [cut for cut in record_starts(path, step) if cut < size]
    except OSError as exc:
        raise diagnosis.corrupt(path, exc) from exc
    return list(pairwise([0, *cuts, size])) if cuts else [None]


def record_starts(path: str, step: int, scan_bytes: int = _SCAN_BYTES) -> Iterator[int]:
    """Yield the first place where a record may start at `step` bytes or more after the place before, and so on.

    That is after a line feed that is not in quotes. Where there is none, the places end early.

    Args:
        scan_bytes: how much is looked at at once; makes no difference to the result.
    """
    with Path(path).open("rb") as file:
        offset = len(codecs.BOM_UTF8) if file.read(3) == codecs.BOM_UTF8 else 0
        file.seek(offset)
        wanted = step
        in_quotes = False
        # A chunk ends with a line, so that no row of quotes is torn apart.
        while chunk := file.read(scan_bytes) + file.readline(diagnosis.MAX_RECORD_BYTES):
            if wanted <= offset + len(chunk):
                data = np.frombuffer(chunk, np.uint8)
                places, states = _quoting(data, in_quotes)
                breaks = np.flatnonzero(data == _LF)
                starts = breaks[~states[np.searchsorted(places, breaks)]] + offset + 1
                while (index := np.searchsorted(starts, wanted)) < len(starts):
                    yield (start := int(starts[index]))
                    wanted = start + step
            if chunk[-1] != _LF:
                return  # the end of the file, or of what may be a record
            in_quotes = _open_after(chunk, in_quotes)
            offset += len(chunk)


def _open_after(chunk: bytes, in_quotes: bool) -> bool:
    """Return whether a quote is open after `chunk`, which is of whole lines; `in_quotes` is the same before it."""
    if b'"' not in chunk:
        return in_quotes
    last_lines = chunk[chunk.rfind(b"\n", 0, -1 - len(chunk) // 64) + 1 :]
    for lines in (last_lines, chunk):
        data = np.frombuffer(lines, np.uint8)
        ends = [bool(_quoting(data, guess)[1][-1]) for guess in (False, True)]
        if ends[0] == ends[1]:  # most often the last lines tell, whatever came before
            break
    return ends[in_quotes]


def _quoting(data: npt.NDArray[np.uint8], in_quotes: bool) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return which bytes of `data` are in quotes, as Arrow sees it.

    A quote opens a field only where the field starts (the one in `5" pipe` is a character like others),
    the next one closes it, and one right after that opens it again. So of quotes in a row, an even number
    changes nothing; an odd number at a field's start, or after a comma or line break in quotes, opens
    or closes; an odd number anywhere else closes or is mere text: after it, no quote is open.

    Args:
        data: starts at a line's start.
        in_quotes: whether a quote is open there.

    Returns:
        Places (n,) where an odd number of quotes begins, and whether a quote is open before the first and
        after each (n + 1,).
    """
    quotes = np.flatnonzero(data == _QUOTE)
    before = np.where(quotes > 0, data[quotes - 1], _LF)
    first = np.flatnonzero(before != _QUOTE)
    odd = first[np.diff(first, append=len(quotes)) % 2 == 1]
    before = before[odd]
    toggles = (before == _COMMA) | (before == _LF) | (before == _CR)
    count = np.cumsum(toggles) + in_quotes
    count -= np.maximum.accumulate(np.where(toggles, 0, count))  # since the last that left none open
    return quotes[odd], np.append(in_quotes, count % 2 == 1)


def read(
    path: str, columns: Mapping[str, ColumnType], byte_range: tuple[int, int] | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the given columns, in that order, in their stored types, in batches as they come.

    Args:
        byte_range: one of `byte_ranges`; no byte outside it is read but for the header's.

    Raises:
        DataError: the file cannot be parsed, lacks a column, or a value is not of its column's type.
    """
    names = diagnosis.read_header(path)
    for name in columns:
        if name not in names:
            raise DataError(
                f"{path} has no column {name!r}; {nearest(name, names)}",
                "correct the column name in the configuration or add the column to the file",
            )
    schema = pa.schema([(name, column_type.stored) for name, column_type in columns.items()])
    begin = byte_range[0] if byte_range else 0
    for first_row, batch in _joined(_text_batches(path, list(columns), byte_range)):
        arrays = [
            _convert(batch.column(name), path, name, column_type, first_row, begin)
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
    path: str, names: list[str], byte_range: tuple[int, int] | None = None
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield columns `names`, maybe one more, as text; with each batch the number of its first row, from 0.

    Rows are counted from the start of the range.
    """
    header = diagnosis.read_header(path)
    wanted = [*names, header[-1]] if header[-1] not in names else names
    first_row = 0
    last = None
    try:
        reader = pa_csv.open_csv(
            _range_stream(path, *byte_range) if byte_range else path,
            read_options=pa_csv.ReadOptions(
                block_size=diagnosis.MAX_RECORD_BYTES,
                column_names=header if byte_range and byte_range[0] else None,
            ),
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
        raise diagnosis.explain(path, len(header), exc) from exc
    except OSError as exc:
        raise diagnosis.corrupt(path, exc) from exc
    # Arrow takes a quote left open in the last column for a field that ends with the file. The last
    # column is always read, so that a line break in its last value can be looked into.
    at_end = byte_range is None or byte_range[1] == Path(path).stat().st_size
    if at_end and last is not None and "\n" in (last[-1].as_py() or ""):
        diagnosis.check_last_quote(path)


def _range_stream(path: str, start: int, end: int) -> pa.NativeFile:
    """Return the bytes of a range, read as they are asked for.

    With the line break before it: Arrow passes over the blank line, but a byte order mark at the start
    of a stream it would swallow, and that one is a value's.
    """
    begin = max(start - 1, 0)
    return pa.OSFile(path).get_stream(begin, end - begin)


def _convert(text: pa.Array, path: str, name: str, column_type: ColumnType, first_row: int, begin: int) -> pa.Array:
    try:
        return to_stored(text, column_type)
    except pa.ArrowInvalid as exc:
        row = first_bad_row(text, column_type)
        line = diagnosis.line_of_row(path, first_row + row, begin)
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
        f"{path}, line {diagnosis.line_of_row(path, row)}: column {name!r} holds {shorten(value)} where "
        f"a number is expected; it is a column with two types: {guess.n_numbers:,} of its "
        f"{guess.n_values:,} values are numbers and {strays:,} {'is' if strays == 1 else 'are'} not",
        "correct the values (a missing value is an empty field) or declare the column as a string in the schema",
    )
