"""Workbooks, JSON, Arrow files and databases: one table in every format, and what each of them may have wrong."""

from __future__ import annotations

import datetime
import gzip
import json
import random
import shutil
import sqlite3
import subprocess
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf
from openpyxl.worksheet.worksheet import Worksheet

from pipeline.contract.first_reading import Wishes, read_table
from pipeline.data.columns import ColumnType
from pipeline.data.convert import column_type_of, to_stored
from pipeline.data.sources import json_lines
from pipeline.data.sources.source import (
    check_has,
    column_names,
    infer_columns,
    is_text,
    plan_fragments,
    read_fragment,
    read_verbatim,
    verbatim_types,
)
from pipeline.data.sources.table_files import file_states, find_files, format_of, split_root
from pipeline.data.sources.text_format import sniff_files
from pipeline.errors import DataError

INT, FLOAT, STRING, BOOL, TIMESTAMP = ColumnType


def infer(pattern: object, *, drop: tuple[str, ...] = ()) -> dict[str, ColumnType]:
    return infer_columns(find_files(str(pattern)), drop)


def read(pattern: object, block: int = json_lines.BLOCK_BYTES) -> dict[str, list[object]]:
    files = find_files(str(pattern))
    columns = infer_columns(files)
    batches = [
        batch for fragment in plan_fragments(files, block) for batch in read_fragment(fragment, columns, batch_rows=7)
    ]
    assert all(batch.num_rows <= 7 for batch in batches)
    return pa.Table.from_batches(batches).to_pydict()


def error(call: Callable[..., object], *args: object, **kwargs: Any) -> str:
    with pytest.raises(DataError) as caught:
        call(*args, **kwargs)
    assert caught.value.remedy
    return str(caught.value)


def refused(table: str, label: str) -> str:
    """Give a table to `init` that has no such label; return the remedy."""
    with pytest.raises(DataError) as caught:
        read_table(table, label, Wishes())
    return caught.value.remedy


def workbook(path: Path, *rows: tuple[object, ...], change: Callable[[Worksheet], None] = lambda _: None) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    change(book.active)
    book.save(path)
    return path


def database(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    return path


# One table, every format


def random_table(seed: int) -> pd.DataFrame:
    """Make a table with each type, missing values, and names and texts that are not tame."""
    draw = random.Random(seed)
    n = draw.randrange(1, 60)

    def column(make: Callable[[], object]) -> list[object]:
        values = [None if draw.random() < 0.2 else make() for _ in range(n)]
        values[draw.randrange(n)] = make()  # one at least
        return values

    letters = "aé語 ,;\"'\n\t#|🙂"
    day = datetime.datetime(2020, 1, 1)
    return pd.DataFrame(
        {
            "whole number": pd.array(column(lambda: draw.randrange(-(2**40), 2**40)), "Int64"),
            "größe": pd.array(column(lambda: draw.uniform(-1e6, 1e6)), "Float64"),
            "Text": column(lambda: "x" + "".join(draw.choices(letters, k=draw.randrange(9))) + "x"),
            "text": column(lambda: draw.choice(["red", "green"])),
            "select": pd.array(column(lambda: draw.random() < 0.5), "boolean"),
            "at.time": pd.Series(
                column(lambda: day + datetime.timedelta(seconds=draw.randrange(10**9))), dtype="datetime64[us]"
            ),
        }
    )


def write_duckdb(frame: pd.DataFrame, path: Path) -> None:
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as connection:
        connection.register("frame", pa.Table.from_pandas(frame))
        # To DuckDB names that differ by case are one.
        connection.execute("CREATE TABLE t AS SELECT * FROM frame")


def write_sqlite(frame: pd.DataFrame, path: Path) -> None:
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        frame.to_sql("t", connection, index=False)


WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "parquet": lambda frame, path: frame.to_parquet(path, index=False),
    "feather": lambda frame, path: frame.to_feather(path),
    "arrow": lambda frame, path: _write_stream(frame, path),
    "jsonl": lambda frame, path: frame.to_json(
        path, orient="records", lines=True, date_format="iso", double_precision=15
    ),
    "json": lambda frame, path: frame.to_json(path, orient="records", date_format="iso", double_precision=15),
    "xlsx": lambda frame, path: frame.to_excel(path, index=False),
    "duckdb": write_duckdb,
    "sqlite": write_sqlite,
}


def _write_stream(frame: pd.DataFrame, path: Path) -> None:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    with pa.ipc.new_stream(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=5)


@pytest.mark.parametrize("ending", ["parquet", "feather", "duckdb"])
def test_durations_and_times_of_day_are_seconds(ending: str, tmp_path: Path) -> None:
    table = pa.table(
        {
            "waited": pa.array([datetime.timedelta(hours=1, milliseconds=500), None], pa.duration("ms")),
            "at": pa.array([datetime.time(12, 30), datetime.time(0, 0, 1)], pa.time64("us")),
            "opens": pa.array([datetime.time(8), None], pa.time32("s")),
        }
    )
    if ending == "duckdb":
        table = table.select(["at", "opens"])  # its intervals have months
        with duckdb.connect(str(tmp_path / "t.duckdb")) as connection:
            connection.register("frame", table)
            connection.execute("CREATE TABLE t AS SELECT * FROM frame")
    else:
        getattr(table.to_pandas(), f"to_{ending}")(tmp_path / f"t.{ending}")
    expected = {"waited": [3600.5, None], "at": [45_000.0, 1.0], "opens": [28_800.0, None]}
    assert read(tmp_path / f"t.{ending}") == {name: expected[name] for name in table.column_names}


@pytest.mark.parametrize("kind", WRITERS)
def test_one_table_is_the_same_in_every_format(kind: str, tmp_path: Path) -> None:
    for seed in range(5):
        frame = random_table(seed)
        if kind in ("duckdb", "sqlite"):  # to them names that differ by case are one
            frame = frame.rename(columns={"Text": "words"})
        path = tmp_path / f"t{seed}.{kind}"
        WRITERS[kind](frame, path)
        types = dict(zip(frame.columns, (INT, FLOAT, STRING, STRING, BOOL, TIMESTAMP), strict=True))
        if kind == "sqlite":  # has no truth values
            types["select"] = INT
        assert infer(path) == types
        expected = {
            name: [None if pd.isna(value) else _stored(value) for value in column] for name, column in frame.items()
        }
        assert read(path) == expected, seed
        if kind in ("parquet", "csv"):
            continue
        assert infer_columns(find_files(str(path)), declared=types) == types  # nothing is left to look into
        packed = tmp_path / f"t{seed}.{kind}.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        assert read(packed) == expected


def _stored(value: Any) -> object:
    if isinstance(value, datetime.datetime):
        return int(value.replace(tzinfo=datetime.UTC).timestamp())
    return pa.scalar(value, pa.float32()).as_py() if isinstance(value, float) else value


# What wide files offer


def test_lines_of_json_are_read_in_ranges_and_errors_still_name_the_line(tmp_path: Path) -> None:
    path = tmp_path / "t.ndjson"
    path.write_text("".join(f'{{"n": {n}, "s": "v{n}"}}\n' + "\n" * (n % 3 == 0) for n in range(3000)))
    files = find_files(str(path))
    fragments = plan_fragments(files, 4096)
    assert len(fragments) > 5
    assert read(path, block=4096) == read(path) == {"n": list(range(3000)), "s": [f"v{n}" for n in range(3000)]}
    lines = path.read_text().splitlines()
    lines[2500] = '{"n": 5.5, "s": "x"}'
    path.write_text("\n".join(lines))
    columns = {"n": INT}
    message = error(lambda: [batch for part in plan_fragments(files, 4096) for batch in read_fragment(part, columns)])
    assert message.startswith(f"{path}, line 2,501: column 'n' holds '5.5' where a whole number")


def test_arrow_files_are_read_by_record_batch_unless_they_are_tiny(tmp_path: Path) -> None:
    table = pa.table({"n": range(30_000)})
    for name, rows in (("big", 10_000), ("tiny", 100)):
        with pa.ipc.new_file(str(tmp_path / f"{name}.arrow"), table.schema) as writer:
            writer.write_table(table, max_chunksize=rows)
    assert [part.part for part in plan_fragments(find_files(str(tmp_path / "big.arrow")))] == [0, 1, 2]
    assert [part.part for part in plan_fragments(find_files(str(tmp_path / "tiny.arrow")))] == [None]
    assert read(tmp_path / "big.arrow")["n"] == read(tmp_path / "tiny.arrow")["n"] == list(range(30_000))


def test_files_and_spans_of_a_pattern_are_one_table(tmp_path: Path) -> None:
    for day in (2, 10):
        pd.DataFrame({"n": [day, day]}).to_json(tmp_path / f"day-{day}.jsonl", orient="records", lines=True)
        workbook(tmp_path / f"day-{day}.XLSX", ("n",), (day,))
    assert read(tmp_path / "day-{SPAN}.jsonl") == {"n": [2, 2, 10, 10]}
    assert [file.span for file in find_files(str(tmp_path / "day-{SPAN}.XLSX"))] == [2, 10]
    assert read(tmp_path / "day-{SPAN}.XLSX#Sheet") == {"n": [2, 10]}
    assert split_root(str(tmp_path / "day-{SPAN}.XLSX#Sheet")) == (str(tmp_path), "/day-{SPAN}.XLSX#Sheet")


def test_in_a_folder_of_csv_other_formats_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("n\n1\n")
    (tmp_path / "package.json").write_text("{}")
    assert read(tmp_path) == {"n": [1]}
    (tmp_path / "a.csv").rename(tmp_path / "a.old")
    assert [Path(file.path).name for file in find_files(str(tmp_path))] == ["package.json"]


@pytest.mark.parametrize("ending", [".gz", ".bz2", ".zst", ".zip"])
def test_every_compression_is_read(ending: str, tmp_path: Path) -> None:
    content = b'{"n": 1}\n{"n": 2}\n'
    path = tmp_path / f"t.jsonl{ending}"
    if ending == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("any name.jsonl", content)
            archive.writestr("__MACOSX/._x", "")
        shutil.copy(path, tmp_path / "t.zip")  # what is in it tells the format
        assert read(tmp_path / "t.zip") == {"n": [1, 2]}
    else:
        with pa.CompressedOutputStream(str(path), {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}[ending]) as file:
            file.write(content)
    assert read(path) == {"n": [1, 2]}


# JSON


def test_objects_become_columns_with_dots_and_keys_come_and_go(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(
        '\ufeff{"id": 1, "home": {"city": "Rome", "at": {"x": 1.5}}, "f": true}\n\n'
        '{"new": NaN, "id": 2, "home": null}\n{"id": 3, "home": {}, "when": "2020-01-02T03:04:05Z"}\n'
    )
    assert infer(path) == {
        "id": INT, "home.city": STRING, "home.at.x": FLOAT, "f": BOOL, "new": STRING, "home": STRING, "when": TIMESTAMP,
    }  # fmt: skip
    assert read(path)["home.city"] == ["Rome", None, None]
    assert read(path)["when"] == [None, None, 1577934245]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ('{"a": 1}\n{"a": 2}\n{"a": \n{"a": 4}\n', "line 3: this is no whole JSON"),
        ('{"a": 1}\n[1, 2]\n', "line 2: '[1, 2]' is no object"),
        ('[{"a": 1},\n {"a": 2},\n {"a" 3}]', "line 3: this is no whole JSON, at character 7"),
        ('[{"a": 1}, 5]', "object 2: '5' is no object"),
        ('{\n "a": 1\n}\n', "one object"),
        ('{"a": {"0": 1, "1": 2}, "b": {"0": 1, "1": 2}}', "one object"),
        ('{"a.b": 1, "a": {"b": 2}}\n{"c": 1}', "line 1: 'a.b' is there twice"),
        ('{"a": [1, 2]}\n{"a": [0.5]}\n', "line 2: 'a' is a list"),
        ('{"a": null}\n{"a": [[1]]}\n', "line 2: 'a' is a list"),
        ('{"a": [{}]}\n{"a": 1}\n', "line 1: 'a' is a list"),
        ("a,b\n1,2\n", "is text, whatever its name says"),
    ],
)
def test_broken_json_is_told_by_line(content: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(content)
    assert what in error(infer, path)


def test_half_a_character_is_no_reason_to_refuse_a_file(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"a": "x\\ud83d"}\n{"a": "y"}\n')
    assert read(path) == {"a": ["x?", "y"]}


def test_a_stray_text_among_numbers_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("".join(f'{{"n": {n}}}\n' for n in range(99)) + '{"n": "many"}\n')
    assert "t.jsonl, line 100: column 'n' holds 'many'" in error(infer, path)


# Workbooks


def test_titles_above_the_header_blank_rows_and_blank_columns_are_passed_over(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "t.xlsx", (None, "Sales of 2020"), (), (None, "made by:", "us"), (None, "id", "when", "ok", "sum"),
        (None, 1, datetime.date(2020, 1, 2), True, 1.5), (), (None, 2, datetime.datetime(2020, 1, 2, 3), False, "7"),
    )  # fmt: skip
    assert infer(path) == {"id": INT, "when": TIMESTAMP, "ok": BOOL, "sum": FLOAT}
    assert read(path) == {"id": [1, 2], "when": [1577923200, 1577934000], "ok": [1, 0], "sum": [1.5, 7.0]}


def test_cells_merged_downwards_count_for_each_row(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "t.xlsx", ("group", "n"), ("a", 1), (None, 2), ("b", 3),
        change=lambda sheet: sheet.merge_cells("A2:A3"),
    )  # fmt: skip
    assert read(path)["group"] == ["a", "a", "b"]


def test_a_sheet_is_named_behind_the_file(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "t.xlsx", ("n",), (1,), change=lambda sheet: sheet.parent.create_sheet("Two #2").append(["m"]) or
        sheet.parent["Two #2"].append([5]),
    )  # fmt: skip
    assert read(path) == {"n": [1]}
    assert read(f"{path}#Two #2") == {"m": [5]}
    remedy = refused(str(path), "m")
    assert (
        remedy == "correct --label; the sheet is 'Sheet'; others are named behind the file, as in FILE#SHEET: 'Two #2'"
    )
    assert "has no sheet 'Three'; there is 'Sheet', 'Two #2'" in error(infer, f"{path}#Three")


def test_mixed_cells_are_named(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", (None, "n"), *((None, n) for n in range(99)), (None, "none"))
    assert "t.xlsx, cell B101: column 'n' holds 'none'" in error(infer, path)


def test_formulas_that_were_never_computed_are_told(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", ("n", "twice"), (1, "=A2*2"), (2, "=A3*2"))
    assert "column 'twice' holds formulas that were never computed" in error(infer, path)
    unusable: dict[str, DataError] = {}
    assert infer_columns(find_files(str(path)), unusable=unusable) == {"n": INT}
    assert list(unusable) == ["twice"]


def test_workbooks_that_cannot_be_read_are_told_apart(tmp_path: Path) -> None:
    whole = workbook(tmp_path / "t.xlsx", ("n",), *((n,) for n in range(500)))
    cut = tmp_path / "cut.xlsx"
    cut.write_bytes(whole.read_bytes()[:3000])
    assert "cut.xlsx cannot be read" in error(infer, cut)
    text = tmp_path / "text.xlsx"
    text.write_text("a,b\n1,2\n")
    assert "is text, whatever its name says" in error(infer, text)
    assert "rename it to end in .csv" in error(infer, text)
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    locked, old = tmp_path / "locked.xlsx", tmp_path / "old.xls"
    locked.write_bytes(ole + bytes(504) + "EncryptedPackage".encode("utf-16-le"))
    assert "is protected by a password" in error(infer, locked)
    old.write_bytes(ole + bytes(504))
    assert "old.xls cannot be read" in error(infer, old)
    blank = workbook(tmp_path / "blank.xlsx")
    assert "holds no cell with a value" in error(infer, blank)


def test_an_index_without_a_name_is_dropped_and_other_names_are_made_distinct(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", (None, "a", "b", None, "b"), (0, 1, 2, 3, 4))
    assert read(path) == {"a": [1], "b": [2], "column_3": [3], "b_2": [4]}
    frame = pd.DataFrame({"n": [5, 6]})
    frame.to_excel(tmp_path / "pandas.xlsx")
    assert read(tmp_path / "pandas.xlsx") == {"n": [5, 6]}


# Arrow files and others by a wrong name


def test_files_that_are_cut_off_or_wrongly_named_are_told(tmp_path: Path) -> None:
    frame = pd.DataFrame({"n": range(50_000)})
    for kind in ("feather", "arrow", "parquet", "jsonl", "duckdb", "sqlite"):
        path = tmp_path / f"t.{kind}"
        WRITERS[kind](frame, path)
        whole = path.read_bytes()
        for other in ("feather", "parquet", "xlsx", "jsonl", "duckdb", "sqlite", "csv"):
            wrong = tmp_path / f"wrong.{other}"
            wrong.write_bytes(whole)
            if other == "csv":
                assert "rename it" in error(infer, wrong), kind
                assert "text" in (told := error(sniff_files, find_files(str(wrong)))) or "rename it" in told, kind
                continue
            if format_of(str(wrong)) != format_of(str(path)):
                assert "whatever its name says" in error(infer, wrong), (kind, other)
        path.write_bytes(whole[: len(whole) // 2 - 5])
        assert str(path) in error(read, path), kind
    several = tmp_path / "several.zip"
    with zipfile.ZipFile(several, "w") as archive:
        archive.writestr("a.csv", "n\n1\n")
        archive.writestr("b.csv", "n\n1\n")
    assert "holds 2 files (a.csv, b.csv) where one is expected" in error(find_files, str(several))
    (tmp_path / "t.jsonl.gz").write_bytes(gzip.compress(b'{"n": 1}\n' * 9999)[:40])
    assert "cannot be unpacked" in error(infer, tmp_path / "t.jsonl.gz")


@pytest.mark.parametrize("kind", ["parquet", "feather", "duckdb", "json", "jsonl"])
def test_lists_of_categories_are_texts(kind: str, tmp_path: Path) -> None:
    lists = [["a"], None, ["b", "ü c"], [], ["", None, "d"], [None]]
    frame = pd.DataFrame({"n": range(6), "tags": lists, "codes": [[1, 2], [3], [], None, [-4, 5, 6], [7, 8]]})
    path = tmp_path / f"t.{kind}"
    if kind.startswith("json"):
        rows = [json.dumps(row) for row in frame.astype(object).to_dict("records")]
        path.write_text("\n".join(rows) if kind == "jsonl" else f"[{', '.join(rows)}]")
    else:
        WRITERS[kind](frame, path)
    assert infer(path) == {"n": INT, "tags": STRING, "codes": STRING}
    found = read(path)
    assert found["tags"] == ["a", None, "b|ü c", None, "||d", None]
    assert found["codes"] == ["1|2", "3", None, None, "-4|5|6", "7|8"]


def test_lists_of_categories_in_any_arrow_type_and_slice_are_texts() -> None:
    names = pa.array(["x", "a", "b", "a"]).dictionary_encode()
    lists = pa.ListArray.from_arrays(pa.array([0, 1, 3, 3, 4], pa.int32()), names)
    assert to_stored(lists.slice(1), STRING).to_pylist() == ["a|b", None, "a"]
    large = pa.array([["x"], ["a", "b"], None], pa.large_list(pa.large_string()))
    assert to_stored(large.slice(1), STRING).to_pylist() == ["a|b", None]
    with pytest.raises(pa.ArrowInvalid):
        to_stored(large, INT)
    for other in (pa.list_(pa.float32()), pa.list_(pa.bool_()), pa.list_(pa.list_(pa.int8())), pa.list_(pa.int8(), 3)):
        with pytest.raises(TypeError):
            column_type_of(other)


def test_texts_of_one_record_are_a_list(tmp_path: Path) -> None:
    feature = tf.train.Feature
    texts: tuple[list[bytes], ...] = ([b"a"], [b"b", "ü".encode()], [])
    path = tmp_path / "t.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as file:
        for n, some in enumerate(texts):
            row = {"n": feature(int64_list=tf.train.Int64List(value=[n])),
                   "tags": feature(bytes_list=tf.train.BytesList(value=some))}  # fmt: skip
            file.write(tf.train.Example(features=tf.train.Features(feature=row)).SerializeToString())
    assert infer(path) == {"n": INT, "tags": STRING}
    assert read(path)["tags"] == ["a", "b|ü", None]


@pytest.mark.parametrize("kind", ["parquet", "feather", "duckdb"])
def test_a_nested_column_is_refused_or_left_out_with_the_reason(kind: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"n": [1, 2], "tags": [[0.5], [1.5, 2.5]]})
    path = tmp_path / f"t.{kind}"
    WRITERS[kind](frame, path)
    assert "'tags' is of type list" in error(infer, path)
    assert infer(path, drop=("tags",)) == {"n": INT}
    unusable: dict[str, DataError] = {}
    assert infer_columns(find_files(str(path)), unusable=unusable) == {"n": INT}
    assert "data.drop" in unusable["tags"].remedy


def test_typed_files_keep_their_types_where_rows_are_passed_on(tmp_path: Path) -> None:
    table = pa.table({"d": pa.array([datetime.date(2020, 1, 2)]), "c": pa.array(["x"]).dictionary_encode()})
    with pa.ipc.new_file(str(tmp_path / "t.arrow"), table.schema) as writer:
        writer.write_table(table)
    files = find_files(str(tmp_path / "t.arrow"))
    assert infer_columns(files) == {"d": TIMESTAMP, "c": STRING}
    assert verbatim_types(files, ["c", "d"]) == table.select(["c", "d"]).schema
    batches = [batch for part in plan_fragments(files) for batch in read_verbatim(part, ["c", "d"], 100)]
    assert pa.Table.from_batches(batches) == table.select(["c", "d"])


# Databases


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_a_database_is_read_by_table_view_or_query(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"t.{kind}"
    statements = (
        "CREATE TABLE orders (id INTEGER, price DOUBLE, note VARCHAR)",
        "INSERT INTO orders VALUES (1, 2.5, 'a'), (2, NULL, 'b'), (3, 7.5, 'c')",
        'CREATE VIEW "big ones" AS SELECT id FROM orders WHERE price > 5',
    )
    if kind == "duckdb":
        with duckdb.connect(str(path)) as connection:
            for statement in statements:
                connection.execute(statement)
    else:
        database(path, *statements)
    assert read(f"{path}#orders") == {"id": [1, 2, 3], "price": [2.5, None, 7.5], "note": ["a", "b", "c"]}
    assert read(f"{path}#big ones") == {"id": [3]}
    query = f"{path}?SELECT id * 2 AS twice\nFROM orders WHERE note <> 'a' ORDER BY id;"
    assert infer(query) == {"twice": INT}
    assert read(query) == {"twice": [4, 6]}
    assert read(f"{path}?SELECT id FROM orders WHERE id = 2 -- the second") == {"id": [2]}
    assert "holds 2 tables: 'big ones', 'orders'" in error(infer, path)
    assert "has no table 'order'; there is 'big ones', 'orders'" in error(infer, f"{path}#order")
    assert "the query of" in error(infer, f"{path}?SELECT nothing FROM orders")
    assert "has no rows" in error(infer, f"{path}?SELECT * FROM orders WHERE id > 9")


def test_what_a_database_keeps_beside_its_file_counts_for_whether_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "t.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=wal")
        connection.execute("CREATE TABLE t (n)")
        connection.execute("INSERT INTO t VALUES (1)")
        connection.commit()
        before = file_states(find_files(str(path)))
        connection.execute("INSERT INTO t VALUES (2)")
        connection.commit()
        assert read(path) == {"n": [1, 2]}
        assert file_states(find_files(str(path))) != before
    before = file_states(find_files(str(path)))
    assert read(path) == {"n": [1, 2]}
    assert file_states(find_files(str(path))) == before  # reading is no change


def test_a_locked_database_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.data.sources.sqlite._WAIT_S", 0.05)
    path = database(tmp_path / "t.sqlite", "CREATE TABLE t (n)", "INSERT INTO t VALUES (1)")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        assert "is locked by another program" in error(infer, path)


def test_sqlite_columns_of_several_types_and_blobs_are_told(tmp_path: Path) -> None:
    rows = ", ".join(f"({n}, x'00')" for n in range(99))
    path = database(tmp_path / "t.db", "CREATE TABLE t (n, b)", f"INSERT INTO t VALUES {rows}, ('many', x'00')")
    assert "row 100: column 'n' holds 'many'" in error(infer, path, drop=("b",))
    unusable: dict[str, DataError] = {}
    path = database(tmp_path / "u.db", "CREATE TABLE t (n, m, b)", "INSERT INTO t VALUES (1, 'x', x'00')")
    assert infer_columns(find_files(str(path)), unusable=unusable) == {"n": INT, "m": STRING}
    assert "BLOB" in unusable["b"].what


def test_a_key_that_no_row_has_is_missed_and_one_that_a_file_lacks_is_missing(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"n": 1, "rare": 5}\n')
    (tmp_path / "b.jsonl").write_text('{"n": 2}\n')
    files = find_files(str(tmp_path))
    assert read(tmp_path) == {"n": [1, 2], "rare": [5, None]}
    check_has(files, infer(tmp_path), ["n", "rare"])
    assert "has no column 'rere'; the columns are 'n', 'rare'" in error(check_has, files, infer(tmp_path), ["rere"])


def test_remarks_above_and_below_a_table_are_no_part_of_it_and_said(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "t.xlsx", ("Lots of people",), ("at", "the", None, "top", "of", "it"), tuple("abcdef"),
        *((f"x{n}", "y", n, True, n / 4, None if n == 3 else n) for n in range(5)),
        ("Some",), (None, "also write"), (None, None, "at", "the"), change=lambda sheet: sheet.parent.create_sheet("x"),
    )  # fmt: skip
    assert infer(path) == {"a": STRING, "b": STRING, "c": INT, "d": BOOL, "e": FLOAT, "f": INT}
    assert len(read(path)["a"]) == 5
    assert sniff_files(find_files(str(path)))[1] == [
        "the header is row 3",
        "rows 9 to 11, below the table, are no part of it",
        "the sheet is 'Sheet'; others are named behind the file, as in FILE#SHEET: 'x'",
    ]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("land", 1990, 1991), ("a", 1, 2)], {"land": ["a"], "1990": [1], "1991": [2]}),
        ([("By year",), ("land", 1990, 1991), ("a", 1, 2)], {"land": ["a"], "1990": [1], "1991": [2]}),
        (
            [("a", "b", "c"), ("x", "y", "z"), ("only", None, None)],
            {"a": ["x", "only"], "b": ["y", None], "c": ["z", None]},
        ),
        ([("n",), ("one",), ("two",)], {"n": ["one", "two"]}),
        ([("n", "m", "k"), (1, 2, 3), (), ("Source: us",)], {"n": [1], "m": [2], "k": [3]}),
        ([("n", "m", "k"), (1, 2, 3), (4, None, None)], {"n": [1, 4], "m": [2, None], "k": [3, None]}),
    ],
)
def test_where_a_table_stands_on_a_sheet(
    rows: list[tuple[object, ...]], expected: dict[str, list[object]], tmp_path: Path
) -> None:
    assert read(workbook(tmp_path / "t.xlsx", *rows)) == expected


def test_the_columns_that_can_be_used_are_known_before_their_types(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"a": 1, "tags": [0.5]}\n{"b": {"c": "x"}}\n')
    database(tmp_path / "t.db", "CREATE TABLE t (n, b)", "INSERT INTO t VALUES (1, x'00')")
    workbook(tmp_path / "t.xlsx", ("n", "twice"), (1, "=A2*2"))
    for name, columns in (("t.jsonl", ["a", "b.c"]), ("t.db", ["n"]), ("t.xlsx", ["n"])):
        files = find_files(str(tmp_path / name))
        assert is_text(files)
        assert column_names(files) == columns
        texts = dict.fromkeys(columns, STRING)
        assert all(list(read_fragment(part, texts)) for part in plan_fragments(files))


def test_a_row_that_sums_up_is_none_and_a_name_may_stand_a_row_above(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "t.xlsx", ("sales", None, "costs", None, "label"), ("q1", "q2", "q1", "q2", None),
        *(("a", n, n / 4, n, "yes") for n in range(5)), ("Total:", 10, None, None, None),
    )  # fmt: skip
    assert read(path)["label"] == ["yes"] * 5
    assert list(read(path)) == ["sales q1", "sales q2", "costs q1", "costs q2", "label"]
    path = workbook(tmp_path / "u.xlsx", ("what", "n"), ("x", 1), ("Total", 2))
    assert read(path) == {"what": ["x", "Total"], "n": [1, 2]}, "a row without blanks is one"


def test_objects_over_several_lines_and_in_a_wrapping(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text('{\n "a": 1\n}\n{\n "a": 2\n}\n')
    assert read(path) == {"a": [1, 2]}
    for wrapped in ('{"count": 2, "rows": [{"a": 1}, {"a": 2}]}', '{\n"count": 2,\n"rows": [{"a": 1}, {"a": 2}]}\n'):
        path.write_text(wrapped)
        with pytest.raises(DataError, match="those may be in 'rows'") as caught:
            infer(path)
        command = caught.value.remedy.partition(": ")[2]
        subprocess.run(command, shell=True, cwd=tmp_path, check=True)
        assert read(tmp_path / "rows.json") == {"a": [1, 2]}
