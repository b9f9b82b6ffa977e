"""Tables show all of their text, and take it for text."""

from __future__ import annotations

from pipeline.guard.findings import DataVerdict, Finding
from pipeline.guard.places import FileRows
from pipeline.guard.policy import Severity
from pipeline.reports.artifacts import Column, SplitStatistics
from pipeline.reports.notebook import tables

EVIL = "<script>alert(1)</script>"


def test_findings() -> None:
    rows = (FileRows("span-1/a.csv", 1, 9, ((7, 7),), (EVIL,)), FileRows("span-2/a.csv", 1, 9, ((9, 9),), ("x" * 100,)))
    finding = Finding("new_values", EVIL, None, "rule", "few", "many", 0.25, Severity.WARN, rows)
    table = tables.findings_table(DataVerdict((finding,)))
    html = table._repr_html_()
    assert "<script" not in html
    assert "x" * 100 in html
    assert f"row 7 ({EVIL})" in table.frame["rows"][0]
    detail = "expected few, found many (about 25.0% of the rows)"
    assert table.frame.drop(columns="rows").values.tolist() == [
        ["warn", "values that were not there before", EVIL, "all rows", detail, ""]
    ]


def test_a_finding_names_its_span_by_the_date() -> None:
    finding = Finding("new_values", "x", "span 20240401", "rule", "few", "many", 0.25, Severity.WARN)
    assert tables.findings_table(DataVerdict((finding,))).frame["where"][0] == "span 2024-04-01"


def test_values_of_single_rows_are_dates_and_numbers_without_noise() -> None:
    parts = [
        {"feature": name, "value": value, "part": 0.1}
        for name, value in (("at", 1_736_040_600), ("temp", 39.299999), ("word", "a"), ("hour", None))
    ]
    row = {"truth": "yes", "prediction": 0.2, "typical": 0.5, "parts": parts, "kind": "ordinary", "output": "no"}
    table = tables.examples_table({"examples": {"rows": [row]}}, {"at": "timestamp", "temp": "float", "word": "string"})
    number = row | {"truth": "276883.0", "output": None}
    assert tables.examples_table({"examples": {"rows": [number]}}, {}).frame["truth"][0] == "276,883"
    assert table.frame["value"].tolist() == ["2025-01-05 01:30", "39.3", "a", "missing"]


def test_nothing_is_said_in_words() -> None:
    assert tables.findings_table(DataVerdict())._repr_html_() == "<p>None.</p>"


def test_statistics() -> None:
    split = SplitStatistics(1500, 0.25, low=0.5, median=2.0, mean=2.25, std=1.0, high=12345.0)
    text = SplitStatistics(2000, 0.0, distinct=3, top=[("a", 0.5), ("b", 0.25)], shares=[0.5, 0.25])
    columns = [Column("miles", "float", True, {"train": split}), Column("word", "string", False, {"train": text})]
    assert '; text-align: right">25.0%</td>' in tables.statistics_table(columns)._repr_html_()
    assert tables.statistics_table(columns).frame.values.tolist() == [
        ["miles", "float", "train", "1,500", "25.0%", "", "0.5", "2", "2.25", "12,345"],
        ["word", "string", "train", "2,000", "0.0%", "3", "", "", "", ""],
    ]
    assert tables.top_values_table(columns[1]).frame.values.tolist() == [["a", "50.0%"], ["b", "25.0%"]]
