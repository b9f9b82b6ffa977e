"""Where the rows that break a rule stand: how many in which file, and their numbers as ranges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from pipeline.config.number_text import count_text

Range = tuple[int, int]
"""First and last row, both included; rows of a file's data count from 1, a header aside."""


@dataclass(frozen=True)
class FileRows:
    """The offending rows of one file.

    Attributes:
        count: how many there are; None where only some are known.
        of: the rows of the file that were looked at; None where that was not counted.
        ranges: the first of them, in order.
        values: a few of the values there.
    """

    file: str
    count: int | None
    of: int | None
    ranges: tuple[Range, ...] = ()
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        place = "/".join(PurePath(self.file).parts[-2:])  # files of several spans may have one name
        parts = []
        if self.count is not None and self.of is not None:
            parts.append(f"{self.count:,} of {count_text(self.of, 'row')}")
        if self.count is None or self.count != self.of:
            covered = sum(last - first + 1 for first, last in self.ranges)
            parts.append(ranges_text(self.ranges, 0 if self.count is None else self.count - covered))
        values = f" ({', '.join(self.values)})" if self.values else ""
        return f"{place}: {', '.join(part for part in parts if part)}{values}"

    @staticmethod
    def upgraded(plain: Any) -> Any:
        """Read what earlier versions wrote: one row each, not counted."""
        if not isinstance(plain, dict) or "row" not in plain:
            return plain
        values = [plain["value"]] if plain["value"] else []
        return {"file": plain["file"], "count": None, "of": None, "ranges": [[plain["row"]] * 2], "values": values}


def ranges_text(ranges: Sequence[Range], more: int = 0) -> str:
    """Return `rows 5, 2,001 to 2,350 and 12 more`; "" of nothing.

    Args:
        more: rows that the ranges do not hold.
    """
    if not ranges:
        return ""
    parts = [f"{first:,}" if first == last else f"{first:,} to {last:,}" for first, last in ranges]
    is_one = len(ranges) == 1 and ranges[0][0] == ranges[0][1] and not more
    return f"{'row' if is_one else 'rows'} {', '.join(parts)}" + (f" and {more:,} more" if more else "")
