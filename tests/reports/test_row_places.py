"""A single row of the page is named by the file and the row where it stands."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.data.columns import ColumnType
from pipeline.evaluation.model_inputs import row_names
from pipeline.guard.find_rows import find_rows
from pipeline.guard.rows import Source
from pipeline.reports import single_rows
from pipeline.reports.single_rows import with_places
from trainer.rows import to_examples

COLUMNS = {
    "name": ColumnType.STRING,
    "seen": ColumnType.TIMESTAMP,
    "speed": ColumnType.FLOAT,
    "stops": ColumnType.INT,
    "never": ColumnType.FLOAT,
    "late": ColumnType.INT,
}
TABLE = "name,seen,speed,stops,never,late\na,1970-01-01 00:00:07,0.1,1,,0\n,,0.1,,,1\nb,,,,,1\na,,1e-3,-5,,0\n"


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (tmp_path / "span-1").mkdir()
    (tmp_path / "span-1" / "flights.csv").write_text(TABLE)
    return Source(str(tmp_path / "span-{SPAN}" / "flights.csv"), COLUMNS)


def scored(*rows: dict[str, object]) -> list[str]:
    """As Evaluator names rows that it read as tf.Examples."""
    types = {name: kind.stored for name, kind in COLUMNS.items()}
    batch = pa.RecordBatch.from_pylist(list(rows), pa.schema(list(types.items())))
    return row_names(to_examples(batch), list(COLUMNS), "late")


def test_a_scored_row_is_found_in_its_file(source: Source) -> None:
    names = scored(
        {"name": "a", "speed": 1e-3, "stops": -5, "late": 0}, {"name": "a", "seen": 7, "speed": 0.1, "stops": 1}
    )
    found = find_rows(source, (), "late", {int(name, 16) for name in names})
    assert [Path(found[int(name, 16)][0]).name for name in names] == ["flights.csv"] * 2
    assert [found[int(name, 16)][1] for name in names] == [4, 1]
    assert find_rows(None, (), "late", {1}) == find_rows(source, (), "late", {1}) == {}


def test_the_page_says_where_it_stands(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    config, ingestion = {"data": {"label": "late"}}, {"rows": {"train": 3, "eval": 1}, "split_spans": {"eval": [1]}}
    (name,) = scored({"name": "b"})
    explanation = {"examples": {"rows": [{"row": name}, {"row": "00"}, {"kind": "of an older evaluation"}]}}

    def places() -> list[str | None]:
        found = with_places(explanation, source, config, ingestion)
        return [row.get("place") for row in found["examples"]["rows"]]

    assert places() == ["span-1/flights.csv, row 3", "", ""]
    assert with_places(explanation, None, config, ingestion) == explanation
    monkeypatch.setattr(single_rows, "_MOST_CELLS", 4)  # too large to read for a page
    assert places() == [None] * 3
