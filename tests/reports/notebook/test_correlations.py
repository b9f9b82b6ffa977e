"""Literal rows, correlations by hand."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.data.columns import ColumnType
from pipeline.reports.notebook.correlations import label_correlations

TYPES = {
    "same": ColumnType.FLOAT,
    "opposite": ColumnType.INT,
    "gaps": ColumnType.INT,
    "constant": ColumnType.INT,
    "empty": ColumnType.FLOAT,
    "half": ColumnType.STRING,
    "name": ColumnType.STRING,
    "late": ColumnType.INT,
}
ROWS = {
    "same": [0.0, 0.0, 5.0, 5.0],
    "opposite": [7, 7, 3, 3],
    "gaps": [1, None, 2, None],
    "constant": [1, 1, 1, 1],
    "empty": [None] * 4,
    "half": ["a", "a", "a", "b"],
    "name": ["p", "q", "r", "r"],
    "late": [0, 0, 1, 1],
}


def artifact(folder: Path, rows: dict[str, list[object]]) -> Path:
    (folder / "Split-train").mkdir()
    schema = pa.schema([(name, ColumnType.STRING.stored if name == "class" else TYPES[name].stored) for name in rows])
    table = pa.table(rows, schema)
    pq.write_table(table.slice(0, 3), folder / "Split-train" / "data-00000.parquet")
    pq.write_table(table.slice(3), folder / "Split-train" / "data-00001.parquet")
    return folder


def test_numbers_and_text_against_a_number(tmp_path: Path) -> None:
    found = label_correlations(artifact(tmp_path, ROWS), TYPES, "late")
    # half: its groups' means are 1/3 (three rows) and 1 (one row), so it explains 1/3 of the variance.
    assert found == pytest.approx({"same": 1.0, "opposite": -1.0, "gaps": 1.0, "half": (1 / 3) ** 0.5, "name": 1.0})


def test_numbers_and_text_against_text(tmp_path: Path) -> None:
    rows = {"same": [0.0, 0.0, 5.0, 5.0], "half": ["a", "a", "a", "b"], "class": ["x", "x", "y", "y"]}
    types = {"same": ColumnType.FLOAT, "half": ColumnType.STRING, "class": ColumnType.STRING}
    found = label_correlations(artifact(tmp_path, rows), types, "class")
    assert found == pytest.approx({"same": 1.0, "half": (1 / 3) ** 0.5})  # chi-squared is 4/3 of 4 rows


def test_only_the_first_rows(tmp_path: Path) -> None:
    found = label_correlations(artifact(tmp_path, ROWS), TYPES, "late", most_rows=3)
    assert "half" not in found, "it is constant there"
    assert found["same"] == pytest.approx(1.0)
