"""Tables, views and queries of a PostgreSQL server, as Arrow record batches of bounded size.

The driver (ADBC) asks for the rows by COPY in binary form, and is imported when a server is asked. What the address
does not say, the password above all, is PostgreSQL's own affair: PGPASSWORD, ~/.pgpass, PGSSLMODE and the like.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline.data.columns import nearest
from pipeline.data.patterns import SPAN, has_spans, without_marks
from pipeline.data.sources.postgresql_address import Address, parse
from pipeline.data.sources.typed import check_names
from pipeline.errors import DataAwayError, DataError

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Connection

_BATCH_BYTES = 4 << 20
_WAIT_S = "10"
_AS_THEY_ARE = frozenset(
    ("bool", "int2", "int4", "int8", "oid", "float4", "float8", "text", "varchar", "name", "date",
     "timestamp", "timestamptz", "bytea")
)  # fmt: skip
"""Types that arrive as Arrow's; others are asked for as text, which is what people see of them."""
_TABLES = """
SELECT n.nspname::text, c.relname::text
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
AND has_table_privilege(c.oid, 'SELECT') ORDER BY 1, 2"""


class PostgresTable:
    """A table of a PostgreSQL server; see TypedTable. It is read in one part."""

    def __init__(self, path: str) -> None:
        self._address = parse(path)
        self.path = self._address.short
        with _connected(self._address) as connection:
            self._sql = _select(connection, self._address)
            found = connection.cursor().adbc_execute_schema(f"SELECT * FROM ({self._sql}\n) AS t")
            check_names(self.path, found)
            self._chosen = {field.name: _as_column(field) for field in found}
            self._schema = connection.cursor().adbc_execute_schema(self._of(found.names)) if len(found) else found

    @property
    def schema(self) -> pa.Schema:
        """See TypedTable."""
        return self._schema

    def has_rows(self) -> bool:
        """See TypedTable."""
        with _connected(self._address) as connection:
            return bool(_rows(connection, f"SELECT 1 FROM ({self._sql}\n) AS t LIMIT 1"))

    def parts(self) -> Sequence[int | None]:
        """See TypedTable."""
        return [None]

    def first_row(self, part: int) -> int:
        """See TypedTable."""
        return 0

    def batches(self, part: int | None, names: Sequence[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        """See TypedTable."""
        with _connected(self._address) as connection, connection.cursor() as cursor:
            cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(_BATCH_BYTES)})
            cursor.execute(self._of(names))
            for batch in cursor.fetch_record_batch():
                for start in range(0, batch.num_rows, batch_rows):
                    yield batch.slice(start, batch_rows)

    def _of(self, names: Sequence[str]) -> str:
        return f"SELECT {', '.join(self._chosen[name] for name in names) or '1'} FROM ({self._sql}\n) AS t"


def find(pattern: str) -> list[str]:
    """Return the addresses that a pattern names: itself, once it is known to be there, or tables that {SPAN} may stand
    for.

    Raises:
        DataError: it is not there, or the server says no; the query is wrong, or holds {SPAN}.
    """
    address = parse(pattern)
    with _connected(address) as connection:
        if not has_spans(pattern):
            connection.cursor().adbc_execute_schema(f"SELECT * FROM ({_select(connection, address)}\n) AS t")
            return [pattern]
        if address.table is None or pattern.count(SPAN) > 1:
            raise DataError(
                f"{{SPAN}} stands in {address.short}; it can only stand in the name of a table, once",
                "name a table for each span, postgresql://HOST/DATABASE#TABLE_{SPAN}, or take {SPAN} out",
            )
        start = without_marks(address.table).partition("*")[0]
        return [f"{address.server}#{name}" for name in _tables(connection) if name.startswith(start)]


def state(path: str) -> tuple[int, int]:
    """Return how many rows there are, and a digest of them in any order; the server reads them for it."""
    address = parse(path)
    with _connected(address) as connection:
        rows = f"SELECT hashtextextended(CAST(t AS text), 0) AS h FROM ({_select(connection, address)}\n) AS t"
        ((count, digest),) = _rows(connection, f"SELECT count(*), CAST(coalesce(sum(h), 0) AS text) FROM ({rows}) AS r")
    return int(count), int(digest) % (1 << 62)


def _as_column(field: pa.Field) -> str:
    """Return how a column is asked for."""
    name = _quoted(field.name)
    kind = (field.metadata or {}).get(b"POSTGRESQL:type", b"").decode()
    if pa.types.is_nested(field.type) or kind in _AS_THEY_ARE:
        return name
    return f"CAST({name} AS text) AS {name}"


def _select(connection: Connection, address: Address) -> str:
    if address.query is not None:
        return address.query.rstrip().rstrip(";")
    names = _tables(connection)
    if address.table is None and len(names) == 1:
        return f"SELECT * FROM {names[next(iter(names))]}"
    if address.table is None:
        some = ", ".join(map(repr, [*names][:10])) + (", …" if len(names) > 10 else "")
        raise DataError(
            f"{address.server} holds {len(names)} tables{': ' if names else ''}{some}",
            f"say which: {address.server}#{next(iter(names), 'TABLE')}",
        )
    if address.table not in names:
        raise DataError(
            f"{address.server} has no table {address.table!r} that may be read; {nearest(address.table, names)}",
            "correct the name behind #, or ask for the right to SELECT from it",
        )
    return f"SELECT * FROM {names[address.table]}"


def _tables(connection: Connection) -> dict[str, str]:
    """Return the tables and views that may be read, as a person names them and as SQL does."""
    return {
        name if schema == "public" else f"{schema}.{name}": f"{_quoted(schema)}.{_quoted(name)}"
        for schema, name in _rows(connection, _TABLES)
    }


def _rows(connection: Connection, sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def _connected(address: Address) -> Iterator[Connection]:
    """Connect for reading, and say in our words what the server says."""
    import adbc_driver_manager as adbc
    from adbc_driver_postgresql import dbapi

    os.environ.setdefault("PGCONNECT_TIMEOUT", _WAIT_S)
    try:
        with dbapi.connect(address.server) as connection:
            with connection.cursor() as cursor:
                cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
            connection.commit()
            yield connection
    except (adbc.Error, OSError, pa.ArrowException) as exc:  # the latter two while rows come
        raise _translated(address, exc) from exc


def _translated(address: Address, exc: Any) -> DataError:
    said = _said(exc)
    if "failed to connect" in str(exc).lower():
        if re.search("password|authentication|pg_hba", said):
            return DataError(
                f"{address.server}: the server does not let this user in: {said}",
                "give the user in the address, and the password in the environment variable PGPASSWORD or in ~/.pgpass",
            )
        if "does not exist" in said:
            return DataError(f"{address.server} cannot be opened: {said}", "correct the address")
        return DataAwayError(
            f"{address.server}: the server does not answer: {said}", "see that it runs and can be reached from here"
        )
    if "permission denied" in said:
        return DataError(f"{address.short} may not be read: {said}", "ask for the right to SELECT from it")
    if "ERROR:" in str(exc) and address.query is not None:
        return DataError(f"data.query does not run: {said}", "correct the query")
    return DataAwayError(f"{address.short}: PostgreSQL failed while it was read: {said}", "try again later")


def _said(exc: Exception) -> str:
    """Return the server's own sentence, and where in the query it is, without what the driver puts around it."""
    text = str(exc)
    found = re.search(r"(?:ERROR|FATAL):\s+(.+)", text) or re.search(r"failed: (.+)", text)
    line = re.search(r"LINE (\d+): ", text)
    said = found[1] if found else text.partition("\n")[0]
    return f"{said} (line {line[1]} of the query)" if line else said
