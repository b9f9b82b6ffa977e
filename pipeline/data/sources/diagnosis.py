"""Why a CSV file cannot be read, and on which line: the slow way, taken only after a failure.

Arrow parses in parallel and counts rows, not lines. Here the file is read again, one record at a
time, with Python's csv module, so that the line number is the one an editor shows (quoted line
breaks and blank lines are counted).
"""

from __future__ import annotations

import codecs
import csv
import gzip
import itertools
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from pipeline.data.convert import shorten
from pipeline.errors import DataError

MAX_RECORD_BYTES = 1 << 21  # no row may be longer; it is also the size of Arrow's blocks

_MAGIC = {
    b"PK\x03\x04": ("a zip archive or an Excel workbook", "export the sheet as CSV (UTF-8)"),
    b"PAR1": ("a Parquet file", "rename it to end in .parquet"),
    b"\x1f\x8b": ("a gzip file", "rename it to end in .csv.gz"),
}


def open_bytes(path: str) -> BinaryIO:
    """Open a plain or gzip (.gz) file for reading."""
    return cast(BinaryIO, gzip.open(path, "rb")) if path.endswith(".gz") else Path(path).open("rb")


def corrupt(path: str, reason: object) -> DataError:
    """Make the error for a file whose bytes are not what its name says."""
    detail = " ".join(str(reason).split())[:300]
    return DataError(
        f"{path} cannot be read: {detail}",
        "see that you may read it; if so it is incomplete or damaged: write or copy it again",
    )


def read_header(path: str) -> list[str]:
    """Return the column names of a CSV file, shape [columns].

    Raises:
        DataError: not a CSV file, not UTF-8, no header, or a name that is empty or there twice.
    """
    try:
        with open_bytes(path) as file:
            head = file.read(1024)
    except (OSError, EOFError, zlib.error) as exc:
        raise corrupt(path, exc) from exc
    _check_head(path, head)
    line, names = next(_records(path), (1, []))
    if not names:
        raise DataError(f"{path} has no header: it is blank", "write the column names on the first line")
    for position, name in enumerate(names, start=1):
        if not name.strip():
            raise DataError(
                f"{path}, line {line}: column {position} of {len(names)} has no name",
                "name every column in the header (an index column is best not written at all)",
            )
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise DataError(
            f"{path}, line {line}: the header names {', '.join(map(repr, twice))} more than once",
            "give every column its own name",
        )
    separator = next((mark for mark in ";\t|" if mark in names[0]), None)
    if len(names) == 1 and separator:
        raise DataError(
            f"{path}, line {line}: the header is the single column {shorten(names[0])}; "
            f"the file seems to be separated by {separator!r}",
            "write the file with commas as separators",
        )
    return names


def explain(path: str, n_columns: int, reason: object) -> DataError:
    """Return the first line that keeps a CSV file from being read, as an error to raise.

    Args:
        n_columns: how many fields every row must have.
        reason: Arrow's message, shown if no culprit is found.
    """
    try:
        for line, fields in _records(path):
            if len(fields) != n_columns:
                broken = any("\n" in field for field in fields)
                return DataError(
                    f"{path}, line {line}: {len(fields)} fields where {n_columns} are expected: "
                    + shorten(",".join(fields))
                    + (" (a quoted field runs over several lines: is a quote not closed?)" if broken else ""),
                    "correct the line; a field that holds a comma, a quote or a line break must be quoted",
                )
    except DataError as error:
        return error
    return corrupt(path, reason)


def check_last_quote(path: str) -> None:
    """Raise DataError if the file ends within a quoted field (Arrow takes the rest as the field)."""
    for _ in _records(path):
        pass


def line_of_row(path: str, row: int, begin: int = 0) -> int:
    """Return the line of the file, counted from 1, on which a data row begins.

    Args:
        row: counted from 0, from the record that begins at byte `begin` (0: from the header).
    """
    records = itertools.islice(_records(path, begin), row if begin else row + 1, None)
    return next(records)[0]


def _check_head(path: str, head: bytes) -> None:
    for magic, (what, remedy) in _MAGIC.items():
        if head.startswith(magic):
            raise DataError(f"{path} is {what}, not CSV", remedy)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or head.count(0) > len(head) // 4:
        raise DataError(
            f"{path}, line 1: the file is UTF-16, not UTF-8 (it begins with {head[:2].hex(' ')})",
            f"convert it: iconv -f utf-16 -t utf-8 {path}",
        )


def _records(path: str, begin: int = 0) -> Iterator[tuple[int, list[str]]]:
    """Yield the non-blank records from byte `begin` on, each with the line of the file on which it begins.

    Raises:
        DataError: a byte that is not UTF-8, a quote that is not closed, or a corrupt gzip file.
    """
    # A process-wide setting of the csv module, raised to what Arrow reads.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_RECORD_BYTES))
    record: list[str] = []  # the raw lines of the record under way
    fields: list[str] = []
    try:
        passed = _count_lines(path, begin) if begin else 0
        start = passed + 1
        reader = csv.reader(_lines(path, record, begin, passed))
        for fields in reader:
            # A quoted field may hold quotes, but always in pairs; only one left open is odd.
            if record[-1] == "" and "".join(record).count('"') % 2:
                raise _open_quote(path, start)
            record.clear()
            if fields:
                yield start, fields
            start = passed + reader.line_num + 1
    except csv.Error as exc:
        limit = f", or a field is longer than {MAX_RECORD_BYTES:,} characters"
        raise _open_quote(path, start, limit) from exc
    except (OSError, EOFError, zlib.error) as exc:
        raise corrupt(path, exc) from exc


def _count_lines(path: str, end: int) -> int:
    """Return how many lines there are before byte `end`, where one begins."""
    count = 0
    with open_bytes(path) as file:
        for line in _physical_lines(file):
            if end <= 0:
                break
            end -= len(line)
            count += 1
    return count


def _lines(path: str, record: list[str], begin: int, passed: int) -> Iterator[str]:
    """Yield the lines from byte `begin` on, each also appended to `record`, and '' there at the end of the file.

    Args:
        passed: the number of lines before `begin`.
    """
    with open_bytes(path) as file:
        file.seek(begin)
        for number, raw in enumerate(_physical_lines(file), start=passed + 1):
            try:
                if number == 1:
                    raw = raw.removeprefix(codecs.BOM_UTF8)
                text = raw.decode()
            except UnicodeDecodeError as exc:
                byte = raw[exc.start]
                before = raw[max(0, exc.start - 20) : exc.start].decode(errors="replace")
                encoding = "windows-1252" if 0x80 <= byte <= 0x9F else "latin1"
                raise DataError(
                    f"{path}, line {number}: byte 0x{byte:02x} at position {exc.start + 1} of the line "
                    f"is not UTF-8 (after {shorten(before)})",
                    f"convert the file: iconv -f {encoding} -t utf-8 {path}",
                ) from exc
            record.append(text)
            yield text
    record.append("")


def _physical_lines(file: BinaryIO) -> Iterator[bytes]:
    for line in file:
        if b"\r" not in line:
            yield line
        else:  # old Macintosh line ends; bytes.splitlines knows only \n, \r and \r\n
            yield from line.splitlines(keepends=True)


def _open_quote(path: str, line: int, alternative: str = "") -> DataError:
    return DataError(
        f"{path}, line {line}: a quote opened in this row is not closed{alternative}",
        'close the quote; a quote within a quoted field is written twice ("")',
    )
