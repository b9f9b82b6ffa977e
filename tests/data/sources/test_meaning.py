"""Values read by the settings of their columns, from files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config.reading import Reading
from pipeline.data.columns import ColumnType
from pipeline.data.sources.source import infer_columns, plan_fragments, read_fragment, read_marked
from pipeline.data.sources.table_files import find_files
from pipeline.data.values.readings import Readings
from pipeline.errors import DataError

INT, FLOAT, STRING, BOOL, TIMESTAMP = ColumnType
COLUMNS = {
    "amount": Reading(kind="number", thousands=",", unit=("$",)),
    "day": Reading(kind="date", format="%d/%m/%Y"),
    "paid": Reading(kind="boolean"),
    "took": Reading(kind="duration"),
    "zip": Reading(kind="text"),
    "country": Reading(missing=("?",)),
}
ROWS = {
    "amount": ["$1,200", "(15)", "?", None],
    "day": ["3/12/2016", "24/12/2016", " ? ", None],
    "paid": ["yes", "No", "?", None],
    "took": ["1:00:00", "P1D", "?", None],
    "zip": ["90210", "10001", "?", None],
    "country": ["NA", "DE", "?", None],
    "n": ["1", "2", "?", None],
}
FOUND = {
    "amount": [1200, -15, None, None],
    "day": [1480723200, 1482537600, None, None],
    "paid": [1, 0, None, None],
    "took": [3600.0, 86400.0, None, None],
    "zip": ["90210", "10001", None, None],
    "country": ["NA", "DE", None, None],
    "n": [1, 2, None, None],
}


def write(folder: Path, rows: dict[str, list[Any]], kind: str = "csv") -> Path:
    path = folder / f"t.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table(rows), path)
    else:
        lines = [
            ",".join(f'"{value}"' if value is not None else "" for value in row)
            for row in zip(*rows.values(), strict=True)
        ]
        path.write_text("\n".join([",".join(rows), *lines]) + "\n")
    return path


def both(path: Path, readings: Readings, rows: int = 65536) -> tuple[dict[str, ColumnType], dict[str, list[Any]]]:
    files = find_files(str(path), readings=readings)
    columns = infer_columns(files)
    batches = [batch for part in plan_fragments(files) for batch in read_fragment(part, columns, rows)]
    return columns, pa.Table.from_batches(batches).to_pydict()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_texts_are_read_by_their_columns_settings(tmp_path: Path, kind: str) -> None:
    settings = COLUMNS if kind == "csv" else {**COLUMNS, "n": Reading(kind="number")}
    types, found = both(write(tmp_path, ROWS, kind), Readings(("?",), settings))
    assert found == FOUND
    assert types == {
        "amount": INT, "day": TIMESTAMP, "paid": BOOL, "took": FLOAT, "zip": STRING, "country": STRING, "n": INT,
    }  # fmt: skip


def test_without_settings_na_is_missing_and_with_them_a_column_may_keep_it(tmp_path: Path) -> None:
    path = write(tmp_path, {"code": ["NA", "DE"], "n": ["NA", "1"]})
    assert both(path, Readings())[1] == {"code": [None, "DE"], "n": [None, 1]}
    assert both(path, Readings(columns={"code": Reading(missing=())}))[1] == {"code": ["NA", "DE"], "n": [None, 1]}


def test_a_field_of_blanks_is_a_missing_number_but_a_text_of_its_own(tmp_path: Path) -> None:
    types, found = both(write(tmp_path, {"n": ["1.5", "  "], "s": ["x", "  "], "d": ["2020-01-01", " "]}), Readings())
    assert found == {"n": [1.5, None], "s": ["x", "  "], "d": [1577836800, None]}
    assert types == {"n": FLOAT, "s": STRING, "d": TIMESTAMP}


def test_a_value_that_does_not_fit_is_an_error_that_names_its_line_and_a_remedy(tmp_path: Path) -> None:
    path = write(tmp_path, {"amount": ["$1", "12 apples"], "n": ["1", "2"]})
    files = find_files(str(path), readings=Readings(columns=COLUMNS))
    (part,) = plan_fragments(files)
    with pytest.raises(DataError, match=r"line 3: column 'amount' holds '12 apples' where a number .* unit \['\$'\]"):
        list(read_fragment(part, {"amount": FLOAT}))
    big = write(tmp_path, {"n": [str(n) for n in range(30_000)] + ["x"]}, "parquet")
    (part, *_) = plan_fragments(find_files(str(big), readings=Readings(columns={"n": Reading(kind="number")})))
    with pytest.raises(DataError, match="row 30,001: column 'n' holds 'x'"):
        list(read_fragment(part, {"n": INT}, 1000))


def test_rows_that_do_not_fit_are_set_aside_with_their_reasons(tmp_path: Path) -> None:
    path = write(tmp_path, {"a": ["$1", "x", "$3", "y"], "n": ["1", "2", "z", "w"]})
    files = find_files(str(path), readings=Readings(columns={"a": COLUMNS["amount"]}, set_aside=True))
    (part,) = plan_fragments(files)
    columns = {"n": INT, "a": FLOAT}
    assert pa.Table.from_batches(read_fragment(part, columns)).to_pydict() == {"n": [1], "a": [1.0]}
    ((batch, misfits),) = read_marked(part, columns)
    assert batch.to_pydict() == {"n": [1, 2, None, None], "a": [1.0, None, 3.0, None]}
    told = sorted((misfit.row, misfit.column, misfit.value) for misfit in misfits)
    assert told == [(1, "a", "x"), (2, "n", "z"), (3, "a", "y"), (3, "n", "w")]


def test_what_is_already_of_the_kind_is_read_as_it_is(tmp_path: Path) -> None:
    """The examples of a run are such a table: what was texts in the CSV is numbers in them."""
    moment = datetime(2016, 12, 3, tzinfo=UTC)
    rows = {"paid": [True, None], "n": [1, 0], "amount": [1.5, None], "day": [moment, None], "took": [3600.0, None]}
    columns = {"paid": BOOL, "n": BOOL, "amount": FLOAT, "day": TIMESTAMP, "took": FLOAT}
    readings = Readings(
        columns={
            **{name: Reading(kind="boolean", words=("false", "true")) for name in ("paid", "n")},
            "amount": Reading(kind="number", decimal=",", thousands="."),
            "day": Reading(kind="date", format="%d/%m/%Y"),
            "took": Reading(kind="duration"),
        }
    )
    files = find_files(str(write(tmp_path, rows, "parquet")), readings=readings)
    (batch,) = [batch for fragment in plan_fragments(files) for batch in read_fragment(fragment, columns)]
    assert batch.to_pydict() == {
        "paid": [1, None], "n": [1, 0], "amount": [1.5, None], "day": [1480723200, None], "took": [3600.0, None]
    }  # fmt: skip
