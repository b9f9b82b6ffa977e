"""What a `bigquery://…` names: a table or a query."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.errors import DataError

SCHEME = "bigquery://"

_ADDRESS = re.compile(
    r"bigquery://(?P<project>([a-z0-9.-]+:)?[a-z][a-z0-9-]*[a-z0-9])"
    r"(\.(?P<dataset>\w+)(\.(?P<table>[^?`]+))?)?(\?(?P<query>.+))?",
    re.DOTALL,
)


@dataclass(frozen=True)
class Address:
    """What a `bigquery://…` names: a table or a query, never both."""

    text: str
    project: str
    dataset: str | None
    table: str | None
    query: str | None

    @property
    def short(self) -> str:
        """As messages show it, on one line."""
        if self.query is None:
            return self.text
        return f"the query of {SCHEME}{self.project}" + (f".{self.dataset}" if self.dataset else "")


def is_address(path: str) -> bool:
    """Return whether a path or pattern names something in BigQuery."""
    return path.startswith(SCHEME)


def parse(text: str) -> Address:
    """Take an address apart.

    Raises:
        DataError: it has not the form that the module's docstring shows.
    """
    match = _ADDRESS.fullmatch(text)
    if not match or (match["table"] is None) == (match["query"] is None):
        raise DataError(
            f"{text} is no table in BigQuery",
            "write bigquery://PROJECT.DATASET.TABLE, or bigquery://PROJECT and data.query",
        )
    return Address(text, match["project"], match["dataset"], match["table"], match["query"])
