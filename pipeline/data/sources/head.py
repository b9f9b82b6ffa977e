"""The head of a text file: the names of its columns, and where its rows begin."""

from __future__ import annotations

import codecs
import itertools
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from pipeline.config.text_format import CSV, TextFormat
from pipeline.data.convert import shorten
from pipeline.data.sources import magic
from pipeline.data.sources.damage import corrupt
from pipeline.data.sources.grouped_header import grouped
from pipeline.data.sources.records import Records
from pipeline.data.sources.text_bytes import UNREADABLE, is_utf8, keeps_ascii, open_bytes, open_utf8
from pipeline.errors import DataError

_LOOK = 1 << 16
_ROWS = 50
_MAGIC = {
    b"PK\x03\x04": ("a zip archive or an Excel workbook", "export the sheet as CSV, or rename the archive to .zip"),
    b"\x1f\x8b": ("a gzip file", "rename it to end in .csv.gz"),
    b"BZh": ("a bzip2 file", "rename it to end in .csv.bz2"),
    b"\x28\xb5\x2f\xfd": ("a zstandard file", "rename it to end in .csv.zst"),
}  # fmt: skip


@dataclass(frozen=True)
class Head:
    """What stands above the rows.

    Attributes:
        fields: a name for each field of a row, each another.
        unread: those of them that are no columns: an index, what a delimiter at the end of each row leaves.
        renamed: what was said in the header, for the columns that are called otherwise.
        records: how many records stand above the rows.
        start: bytes of the text, as UTF-8, above the rows; 0 if nothing stands there.
        raw_start: the same in bytes of the file, where it can be read in ranges.
    """

    fields: tuple[str, ...]
    unread: tuple[str, ...]
    renamed: dict[str, str]
    records: int
    start: int
    raw_start: int

    @property
    def names(self) -> list[str]:
        """The columns, in order."""
        return [name for name in self.fields if name not in self.unread]


def read_head(path: str, form: TextFormat = CSV) -> Head:
    """Read the head of a file.

    Raises:
        DataError: not text, another encoding, no header, or another format than the one given.
    """
    try:
        with open_bytes(path) as file:
            _check_start(path, file.read(_LOOK), form)
    except UNREADABLE as exc:
        raise corrupt(path, exc) from exc
    records = Records(path, form)
    given = iter(records)
    line, first = next(given, (1, []))
    if form.header == "grouped" and first:
        line, first = _with_groups(path, line, first, *next(given, (line, [])))
    if not first:
        raise DataError(f"{path} has no header: it is blank", "write the column names on the first line")
    _check_delimiter(path, line, first, form)
    if not form.header:
        names = list(form.names) or [f"column_{place}" for place in range(1, len(first) + 1)]
        _check_count(path, line, names, len(first))
        return _made(path, form, names, (), {}, 0, records.begins)
    if form.units:
        next(given, None)
    above = 1 + form.units + (form.header == "grouped")
    start = records.offset
    rows: list[list[str]] = []
    with suppress(DataError):  # whoever reads those rows is told
        rows += [fields for _, fields in itertools.islice(given, 1)]
        if rows and (len(rows[0]) == len(first) + 1 or not all(name.strip() for name in first)):
            rows += [fields for _, fields in itertools.islice(given, _ROWS)]
    header = _widened(first, rows)
    if form.names:
        _check_count(path, line, form.names, len(header))
        return _made(path, form, list(form.names), (), {}, above, start)
    fields, renamed = distinct(header)
    unread = _unread(header, fields, rows, form)
    return _made(path, form, fields, unread, renamed, above, start)


def _with_groups(
    path: str, line: int, groups: Sequence[str], below: int, names: Sequence[str]
) -> tuple[int, list[str]]:
    """Return the line of the names, and those with their groups."""
    found = grouped(groups, names)
    if found is None:
        raise DataError(
            f"{path}, line {line}: there are no groups of columns, as data.format.header: grouped says",
            "write the file as the others are, or correct data.format.header",
        )
    return below, found


def _widened(header: list[str], rows: Sequence[list[str]]) -> list[str]:
    """Return the header with an empty name where the rows have one field more: names of rows, as R writes them, in
    front, or nothing behind a delimiter at the end."""
    if not rows or any(len(row) != len(header) + 1 for row in rows):
        return header
    if not any(row[-1].strip() for row in rows):
        return [*header, ""]
    return ["", *header] if len({row[0] for row in rows}) == len(rows) > 1 else header


def distinct(header: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return a name for each field, and of those that are not the header's what it says: empty ones are named by
    position, the second `score` is `score_2`."""
    fields: list[str] = []
    renamed: dict[str, str] = {}
    for place, name in enumerate(header, start=1):
        wanted = stem = name if name.strip() else f"column_{place}"
        number = 1
        while wanted in fields or (wanted != name and wanted in header):
            number += 1
            wanted = f"{stem}_{number}"
        if wanted != name:
            renamed[wanted] = name
        fields.append(wanted)
    return fields, renamed


def _unread(
    header: Sequence[str], fields: Sequence[str], rows: Sequence[list[str]], form: TextFormat
) -> tuple[str, ...]:
    named = [name for name in header if name.strip()]
    unread = []
    if named and not header[0].strip() and form.index == "drop":
        unread.append(fields[0])
    for place, name in enumerate(header):
        values = [row[place].strip() for row in rows if len(row) > place]
        if named and not name.strip() and values and not any(values) and fields[place] not in unread:
            unread.append(fields[place])
    return tuple(unread)


def _made(
    path: str, form: TextFormat, fields: Sequence[str], unread: tuple[str, ...], renamed: dict[str, str], records: int,
    start: int,
) -> Head:  # fmt: skip
    raw_start = start
    if start and not is_utf8(form.encoding) and keeps_ascii(form.encoding):
        with open_utf8(path, form.encoding) as file:
            raw_start = len(file.read(start).decode().encode(form.encoding))
    return Head(tuple(fields), unread, renamed, records, start, raw_start)


def _check_count(path: str, line: int, names: Sequence[str], found: int) -> None:
    if len(names) != found:
        raise DataError(
            f"{path}, line {line}: {found} fields where data.format.names has {len(names)} names",
            "correct data.format.names, or data.format.delimiter if the line was cut in the wrong places",
        )


def _check_delimiter(path: str, line: int, first: Sequence[str], form: TextFormat) -> None:
    other = next((mark for mark in ";\t|," if mark != form.delimiter and mark in first[0]), None)
    if len(first) == 1 and other:
        raise DataError(
            f"{path}, line {line}: the header is the single column {shorten(first[0])}; the file seems to be "
            f"separated by {other!r}, not {form.delimiter!r} as data.format says",
            f"say data.format: {{delimiter: {json.dumps(other)}}} if all files of the table are like that; "
            f"else write this one with {'commas' if form.delimiter == ',' else repr(form.delimiter)} as separators",
        )


def _check_start(path: str, start: bytes, form: TextFormat) -> None:
    for sign, (what, remedy) in _MAGIC.items():
        if start.startswith(sign):
            raise DataError(f"{path} is {what}, not text", remedy)
    if found := magic.sign_of(start):
        raise DataError(f"{path} is {found[1]}, not text", magic.remedy(path, found))
    wide = wide_encoding(start)
    if wide and keeps_ascii(form.encoding):
        raise DataError(
            f"{path}, line 1: the file is {wide.upper()}, not {form.encoding.upper()} (it begins with "
            f"{start[:2].hex(' ')})",
            f"say data.format: {{encoding: {wide}}}, or convert it: iconv -f {wide} -t utf-8 {path}",
        )
    if is_utf8(form.encoding) or wide or start.isascii():
        return
    if is_valid_utf8(start):
        raise DataError(
            f"{path} is UTF-8, not {form.encoding} as data.format.encoding says",
            "take data.format.encoding out if all files of the table are UTF-8; "
            f"else convert it: iconv -f utf-8 -t {form.encoding} {path}",
        )


def written_otherwise(form: TextFormat) -> str:
    """Return what to look at where a file does not have the columns that it should."""
    said = form.written()
    how = f"the file is read as data.format says, {json.dumps(said, ensure_ascii=False)}" if said else ""
    return f"; {how}: it may be written in another way" if how else ""


def wide_encoding(start: bytes) -> str | None:
    """Return utf-16 or utf-32, with the order of bytes where no mark tells it; None if the text is neither."""
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    even, odd = start[0:4096:2].count(0), start[1:4096:2].count(0)
    half = max(1, len(start[:4096]) // 2)
    if max(even, odd) > half * 0.4 and min(even, odd) < half * 0.1:
        return "utf-16-be" if even > odd else "utf-16-le"
    return None


def is_valid_utf8(start: bytes) -> bool:
    """Return whether bytes, perhaps cut within a character at the end, are UTF-8."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return True
