"""TFDV's anomalies, as TFDV finds them in real statistics, in our words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2

from pipeline.guard.anomalies import findings_of
from pipeline.guard.findings import DataVerdict, Finding
from pipeline.guard.policy import DEFAULTS
from pipeline.guard.validation import validate
from pipeline.guard.words import title_of
from pipeline.reports.gate import gate_anomalies
from tests.guard.conftest import batch, schema_of

SCHEMA = schema_of("""
    string_domain { name: "airports" value: ["EWR", "JFK"] }
    feature { name: "origin" type: BYTES domain: "airports" presence { min_fraction: 1 min_count: 1 } }
    feature { name: "engines" type: INT int_domain { min: 0 max: 3 } }
    feature { name: "temp" type: FLOAT float_domain { min: -10 max: 10 disallow_inf: true } }
    feature { name: "late" type: INT bool_domain {} }
    feature { name: "note" type: BYTES presence { min_count: 1 } }
    dataset_constraints { min_examples_count: 2 }
""")
GOOD: dict[str, list[Any]] = {
    "origin": ["EWR", "JFK", "EWR", "JFK"],
    "engines": [0, 1, 2, 3],
    "temp": [-10.0, 0.5, 1.5, 10.0],
    "late": [0, 1, 0, 1],
    "note": ["a", None, None, None],
}


@pytest.mark.parametrize(
    ("column", "values", "kind", "rule", "expected", "found", "share", "rows"),
    [
        ("origin", ["EWR", "LAX", "XXX", "LAX"], "enum_type_unexpected_string_values", "schema: domain",
         "one of 'EWR', 'JFK'", "'LAX' in 2 rows, 'XXX' in 1 row", 0.75, [1, 2, 3]),
        ("origin", ["EWR", None, None, "JFK"], "feature_type_low_fraction_present", "schema: presence",
         "a value in every row", "rows without one", 0.5, [1, 2]),
        ("engines", [0, 1, 2, 9], "int_type_big_int", "schema: domain", "at most 3", "values up to 9", 0.25, [3]),
        ("engines", [-7, 1, 2, 3], "int_type_small_int", "schema: domain", "at least 0", "values down to -7", 0.25,
         [0]),
        ("temp", [-10.0, 0.5, 90.0, None], "float_type_big_float", "schema: domain", "at most 10", "values up to 90",
         0.25, [2]),
        ("temp", [-10.0, 0.5, 123.45678, None], "float_type_big_float", "schema: domain", "at most 10",
         "values up to 123.45678", 0.25, [2]),
        ("late", [0, 1, 2, 1], "bool_type_big_int", "schema: domain", "at most 1", "values up to 2", 0.25, [2]),
        ("late", ["a", "b", "a", "b"], "unexpected_data_type", "schema: type", "whole numbers", "text", None, None),
        ("note", [None] * 4, "feature_type_not_present", "schema: presence", "at least 1 value", "none", 1.0,
         None),
    ],
)  # fmt: skip
def test_each_anomaly(
    statistics: Callable[..., Any],
    column: str,
    values: list[Any],
    kind: str,
    rule: str,
    expected: str,
    found: str,
    share: float | None,
    rows: list[int] | None,
) -> None:
    table = GOOD | {column: values}
    finding = next(f for f in findings(statistics, table) if f.kind == kind)
    assert (finding.feature, finding.split, finding.rule) == (column, "train", rule)
    assert (finding.expected, finding.found) == (expected, found)
    assert finding.share == (None if share is None else pytest.approx(share, abs=0.02))
    # What statistics only guess is not told as a count.
    assert ("about" in finding.sentence()) == (share is not None and finding.count is None)
    if rows is None:
        assert finding.offends is None
    else:
        assert finding.offends
        assert [i for i, bad in enumerate(finding.offends(batch(**table)).to_pylist()) if bad] == rows


def findings(statistics: Callable[..., Any], table: dict[str, list[Any]]) -> list[Finding]:
    found = statistics(**table)
    return findings_of(validate(found, SCHEMA), found, SCHEMA, "train")


def test_good_data_have_none(statistics: Callable[..., Any]) -> None:
    assert findings(statistics, GOOD) == []


def test_columns_that_came_and_went(statistics: Callable[..., Any]) -> None:
    table = {name: values for name, values in GOOD.items() if name != "origin"} | {"new": [1, 2, 3, 4]}
    assert [(f.kind, f.feature, f.expected, f.found) for f in findings(statistics, table)] == [
        ("schema_new_column", "new", "no column of this name", "a column of whole numbers"),
        ("schema_missing_column", "origin", "a column of text", "no such column"),
    ]


def test_too_few_rows(statistics: Callable[..., Any]) -> None:
    table = {name: values[:1] for name, values in GOOD.items()}
    (finding,) = findings(statistics, table)
    assert (finding.kind, finding.feature, finding.rule) == (
        "dataset_low_num_examples", None, "schema: dataset_constraints",
    )  # fmt: skip


RAW = re.compile(
    r"_|(?i:\b(enum|bool|int|float|string|bytes)[ _]?type|comparator|infty|feature type)|\b(INT|FLOAT|BYTES)\b"
)


@pytest.mark.parametrize("name", sorted(anomalies_pb2.AnomalyInfo.Type.keys()))
def test_every_anomaly_of_tfdv_is_told_in_plain_words(statistics: Callable[..., Any], name: str) -> None:
    """In what the terminal and the page show, with and without a column, of statistics that say nothing else."""
    kind = name.lower()
    anomalies = anomalies_pb2.Anomalies()
    for column in ("origin", "engines", "gone", "new"):
        info = anomalies.anomaly_info[column]
        info.path.step.append(column)
        info.reason.add(type=name, description="Something is wrong.", short_description="Raw words")
    anomalies.dataset_anomaly_info.reason.add(type=name, description="Something is wrong.")
    schema = schema_of(str(SCHEMA) + ' feature { name: "gone" type: FLOAT }')
    found = findings_of(anomalies, statistics(**(GOOD | {"new": [1, 2, 3, 4]})), schema, "train")
    assert len(found) == (1 if kind.startswith("comparator_") else 5)
    shown = [finding.sentence() for finding in found]
    shown += [f"{one.what} {one.detail}" for some in gate_anomalies(DataVerdict(tuple(found))).values() for one in some]
    for text in shown:
        assert not RAW.search(text.replace("dataset_constraints", "")), text
        assert kind.replace("_", " ") not in text.lower()
    if name != "UNKNOWN_TYPE":
        assert title_of(kind) != title_of("unknown_type")
    assert all(title_of(own) != title_of("unknown_type") for own in DEFAULTS)
