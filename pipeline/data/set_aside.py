"""Rows with a value that does not fit: counted, kept within a limit, and written to a file for people to look at."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.data.sources.meaning import Misfit
from pipeline.errors import DataError

FILE = "set_aside.csv"
"""Beside the summary of the examples: file, row (counted from 1), column, value and reason."""
_KEPT = 10_000
"""Values of one fragment that are written down; all are counted."""


@dataclass
class Aside:
    """What was set aside of one fragment, or of one file.

    Attributes:
        read: rows looked at.
        rows: rows set aside.
        columns: values that do not fit, by column.
        values: the first of them: row, counted from 0, column, value, reason.
    """

    read: int = 0
    rows: int = 0
    columns: Counter[str] = field(default_factory=Counter)
    values: list[tuple[int, str, str, str]] = field(default_factory=list)

    def add(self, rows: int, misfits: Sequence[Misfit]) -> None:
        """Count the next batch, of `rows` rows."""
        self.rows += len({misfit.row for misfit in misfits})
        self.columns.update(misfit.column for misfit in misfits)
        for misfit in misfits[: _KEPT - len(self.values)]:
            self.values.append((self.read + misfit.row, misfit.column, misfit.value, misfit.reason))
        self.read += rows

    def check(self, name: str, at_most: float) -> None:
        """Raise DataError if it is too much of the table `name`."""
        if self.values:
            row, column, value, reason = min(self.values)
            first = f"row {row + 1:,}: column {column!r} holds {value!r} where {reason} is expected"
            check_share(self.read, self.rows, self.columns, at_most, f"{name}, {first}")

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"read": self.read, "rows": self.rows, "columns": dict(self.columns), "values": self.values}


def check_share(read: int, rows: int, columns: Mapping[str, int], at_most: float, first: str) -> None:
    """Refuse a table of which too much would be set aside.

    Args:
        read: rows looked at; rows: of these those that do not fit.
        first: names one of the values.

    Raises:
        DataError: they are more than `at_most` of all.
    """
    if rows > at_most * read:
        counts = ", ".join(f"{name!r} {count:,}" for name, count in Counter(columns).most_common(5))
        raise DataError(
            f"{rows:,} of {read:,} rows hold a value that does not fit ({rows / read:.1%}; data.bad_rows_at_most is "
            f"{at_most:.1%}). By column: {counts}. The first: {first}",
            "correct the values, or how data.columns and data.missing have them read; or raise data.bad_rows_at_most",
        )


def gathered(parts: Sequence[Mapping[str, Any]], at_most: float) -> tuple[dict[str, Any], str]:
    """Return what was set aside of a table, for its summary, and the text of FILE.

    Args:
        parts: Aside.to_json of the fragments, with the number of each and the name of its file.

    Raises:
        DataError: that is too much.
    """
    before: Counter[str] = Counter()
    columns: Counter[str] = Counter()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "row", "column", "value", "reason"])
    first = ""
    for part in sorted(parts, key=lambda part: int(part["fragment"])):
        name = part["file"]
        for row, column, value, reason in sorted(part["values"]):
            number = before[name] + row + 1
            writer.writerow([name, number, column, value, f"{reason} is expected"])
            first = first or f"{name}, row {number:,}: column {column!r} holds {value!r} where {reason} is expected"
        before[name] += part["read"]
        columns.update(part["columns"])
    rows = sum(part["rows"] for part in parts)
    check_share(sum(before.values()), rows, columns, at_most, first)
    return {"rows": rows, "columns": dict(columns.most_common())}, text.getvalue()
