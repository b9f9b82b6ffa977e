"""Columns that no table can have: bytes that are no text and lists, in every format that can hold them.

`longhaul init` goes on without them; where a later file has one, the remedy that is named works.
"""

from __future__ import annotations

import json
import random
import re
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config.loading import load
from pipeline.data.columns import ColumnType
from pipeline.data.sources.sampling import sample
from pipeline.data.sources.source import infer_columns
from pipeline.data.sources.table_files import find_files
from pipeline.errors import DataError

ROWS = 1_500  # beyond the first thousand records, which alone tell the types of a TFRecord file


def call(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 0, done.output
    return done.output


def to_duckdb(columns: dict[str, pa.Array], path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.register("given", pa.table(columns))
        connection.execute("CREATE TABLE t AS FROM given")


def to_sqlite(columns: dict[str, pa.Array], path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE t (x, raw, label)")
        rows = zip(*(columns[name].to_pylist() for name in ("x", "raw", "label")), strict=True)
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)


def to_tfrecord(columns: dict[str, pa.Array], path: Path) -> None:
    import tensorflow as tf

    def values(of: list[Any]) -> Any:
        if isinstance(of[0], bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=of))
        if isinstance(of[0], float):
            return tf.train.Feature(float_list=tf.train.FloatList(value=of))
        return tf.train.Feature(int64_list=tf.train.Int64List(value=of))

    with tf.io.TFRecordWriter(str(path)) as writer:
        for row in zip(*(column.to_pylist() for column in columns.values()), strict=True):
            found = {
                name: values(one if isinstance(one, list) else [one]) for name, one in zip(columns, row, strict=True)
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=found)).SerializeToString())


WRITERS: dict[str, Callable[[dict[str, pa.Array], Path], Any]] = {
    "parquet": lambda columns, path: pq.write_table(pa.table(columns), path),
    "feather": lambda columns, path: feather.write_feather(pa.table(columns), str(path)),
    "duckdb": to_duckdb,
    "sqlite": to_sqlite,
    "tfrecord": to_tfrecord,
}
SOME = ("parquet", "sqlite", "tfrecord")
CAN_HOLD_LISTS = ("parquet", "feather", "duckdb", "tfrecord")


def random_bytes(draw: random.Random, bad_rows: Sequence[int]) -> pa.Array:
    """Texts as bytes; in some rows bytes that are none, whatever comes after 0xff."""
    return pa.array(
        [b"\xff" + draw.randbytes(draw.randrange(40)) if row in bad_rows else b"v%d" % (row % 5) for row in range(ROWS)]
    )


def table_of(raw: pa.Array) -> dict[str, pa.Array]:
    draw = random.Random(0)
    return {
        "x": pa.array([draw.random() for _ in range(ROWS)]),
        "raw": raw,
        "label": pa.array([row % 2 for row in range(ROWS)]),
    }


@pytest.mark.parametrize(
    ("kind", "where"), [*((kind, "far below") for kind in WRITERS), *((kind, "everywhere") for kind in SOME)]
)
def test_init_leaves_out_bytes_that_are_no_text_and_says_why(
    kind: str, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = {"everywhere": range(ROWS), "far below": range(ROWS - 3, ROWS - 2)}[where]
    WRITERS[kind](table_of(random_bytes(random.Random(where), rows)), tmp_path / f"t.{kind}")
    said = " ".join(call("init", f"t.{kind}", "--label", "label").split())
    assert "Left out 'raw': never read (data.drop)" in said
    assert load(Path("t.yaml")).data.drop == ("raw",)
    files = find_files(f"t.{kind}")
    types = infer_columns(files, ("raw",))
    assert (types.keys(), sample(files, types, 9).num_rows) == ({"x", "label"}, 9)
    # The label itself has another remedy.
    done = CliRunner().invoke(app, ["init", f"t.{kind}", "--label", "raw", "--name", "u"])
    assert isinstance(done.exception, DataError)
    assert done.exception.remedy == "choose another --label"
    assert not Path("u.yaml").exists()


@pytest.mark.parametrize("kind", CAN_HOLD_LISTS)
def test_init_leaves_out_lists(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    WRITERS[kind](table_of(pa.array([[1, 2]] * ROWS)), tmp_path / f"t.{kind}")
    call("init", f"t.{kind}", "--label", "label")
    assert load(Path("t.yaml")).data.drop == ("raw",)


@pytest.mark.parametrize("kind", SOME)
def test_where_a_later_file_holds_them_the_remedy_that_is_named_works(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    good = random_bytes(random.Random(0), ())
    if kind == "sqlite":
        good = good.cast(pa.string())
    WRITERS[kind](table_of(good), tmp_path / f"t.{kind}")
    call("init", f"t.{kind}", "--label", "label")
    assert "raw" not in load(Path("t.yaml")).data.drop
    Path(f"t.{kind}").unlink()
    WRITERS[kind](table_of(random_bytes(random.Random(0), [7])), tmp_path / f"t.{kind}")
    files = find_files(f"t.{kind}")
    with pytest.raises(DataError) as caught:
        sample(files, infer_columns(files) | {"raw": ColumnType.STRING}, ROWS)
    assert kind == "sqlite" or re.search(r"(row|record) 8: .* holds the bytes ff ", caught.value.what), caught.value
    remedy = re.search(r"`longhaul (drop raw)`", caught.value.remedy)
    assert remedy
    call(*remedy[1].split(), "--config", "t.yaml")
    assert load(Path("t.yaml")).data.drop == ("raw",)
    types = infer_columns(files, load(Path("t.yaml")).data.drop)
    assert sample(files, types, ROWS).num_rows == ROWS


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_column_of_some_files_only_is_left_out_and_said(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t").mkdir()
    first = pa.table({"x": range(60), "size": [i % 7 for i in range(60)], "y": ["a", "b"] * 30})
    second = first.append_column("more", pa.array(range(60)))
    if kind == "parquet":
        second = second.set_column(0, "x", pa.array(list(map(str, range(60)))))
    for name, table in (("1", first), ("2", second)):
        path = f"t/{name}.{kind}"
        pa_csv.write_csv(table, path) if kind == "csv" else pq.write_table(table, path)
    said = {one["name"]: one for one in json.loads(call("init", "t", "--label", "y", "--json"))["columns"]}
    assert said["more"]["remark"] == f"t/1.{kind} has no such column"
    left_out = {name for name, one in said.items() if one["setting"] == "data.drop"}
    assert left_out == ({"more"} if kind == "csv" else {"more", "x"})
    data = load(Path("t.yaml")).data
    assert set(infer_columns(find_files(data.path, form=data.format), data.drop)) == {"x", "size", "y"} - left_out
