"""What stands behind the name of a file that holds several tables: `book.xlsx#Sheet2`, `shop.duckdb#orders`, and, for
a database, `shop.duckdb?SELECT …`, which is how `data.path` and `data.query` go together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.config.data import DUCKDB, PACKED, SQLITE
from pipeline.errors import DataError

WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
_ENDINGS, _PACKED = ("|".join(map(re.escape, endings)) for endings in ((*WORKBOOKS, *DUCKDB, *SQLITE), PACKED))
_ADDRESS = re.compile(
    rf"(?P<file>.+?(?:{_ENDINGS})(?:{_PACKED})?)(?:#(?P<part>.+)|\?(?P<query>\s*(?:select|with|from)\b.+))",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True)
class Address:
    """A file, and what of it is meant: the sheet or table `part`, or the result of `query`; neither is the only one."""

    file: str
    part: str | None = None
    query: str | None = None

    @property
    def short(self) -> str:
        """As messages show it, on one line."""
        if self.query is not None:
            return f"the query of {self.file}"
        return self.file if self.part is None else f"{self.file}#{self.part}"

    @property
    def suffix(self) -> str:
        """What follows the file's name."""
        return f"?{self.query}" if self.query is not None else f"#{self.part}" if self.part is not None else ""


def split(path: str) -> Address:
    """Take a path or pattern apart; one without anything behind the file's name is the file."""
    match = None if Path(path[:4096]).exists() else _ADDRESS.fullmatch(path)
    return Address(match["file"], match["part"], match["query"]) if match else Address(path)


def file_of(path: str) -> str:
    """Return the file that a path names."""
    return split(path).file


def choose(address: Address, names: Sequence[str], kind: str) -> str:
    """Return the sheet or table that is meant: the one named, else the only one.

    Raises:
        DataError: it is not there, or nothing tells which of several is meant.
    """
    if address.part is not None and address.part in names:
        return address.part
    there = ", ".join(map(repr, names[:10])) + (", …" if len(names) > 10 else "")
    if address.part is not None:
        raise DataError(
            f"{address.file} has no {kind} {address.part!r}; "
            + (f"there is {there}" if names else f"it has no {kind}"),
            f"name one that is there: {address.file}#{names[0] if names else 'NAME'}",
        )
    if len(names) != 1:
        raise DataError(
            f"{address.file} holds {len(names)} {kind}s: {there}" if names else f"{address.file} holds no {kind}",
            f"say which: {address.file}#{names[0]}" if names else "give another file",
        )
    return names[0]
