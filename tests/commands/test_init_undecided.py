"""What the values of a table leave open, or show only far down: an option says it, and `--again` remembers it."""

from __future__ import annotations

import datetime as dt
import json
import shlex
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.commands.drop import drop_columns
from pipeline.config.loading import load
from pipeline.data.sources import sampling
from pipeline.data.sources.source import infer_columns, plan_fragments, read_fragment
from pipeline.data.sources.table_files import find_files
from pipeline.data.values.readings import readings_of
from tests.commands.test_init_options import init, rows, write


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read() -> pa.Table:
    """The table as a run reads it."""
    data = load(Path("t.yaml")).data
    files = find_files(data.path, form=data.format, readings=readings_of(data))
    types = infer_columns(files, data.drop)
    return pa.Table.from_batches([batch for one in plan_fragments(files) for batch in read_fragment(one, types)])


def day_and_month(i: int) -> tuple[int, int]:
    """Two figures that may stand for each other."""
    return i % 11 + 1, (i // 11) % 5 + 1


def open_table() -> str:
    """A table with two columns that may each be read in two ways."""
    return write(
        rows(
            when=lambda i: "{}/{}/2016".format(*day_and_month(i)),
            amount=lambda i: f'"{i + 101},{(37 * i + 11) % 899 + 100}"',
            x=lambda i: i % 7,
            y=["a", "b"],
        )
    )


@pytest.mark.parametrize("order", [0, 1])
def test_what_no_value_tells_is_decided_by_the_option_that_is_named(order: int) -> None:
    said = json.loads(init(open_table(), "--label", "y", "--json"))
    options = {one["name"]: one["options"] for one in said["columns"] if one["options"]}
    assert set(options) <= {"when", "amount"}
    assert options["when"] == ["--type when=date:format=%d/%m/%Y", "--type when=date:format=%m/%d/%Y"]
    init("t.csv", "--label", "y", "--force", *shlex.split(options["when"][order]))
    days = [day_and_month(i)[:: 1 - 2 * order] for i in range(60)]
    expected = [int(dt.datetime(2016, month, day, tzinfo=dt.UTC).timestamp()) for day, month in days]
    assert read().column("when").to_pylist() == expected


@pytest.mark.parametrize(("setting", "expected"), [("thousands", 101111.0), ("decimal", 101.111)])
def test_the_marks_of_numbers_may_be_said(setting: str, expected: float) -> None:
    init(open_table(), "--label", "y", "--type", f"amount=number:{setting}=,")
    assert read().column("amount")[0].as_py() == pytest.approx(expected)


def test_what_is_said_to_mean_missing_keeps_no_column_text() -> None:
    table = write(rows(x=lambda i: "odd" if i % 15 == 3 else i, z=lambda i: i % 7, y=["a", "b"]))
    said = json.loads(init(table, "--label", "y", "--json"))
    (options,) = [one["options"] for one in said["columns"] if one["name"] == "x"]
    assert options == ["--missing=odd"]
    init(table, "--label", "y", "--force", *options)
    assert read().column("x").to_pylist() == [None if i % 15 == 3 else i for i in range(60)]


def test_again_remembers_what_was_said_until_something_else_is() -> None:
    columns: dict[str, Any] = {
        "code": lambda i: 10 + i % 5, "note": ["x", "y", "z"], "key": lambda i: f"k{i}", "grade": ["NA", "TA", "GA"],
        "half": lambda i: i % 3 + 0.5, "x": lambda i: i % 7, "y": ["a", "b"],
    }  # fmt: skip
    table = write(rows(**columns))
    kinds = ["--type", "code=text", "--type", "half=category", "--type", "when=text"]
    options = ["--drop", "note", "--keep", "key", *kinds[:4], "--na-is-value", "grade"]
    init(table, "--label", "y", *options)
    before = Path("t.yaml").read_text(), Path("schema/t.pbtxt").read_text()
    assert "Unchanged" in init(table, "--again")
    assert (Path("t.yaml").read_text(), Path("schema/t.pbtxt").read_text()) == before
    config = load(Path("t.yaml"))
    assert (config.data.drop, config.features.exclude) == (("note",), ())
    assert str(read().schema.field("half").type) == "string"

    init(table, "--again", "--keep", "note", "--drop", "key", "--type", "code=number")
    config = load(Path("t.yaml"))
    assert config.data.drop == ("key",)
    assert str(read().schema.field("code").type) == "int64"
    del columns["key"], columns["code"]  # what is gone is no longer asked for
    write(rows(**columns))
    init(table, "--again")
    assert read().column_names == ["note", "grade", "half", "x", "y"]


def test_again_follows_texts_that_later_rows_explain() -> None:
    table = open_table()
    init(table, "--label", "y")
    lines = Path(table).read_text().splitlines()
    write([*lines, lines[1].replace("1/1/2016", "25/3/2016")])
    init(table, "--again")
    assert str(load(Path("t.yaml")).data.columns["when"].format) == "%d/%m/%Y"
    assert str(read().schema.field("when").type) == "int64"


def test_again_knows_what_a_person_dropped_since() -> None:
    table = write(rows(price=lambda i: 7 * i % 31, x=lambda i: i % 7, y=["a", "b"]))
    init(table, "--label", "y")
    drop_columns(Path("t.yaml"), ["x"], exclude=False)
    said = json.loads(init(table, "--again", "--json"))
    roles = {one["name"]: (one["role"], one["remark"]) for one in said["columns"]}
    assert roles["x"] == ("left out", "left out by a person")
    write(rows(price=lambda i: 7 * i % 31, y=["a", "b"]))  # which it may also be gone from
    init(table, "--again")
    assert load(Path("t.yaml")).data.drop == ("x",)


def test_a_table_with_values_that_do_not_fit_is_looked_at_again() -> None:
    lines = [f"{'odd' if i == 200 else '?' if i < 9 else f'${i}'},{i % 7},{'ab'[i % 2]}" for i in range(400)]
    table = write(["price,x,y", *lines])
    (price, *_) = json.loads(init(table, "--label", "y", "--json"))["columns"]
    assert price["examples"] == ["$9", "$10", "$11"]  # as they stand in the file
    assert load(Path("t.yaml")).data.bad_rows == "set_aside"
    assert "Unchanged" in init(table, "--again")
    assert len(read()) == 399


def test_one_value_of_very_many_that_does_not_fit_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "_LEAST_ROWS", 300)
    monkeypatch.setattr(sampling, "_CELLS", 300)
    lines = [f"{i % 90},2016-01-{i % 28 + 1:02d},${i},{i % 7},{'ab'[i % 2]}" for i in range(2000)]
    lines[1700] = "odd,2016-01-05,$7,3,a"
    lines[1800] = "5,soon,$7,3,a"
    lines[1900] = "5,2016-01-05,dear,3,a"
    said = init(write(["size,when,price,x,y", *lines]), "--label", "y")
    assert "line 1702" in said.replace("\n", " ")
    table = read()
    assert [str(table.schema.field(name).type) for name in ("size", "when", "price")] == ["int64"] * 3
    assert len(table) == 1997
