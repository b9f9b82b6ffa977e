"""BigQuery: tables and queries in record batches, through Google's client and its Storage Read API.

    bigquery://PROJECT.DATASET.TABLE            a table, a view, or with {SPAN} in the name date-sharded tables
    bigquery://PROJECT[.DATASET]?SELECT …       a query; the dataset is that of table names that give none

A query runs once when it is read; what `find`, `state` and `infer` ask of it is a dry run, which costs nothing.
Google's modules are imported when they are needed, which takes seconds. BIGQUERY_EMULATOR_HOST (a URL) and
BIGQUERY_STORAGE_EMULATOR_HOST (host:port) name stand-ins for the service; they are asked without credentials.
"""

from __future__ import annotations

import difflib
import functools
import os
import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.data.columns import ColumnType
from pipeline.data.convert import EXPECTED, first_bad_row, nearest, shorten, to_stored
from pipeline.errors import DataError

SCHEME = "bigquery://"

_ADDRESS = re.compile(
    r"bigquery://(?P<project>([a-z0-9.-]+:)?[a-z][a-z0-9-]*[a-z0-9])"
    r"(\.(?P<dataset>\w+)(\.(?P<table>[^?`]+))?)?(\?(?P<query>.+))?",
    re.DOTALL,
)
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
_RETRY_S = 30.0
"""How long to try again where the service is out of reach; Google's client would for ten minutes."""
_ROLES = "BigQuery Data Viewer on the data, BigQuery Job User and BigQuery Read Session User on the project"
_LOG_IN = "log in with `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS"


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
    """Whether a path or pattern names something in BigQuery."""
    return path.startswith(SCHEME)


def parse(text: str) -> Address:
    """Takes an address apart.

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


def find(pattern: str) -> list[str]:
    """The addresses that a pattern names: itself, once it is known to be there, or tables that {SPAN} may stand for.

    Raises:
        DataError: it is not there, or the service says no for another reason; the query is wrong, or holds {SPAN}.
    """
    address = parse(pattern)
    if "{SPAN}" not in pattern:
        _look(pattern)
        return [pattern]
    if address.table is None or pattern.count("{SPAN}") > 1:
        raise DataError(
            f"{{SPAN}} stands in {address.short}; it can only stand in the name of a table, once",
            "name date-sharded tables, bigquery://PROJECT.DATASET.TABLE_{SPAN}, or take {SPAN} out",
        )
    start = address.table.partition("{SPAN}")[0]
    return [
        f"{SCHEME}{address.project}.{address.dataset}.{name}" for name in _tables(address) if name.startswith(start)
    ]


def state(path: str) -> tuple[int, int]:
    """Bytes and time of change in nanoseconds of a table; of a query their sum and latest of the tables it reads."""
    found = _look(path)
    return found.bytes, max((_nanoseconds(table) for table in found.tables), default=0)


def columns_of(path: str) -> list[str]:
    """The column names, in order."""
    return [field.name for field in _look(path).fields]


def infer(path: str, skip: Collection[str]) -> tuple[dict[str, ColumnType | None], int]:
    """The types of the columns not in `skip`, and 1 for the number of rows, which only reading tells: a query has not
    run yet, and the service's own count leaves out rows that were streamed in lately.

    Raises:
        DataError: a column is of a type that no column of a table may have.
    """
    found = _look(path)
    types: dict[str, ColumnType | None] = {}
    for field in found.fields:
        if field.name in skip:
            continue
        if field.mode == "REPEATED" or field.field_type not in _TYPES:
            kind = f"{field.field_type} REPEATED" if field.mode == "REPEATED" else field.field_type
            raise DataError(
                f"{parse(path).short}: column {field.name!r} is of type {kind}; a column must hold one number, text, "
                "boolean or time per row",
                f"list {field.name!r} in data.drop, or choose what you need of it by data.query",
            )
        types[field.name] = _TYPES[field.field_type]
    return types, 1


def streams(path: str, columns: Sequence[str] | None) -> list[str]:
    """Opens the table for reading, as of now, and names the streams that together hold its rows, in no order.

    A query is run. Streams can be read by any process within six hours.

    Args:
        columns: those that will be read, which are all that is paid for; None for all.

    Raises:
        DataError: the table lacks a column, the query fails, or the service says no.
    """
    from google.cloud.bigquery_storage_v1 import types

    found, address = _look(path), parse(path)
    _check_columns(address, columns or (), [field.name for field in found.fields])
    with _translated(address):
        source = _run(address, found.sql) if found.sql else found.tables[0]
        session = _reader(address.project, _hosts()).create_read_session(
            parent=f"projects/{address.project}",
            read_session=types.ReadSession(
                table=source.reference.to_bqstorage(),
                data_format=types.DataFormat.ARROW,
                read_options=types.ReadSession.TableReadOptions(selected_fields=columns or ()),
            ),
            max_stream_count=min(_MOST_STREAMS, source.num_bytes // _STREAM_BYTES + 1),
            retry=_storage_retry(),
            timeout=_RETRY_S,
        )
    return [stream.name for stream in session.streams]


def read(path: str, stream: str, columns: Mapping[str, ColumnType]) -> Iterator[pa.RecordBatch]:
    """The given columns of a stream, in that order, in their stored types, in batches as the service cuts them.

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
    client, again = _client(address.project, _hosts()), _retry()
    with _translated(address):
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
    """Runs a query; the table, kept by the service for a day, that holds its result."""
    client, again = _client(address.project, _hosts()), _retry()
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
    with _translated(address):
        for message in _reader(address.project, _hosts()).read_rows(stream, retry=_storage_retry()):
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
        binary = pa.types.is_binary(array.type) and column_type is ColumnType.STRING
        raise DataError(
            f"{address.short}: column {name!r} ({array.type}) holds {value} where {EXPECTED[column_type]} is expected",
            f"list {name!r} in data.drop: it is not text"
            if binary
            else "correct the value or change the column's type in the schema",
        ) from exc


def _tables(address: Address) -> list[str]:
    with _translated(address):
        found = _client(address.project, _hosts()).list_tables(f"{address.project}.{address.dataset}", retry=_retry())
        return [table.table_id for table in found]


def _hosts() -> tuple[str | None, str | None]:
    return os.environ.get("BIGQUERY_EMULATOR_HOST"), os.environ.get("BIGQUERY_STORAGE_EMULATOR_HOST")


@functools.cache
def _client(project: str, hosts: tuple[str | None, str | None]) -> Any:
    from google.auth.credentials import AnonymousCredentials
    from google.auth.exceptions import GoogleAuthError
    from google.cloud.bigquery import Client

    try:  # it takes the emulator's address from the environment by itself
        return Client(project=project, credentials=AnonymousCredentials() if hosts[0] else None)
    except GoogleAuthError as exc:
        raise DataError("there are no credentials for BigQuery", _LOG_IN) from exc


@functools.cache
def _reader(project: str, hosts: tuple[str | None, str | None]) -> Any:
    from google.cloud.bigquery_storage_v1 import BigQueryReadClient
    from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport

    if hosts[1] is None:
        return BigQueryReadClient(credentials=_client(project, hosts)._credentials)
    import grpc

    most = [("grpc.max_receive_message_length", -1)]  # as the client sets it by itself
    return BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=grpc.insecure_channel(hosts[1], most)))


def _retry() -> Any:
    from google.cloud.bigquery import DEFAULT_RETRY

    return DEFAULT_RETRY.with_timeout(_RETRY_S)


def _storage_retry() -> Any:
    from google.api_core import exceptions
    from google.api_core.retry import Retry, if_exception_type

    return Retry(if_exception_type(exceptions.ServiceUnavailable, exceptions.DeadlineExceeded), timeout=_RETRY_S)


@contextmanager
def _translated(address: Address) -> Iterator[None]:
    """What the service or the network says no with, as a DataError that tells the remedy."""
    from google.api_core import exceptions
    from google.auth.exceptions import GoogleAuthError, TransportError
    from requests.exceptions import RequestException

    try:
        yield
    except exceptions.NotFound as exc:
        raise DataError(f"{address.short}: {_said(exc)}{_near(address)}", "correct the name") from exc
    except (exceptions.Forbidden, exceptions.TooManyRequests) as exc:
        is_quota = "quota" in _reason(exc).lower() or isinstance(exc, exceptions.TooManyRequests)
        remedy = "wait, or ask for more under IAM & Admin, Quotas" if is_quota else f"the caller needs {_ROLES}"
        raise DataError(f"{address.short}: {_said(exc)}", remedy) from exc
    except exceptions.BadRequest as exc:
        said = _said(exc)
        if address.query is None:
            raise DataError(f"{address.short}: BigQuery refuses it: {said}", "correct data.path") from exc
        raise DataError(f"data.query: {said}{_place(address.query, said)}", "correct the query") from exc
    except (exceptions.RetryError, TransportError, RequestException) as exc:
        cause = exc.cause if isinstance(exc, exceptions.RetryError) and exc.cause else exc
        raise DataError(
            f"{address.short}: BigQuery cannot be reached ({_said(cause)})", "check the network and try again later"
        ) from exc
    except (exceptions.Unauthorized, exceptions.Unauthenticated, GoogleAuthError) as exc:
        raise DataError(f"the credentials for BigQuery are not taken ({_said(exc)})", _LOG_IN) from exc
    except exceptions.GoogleAPICallError as exc:
        raise DataError(f"{address.short}: BigQuery failed: {_said(exc)}", "try again later") from exc


def _reason(error: Any) -> str:
    """The service's word for the kind of an error, such as quotaExceeded."""
    first = error.errors[0] if error.errors else {}
    return str(first.get("reason", "")) if isinstance(first, dict) else ""


def _said(error: Any) -> str:
    """The service's own sentence, without the request that Google's client puts around it."""
    errors = getattr(error, "errors", None)
    if errors and isinstance(errors[0], dict) and "message" in errors[0]:
        return str(errors[0]["message"])
    return " ".join(str(getattr(error, "message", None) or error).split())


def _place(query: str, said: str) -> str:
    """The line of the query that the service complains of, with a mark below the place."""
    match = re.search(r"at \[(\d+):(\d+)\]", said)
    lines = query.splitlines()
    if not match or int(match[1]) > len(lines):
        return ""
    return f"\n  {lines[int(match[1]) - 1]}\n  {' ' * (int(match[2]) - 1)}^"


def _near(address: Address) -> str:
    """Tables of like names; nothing if there are none, or they cannot be listed."""
    if address.table is None:
        return ""
    from google.api_core.exceptions import GoogleAPIError

    try:
        listed = _client(address.project, _hosts()).list_tables(f"{address.project}.{address.dataset}", retry=None)
        near = difflib.get_close_matches(address.table, [table.table_id for table in listed], n=1)
    except GoogleAPIError:
        return ""
    return f"; near it there is {near[0]!r}" if near else ""
