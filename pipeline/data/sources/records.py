"""Delimited text, one record at a time, each with its line: the exact way of reading it, and the slow one.

Arrow parses in parallel and counts rows, not lines. Here a file is read with Python's csv module, so that the line
number is the one an editor shows (quoted line breaks, blank lines, titles and comments are counted). It reads what
Arrow cannot: runs of blanks, comments among the rows, rows that are too short or too long.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.config.text_format import BLANKS, CSV, FIXED, TextFormat
from pipeline.data.convert import shorten
from pipeline.data.sources.damage import corrupt
from pipeline.data.sources.fixed_width import fields_of
from pipeline.data.sources.text_bytes import UNREADABLE, open_bytes, open_utf8
from pipeline.errors import DataError

MAX_RECORD_BYTES = 1 << 21  # no row may be longer; it is also the size of Arrow's blocks


class Records:
    """Iterates over the non-blank records of a file, each with the line on which it begins.

    Attributes:
        begins, offset: bytes of the text, as UTF-8, up to the begin and the end of the record last given.

    Args:
        begin, end: bytes of the file, where records begin; both only where it can be read in ranges.

    Raises:
        DataError: bytes that are not text in the encoding, a quote that is not closed, or a damaged packed file.
    """

    def __init__(self, path: str, form: TextFormat = CSV, begin: int = 0, end: int | None = None) -> None:
        self._path = path
        self._form = form
        self._begin = begin
        self._end = end
        self._footer = form.footer if end is None or end == Path(path).stat().st_size else ()
        self._record: list[str] = []  # the raw lines of the record under way
        self._line = 0
        self._at_end = False
        self.begins = self.offset = begin

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Yield line and fields."""
        # A process-wide setting of the csv module, raised to what Arrow reads.
        csv.field_size_limit(max(csv.field_size_limit(), MAX_RECORD_BYTES))
        first = 1
        simple = len(self._form.delimiter) > 1
        reader = split_lines(self._lines(), self._form) if simple else self._reader()
        try:
            for fields in reader:
                # A quoted field may hold quotes, but always in pairs; only one left open is odd.
                first = self._line - len(self._record) + 1
                if self._form.quote and self._at_end and self._is_open():
                    raise _open_quote(self._path, first, self._form)
                self._record.clear()
                if fields:
                    yield first, fields if not self._form.strip else [field.strip(" \t") for field in fields]
        except csv.Error as exc:
            first = self._line - len(self._record) + 1
            limit = f", or a field is longer than {MAX_RECORD_BYTES:,} characters"
            raise _open_quote(self._path, first, self._form, limit) from exc
        except UNREADABLE as exc:
            raise corrupt(self._path, exc) from exc

    def _reader(self) -> Iterator[list[str]]:
        form = self._form
        options: dict[str, Any] = {"quotechar": form.quote} if form.quote else {"quoting": csv.QUOTE_NONE}
        return csv.reader(
            self._lines(), delimiter=form.delimiter, escapechar=form.escape, doublequote=form.escape is None,
            skipinitialspace=form.strip, **options,
        )  # fmt: skip

    def _is_open(self) -> bool:
        return self._form.escape is None and "".join(self._record).count(self._form.quote or "") % 2 == 1

    def _lines(self) -> Iterator[str]:
        """Yield the lines from where to begin on, but for comments and what stands above and below the table."""
        footer: list[tuple[int, int, int, str]] = []
        for number, begins, offset, text in self._decoded():
            if not self._record and self._form.is_comment(text):
                continue
            if self._footer and not self._record:
                if text.startswith(self._footer) or (footer and not text.strip()):
                    footer.append((number, begins, offset, text))
                    continue
                for held in footer:  # the table goes on below: these were rows
                    yield self._given(*held)
                footer.clear()
            yield self._given(number, begins, offset, text)
        if self._record:
            self._at_end = True

    def _given(self, number: int, begins: int, offset: int, text: str) -> str:
        if not self._record:
            self.begins = begins
        self._line, self.offset = number, offset
        self._record.append(text)
        return text

    def _decoded(self) -> Iterator[tuple[int, int, int, str]]:
        passed = count_lines(self._path, self._begin) if self._begin else 0
        offset = self._begin
        with open_utf8(self._path, self._form.encoding, self._begin, self._end) as file:
            for number, raw in enumerate(_physical_lines(file), start=passed + 1):
                size = len(raw)
                offset += size
                while number == 1 and raw.startswith(codecs.BOM_UTF8):
                    raw = raw.removeprefix(codecs.BOM_UTF8)
                if self._begin == 0 and number <= self._form.skip:
                    continue
                try:
                    text = raw.decode()
                except UnicodeDecodeError as exc:
                    raise _not_utf8(self._path, number, raw, exc) from exc
                yield number, offset - size, offset, text


def count_lines(path: str, end: int) -> int:
    """Return how many lines there are before byte `end` of a file that can be read in ranges, where one begins."""
    count = 0
    with open_bytes(path) as file:
        for line in _physical_lines(file):
            if end <= 0:
                break
            end -= len(line)
            count += 1
    return count


def _physical_lines(file: BinaryIO) -> Iterator[bytes]:
    for line in file:
        if b"\r" not in line:
            yield line
        else:  # old Macintosh line ends; bytes.splitlines knows only \n, \r and \r\n
            yield from line.splitlines(keepends=True)


def split_lines(lines: Iterator[str], form: TextFormat) -> Iterator[list[str]]:
    """Yield the fields of each line, cut at fixed places, at a delimiter of several characters, or at blanks, which
    quotes may hide."""
    if form.delimiter == FIXED:
        yield from (fields_of(line.rstrip("\r\n"), form.starts) for line in lines)
        return
    if form.delimiter != BLANKS:
        yield from (line.rstrip("\r\n").split(form.delimiter) if line.strip() else [] for line in lines)
        return
    quote = form.quote
    escaped = (form.escape or quote or "") + (quote or "")
    field = re.compile(rf"{quote}((?:{re.escape(escaped)}|[^{quote}])*){quote}(?=\s|$)|(\S+)") if quote else None
    for line in lines:
        if field is None or quote is None or quote not in line:
            yield line.split()
        else:
            found = field.finditer(line)
            yield [m[1].replace(escaped, quote) if m[1] is not None else m[2] for m in found]


def _not_utf8(path: str, line: int, raw: bytes, exc: UnicodeDecodeError) -> DataError:
    byte = raw[exc.start]
    before = raw[max(0, exc.start - 20) : exc.start].decode(errors="replace")
    encoding = "cp1252" if 0x80 <= byte <= 0x9F else "latin-1"
    return DataError(
        f"{path}, line {line}: byte 0x{byte:02x} at position {exc.start + 1} of the line "
        f"is not UTF-8 (after {shorten(before)})",
        f"name the encoding, for example data.format: {{encoding: {encoding}}}, "
        f"or convert the file: iconv -f {encoding} -t utf-8 {path}",
    )


def _open_quote(path: str, line: int, form: TextFormat, alternative: str = "") -> DataError:
    quote = form.quote or '"'
    return DataError(
        f"{path}, line {line}: a quote opened in this row is not closed{alternative}",
        f"close the quote; a quote within a quoted field is written twice ({quote * 2}); "
        "if quotes are characters like others, say data.format: {quote: null}",
    )
