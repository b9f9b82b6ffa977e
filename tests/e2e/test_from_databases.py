"""A table of a PostgreSQL server, of DuckDB and of SQLite: one configuration each, through every command."""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from tests.e2e.servers import PASSWORD, PostgreSQL, postgresql
from tests.place import Command
from tests.small import EVALUATION, INFRA_CHECK, TRAINER

pytestmark = [pytest.mark.slow, pytest.mark.long]

COLUMNS = '("Größe" double precision, amount varchar(20), city varchar(20), bought date, answer varchar(4))'


def rows(count: int, seed: int) -> list[tuple[float | None, str, str, str, str]]:
    """Draw rows; amounts are texts, and the answer goes with the size."""
    draw = random.Random(seed)
    drawn = []
    for _ in range(count):
        size = draw.gauss(0, 1)
        day = f"2024-{draw.randrange(1, 13):02}-{draw.randrange(1, 29):02}"
        city = draw.choice(["Köln", "O'Hare", 'a "b"'])
        known = None if draw.random() < 0.1 else round(size, 4)
        drawn.append((known, f"${draw.randrange(1000, 9999):,}", city, day, "yes" if size > 0 else "no"))
    return drawn


def statements(table: str, count: int, seed: int) -> list[str]:
    def literal(value: object) -> str:
        return (
            "NULL"
            if value is None
            else str(value)
            if isinstance(value, float)
            else f"'{str(value).replace(chr(39), chr(39) * 2)}'"
        )

    values = ", ".join(f"({', '.join(map(literal, row))})" for row in rows(count, seed))
    return [f"CREATE TABLE {table} {COLUMNS}", f"INSERT INTO {table} VALUES {values}"]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with postgresql() as server:
        yield server


def address(kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a database with the tables `seen` and `coming`, and return what they are called without their names."""
    made = [*statements("seen", 200, 1), *statements("coming", 30, 2)]
    if kind == "duckdb":
        import duckdb

        with duckdb.connect("shop.duckdb") as database:
            for one in made:
                database.execute(one)
        return "shop.duckdb"
    if kind == "sqlite":
        with closing(sqlite3.connect("shop.sqlite")) as database:
            for one in made:
                database.execute(one)
            database.commit()
        return "shop.sqlite"
    server: PostgreSQL = request.getfixturevalue("server")
    script = server.folder / "made.sql"
    script.write_text("CREATE DATABASE shop;\n\\connect shop\n" + ";\n".join(made) + ";\n", encoding="utf-8")
    script.chmod(0o644)
    login = ["-h", "127.0.0.1", "-p", server.port, "-U", "longhaul", "-d", "postgres"]
    server.call("psql", "-q", "-v", "ON_ERROR_STOP=1", *login, "-f", script)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    return f"postgresql://longhaul@127.0.0.1:{server.port}/shop"


@pytest.mark.parametrize("kind", ["postgresql", "duckdb", "sqlite"])
def test_a_database_is_a_source_of_every_command(
    kind: str, longhaul: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(tmp_path)
    shop = address(kind, request, monkeypatch)
    said = longhaul("init", f"{shop}#seen", "--label", "answer", "--name", "shop")
    assert said.code == 0, said.text
    document = yaml.safe_load(Path("shop.yaml").read_text(encoding="utf-8"))
    assert document["data"]["columns"]["amount"]["thousands"] == ","
    bounds = {"thresholds": {"accuracy": {"at_least": 0.0}}}
    document |= {"trainer": TRAINER, "infra_check": INFRA_CHECK, "evaluation": EVALUATION | bounds}
    Path("shop.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    query = f"{shop}?SELECT * FROM coming ORDER BY bought"
    for command in (
        ("run",), ("validate", f"{shop}#coming"), ("predict", f"{shop}#coming", "--output", "table.parquet"),
        ("predict", query, "--output", "query.parquet"),
    ):  # fmt: skip
        said = longhaul(*command, "--config", "shop.yaml")
        assert said.code == 0, said.text
        assert PASSWORD not in said.text
    tables = [pq.read_table(f"{name}.parquet") for name in ("table", "query")]
    assert [table.num_rows for table in tables] == [30, 30]
    assert sorted(tables[0].column("city").to_pylist()) == sorted(row[2] for row in rows(30, 2))
    amounts = [re.sub(r"\D", "", str(amount)) for amount in tables[0].column("amount").to_pylist()]
    assert sorted(amounts) == sorted(re.sub(r"\D", "", row[1]) for row in rows(30, 2))
    scores = [sorted(table.column("probability_answer_yes").to_pylist()) for table in tables]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)
