"""What a `postgresql://…` names: a table, a view or the result of a query."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.errors import DataError

SCHEMES = ("postgresql://", "postgres://")
FORM = "postgresql://USER@HOST:PORT/DATABASE#TABLE"

_ADDRESS = re.compile(
    r"(?P<server>postgres(?:ql)?://(?:(?P<user>[^/@:]*)(?P<password>:[^/@]*)?@)?[^/@?#]*/(?P<database>[^/?#]+))"
    r"(?:#(?P<table>.+)|\?(?P<query>\s*(?:select|with|table|values)\b.+))?",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True)
class Address:
    """A database, and what of it is meant: the table `[SCHEMA.]TABLE`, or the result of `query`; never both."""

    server: str
    database: str
    table: str | None = None
    query: str | None = None

    @property
    def short(self) -> str:
        """As messages show it, on one line."""
        if self.query is not None:
            return f"the query of {self.server}"
        return self.server if self.table is None else f"{self.server}#{self.table}"


def is_address(path: str) -> bool:
    """Return whether a path or pattern names something in PostgreSQL."""
    return path.startswith(SCHEMES)


def parse(text: str) -> Address:
    """Take an address apart.

    Raises:
        DataError: it has not this form, or holds a password, which is then not shown.
    """
    match = _ADDRESS.fullmatch(text)
    if not match:
        shown = re.sub(r"(//[^/@:]*):[^/]*@", r"\1:…@", text)
        raise DataError(
            f"{shown} is no table in PostgreSQL", f"write {FORM}, or {FORM.partition('#')[0]} and data.query"
        )
    if match["password"]:
        raise DataError(
            f"{match['server'].replace(match['password'] + '@', ':…@')} holds a password",
            "take it out, and give it in the environment variable PGPASSWORD, or in ~/.pgpass (PGPASSFILE)",
        )
    return Address(match["server"], match["database"], match["table"], match["query"])
