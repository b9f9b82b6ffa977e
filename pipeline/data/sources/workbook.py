"""Sheets of workbooks: .xlsx, .xlsm, .xlsb, .xls and .ods. The reader is imported when one is opened.

A sheet has no types but those of its cells, so that it is given as text. Cells that are merged downwards hold their
value in every row; formulas hold what was computed when the workbook was saved.
"""

from __future__ import annotations

import datetime
import io
import re
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.data.sources import parts
from pipeline.data.sources.compressed import plain_file
from pipeline.data.sources.damage import corrupt
from pipeline.data.sources.grouped_header import grouped
from pipeline.data.sources.head import distinct
from pipeline.data.sources.magic import check_is
from pipeline.data.sources.sheet_layout import header_row, rows_end
from pipeline.data.sources.text_tables import as_text
from pipeline.data.sources.typed import unusable
from pipeline.errors import DataError

_HEAD_ROWS = 100
"""Where the header is looked for."""
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
"""Stands in a workbook with a password, which is a file of another kind."""
_SHEETS_KEPT = 2
_UNCOMPUTED = rb'<c r="([A-Z]+)[0-9]+"[^>]*><f\b[^>]*(?:/>|>[^<]*</f>)(?:<v></v>|<v/>|</c>)'


class SheetTable:
    """A sheet of a workbook; see TextTable."""

    def __init__(self, path: str) -> None:
        address = parts.split(path)
        self.path = address.short
        stat = Path(address.file).stat()
        self._sheet = _load(address, stat.st_size, stat.st_mtime_ns)

    @property
    def said(self) -> Sequence[str]:
        """What a person should know of how it is read, in sentences."""
        return self._sheet.said

    def names(self) -> Sequence[str]:
        """See TextTable."""
        return list(self._sheet.rows.schema.names)

    def unusable(self) -> Mapping[str, DataError]:
        """See TextTable."""
        return {
            name: unusable(
                name,
                f"{self.path}: column {name!r} holds formulas that were never computed",
                "or open the workbook in a spreadsheet program and save it",
            )
            for name in self._sheet.uncomputed
        }

    def batches(
        self, names: Collection[str] | None, byte_range: tuple[int, int] | None
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        """See TextTable."""
        yield 0, self._sheet.rows if names is None else self._sheet.rows.select(list(names))

    def place(self, row: int, name: str, byte_range: tuple[int, int] | None) -> str:
        """See TextTable."""
        return f"{self.path}, cell {self._sheet.letters[name]}{self._sheet.numbers[row]}"


@dataclass(frozen=True)
class _Sheet:
    """What a sheet holds below its header.

    Attributes:
        rows: as text.
        numbers: of each row, as the spreadsheet program shows it.
        letters: of each column, as it shows them.
        uncomputed: columns of formulas without a value.
        said: what a person should know of how it is read.
    """

    rows: pa.RecordBatch
    numbers: Sequence[int]
    letters: Mapping[str, str]
    uncomputed: Sequence[str]
    said: Sequence[str]


@lru_cache(_SHEETS_KEPT)
def _load(address: parts.Address, size: int, mtime_ns: int) -> _Sheet:
    content = Path(plain_file(address.file)).read_bytes()
    cells, left, others = _cells(address, content)
    filled = [number for number, row in enumerate(cells) if any(value != "" for value in row)]
    if not filled:
        raise DataError(f"{address.short} holds no cell with a value", "give another sheet: FILE#SHEET")
    header = header_row([cells[number] for number in filled[:_HEAD_ROWS]])
    rest = filled[header + 1 :]
    below = rest[: rows_end([cells[number] for number in rest], rest)]
    columns = list(zip(*(cells[number] for number in below), strict=True)) or [()] * len(cells[0])
    titles = _titles([cells[number] for number in filled[: header + 1]], filled[: header + 1])
    places = [place for place, title in enumerate(titles) if title or any(value != "" for value in columns[place])]
    if len(places) > 1 and not titles[places[0]]:
        places = places[1:]  # it numbers the rows, as pandas writes it
    names, _ = distinct([(titles[place] or "").strip() for place in places])
    arrays = [pa.array([_text(value) for value in columns[place]], pa.string()) for place in places]
    letters = {name: _letter(place + left) for name, place in zip(names, places, strict=True)}
    empty = {name for name, array in zip(names, arrays, strict=True) if array.null_count == len(array) and len(array)}
    formulas = _uncomputed(content) if empty else set()
    return _Sheet(
        pa.RecordBatch.from_arrays(arrays, names=names),
        [number + 1 for number in below],
        letters,
        [name for name in names if name in empty and letters[name] in formulas],
        _sentences(filled[header] + 1, rest[len(below) :], others),
    )


def _titles(rows: Sequence[Sequence[Any]], numbers: Sequence[int]) -> list[str | None]:
    """Return the names in the last row; one that is blank there may stand in the row above, if that holds several, and
    groups may stand there."""
    titles = [_text(value) for value in rows[-1]]
    if len(rows) > 1 and numbers[-1] == numbers[-2] + 1 and sum(value != "" for value in rows[-2]) > 1:
        above = [_text(value) for value in rows[-2]]
        if found := grouped([text or "" for text in above], [text or "" for text in titles]):
            return list(found)
        titles = [
            title or (upper if place else None) for place, (title, upper) in enumerate(zip(titles, above, strict=True))
        ]
    return titles


def _sentences(header: int, footer: Sequence[int], sheets: Sequence[str]) -> list[str]:
    said = [f"the header is row {header}"] if header > 1 else []
    if footer:
        rows = f"rows {footer[0] + 1} to {footer[-1] + 1}" if len(footer) > 1 else f"row {footer[0] + 1}"
        said.append(f"{rows}, below the table, {'are' if len(footer) > 1 else 'is'} no part of it")
    if len(sheets) > 1:
        others = ", ".join(map(repr, sheets[1:6])) + (", …" if len(sheets) > 6 else "")
        said.append(f"the sheet is {sheets[0]!r}; others are named behind the file, as in FILE#SHEET: {others}")
    return said


def _cells(address: parts.Address, content: bytes) -> tuple[list[list[Any]], int, list[str]]:
    """Return all rows of the sheet from the first on, how many columns on the left are blank, and, where no sheet was
    named, the names of all."""
    import python_calamine as calamine

    try:
        with calamine.load_workbook(io.BytesIO(content)) as book:
            names = [
                sheet.name
                for sheet in book.sheets_metadata
                if sheet.typ == calamine.SheetTypeEnum.WorkSheet
                and (sheet.visible == calamine.SheetVisibleEnum.Visible or sheet.name == address.part)
            ]
            name = parts.choose(address, names, "sheet") if address.part is not None or not names else names[0]
            sheet = book.get_sheet_by_name(name)
            rows = list(sheet.iter_rows())
            _, left = sheet.start or (0, 0)
            for (top, start), (bottom, _) in sheet.merged_cell_ranges or ():
                for row in range(top + 1, min(bottom + 1, len(rows))):
                    if start >= left and rows[row][start - left] == "":
                        rows[row][start - left] = rows[top][start - left]
            return rows, left, names if address.part is None else []
    except (calamine.CalamineError, OSError) as exc:
        if isinstance(exc, calamine.PasswordError) or _ENCRYPTED in content:
            raise DataError(
                f"{address.file} is protected by a password",
                "open it in a spreadsheet program, and save a copy without one",
            ) from exc
        check_is(address.file, "excel")
        raise corrupt(address.file, exc) from exc


def _text(value: Any) -> str | None:
    if value == "":
        return None
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    if isinstance(value, datetime.timedelta):
        return _clock(value)
    return value if isinstance(value, str) else as_text(value)


def _clock(duration: datetime.timedelta) -> str:
    """Return a duration as spreadsheets show it, 30:00:00 for more than a day."""
    seconds = round(duration.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _letter(place: int) -> str:
    """Return the letters of a column, counted from 0: A to Z, then AA."""
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _uncomputed(content: bytes) -> set[str]:
    """Return the letters of columns that hold, in any sheet, a formula without its value."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/") and name.endswith("xml")]
            return {letters.decode() for name in sheets for letters in re.findall(_UNCOMPUTED, archive.read(name))}
    except zipfile.BadZipFile:  # not of that kind
        return set()
