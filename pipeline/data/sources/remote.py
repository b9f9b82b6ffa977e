"""Tables that are no files: which module knows them, by the scheme of their address."""

from __future__ import annotations

from typing import Protocol

from pipeline.data.sources import bigquery, bigquery_address, postgresql, postgresql_address


class Remote(Protocol):
    """What finding tables asks of such a module."""

    def find(self, pattern: str) -> list[str]:
        """Return the addresses that a pattern names."""

    def state(self, path: str) -> tuple[int, int]:
        """Return two numbers that tell whether a table changed."""


def remote_of(path: str) -> Remote | None:
    """Return the module that knows a table; None of a file."""
    if bigquery_address.is_address(path):
        return bigquery
    return postgresql if postgresql_address.is_address(path) else None


def kind_of(path: str) -> str | None:
    """Return its format, as `table_files.format_of` does; None of a file."""
    if bigquery_address.is_address(path):
        return "bigquery"
    return "postgresql" if postgresql_address.is_address(path) else None


def short_name(path: str) -> str:
    """Return what messages call it."""
    return (bigquery_address if bigquery_address.is_address(path) else postgresql_address).parse(path).short


def without_query(path: str) -> tuple[str, str | None]:
    """Return what `data.path` and `data.query` are for it; an address in BigQuery stays whole."""
    if not postgresql_address.is_address(path):
        return path, None
    address = postgresql_address.parse(path)
    return (path, None) if address.query is None else (address.server, address.query)
