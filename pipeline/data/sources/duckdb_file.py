"""DuckDB databases: a table, a view or a query. The library is imported when one is opened."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.data.sources import parts
from pipeline.data.sources.compressed import plain_file
from pipeline.data.sources.damage import corrupt
from pipeline.data.sources.magic import check_is
from pipeline.data.sources.typed import check_names
from pipeline.errors import DataError

if TYPE_CHECKING:
    import duckdb

_MEMORY = "1GB"


class DuckDBTable:
    """A table of a DuckDB database; see TypedTable. It is read in one part."""

    def __init__(self, path: str) -> None:
        self._address = parts.split(path)
        self.path = self._address.short
        check_is(self._address.file, "duckdb")
        with self._connected() as connection:
            self._sql = (self._address.query or f"FROM {self._table(connection)}").rstrip().rstrip(";")
            self._schema = _reader(connection, f"SELECT * FROM ({self._sql}\n) LIMIT 0").schema
        check_names(self.path, self._schema)

    @property
    def schema(self) -> pa.Schema:
        """See TypedTable."""
        return self._schema

    def has_rows(self) -> bool:
        """See TypedTable."""
        with self._connected() as connection:
            return bool(connection.sql(f"SELECT 1 FROM ({self._sql}\n) LIMIT 1").fetchall())

    def parts(self) -> Sequence[int | None]:
        """See TypedTable."""
        return [None]

    def first_row(self, part: int) -> int:
        """See TypedTable."""
        return 0

    def batches(self, part: int | None, names: Sequence[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        """See TypedTable."""
        chosen = ", ".join(map(_quoted, names)) or "1"
        with self._connected() as connection:
            for batch in _reader(connection, f"SELECT {chosen} FROM ({self._sql}\n)", batch_rows):
                yield batch.rename_columns(list(names)) if names else batch

    @contextmanager
    def _connected(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the database for reading, and say in our words what it says."""
        import duckdb

        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": _MEMORY,
            "temp_directory": tempfile.gettempdir(),
        }
        try:
            with duckdb.connect(plain_file(self._address.file), read_only=True, config=settings) as connection:
                yield connection
        except duckdb.Error as exc:
            raise self._translated(exc) from exc

    def _translated(self, exc: Exception) -> DataError:
        words = " ".join(str(exc).split())
        if "lock" in words and "Could not set lock" in words:
            return DataError(
                f"{self._address.file} is locked by another program: {words[:300]}",
                "let that one end, or give a copy of the file",
            )
        if self._address.query is not None:
            return DataError(f"{self.path} does not run: {words[:300]}", "correct data.query")
        return corrupt(self._address.file, words)

    def _table(self, connection: duckdb.DuckDBPyConnection) -> str:
        rows = connection.sql(
            "SELECT table_schema, table_name FROM information_schema.tables "
            "WHERE table_catalog = current_database() ORDER BY ALL"
        ).fetchall()
        names = {name if schema == "main" else f"{schema}.{name}": (schema, name) for schema, name in rows}
        return ".".join(map(_quoted, names[parts.choose(self._address, list(names), "table")]))


def _reader(connection: duckdb.DuckDBPyConnection, sql: str, batch_rows: int = 1) -> pa.RecordBatchReader:
    reader = connection.sql(sql).to_arrow_reader(batch_rows)
    assert reader is not None  # a SELECT has a result
    return reader


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
