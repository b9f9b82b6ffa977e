"""SQLite databases: a table, a view or a query, by Python's own module."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa

from pipeline.data.sources import parts
from pipeline.data.sources.compressed import plain_file
from pipeline.data.sources.damage import corrupt
from pipeline.data.sources.magic import check_is
from pipeline.data.sources.text_tables import as_text, text_batch
from pipeline.data.sources.typed import not_text
from pipeline.errors import DataError

_BATCH_ROWS = 16384
_WAIT_S = 5.0


class SqliteTable:
    """A table of an SQLite database; see TextTable."""

    def __init__(self, path: str) -> None:
        self._address = parts.split(path)
        self.path = self._address.short
        self._unusable: dict[str, DataError] = {}
        check_is(self._address.file, "sqlite")
        with self._connected() as connection:
            self._sql = self._address.query or f"SELECT * FROM {_quoted(self._table(connection))}"
            found = connection.execute(f"SELECT * FROM ({_bare(self._sql)}\n) LIMIT 0")
            self._names = [column[0] for column in found.description]

    def names(self) -> Sequence[str]:
        """See TextTable."""
        return self._names

    def unusable(self) -> Mapping[str, DataError]:
        """See TextTable."""
        return self._unusable

    def batches(
        self, names: Collection[str] | None, byte_range: tuple[int, int] | None
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        """See TextTable."""
        wanted = list(self._names if names is None else names)
        first_row = 0
        with self._connected() as connection:
            chosen = ", ".join(map(_quoted, wanted)) or "1"
            rows = connection.execute(f"SELECT {chosen} FROM ({_bare(self._sql)}\n)")
            while chunk := rows.fetchmany(_BATCH_ROWS):
                columns = [[_text(value) for value in column] for column in zip(*chunk, strict=True)]
                for name, values in zip(wanted, zip(*chunk, strict=True), strict=False):
                    if name not in self._unusable and bytes in set(map(type, values)):
                        self._unusable[name] = not_text(name, f"{self.path}: column {name!r} holds a BLOB")
                yield first_row, text_batch(dict(zip(wanted, columns, strict=False)), len(chunk))
                first_row += len(chunk)

    def place(self, row: int, name: str, byte_range: tuple[int, int] | None) -> str:
        """See TextTable."""
        return f"{self.path}, row {row + 1:,}"

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """Open the database for reading, and say in our words what it says."""
        uri = f"file:{quote(str(Path(plain_file(self._address.file)).absolute()))}?mode=ro"
        try:
            with closing(sqlite3.connect(uri, uri=True, timeout=_WAIT_S)) as connection:
                yield connection
        except sqlite3.Error as exc:
            raise self._translated(exc) from exc

    def _translated(self, exc: sqlite3.Error) -> DataError:
        if getattr(exc, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return DataError(
                f"{self._address.file} is locked by another program", "let that one end, or give a copy of the file"
            )
        if self._address.query is not None and isinstance(exc, sqlite3.OperationalError | sqlite3.ProgrammingError):
            return DataError(f"{self.path} does not run: {exc}", "correct data.query")
        return corrupt(self._address.file, exc)

    def _table(self, connection: sqlite3.Connection) -> str:
        rows = connection.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        )
        return parts.choose(self._address, sorted(row[0] for row in rows), "table")


def _bare(sql: str) -> str:
    return sql.rstrip().rstrip(";")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return None if isinstance(value, bytes) else as_text(value)
