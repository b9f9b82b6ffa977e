"""BigQuery as a source, through Google's own clients and a stand-in for the service."""

from __future__ import annotations

import datetime as dt
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.config.loading import load
from pipeline.config.spans import Spans
from pipeline.data.columns import ColumnType
from pipeline.data.sources import bigquery, bigquery_client
from pipeline.data.sources.source import infer_columns, plan_fragments, read_fragment
from pipeline.data.sources.table_files import SourceFile, file_name, file_states, find_files, split_root
from pipeline.errors import ConfigError, DataError
from tests.stand_ins.bigquery import RefusalError, StandIn, Table, serving

CATS = "bigquery://my-project.pets.cats"
PEOPLE = pa.table({"n": [1, 2, 3], "name": ["Ada", None, "Cy"], "x": [0.5, 1.5, float("nan")]})


@pytest.fixture(scope="module")
def service() -> Iterator[StandIn]:
    with serving() as service:
        yield service


@pytest.fixture(autouse=True)
def asked(service: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Google's clients ask the stand-in, which holds nothing yet."""
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", service.url)
    monkeypatch.setenv("BIGQUERY_STORAGE_EMULATOR_HOST", service.storage)
    service.tables.clear()
    service.queries.clear()
    service.selected.clear()


def rows_of(pattern: str, columns: dict[str, ColumnType] | None = None, **spans: Any) -> list[dict[str, Any]]:
    files = find_files(pattern, **spans)
    columns = columns or infer_columns(files)
    return [
        row
        for fragment in plan_fragments(files, columns=columns)
        for batch in read_fragment(fragment, columns)
        for row in batch.to_pylist()
    ]


def problem(call: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    with pytest.raises(DataError) as caught:
        call(*args, **kwargs)
    return str(caught.value)


def test_every_type_of_a_table_becomes_one_of_ours(service: StandIn) -> None:
    noon = dt.datetime(2020, 1, 2, 12, 0, 0, 999_999)
    table = pa.table(
        {
            "whole": pa.array([1, None], pa.int64()),
            "real": pa.array([0.25, float("nan")], pa.float64()),
            "money": pa.array([Decimal("1.50"), None], pa.decimal128(38, 9)),
            "flag": pa.array([True, None], pa.bool_()),
            "text": pa.array(["á", ""], pa.string()),
            "bytes": pa.array([b"ab", None], pa.binary()),
            "day": pa.array([dt.date(1970, 1, 2), dt.date(1969, 12, 31)], pa.date32()),
            "local": pa.array([noon, None], pa.timestamp("us")),
            "moment": pa.array([noon, None], pa.timestamp("us", "UTC")),
        }
    )
    service.put("my-project.pets.cats", table)
    assert {name: str(kind) for name, kind in infer_columns(find_files(CATS)).items()} == {
        "whole": "int", "real": "float", "money": "float", "flag": "bool", "text": "string", "bytes": "string",
        "day": "timestamp", "local": "timestamp", "moment": "timestamp",
    }  # fmt: skip
    assert rows_of(CATS) == [
        {
            "whole": 1, "real": 0.25, "money": 1.5, "flag": 1, "text": "á", "bytes": "ab",
            "day": 86_400, "local": 1_577_966_400, "moment": 1_577_966_400,
        },
        {
            "whole": None, "real": None, "money": None, "flag": None, "text": "", "bytes": None,
            "day": -86_400, "local": None, "moment": None,
        },
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "called"),
    [
        (pa.list_(pa.float64()), "FLOAT REPEATED"),
        (pa.struct([("a", pa.int64())]), "RECORD"),
        (pa.time64("us"), "TIME"),
    ],
)
def test_what_is_no_column_is_refused_unless_it_is_dropped(service: StandIn, kind: pa.DataType, called: str) -> None:
    service.put("my-project.pets.cats", pa.table({"n": [1], "odd": pa.nulls(1, kind)}))
    files = find_files(CATS)
    assert problem(infer_columns, files) == (
        f"{CATS}: column 'odd' is of type {called}; a column must hold one number, text, boolean or time per row\n"
        "  Remedy: leave it out by `longhaul drop odd` (data.drop), or choose what you need of it by data.query"
    )
    columns = infer_columns(files, drop=["odd"])
    assert rows_of(CATS, columns) == [{"n": 1}]
    assert service.selected == [["n"]]  # nothing else is read, or paid for


def test_repeated_texts_and_whole_numbers_are_texts(service: StandIn) -> None:
    table = {"tags": pa.array([["a", "b"], []]), "codes": pa.array([[1, 2], [3]])}
    service.put("my-project.pets.cats", pa.table(table))
    assert infer_columns(find_files(CATS)) == {"tags": ColumnType.STRING, "codes": ColumnType.STRING}
    assert rows_of(CATS) == [{"tags": "a|b", "codes": "1|2"}, {"tags": None, "codes": "3"}]


def test_a_value_that_does_not_fit_is_shown(service: StandIn) -> None:
    service.put("my-project.pets.cats", pa.table({"b": pa.array([b"ok", b"\xff"], pa.binary())}))
    assert problem(rows_of, CATS) == (
        f"{CATS}: column 'b' (binary) holds the bytes ff where text (UTF-8) is expected\n"
        "  Remedy: leave it out by `longhaul drop b` (data.drop), or write what the bytes stand for, for example as "
        "hexadecimal text"
    )
    service.put("my-project.pets.cats", pa.table({"s": ["1", "two"]}))
    assert "column 's' (string) holds 'two' where a whole number (int64) is expected" in problem(
        rows_of, CATS, {"s": ColumnType.INT}
    )
    assert f"{CATS} has no column 't'; the columns are 's'" in problem(rows_of, CATS, {"t": ColumnType.INT})
    (fragment,) = plan_fragments(find_files(CATS))
    assert f"{CATS} has no column 't'; the columns are 's'" in problem(
        lambda: list(read_fragment(fragment, {"t": ColumnType.INT}))
    )


def test_a_large_table_comes_in_streams_and_small_batches(service: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bigquery, "_STREAM_BYTES", 10_000)
    service.put("my-project.pets.cats", pa.table({"n": range(5_000)}))  # 40,000 bytes
    fragments = plan_fragments(find_files(CATS), columns=["n"])
    assert len(fragments) == 5
    assert all(isinstance(fragment.stream, str) and fragment.path == CATS for fragment in fragments)
    kinds = {"n": ColumnType.INT}
    sizes = [b.num_rows for f in fragments for b in bigquery.read(f.path, str(f.stream), kinds)]
    assert sizes == [500, 500] * 5
    read = [row["n"] for f in fragments for b in read_fragment(f, kinds, 300) for row in b.to_pylist()]
    assert read[:3] == [0, 5, 10]
    assert sorted(read) == list(range(5_000))


def test_a_stream_that_breaks_off_goes_on_where_it_was(service: StandIn) -> None:
    service.put("my-project.pets.cats", pa.table({"n": range(2_000)}))
    service.break_off = 2
    assert [row["n"] for row in rows_of(CATS)] == list(range(2_000))
    assert service.break_off == 0


def test_a_query_runs_once_and_only_when_it_is_read(service: StandIn) -> None:
    service.put("my-project.pets.cats", PEOPLE)
    pattern = "bigquery://my-project.pets?SELECT n, n * 2.5 AS more\nFROM cats WHERE n > 1"
    files = find_files(pattern)
    assert files == [SourceFile(pattern, 0)]
    assert file_name(pattern) == "the query of bigquery://my-project.pets"
    assert split_root(pattern) == (pattern, "")
    assert infer_columns(files) == {"n": ColumnType.INT, "more": ColumnType.FLOAT}
    assert file_states(files) == [(pattern, PEOPLE.nbytes, service.tables["my-project.pets.cats"].modified_ms * 10**6)]
    assert service.queries == []
    assert rows_of(pattern) == [{"n": 2, "more": 5.0}, {"n": 3, "more": 7.5}]
    assert service.queries == ["SELECT n, n * 2.5 AS more\nFROM cats WHERE n > 1"]


def test_a_view_is_read_by_a_query(service: StandIn) -> None:
    service.put("my-project.pets.people", PEOPLE)
    service.tables["my-project.pets.cats"] = Table(
        PEOPLE.slice(0, 0), "SELECT name, n FROM `my-project.pets.people` WHERE n < 3", modified_ms=1
    )
    assert rows_of(CATS) == [{"name": "Ada", "n": 1}, {"name": None, "n": 2}]
    assert service.queries == ["SELECT * FROM `my-project.pets.cats`"]
    newest = service.tables["my-project.pets.people"].modified_ms * 10**6
    assert file_states(find_files(CATS)) == [(CATS, PEOPLE.nbytes, newest)]  # what it shows changes with its table


def test_a_table_that_was_written_again_shows(service: StandIn) -> None:
    service.put("my-project.pets.cats", PEOPLE)
    before = file_states(find_files(CATS))
    assert file_states(find_files(CATS)) == before
    service.put("my-project.pets.cats", PEOPLE)
    assert file_states(find_files(CATS)) != before


def test_spans_are_date_sharded_tables(service: StandIn) -> None:
    for day in (20260103, 20260101, 20260102):
        service.put(f"my-project.pets.cats_{day}", pa.table({"day": [day]}))
    service.put("my-project.pets.cats_x", PEOPLE)
    service.put("my-project.pets.dogs_20260101", PEOPLE)
    pattern = f"{CATS}_{{SPAN}}"
    assert [(file.path, file.span) for file in find_files(pattern)] == [
        (f"{CATS}_{day}", day) for day in (20260101, 20260102, 20260103)
    ]
    assert rows_of(pattern, spans=Spans(use=(20260102, 20260109))) == [{"day": 20260102}, {"day": 20260103}]
    assert "no table matches" in problem(find_files, "bigquery://my-project.pets.mice_{SPAN}")
    assert "pets_{SPAN}.cats is no table in BigQuery" in problem(find_files, "bigquery://my-project.pets_{SPAN}.cats")
    assert "{SPAN} stands in" in problem(find_files, "bigquery://my-project?SELECT {SPAN}")
    assert "{SPAN} stands in" in problem(find_files, "bigquery://my-project.pets.cats_{SPAN}_{SPAN}")


def test_no_such_table(service: StandIn) -> None:
    service.put("my-project.pets.cats", PEOPLE)
    assert problem(find_files, "bigquery://my-project.pets.cat") == (
        "bigquery://my-project.pets.cat: Not found: Table my-project:pets.cat was not found in location US; "
        "near it there is 'cats'\n  Remedy: correct the name"
    )
    query = "bigquery://my-project?SELECT 1 FROM pets.dogs"
    assert "the query of bigquery://my-project: Not found: Table my-project:pets.dogs" in problem(find_files, query)


def test_a_bad_query_is_shown_with_the_place(service: StandIn) -> None:
    service.put("my-project.pets.cats", PEOPLE)
    pattern = "bigquery://my-project.pets?SELECT n,\n  nmae\nFROM cats"
    assert problem(find_files, pattern) == (
        "data.query: Unrecognized name: nmae at [2:3]\n    nmae\n    ^\n  Remedy: correct the query"
    )
    assert 'data.query: Syntax error: Unexpected identifier "SELEC" at [1:1]' in problem(
        find_files, "bigquery://my-project?SELEC 1"
    )


def test_the_service_says_no(service: StandIn) -> None:
    service.put("my-project.pets.cats", PEOPLE)
    said = "Access Denied: Table my-project:pets.cats: User does not have permission to query the table"
    service.refuse_with = RefusalError(403, "accessDenied", said)
    assert problem(find_files, CATS) == (
        f"{CATS}: {said}\n  Remedy: the caller needs BigQuery Data Viewer on the data, BigQuery Job User and "
        "BigQuery Read Session User on the project"
    )
    service.refuse_with = RefusalError(403, "quotaExceeded", "Quota exceeded: too many queries")
    assert "Remedy: wait, or ask for more" in problem(find_files, CATS)
    service.refuse_with = RefusalError(401, "authError", "Invalid Credentials")
    assert "the credentials for BigQuery are not taken (" in problem(find_files, CATS)
    service.refuse_with = RefusalError(400, "invalid", "Invalid table ID")
    assert f"{CATS}: BigQuery refuses it: Invalid table ID" in problem(find_files, CATS)
    denied = "Permission 'bigquery.readsessions.create' denied on project 'my-project'"
    service.refuse_reading_with = (grpc.StatusCode.PERMISSION_DENIED, denied)
    try:
        assert denied in problem(rows_of, CATS)
    finally:
        service.refuse_reading_with = None
    assert len(rows_of(CATS)) == 3


def test_no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("BIGQUERY_EMULATOR_HOST")
    monkeypatch.delenv("BIGQUERY_STORAGE_EMULATOR_HOST")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")  # of google.auth: do not look for a metadata server
    assert problem(find_files, CATS) == (
        "there are no credentials for BigQuery\n  Remedy: log in with `gcloud auth application-default login`, "
        "or set GOOGLE_APPLICATION_CREDENTIALS"
    )


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch, service: StandIn) -> None:
    service.put("my-project.pets.cats", PEOPLE)
    for module in (bigquery, bigquery_client):
        monkeypatch.setattr(module, "RETRY_S", 1.0)
    monkeypatch.setenv("BIGQUERY_STORAGE_EMULATOR_HOST", f"127.0.0.1:{_free_port()}")
    assert f"{CATS}: BigQuery cannot be reached" in problem(rows_of, CATS)
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", f"http://127.0.0.1:{_free_port()}")
    assert f"{CATS}: BigQuery cannot be reached" in problem(find_files, CATS)


def configured(folder: Path, **data: Any) -> Path:
    schema = folder / "cats.pbtxt"
    schema.write_text('feature { name: "n" type: INT }\nfeature { name: "y" type: INT }\n')
    file = folder / "cats.yaml"
    document = {
        "name": "cats",
        "workspace": str(folder / "workspace"),
        "data": {"path": CATS, "label": "y", "task": "binary"} | data,
        "split": {"by": "hash"},
        "schema": {"file": "cats.pbtxt"},
        "evaluation": {"thresholds": {"auc": {"at_least": 0.5}}},
    }
    file.write_text(yaml.safe_dump(document))
    return file


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"path": "bigquery://pets.cats"}, "path: must be bigquery://PROJECT.DATASET.TABLE, or bigquery://PROJECT"),
        ({"path": "bigquery://my-project"}, "not bigquery://my-project"),
        ({"query": "SELECT 1"}, "query: path must be bigquery://PROJECT or bigquery://PROJECT.DATASET, not"),
        ({"path": "cats.csv", "query": "SELECT 1"}, "not cats.csv"),
        ({"path": "bigquery://my-project", "query": "SELECT {SPAN}"}, "query: {SPAN} can only stand in the name"),
        ({"serving": "bigquery://cats"}, "serving: must be bigquery://PROJECT.DATASET.TABLE, not bigquery://cats"),
    ],
)
def test_a_configuration_that_names_no_table(tmp_path: Path, data: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        load(configured(tmp_path, **data))


def test_the_configurations_pattern_holds_the_query(tmp_path: Path) -> None:
    assert load(configured(tmp_path)).data_pattern == CATS
    with_query = load(configured(tmp_path, path="bigquery://my-project.pets", query="SELECT * FROM cats"))
    assert with_query.data_pattern == "bigquery://my-project.pets?SELECT * FROM cats"


def test_nothing_of_googles_is_imported_for_tables_elsewhere(tmp_path: Path) -> None:
    pq.write_table(PEOPLE, tmp_path / "t.parquet")
    code = (
        "import sys; from pipeline.data.sources.source import infer_columns; "
        "from pipeline.data.sources.table_files import find_files\n"
        f"print(len(infer_columns(find_files({str(tmp_path)!r}))))\n"
        "print([name for name in sys.modules if name.startswith(('google.cloud.', 'google.auth', 'grpc'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600)
    assert done.stdout.split("\n")[:2] == ["3", "[]"]


_EMULATOR = """
from bqemulator.storage.engine import DuckDBEngine
DuckDBEngine._load_spatial = lambda self: None  # an extension that DuckDB would download; for GEOGRAPHY only
from bqemulator.cli import main
main()
"""


@contextmanager
def _emulator(python: str, home: Path) -> Iterator[tuple[str, str]]:
    """Another's stand-in for the service: the addresses of REST and of the Storage Read API."""
    rest, storage = _free_port(), _free_port()
    ports = ["--rest-port", str(rest), "--grpc-port", str(storage)]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [python, "-c", _EMULATOR, "start", *ports], env=os.environ | {"HOME": str(home)}, stdout=log, stderr=log
        )
    try:
        for port in (rest, storage):
            _wait_for(port, process, home / "log")
        yield f"http://127.0.0.1:{rest}", f"127.0.0.1:{storage}"
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(1500):  # five minutes, on a busy machine
        assert process.poll() is None, log.read_text()
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.2)
    raise AssertionError(log.read_text())


@pytest.mark.extra
@pytest.mark.slow
def test_another_stand_in_gives_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What `tests/stand_ins/bigquery.py` was not written for: bqemulator, REST and gRPC over DuckDB."""
    python = os.environ.get("BQEMULATOR_PYTHON")
    if not python:
        pytest.skip("BQEMULATOR_PYTHON does not name a Python with bqemulator and numpy (pip install them apart)")
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.bigquery import Client

    with _emulator(python, tmp_path) as (rest, storage):
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", rest)
        monkeypatch.setenv("BIGQUERY_STORAGE_EMULATOR_HOST", storage)
        client = Client(project="my-project", credentials=AnonymousCredentials())
        client.create_dataset("pets")
        kinds = "n INT64, x FLOAT64, m NUMERIC, f BOOL, s STRING, b BYTES, d DATE, l DATETIME, t TIMESTAMP"
        client.query(f"CREATE TABLE pets.cats_20260101 ({kinds}, tags ARRAY<INT64>)").result()
        client.query(
            "INSERT INTO pets.cats_20260101 VALUES (1, 0.25, 1.5, TRUE, 'á', b'ab', DATE '1970-01-02', "
            "DATETIME '1970-01-01 00:00:01', TIMESTAMP '1970-01-01 00:00:02.9+00', [1, 2]), "
            "(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, [])"
        ).result()
        (file,) = find_files(f"{CATS}_{{SPAN}}")
        assert (file.path, file.span) == (f"{CATS}_20260101", 20260101)
        columns = infer_columns([file], drop=["tags"])
        assert rows_of(file.path, columns) == [
            {"n": 1, "x": 0.25, "m": 1.5, "f": 1, "s": "á", "b": "ab", "d": 86_400, "l": 1, "t": 2},
            dict.fromkeys(columns),
        ]
        assert "column 'tags' is of type INTEGER REPEATED" in problem(infer_columns, [file])
        assert f"{CATS}: Not found: " in problem(find_files, CATS)
        assert "data.query: " in problem(find_files, "bigquery://my-project.pets?SELEC 1")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
