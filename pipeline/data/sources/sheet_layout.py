"""Where the table stands on a sheet: below titles and notes, above others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.data.sources.footers import SUMMARY


def header_row(rows: Sequence[Sequence[Any]]) -> int:
    """Return which of the first rows of a sheet, none of them blank, holds the names of the columns.

    It is the fullest of the rows of texts above the first row of values; where all rows are texts, the fullest of all.
    """
    fills = [_fill(row) for row in rows]
    width = max(fills)
    first = next(
        (place for place, row in enumerate(rows) if 2 * fills[place] >= width and not _is_text(row)), len(rows)
    )
    above = fills[:first]
    if above and (2 * max(above) > width or (max(above) == width - 1 and rows[above.index(max(above))][0] == "")):
        return above.index(max(above))
    return first % len(rows)  # the names themselves are numbers, such as years


def rows_end(rows: Sequence[Sequence[Any]], numbers: Sequence[int]) -> int:
    """Return how many of the rows below the header are the table's; below them are notes.

    Notes are texts in less than half of the columns; and a blank row is above them, or they stand in columns of values.
    A row with blanks that begins with Total, or another word of that kind, sums up those above.

    Args:
        numbers: of each row on the sheet; a blank one between two makes a gap.
    """
    end = _notes_end(rows, numbers)
    width = max(map(_fill, rows), default=0)
    while end > 1 and _fill(rows[end - 1]) < width and _sums_up(rows[end - 1]):
        end -= 1
    return end


def _notes_end(rows: Sequence[Sequence[Any]], numbers: Sequence[int]) -> int:
    width = max(map(_fill, rows), default=0)
    end = len(rows)
    while end and _is_text(rows[end - 1]) and 2 * _fill(rows[end - 1]) < width:
        end -= 1
    if end in (0, len(rows)) or numbers[end] > numbers[end - 1] + 1:
        return end or len(rows)
    last = rows[end - 1]
    odd = any(
        value != "" and last[place] != "" and not isinstance(last[place], str)
        for row in rows[end:]
        for place, value in enumerate(row)
    )
    return end if odd else len(rows)


def _sums_up(row: Sequence[Any]) -> bool:
    first = next((value for value in row if value != ""), "")
    return isinstance(first, str) and bool(SUMMARY.fullmatch(first.strip(" :.")))


def _fill(row: Sequence[Any]) -> int:
    return sum(value != "" for value in row)


def _is_text(row: Sequence[Any]) -> bool:
    return all(isinstance(value, str) for value in row)
