"""BigQuery, as much of its REST API and of the Storage Read API as Longhaul uses, on the loopback interface.

Google's own clients talk to it, unmodified. Queries really run, by SQLite: plain SELECTs only.
"""

from __future__ import annotations

import math
import re
import sqlite3
import time
from collections.abc import Iterator
from concurrent import futures
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

import grpc
import pyarrow as pa
import pyarrow.compute as pc
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from google.cloud.bigquery_storage_v1 import types

from tests.stand_ins.server import listening

_TYPES = (
    (pa.types.is_boolean, "BOOLEAN"),
    (pa.types.is_integer, "INTEGER"),
    (pa.types.is_floating, "FLOAT"),
    (pa.types.is_decimal, "NUMERIC"),
    (pa.types.is_string, "STRING"),
    (pa.types.is_binary, "BYTES"),
    (pa.types.is_date, "DATE"),
    (pa.types.is_time, "TIME"),
    (pa.types.is_struct, "RECORD"),
)
_TABLE = "/projects/{project}/datasets/{dataset}/tables/{table}"
_NAMES = re.compile(r"\b(FROM|JOIN)\s+(`[^`]+`|[\w-]+(?:\.[\w-]+)+|\w+)", re.IGNORECASE)
_BATCH_ROWS = 500


@dataclass
class Table:
    """A table, or a view: then `rows` is empty and `query` gives them."""

    rows: pa.Table
    query: str | None = None
    modified_ms: int = field(default_factory=lambda: int(time.time() * 1000))


class RefusalError(Exception):
    """The service says no: the HTTP status, its word for the reason, its sentence."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message

    @property
    def body(self) -> dict[str, Any]:
        return {"message": self.message, "domain": "global", "reason": self.reason}


@dataclass
class StandIn:
    """What the service holds.

    Attributes:
        tables: by project.dataset.table.
        refuse_with: with what the next REST request is refused.
        refuse_reading_with: with what sessions of the Storage Read API are refused.
        break_off: how many times a stream still breaks off after its first batch.
        queries: that were run, dry runs left out.
        selected: the columns that each session was opened for.
    """

    url: str = ""
    storage: str = ""
    tables: dict[str, Table] = field(default_factory=dict)
    refuse_with: RefusalError | None = None
    refuse_reading_with: tuple[grpc.StatusCode, str] | None = None
    break_off: int = 0
    queries: list[str] = field(default_factory=list)
    selected: list[list[str]] = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    streams: dict[str, pa.Table] = field(default_factory=dict)

    def put(self, name: str, rows: pa.Table) -> None:
        """Writes a table anew."""
        before = self.tables.get(name)
        self.tables[name] = Table(rows)
        if before:  # a clock of milliseconds may not have moved
            self.tables[name].modified_ms = max(self.tables[name].modified_ms, before.modified_ms + 1)

    def table(self, name: str) -> Table:
        """Raises: RefusalError, if there is none."""
        if name not in self.tables:
            project, _, rest = name.partition(".")
            raise RefusalError(404, "notFound", f"Not found: Table {project}:{rest} was not found in location US")
        return self.tables[name]

    def insert(self, project: str, resource: dict[str, Any]) -> dict[str, Any]:
        """jobs.insert of a query: a job that has ended, well or not; a dry run that is wrong is refused at once."""
        configuration = resource["configuration"]
        asked = configuration["query"]
        reference = resource.get("jobReference", {"projectId": project, "jobId": str(uuid4())}) | {"location": "US"}
        job: dict[str, Any] = {"jobReference": reference, "configuration": configuration, "status": {"state": "DONE"}}
        default = asked.get("defaultDataset")
        dataset = f"{default['projectId']}.{default['datasetId']}" if default else None
        dry = configuration.get("dryRun", False)
        try:
            rows, read = self._select(asked["query"], project, dataset, only_plan=dry)
        except RefusalError as refusal:
            if dry:
                raise
            job["status"] |= {"errorResult": refusal.body, "errors": [refusal.body]}
            self.jobs[reference["jobId"]] = job
            return job
        names = [dict(zip(("projectId", "datasetId", "tableId"), name.split("."), strict=True)) for name in read]
        scanned = str(sum(self.tables[name].rows.nbytes for name in read))
        job["statistics"] = {
            "totalBytesProcessed": scanned,
            "query": {"schema": _schema(rows.schema), "referencedTables": names, "statementType": "SELECT"},
        }
        if not dry:
            self.queries.append(asked["query"])
            kept = f"{project}._anonymous.anon{uuid4().hex}"
            self.put(kept, rows)
            job["configuration"]["query"]["destinationTable"] = dict(
                zip(("projectId", "datasetId", "tableId"), kept.split("."), strict=True)
            )
            self.jobs[reference["jobId"]] = job
        return job

    def results(self, job_id: str) -> dict[str, Any]:
        """jobs.getQueryResults, without rows: who wants those reads the destination table."""
        job = self.jobs[job_id]
        if error := job["status"].get("errorResult"):
            raise RefusalError(400, error["reason"], error["message"])
        where = job["configuration"]["query"]["destinationTable"]
        rows = self.tables[f"{where['projectId']}.{where['datasetId']}.{where['tableId']}"].rows
        return {
            "jobReference": job["jobReference"],
            "jobComplete": True,
            "schema": _schema(rows.schema),
            "totalRows": str(rows.num_rows),
        }

    def _select(
        self, sql: str, project: str, dataset: str | None, only_plan: bool = False
    ) -> tuple[pa.Table, list[str]]:
        """The result of a query (of a dry run only its schema) and the tables that it reads."""
        read: list[str] = []
        with closing(sqlite3.connect(":memory:")) as store:

            def take(match: re.Match[str]) -> str:
                parts = match[2].strip("`").split(".")
                before = {1: dataset, 2: project, 3: None}[len(parts)]
                name = ".".join([*([before] if before else []), *parts])
                table = self.table(name)
                rows = table.rows
                if table.query is None:
                    read.append(name)
                else:
                    rows, below = self._select(table.query, project, dataset)
                    read.extend(below)
                _load(store, name, rows)
                types.update({column.name: column.type for column in rows.schema})
                return f'{match[1]} "{name}"'

            types: dict[str, pa.DataType] = {}
            rewritten = _NAMES.sub(take, sql)
            try:
                cursor = store.execute(rewritten)
                names = [column[0] for column in cursor.description]
                values = list(zip(*cursor.fetchall(), strict=True)) or [()] * len(names)
            except sqlite3.Error as exc:
                raise _complaint(sql, str(exc)) from exc
        columns = [
            pa.array(column).cast(types[name]) if name in types else pa.array(column)
            for name, column in zip(names, values, strict=True)
        ]
        rows = pa.table(columns, names)
        return (rows.slice(0, 0) if only_plan else rows), read


def _load(store: sqlite3.Connection, name: str, rows: pa.Table) -> None:
    """Into SQLite, which has numbers and text: times as whole numbers, decimals as floats."""
    plain = []
    for column in rows.columns:
        if pa.types.is_timestamp(column.type) or pa.types.is_boolean(column.type):
            column = column.cast(pa.int64())
        elif pa.types.is_date(column.type):
            column = column.cast(pa.int32())
        elif pa.types.is_decimal(column.type):
            column = column.cast(pa.float64())
        plain.append(column.to_pylist())
    names = ", ".join(f'"{column}"' for column in rows.column_names)
    store.execute(f'CREATE TABLE IF NOT EXISTS "{name}" ({names})')
    places = ", ".join("?" * rows.num_columns)
    store.executemany(f'INSERT INTO "{name}" VALUES ({places})', zip(*plain, strict=True))


def _complaint(sql: str, said: str) -> RefusalError:
    """SQLite's words as BigQuery says them, with line and column."""
    match = re.search(r'near "(.+)": syntax error|no such column: (.+)', said)
    if not match:
        return RefusalError(400, "invalidQuery", said)
    token = match[1] or match[2]
    before = sql[: sql.index(token)]
    place = f"[{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}]"
    what = f'Syntax error: Unexpected identifier "{token}"' if match[1] else f"Unrecognized name: {token}"
    return RefusalError(400, "invalidQuery", f"{what} at {place}")


def _schema(schema: pa.Schema) -> dict[str, Any]:
    return {"fields": [_field(column.name, column.type) for column in schema]}


def _field(name: str, kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_list(kind):
        return _field(name, kind.value_type) | {"mode": "REPEATED"}
    if pa.types.is_timestamp(kind):
        return {"name": name, "type": "TIMESTAMP" if kind.tz else "DATETIME", "mode": "NULLABLE"}
    (called,) = [word for is_such, word in _TYPES if is_such(kind)]
    inner = {"fields": [_field(part.name, part.type) for part in kind]} if called == "RECORD" else {}
    return {"name": name, "type": called, "mode": "NULLABLE"} | inner


def _app(service: StandIn) -> FastAPI:
    app = FastAPI()
    root = "/bigquery/v2"

    @app.exception_handler(RefusalError)
    def refuse(request: Request, refusal: RefusalError) -> JSONResponse:
        error = {"code": refusal.status, "message": refusal.message, "errors": [refusal.body]}
        return JSONResponse({"error": error}, refusal.status)

    @app.middleware("http")
    async def maybe_refuse(request: Request, call_next: Any) -> Any:
        if refusal := service.refuse_with:
            service.refuse_with = None
            return refuse(request, refusal)
        return await call_next(request)

    @app.get(root + _TABLE)
    def get_table(project: str, dataset: str, table: str) -> dict[str, Any]:
        found = service.table(f"{project}.{dataset}.{table}")
        rows = found.rows if found.query is None else service._select(found.query, project, dataset)[0]
        return {
            "kind": "bigquery#table",
            "etag": f'"{found.modified_ms}"',
            "tableReference": {"projectId": project, "datasetId": dataset, "tableId": table},
            "schema": _schema(rows.schema),
            "numRows": str(found.rows.num_rows),
            "numBytes": str(found.rows.nbytes),
            "lastModifiedTime": str(found.modified_ms),
            "type": "TABLE" if found.query is None else "VIEW",
            "location": "US",
        } | ({"view": {"query": found.query, "useLegacySql": False}} if found.query else {})

    @app.get(root + "/projects/{project}/datasets/{dataset}/tables")
    def list_tables(project: str, dataset: str, pageToken: int = 0) -> dict[str, Any]:  # noqa: N803 (Google's name)
        names = sorted(name.split(".")[2] for name in service.tables if name.startswith(f"{project}.{dataset}."))
        page = [
            {"tableReference": {"projectId": project, "datasetId": dataset, "tableId": name}, "type": "TABLE"}
            for name in names[pageToken : pageToken + 2]
        ]
        more = {"nextPageToken": str(pageToken + 2)} if pageToken + 2 < len(names) else {}
        return {"kind": "bigquery#tableList", "tables": page, "totalItems": len(names)} | more

    @app.post(root + "/projects/{project}/jobs")
    async def insert_job(project: str, request: Request) -> dict[str, Any]:
        return service.insert(project, await request.json())

    @app.get(root + "/projects/{project}/jobs/{job}")
    def get_job(project: str, job: str) -> dict[str, Any]:
        return service.jobs[job]

    @app.get(root + "/projects/{project}/queries/{job}")
    def get_query_results(project: str, job: str) -> dict[str, Any]:
        return service.results(job)

    return app


def _create_read_session(service: StandIn, request: Any, context: grpc.ServicerContext) -> Any:
    """Deals a table's rows out to streams like cards, so that whoever relies on their order is found out."""
    if service.refuse_reading_with:
        context.abort(*service.refuse_reading_with)
    session = request.read_session
    _, project, _, dataset, _, table = session.table.split("/")
    rows = service.table(f"{project}.{dataset}.{table}").rows
    chosen = list(session.read_options.selected_fields)
    service.selected.append(chosen)
    rows = _restricted(rows, session.read_options.row_restriction)
    rows = rows.select([name for name in rows.column_names if not chosen or name in chosen])
    count = max(1, min(request.max_stream_count, math.ceil(rows.num_rows / _BATCH_ROWS)))
    name = f"{request.parent}/locations/us/sessions/{uuid4().hex}"
    names = [f"{name}/streams/{number}" for number in range(count)]
    for number, stream in enumerate(names):
        service.streams[stream] = rows.take(pa.array(range(number, rows.num_rows, count), pa.int64()))
    return types.ReadSession(
        name=name,
        table=session.table,
        data_format=types.DataFormat.ARROW,
        arrow_schema={"serialized_schema": rows.schema.serialize().to_pybytes()},
        streams=[{"name": stream} for stream in names if rows.num_rows],
    )


def _restricted(rows: pa.Table, sql: str) -> pa.Table:
    """Rows by `COLUMN >= TIMESTAMP 'TIME'`, which is all that is asked for."""
    if not sql:
        return rows
    column, kind, text = re.fullmatch(r"(\w+) >= (TIMESTAMP|DATETIME) '([^']+)'", sql).groups()  # type: ignore[union-attr]
    times = rows.column(column)
    assert (kind == "TIMESTAMP") is bool(times.type.tz)
    return rows.filter(
        pc.greater_equal(times, pa.scalar(datetime.fromisoformat(text + "+00:00" * (kind == "TIMESTAMP")), times.type))
    )


def _read_rows(service: StandIn, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
    rows = service.streams[request.read_stream].slice(request.offset)
    for number, batch in enumerate(rows.to_batches(max_chunksize=_BATCH_ROWS)):
        if number and service.break_off:
            service.break_off -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "the connection was lost")
        yield types.ReadRowsResponse(
            arrow_schema={"serialized_schema": rows.schema.serialize().to_pybytes()} if number == 0 else None,
            arrow_record_batch={"serialized_record_batch": batch.serialize().to_pybytes()},
            row_count=batch.num_rows,
        )


def _storage(service: StandIn) -> tuple[grpc.Server, int]:
    handlers = {
        "CreateReadSession": grpc.unary_unary_rpc_method_handler(
            lambda request, context: _create_read_session(service, request, context),
            types.CreateReadSessionRequest.deserialize,
            types.ReadSession.serialize,
        ),
        "ReadRows": grpc.unary_stream_rpc_method_handler(
            lambda request, context: _read_rows(service, request, context),
            types.ReadRowsRequest.deserialize,
            types.ReadRowsResponse.serialize,
        ),
    }
    server = grpc.server(futures.ThreadPoolExecutor(4))
    name = "google.cloud.bigquery.storage.v1.BigQueryRead"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


@contextmanager
def serving() -> Iterator[StandIn]:
    """The service, at work until the end of the block."""
    service = StandIn()
    storage, port = _storage(service)
    service.storage = f"127.0.0.1:{port}"
    try:
        with listening(_app(service)) as service.url:
            yield service
    finally:
        storage.stop(None)
