"""Tables, views and queries of a real PostgreSQL server: types, spans, what is refused, and where no secret may be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config.loading import load
from pipeline.data.columns import ColumnType
from pipeline.data.sources.source import infer_columns, plan_fragments, read_fragment, read_verbatim
from pipeline.data.sources.table_files import file_states, find_files
from pipeline.errors import DataAwayError, DataError
from tests.e2e.servers import PASSWORD, PostgreSQL, postgresql

pytestmark = [pytest.mark.extra, pytest.mark.slow]

INT, FLOAT, STRING, BOOL, TIMESTAMP = ColumnType
TYPES = """
CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE TABLE kinds (
  "Größe" int, big bigint, exact numeric(20, 0), price numeric(10, 2), share real, ratio double precision, name text,
  short varchar(9), padded char(5), yes boolean, day date, noon timestamp, moment timestamptz, hour time, paid money,
  lasted interval, what jsonb, which uuid, host inet, mood mood, raw bytea, many int[], nothing text,
  halves float8[]
);
INSERT INTO kinds VALUES
  (1, 9007199254740993, 18446744073709551615, 1.50, 0.5, 0.25, 'tä', 'v', 'c', true, '2020-01-02',
   '2020-01-02 03:04:05.9', '2020-01-02 03:04:05+02', '03:04', '$5.00', '1 day', '{"a": 1}',
   'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '10.0.0.1',
   'sad', 'ok', '{1,2}', NULL, '{0.5}'),
  (NULL, NULL, NULL, NULL, 'NaN', NULL, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
   NULL, NULL, NULL, NULL, NULL);
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with postgresql() as server:
        sql(server, "CREATE DATABASE shop", database="postgres")
        sql(server, TYPES)
        for week in (1, 2, 10):
            rows = f"SELECT g AS id, g % 7 AS x, (g / 7 + {week}) % 2 AS label FROM generate_series(1, 100) g"
            sql(server, f"CREATE TABLE orders_{week} AS {rows}")
        sql(server, "CREATE VIEW older AS SELECT * FROM orders_1 UNION ALL SELECT * FROM orders_2")
        sql(
            server,
            'CREATE SCHEMA sales; CREATE TABLE sales."Odd ""name" (a int); INSERT INTO sales."Odd ""name" VALUES (7)',
        )
        yield server


def sql(server: PostgreSQL, text: str, database: str = "shop") -> None:
    server.call("psql", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", server.port, "-U", "longhaul", "-d", database,
                "-c", text)  # fmt: skip


@pytest.fixture
def shop(server: PostgreSQL, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    return f"postgresql://longhaul@127.0.0.1:{server.port}/shop"


def rows_of(address: str, drop: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    files = find_files(address)
    types = infer_columns(files, drop)
    return [row for one in plan_fragments(files) for batch in read_fragment(one, types) for row in batch.to_pylist()]


def problem(address: str) -> str:
    with pytest.raises(DataError) as caught:
        rows_of(address)
    assert PASSWORD not in str(caught.value)
    assert caught.value.remedy
    return str(caught.value)


def test_every_type_becomes_one_of_ours(shop: str) -> None:
    unusable: dict[str, DataError] = {}
    files = find_files(f"{shop}#kinds")
    texts = (
        "exact",
        "price",
        "name",
        "short",
        "padded",
        "hour",
        "paid",
        "lasted",
        "what",
        "which",
        "host",
        "mood",
        "raw",
        "many",
    )
    assert infer_columns(files, unusable=unusable) == {
        "Größe": INT, "big": INT, "share": FLOAT, "ratio": FLOAT, "yes": BOOL,
        "day": TIMESTAMP, "noon": TIMESTAMP, "moment": TIMESTAMP, "nothing": STRING, **dict.fromkeys(texts, STRING),
    }  # fmt: skip
    assert list(unusable) == ["halves"]
    full, empty = rows_of(f"{shop}#kinds", drop=("halves",))
    assert full == {
        "Größe": 1, "big": 9007199254740993, "exact": "18446744073709551615", "price": "1.50", "share": 0.5,
        "ratio": 0.25, "name": "tä", "short": "v", "padded": "c", "yes": 1, "day": 1577923200, "noon": 1577934245,
        "moment": 1577927045,
        "hour": "03:04:00", "paid": "$5.00", "lasted": "1 day", "what": '{"a": 1}', "raw": "ok",
        "which": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "host": "10.0.0.1/32", "mood": "sad", "nothing": None,
        "many": "1|2",
    }  # fmt: skip
    assert {name for name, value in empty.items() if value is not None} == {"name"}
    fragment = plan_fragments(files)[0]
    (batch,) = read_verbatim(fragment, ["big", "day", "which"], 10)
    assert [field.type for field in batch.schema] == [pa.int64(), pa.date32(), pa.string()]


def test_a_table_a_view_a_query_and_a_table_elsewhere(shop: str) -> None:
    assert len(rows_of(f"{shop}#orders_2")) == 100
    assert len(rows_of(f"{shop}#older")) == 200
    assert rows_of(f'{shop}#sales.Odd "name') == [{"a": 7}]
    assert rows_of(f"{shop}?SELECT max(id) AS most, 'a;b' AS t FROM older;") == [{"most": 100, "t": "a;b"}]
    assert rows_of(f"{shop}?with w as (select 1 as n) select n from w where n < 0 or n > 0 -- a remark\n") == [{"n": 1}]


def test_tables_of_spans_are_told_by_their_number(shop: str) -> None:
    files = find_files(f"{shop}#orders_{{SPAN}}")
    assert [(file.path.rpartition("#")[2], file.span) for file in files] == [
        ("orders_1", 1),
        ("orders_2", 2),
        ("orders_10", 10),
    ]
    assert "it can only stand in the name of a table" in problem(f"{shop}?SELECT * FROM orders_{{SPAN}}")


def test_whether_a_table_changed_is_told_by_what_is_in_it(shop: str, server: PostgreSQL) -> None:
    sql(server, "CREATE TABLE moving AS SELECT g AS a, 'x' AS b FROM generate_series(1, 50) g")
    files = [*find_files(f"{shop}#moving"), *find_files(f"{shop}?SELECT * FROM moving WHERE a > 10")]
    before = file_states(files)
    assert file_states(files) == before
    sql(
        server,
        "CREATE TABLE again AS SELECT * FROM moving ORDER BY a DESC; DROP TABLE moving; "
        "ALTER TABLE again RENAME TO moving",
    )
    assert file_states(files) == before  # in another order they are the same
    sql(server, "UPDATE moving SET b = 'y' WHERE a = 5")
    after = file_states(files)
    assert (after[0] == before[0], after[1] == before[1]) == (False, True)  # the query does not read that row


def test_what_is_wrong_is_said_with_a_remedy(shop: str, server: PostgreSQL, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "has no table 'order_1' that may be read; the nearest names are 'orders_1'" in problem(f"{shop}#order_1")
    assert "tables: 'kinds'" in problem(shop)
    wrong = problem(f"{shop}?SELECT nosuch FROM kinds")
    assert wrong == (
        'data.query does not run: column "nosuch" does not exist (line 1 of the query)\n  Remedy: correct the query'
    )
    assert "does not run" in problem(f"{shop}?SELECT 1 / (id - 1) AS n FROM orders_1")
    assert "does not run" in problem(f"{shop}?WITH gone AS (DELETE FROM orders_1 RETURNING id) SELECT * FROM gone")
    assert len(rows_of(f"{shop}#orders_1")) == 100
    assert "more than once" in problem(f"{shop}?SELECT 1 AS a, 2 AS a")
    assert 'database "none" does not exist' in problem(shop.replace("/shop", "/none"))
    with pytest.raises(DataAwayError, match="does not answer"):
        find_files("postgresql://longhaul@127.0.0.1:1/shop#t")
    monkeypatch.setenv("PGPASSWORD", "wrong")
    assert "PGPASSWORD" in problem(f"{shop}#kinds")
    monkeypatch.delenv("PGPASSWORD")
    assert "PGPASSWORD" in problem(f"{shop}#kinds")
    sql(server, "CREATE ROLE guest LOGIN PASSWORD 'guest'")
    monkeypatch.setenv("PGPASSWORD", "guest")
    assert "that may be read" in problem(f"{shop.replace('longhaul', 'guest')}#kinds")


def test_a_password_is_read_from_pgpass_and_never_from_an_address(
    shop: str, server: PostgreSQL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPASSWORD")
    (tmp_path / "pgpass").write_text(f"127.0.0.1:{server.port}:shop:longhaul:{PASSWORD}\n")
    (tmp_path / "pgpass").chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pgpass"))
    assert len(rows_of(f"{shop}#older")) == 200
    told = problem(f"{shop.replace('longhaul@', f'longhaul:{PASSWORD}@')}#older")
    assert "holds a password" in told
    assert "PGPASSWORD" in told
    assert PASSWORD not in problem(f"postgresql://longhaul:{PASSWORD}@127.0.0.1")


def test_init_takes_a_table_and_a_query(shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for address, name, query in (
        (f"{shop}#orders_2", "orders-2", None),
        (f"{shop}?SELECT x, label FROM older", "shop", "SELECT x, label FROM older"),
    ):
        done = CliRunner().invoke(app, ["init", address, "--label", "label"])
        assert done.exit_code == 0, done.exception
        data = load(Path(f"{name}.yaml")).data
        assert (data.path, data.query) == (address.partition("?")[0], query)
        assert PASSWORD not in done.output + Path(f"{name}.yaml").read_text()
    # PostgreSQL's exact numbers are numbers to a model.
    done = CliRunner().invoke(app, ["init", f"{shop}?SELECT g * 0.5 AS n, g % 2 AS label FROM generate_series(1, 60) g",
                                    "--label", "label", "--name", "exact"])  # fmt: skip
    assert done.exit_code == 0, done.exception
    assert load(Path("exact.yaml")).data.columns["n"].kind == "number"


_PEAK = """
import resource, sys
from pipeline.data.columns import ColumnType
from pipeline.data.sources.source import infer_columns, plan_fragments, read_fragment
from pipeline.data.sources.table_files import find_files
files = find_files(sys.argv[1])
types = infer_columns(files)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = sum(batch.num_rows for one in plan_fragments(files) for batch in read_fragment(one, types))
print(rows, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.long
def test_a_large_table_is_read_in_bounded_memory(shop: str, server: PostgreSQL) -> None:
    sql(
        server,
        "CREATE TABLE large AS SELECT g AS id, md5(g::text) || md5(g::text) AS t FROM generate_series(1, 2000000) g",
    )
    done = subprocess.run([sys.executable, "-c", _PEAK, f"{shop}#large"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows, megabytes = map(int, done.stdout.split())
    assert rows == 2_000_000  # 160 MB of them
    assert megabytes < 80
    sql(server, "DROP TABLE large")
