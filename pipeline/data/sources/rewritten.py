"""Rows that Arrow cannot read as they stand, written anew as CSV while it reads them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from pipeline.config.text_format import TextFormat
from pipeline.data.sources.diagnosis import ragged
from pipeline.data.sources.head import Head
from pipeline.data.sources.records import Records
from pipeline.data.sources.text_bytes import is_packed, keeps_ascii

_TAIL = 1 << 16
_ROWS = 4096


def needs_rewriting(path: str, form: TextFormat, head: Head, byte_range: tuple[int, int] | None) -> bool:
    """Return whether Arrow cannot read a range of a file by itself."""
    if len(form.delimiter) > 1 or not form.delimiter.isascii() or form.strip or form.ragged != "refuse":
        return True
    if not form.comment and not form.footer:
        return False
    if is_packed(path) or not keeps_ascii(form.encoding):
        return True
    return bool(form.comment) and _has_comment(path, form, head, byte_range)


def rows_end(path: str, form: TextFormat, begin: int, end: int) -> int:
    """Return the byte before which the rows of a plain file end, without the lines of `data.format.footer`."""
    if not form.footer or end != Path(path).stat().st_size:
        return end
    marks = tuple(mark.encode(form.encoding) for mark in form.footer)
    with Path(path).open("rb") as file:
        file.seek(max(begin, end - _TAIL))
        lines = file.read().splitlines(keepends=True)[1:]  # the first is cut
    kept = end
    for line in reversed(lines):
        if line.strip() and not line.startswith(marks):
            break
        end -= len(line)
        kept = end if line.strip() else kept
    return kept


def _has_comment(path: str, form: TextFormat, head: Head, byte_range: tuple[int, int] | None) -> bool:
    marks = [mark.rstrip("\n").encode(form.encoding) for mark in form.comments]
    start, end = byte_range or (0, Path(path).stat().st_size)
    place = max((start or head.raw_start) - 1, 0)
    before = b"" if place else b"\n"
    with Path(path).open("rb") as file:
        file.seek(place)
        while place < end and (chunk := file.read(min(1 << 20, end - place))):
            place += len(chunk)
            seen = before + chunk
            if any(b"\n" + mark in seen or b"\r" + mark in seen for mark in marks):
                return True
            before = seen[-max(map(len, marks)) :]
    return False


class Rewritten(io.RawIOBase):
    """The rows of a file, or of a range of it, as CSV in UTF-8."""

    def __init__(self, path: str, form: TextFormat, head: Head, byte_range: tuple[int, int] | None) -> None:
        self._chunks = _chunks(path, form, head, byte_range)
        self._ready = b"\n"  # a stream without a byte is an error to Arrow

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer with the next bytes."""
        while not self._ready:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._ready = chunk
        part = self._ready[: len(buffer)]
        buffer[: len(part)] = part
        self._ready = self._ready[len(part) :]
        return len(part)


def _chunks(path: str, form: TextFormat, head: Head, byte_range: tuple[int, int] | None) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for number, row in enumerate(_rows(path, form, head, byte_range), start=1):
        writer.writerow(row)
        if number % _ROWS == 0:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    if last := text.getvalue():
        yield last.encode()


def _rows(path: str, form: TextFormat, head: Head, byte_range: tuple[int, int] | None) -> Iterator[list[str]]:
    begin, end = byte_range or (0, None)
    records = Records(path, form, begin, end)
    above = 0 if begin else head.records
    width = len(head.fields)
    for line, fields in records:
        if above:
            above -= 1
        elif len(fields) == width:
            yield fields
        elif form.ragged == "refuse":
            raise ragged(path, form, head, line, fields)
        elif form.ragged == "fill":
            yield (fields + [""] * width)[:width]
