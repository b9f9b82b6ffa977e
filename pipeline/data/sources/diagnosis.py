"""Why a text file cannot be read, and on which line: the slow way, taken only after a failure."""

from __future__ import annotations

import itertools

from pipeline.config.text_format import CSV, TextFormat
from pipeline.data.convert import shorten
from pipeline.data.sources.damage import corrupt
from pipeline.data.sources.head import Head, read_head
from pipeline.data.sources.records import MAX_RECORD_BYTES, Records
from pipeline.errors import DataError

__all__ = ["MAX_RECORD_BYTES", "check_last_quote", "explain", "line_of_row", "ragged"]


def explain(path: str, form: TextFormat, head: Head, reason: object) -> DataError:
    """Return the first line that keeps a file from being read, as an error to raise.

    Args:
        reason: Arrow's message, shown if no culprit is found.
    """
    culprit: tuple[int, list[str]] | None = None
    others = 0
    try:
        for line, fields in itertools.islice(Records(path, form), head.records, None):
            if len(fields) != len(head.fields):
                others += culprit is not None
                culprit = culprit or (line, fields)
    except DataError as error:
        if culprit is None:
            return error
    return ragged(path, form, head, *culprit, others) if culprit else corrupt(path, reason)


def ragged(path: str, form: TextFormat, head: Head, line: int, fields: list[str], others: int = 0) -> DataError:
    """Make the error for a row with too few or too many fields.

    Args:
        others: how many more such rows there are.
    """
    broken = any("\n" in field for field in fields)
    more = f"; {others:,} more {'row is' if others == 1 else 'rows are'} like that" if others else ""
    return DataError(
        f"{path}, line {line}: {len(fields)} fields where {len(head.fields)} are expected: "
        + shorten(form.delimiter.join(fields) if len(form.delimiter) == 1 else " ".join(fields))
        + more
        + (" (a quoted field runs over several lines: is a quote not closed?)" if broken else ""),
        "correct the line; a field that holds a comma, a quote or a line break must be quoted; "
        "or say what such rows are worth: data.format: {ragged: fill} or {ragged: leave_out}",
    )


def check_last_quote(path: str, form: TextFormat = CSV) -> None:
    """Raise DataError if the file ends within a quoted field (Arrow takes the rest as the field)."""
    for _ in Records(path, form):
        pass


def line_of_row(path: str, row: int, begin: int = 0, form: TextFormat = CSV) -> int:
    """Return the line of the file, counted from 1, on which a data row begins.

    Args:
        row: counted from 0, from the record that begins at byte `begin` (0: from the first row).
    """
    head = read_head(path, form)
    records = itertools.islice(Records(path, form, begin), 0 if begin else head.records, None)
    whole = (line for line, fields in records if form.ragged != "leave_out" or len(fields) == len(head.fields))
    return next(itertools.islice(whole, row, None))
