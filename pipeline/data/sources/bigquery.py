"""BigQuery: tables and queries in record batches, through Google's client and its Storage Read API.

    bigquery://PROJECT.DATASET.TABLE            a table, a view, or with {SPAN} in the name date-sharded tables
    bigquery://PROJECT[.DATASET]?SELECT …       a query; the dataset is that of table names that give none

A query runs once when it is read; what `find`, `state` and `infer` ask of it is a dry run, which costs nothing.
Google's modules are imported when they are needed, which takes seconds.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from pipeline.data.columns import ColumnType, nearest
from pipeline.data.convert import EXPECTED, first_bad_row, shorten, to_stored
from pipeline.data.patterns import SPAN, has_spans, without_marks
from pipeline.data.sources.bigquery_address import SCHEME, Address, parse
from pipeline.data.sources.bigquery_client import RETRY_S, client_of, reader_of, retry_policy, storage_retry, translated
from pipeline.data.sources.typed import not_text, unusable
from pipeline.errors import DataError

_TYPES = {
    **dict.fromkeys(("INTEGER", "INT64"), ColumnType.INT),
    **dict.fromkeys(("FLOAT", "FLOAT64", "NUMERIC", "BIGNUMERIC"), ColumnType.FLOAT),
    **dict.fromkeys(("BOOLEAN", "BOOL"), ColumnType.BOOL),
    **dict.fromkeys(("STRING", "BYTES", "JSON", "GEOGRAPHY"), ColumnType.STRING),
    **dict.fromkeys(("DATE", "DATETIME", "TIMESTAMP"), ColumnType.TIMESTAMP),
}
_READ_BY_QUERY = ("VIEW", "MATERIALIZED_VIEW", "EXTERNAL")
"""Kinds of tables that the Storage Read API does not serve."""
_STREAM_BYTES = 64 * 2**20
_MOST_STREAMS = 1000


def find(pattern: str) -> list[str]:
    """Return the addresses that a pattern names: itself, once it is known to be there, or tables that {SPAN} may stand
    for.

    Raises:
        DataError: it is not there, or the service says no for another reason; the query is wrong, or holds {SPAN}.
    """
    address = parse(pattern)
    if not has_spans(pattern):
        _look(pattern)
        return [pattern]
    if address.table is None or pattern.count(SPAN) > 1:
        raise DataError(
            f"{{SPAN}} stands in {address.short}; it can only stand in the name of a table, once",
            "name date-sharded tables, bigquery://PROJECT.DATASET.TABLE_{SPAN}, or take {SPAN} out",
        )
    start = without_marks(address.table).partition("*")[0]
    return [
        f"{SCHEME}{address.project}.{address.dataset}.{name}" for name in _tables(address) if name.startswith(start)
    ]


def state(path: str) -> tuple[int, int]:
    """Return bytes and time of change in nanoseconds of a table; of a query their sum and latest of the tables it
    reads."""
    found = _look(path)
    return found.bytes, max((_nanoseconds(table) for table in found.tables), default=0)


def columns_of(path: str) -> list[str]:
    """Return the column names, in order."""
    return [field.name for field in _look(path).fields]


def infer(path: str, skip: Collection[str]) -> tuple[dict[str, ColumnType | DataError | None], int]:
    """Return the types of the columns not in `skip`, and 1 for the number of rows, which only reading tells: a query
    has not run yet, and the service's own count leaves out rows that were streamed in lately.

    An error says why a column cannot be used.
    """
    found = _look(path)
    types: dict[str, ColumnType | DataError | None] = {}
    for field in found.fields:
        if field.name in skip:
            continue
        if field.mode == "REPEATED" and _TYPES.get(field.field_type) in (ColumnType.STRING, ColumnType.INT):
            types[field.name] = ColumnType.STRING
            continue
        if field.mode == "REPEATED" or field.field_type not in _TYPES:
            kind = f"{field.field_type} REPEATED" if field.mode == "REPEATED" else field.field_type
            types[field.name] = unusable(
                field.name,
                f"{parse(path).short}: column {field.name!r} is of type {kind}; a column must hold one number, text, "
                "boolean or time per row",
                "or choose what you need of it by data.query",
            )
            continue
        types[field.name] = _TYPES[field.field_type]
    return types, 1


def streams(path: str, columns: Sequence[str] | None, where: str = "") -> list[str]:
    """Open the table for reading, as of now, and name the streams that together hold its rows, in no order.

    A query is run. Streams can be read by any process within six hours.

    Args:
        columns: those that will be read, which are all that is paid for; None for all.
        where: which rows, in SQL; all when empty.

    Raises:
        DataError: the table lacks a column, the query fails, or the service says no.
    """
    from google.cloud.bigquery_storage_v1 import types

    found, address = _look(path), parse(path)
    _check_columns(address, columns or (), [field.name for field in found.fields])
    with translated(address):
        source = _run(address, found.sql) if found.sql else found.tables[0]
        session = reader_of(address.project).create_read_session(
            parent=f"projects/{address.project}",
            read_session=types.ReadSession(
                table=source.reference.to_bqstorage(),
                data_format=types.DataFormat.ARROW,
                read_options=types.ReadSession.TableReadOptions(selected_fields=columns or (), row_restriction=where),
            ),
            max_stream_count=min(_MOST_STREAMS, source.num_bytes // _STREAM_BYTES + 1),
            retry=storage_retry(),
            timeout=RETRY_S,
        )
    return [stream.name for stream in session.streams]


def raw(path: str, stream: str) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a stream as the service gives them."""
    yield from _batches(parse(path), stream)


def since(path: str, column: str, day: date) -> str:
    """Return SQL for the rows of a day and of later ones, by a column of times.

    Raises:
        DataError: it holds no times, or is not there.
    """
    address, fields = parse(path), {field.name: field.field_type for field in _look(path).fields}
    _check_columns(address, [column], list(fields))
    if fields[column] not in ("TIMESTAMP", "DATETIME"):
        raise DataError(
            f"{address.short}: column {column!r} is of type {fields[column]}, where times are expected",
            f"let a query or a view give it by TIMESTAMP({column})",
        )
    return f"{column} >= {fields[column]} '{day} 00:00:00'"


def read(path: str, stream: str, columns: Mapping[str, ColumnType]) -> Iterator[pa.RecordBatch]:
    """Yield the given columns of a stream, in that order, in their stored types, in batches as the service cuts them.

    Raises:
        DataError: the table lacks a column, a value is not of its column's type, or the stream breaks off.
    """
    address = parse(path)
    schema = pa.schema([(name, column_type.stored) for name, column_type in columns.items()])
    for batch in _batches(address, stream):
        _check_columns(address, columns, batch.schema.names)
        arrays = [_convert(batch.column(name), address, name, kind) for name, kind in columns.items()]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


@dataclass(frozen=True)
class _Found:
    """What the service says of an address.

    Attributes:
        sql: what is to be run to read it; None for a table that can be read as it is.
        fields: google.cloud.bigquery.SchemaField of every column.
        tables: google.cloud.bigquery.Table itself, or all that the query reads.
    """

    sql: str | None
    fields: Sequence[Any]
    tables: Sequence[Any]

    @property
    def bytes(self) -> int:
        return sum(table.num_bytes or 0 for table in self.tables)


def _look(path: str) -> _Found:
    from google.api_core.exceptions import Forbidden

    address = parse(path)
    client, again = client_of(address.project), retry_policy()
    with translated(address):
        sql = address.query
        if sql is None:
            table = client.get_table(f"{address.project}.{address.dataset}.{address.table}", retry=again)
            if table.table_type not in _READ_BY_QUERY:
                return _Found(None, table.schema, [table])
            sql = f"SELECT * FROM `{address.project}.{address.dataset}.{address.table}`"
        job = client.query(sql, _job_config(address, dry_run=True), retry=again, job_retry=None)
        tables = []
        for reference in job.referenced_tables:
            try:
                tables.append(client.get_table(reference, retry=again))
            except Forbidden:  # an authorised view's; whoever reads through it may not look at them
                tables.append(_Unknown())
        return _Found(sql, job.schema, tables)


class _Unknown:
    """A table that may not be looked at: it has always just changed, so nothing made of it is taken from a cache."""

    num_bytes = 0
    modified = None


def _nanoseconds(table: Any) -> int:
    return round(table.modified.timestamp() * 1000) * 10**6 if table.modified else time.time_ns()


def _run(address: Address, sql: str) -> Any:
    """Run a query; return the table, kept by the service for a day, that holds its result."""
    client, again = client_of(address.project), retry_policy()
    job = client.query(sql, _job_config(address), retry=again, job_retry=None)
    job.result(page_size=1, retry=again, job_retry=None)
    return client.get_table(job.destination, retry=again)


def _job_config(address: Address, **settings: Any) -> Any:
    from google.cloud.bigquery import DatasetReference, QueryJobConfig

    config = QueryJobConfig(**settings)
    if address.dataset and address.query:
        config.default_dataset = DatasetReference(address.project, address.dataset)
    return config


def _batches(address: Address, stream: str) -> Iterator[pa.RecordBatch]:
    schema: pa.Schema | None = None
    with translated(address):
        for message in reader_of(address.project).read_rows(stream, retry=storage_retry()):
            schema = schema or pa.ipc.read_schema(pa.py_buffer(message.arrow_schema.serialized_schema))
            yield pa.ipc.read_record_batch(pa.py_buffer(message.arrow_record_batch.serialized_record_batch), schema)


def _check_columns(address: Address, wanted: Collection[str], there: Sequence[str]) -> None:
    for name in wanted:
        if name not in there:
            raise DataError(
                f"{address.short} has no column {name!r}; {nearest(name, there)}",
                "correct the column name in the configuration, or add the column to the table or the query",
            )


def _convert(array: pa.Array, address: Address, name: str, column_type: ColumnType) -> pa.Array:
    try:
        return to_stored(array, column_type)
    except pa.ArrowInvalid as exc:
        value = shorten(array[first_bad_row(array, column_type)].as_py())
        expected = f"where {EXPECTED[column_type]} is expected"
        binary = pa.types.is_binary(array.type) and column_type is ColumnType.STRING
        what = f"{address.short}: column {name!r} ({array.type}) holds {value} {expected}"
        if binary:
            raise not_text(name, what) from exc
        raise DataError(what, "correct the value or change the column's type in the schema") from exc


def _tables(address: Address) -> list[str]:
    with translated(address):
        found = client_of(address.project).list_tables(f"{address.project}.{address.dataset}", retry=retry_policy())
        return [table.table_id for table in found]
