"""Whole numbers around 2^53, 2^63 and 2^64 keep every digit, from the file to what is passed on, in every format."""

from __future__ import annotations

import csv
import json
import random
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from pipeline.contract.first_look import look_at
from pipeline.contract.first_reading import Wishes
from pipeline.data.columns import ColumnType
from pipeline.data.sources.source import plan_fragments, read_fragment, read_verbatim
from pipeline.data.sources.table_files import find_files
from pipeline.data.values.readings import Readings
from pipeline.guard.anomalies import _is_above, _is_below
from trainer.rows import to_plain

Rows = dict[str, list[int | None]]
ROWS = 40
LIMIT = 1 << 63
ENDS = {"2^53": 1 << 53, "-2^53": -(1 << 53), "2^63": LIMIT, "-2^63": -LIMIT, "2^64": 1 << 64, "10^25": 10**25}


def numbers(seed: int) -> Rows:
    """Columns of different whole numbers on both sides of each end, a few missing."""
    draw = random.Random(seed)
    made: Rows = {}
    for name, end in ENDS.items():
        values: list[int | None] = [*draw.sample(range(end - 100, end + 100), ROWS)]
        for row in draw.sample(range(ROWS), draw.choice([0, 3])):
            values[row] = None
        made[name] = values
    return made | {"few": [draw.choice([(1 << 53) + 1, (1 << 53) + 3]) for _ in range(ROWS)]}


def typed(values: Sequence[int | None]) -> pa.Array:
    """As a data frame would hold them: whole numbers of 64 bits, with or without a sign, else decimals."""
    for kind in (pa.int64(), pa.uint64()):
        try:
            return pa.array(values, kind)
        except (OverflowError, pa.ArrowInvalid):
            pass
    return pa.array([None if value is None else Decimal(value) for value in values], pa.decimal128(38, 0))


def to_csv(rows: Rows, path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(rows)
        writer.writerows(zip(*rows.values(), strict=True))


def to_json(rows: Rows, path: Path) -> None:
    path.write_text(
        "".join(json.dumps(dict(zip(rows, row, strict=True))) + "\n" for row in zip(*rows.values(), strict=True))
    )


def to_sqlite(rows: Rows, path: Path) -> None:
    def fitting(value: int | None) -> object:  # SQLite has 64 bits with a sign; what is beyond, people store as text
        return value if value is None or -LIMIT <= value < LIMIT else str(value)

    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE t ({', '.join(map(json.dumps, rows))})")
        marks = ", ".join("?" * len(rows))
        connection.executemany(
            f"INSERT INTO t VALUES ({marks})", [[*map(fitting, row)] for row in zip(*rows.values(), strict=True)]
        )


def to_duckdb(rows: Rows, path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.register("given", pa.table({name: typed(values) for name, values in rows.items()}))
        connection.execute("CREATE TABLE t AS FROM given")


WRITERS: dict[str, Callable[[Rows, Path], object]] = {
    "csv": to_csv,
    "jsonl": to_json,
    "sqlite": to_sqlite,
    "parquet": lambda rows, path: pq.write_table(pa.table({name: typed(of) for name, of in rows.items()}), path),
    "feather": lambda rows, path: feather.write_feather(
        pa.table({name: typed(of) for name, of in rows.items()}), str(path)
    ),
    "duckdb": to_duckdb,
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", WRITERS)
def test_every_digit_is_kept(kind: str, seed: int, tmp_path: Path) -> None:
    rows = numbers(seed)
    path = tmp_path / f"t.{kind}"
    WRITERS[kind](rows | {"label": [row % 2 for row in range(ROWS)]}, path)
    found = look_at(str(path), "label", Wishes())
    assert set(found.types) == {*rows, "label"}
    files = [
        file.__class__(**vars(file) | {"form": found.table.form, "readings": found.table.recognised.readings})
        for file in find_files(str(path))
    ]
    for name, values in rows.items():
        kept = found.types[name]
        fits = all(value is None or -LIMIT <= value < LIMIT for value in values)
        assert kept in ((ColumnType.INT, ColumnType.STRING) if fits else (ColumnType.STRING,)), name
        assert name == "few" or found.judged[name].role == "identifier", name
    read = pa.Table.from_batches(
        batch for fragment in plan_fragments(files) for batch in read_fragment(fragment, found.types)
    ).to_pydict()
    passed = pa.Table.from_batches(
        batch for fragment in plan_fragments(files) for batch in read_verbatim(fragment, list(rows), 7)
    ).to_pydict()
    for name, values in rows.items():
        assert [None if value is None else int(value) for value in read[name]] == values, name
        assert [None if value is None else int(value) for value in passed[name]] == values, name


@pytest.mark.parametrize("kind", ["parquet", "duckdb", "csv", "sqlite"])
def test_a_person_may_say_that_figures_are_text(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"t.{kind}"
    WRITERS[kind]({"n": [row * 3 % 7 for row in range(ROWS)], "label": [row % 2 for row in range(ROWS)]}, path)
    assert look_at(str(path), "label", Wishes()).types["n"] is ColumnType.INT
    found = look_at(str(path), "label", Wishes(types={"n": "text"}))
    assert found.types["n"] is ColumnType.STRING
    readings: Readings = found.table.recognised.readings
    assert readings.of("n").kind == "text"


def test_small_figures_in_wide_types_are_whole_numbers(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    columns = {"u": pa.array(range(5), pa.uint64()), "d": pa.array(map(Decimal, range(5)), pa.decimal128(38, 0))}
    pq.write_table(pa.table(columns | {"label": pa.array([0, 1, 0, 1, 0])}), path)
    assert look_at(str(path), "label", Wishes()).types == dict.fromkeys(("u", "d", "label"), ColumnType.INT)


def test_what_a_model_and_the_gate_do_with_numbers_that_no_float_holds_is_no_error() -> None:
    beyond = pa.array([(1 << 53) + 1, None, -LIMIT])
    assert to_plain(beyond, "int").tolist()[::2] == [float(1 << 53), float(-LIMIT)]
    batch = pa.record_batch({"n": beyond})
    assert [rule(batch).to_pylist() for rule in (_is_above("n", 7.0), _is_below("n", 7.0))] == [
        [True, False, False],
        [False, False, True],
    ]
