"""The whole verdict on small tables, and on the twelve real months."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.config.loading import load
from pipeline.contract.schema import column_type, read_schema
from pipeline.data.columns import ColumnType
from pipeline.data.convert import to_stored
from pipeline.data.table_statistics import table_statistics
from pipeline.guard.findings import DataVerdict
from pipeline.guard.judge import Evidence, judge
from pipeline.guard.policy import Policy, Severity
from pipeline.guard.policy_file import read_policy
from pipeline.guard.rows import Source, with_rows
from tests.guard.conftest import batch, schema_of

SCHEMA = schema_of("""
    default_environment: "TRAINING"
    default_environment: "SERVING"
    feature { name: "when" type: INT time_domain { integer_format: UNIX_SECONDS } }
    feature { name: "x" type: INT int_domain { min: 0 max: 9 } presence { min_fraction: 1 } }
    feature { name: "note" type: BYTES presence { min_count: 1 } }
    feature { name: "free" type: BYTES }
    feature { name: "label" type: INT bool_domain {} presence { min_fraction: 1 } not_in_environment: "SERVING" }
""")
GOOD: dict[str, list[Any]] = {
    "when": list(range(60)),
    "x": [0, 1, 2, 3, 4] * 12,
    "note": ["a"] * 30 + ["b"] * 20 + [None] * 10,
    "free": ["a", "b", None, None] * 15,
    "label": [0, 1, 1] * 20,
}


def verdict(statistics: Callable[..., Any], policy: Policy | None = None, **changed: list[Any]) -> DataVerdict:
    table = GOOD | changed
    evidence = Evidence(
        label="label",
        task="binary",
        splits={"train": statistics(**table)},
        spans={1: statistics(**GOOD), 2: statistics(**table)},
        spans_read=[1, 2],
        time_column="when",
        rows=lambda: [("train", batch(**table))],
    )
    return judge(evidence, SCHEMA, policy or Policy())


def kinds(found: DataVerdict) -> list[tuple[str, str | None, str]]:
    return [(finding.kind, finding.feature, finding.severity.value) for finding in found.findings]


def test_good_data_leave_nothing_to_say(statistics: Callable[..., Any]) -> None:
    found = verdict(statistics)
    assert (found.findings, found.blocked) == ((), False)
    assert set(found.drift) == {"x", "note", "free", "label"}  # time goes on in any case


def test_what_blocks_comes_first_and_what_is_ignored_not_at_all(statistics: Callable[..., Any]) -> None:
    changed = {"new": [1, 2] * 30, "x": [*range(59), 100]}
    found = verdict(statistics, **changed)
    assert kinds(found) == [
        ("int_type_big_int", "x", "block"),
        ("schema_new_column", "new", "warn"),
        ("comparator_jensen_shannon_divergence_high", "x", "warn"),
    ]
    assert found.blocked
    policy = Policy(severity={"int_type_big_int": Severity.WARN, "schema_new_column": Severity.IGNORE})
    found = verdict(statistics, policy, **changed)
    assert [kind for kind, _, _ in kinds(found)] == ["int_type_big_int", "comparator_jensen_shannon_divergence_high"]
    assert not found.blocked


def test_a_column_without_a_value_is_told_of_once(statistics: Callable[..., Any]) -> None:
    found = verdict(statistics, note=[None] * 60, free=[None] * 60)
    assert [entry for entry in kinds(found) if "missing" in entry[0] or "present" in entry[0]] == [
        ("feature_type_not_present", "note", "block"),  # the schema wants some
        ("all_missing", "free", "warn"),
        ("missing_rate_change", "note", "warn"),
        ("missing_rate_change", "free", "warn"),
    ]


def test_a_new_column_may_be_wrong_too(statistics: Callable[..., Any]) -> None:
    found = verdict(statistics, new=[1.5, float("inf")] * 30, other=[None] * 60)
    assert kinds(found) == [
        ("not_finite", "new", "block"),
        ("schema_new_column", "new", "warn"),
        ("schema_new_column", "other", "warn"),
        ("all_missing", "other", "warn"),
    ]


def test_a_table_without_spans_is_held_against_an_earlier_one(statistics: Callable[..., Any]) -> None:
    now = statistics(**(GOOD | {"free": ["a", "c", None, None] * 15}))
    evidence = Evidence("label", "binary", {"train": now}, previous=("the last one", statistics(**GOOD)))
    found = judge(evidence, SCHEMA, Policy())
    assert [(f.kind, f.feature) for f in found.findings] == [
        ("comparator_l_infty_high", "free"),
        ("new_values", "free"),
        ("vanished_values", "free"),
    ]
    assert found.findings[0].expected == "a distance of at most 0.1 from the last one"
    assert found.drift["free"].by == {"the last one": 0.5}


def test_the_label_is_not_expected_in_serving(statistics: Callable[..., Any]) -> None:
    requests = statistics(when=[1, 2, 3], x=[1, 2, 55], note=["a", "b", "b"], free=["a", "b", "b"])
    evidence = Evidence("label", "binary", {"train": statistics(**GOOD)}, serving=requests)
    assert [(f.kind, f.feature, f.split) for f in judge(evidence, SCHEMA, Policy()).blocking] == [
        ("int_type_big_int", "x", "serving")
    ]
    without_environments = schema_of(str(SCHEMA))
    without_environments.ClearField("default_environment")
    without_environments.feature[4].ClearField("not_in_environment")
    assert [f.feature for f in judge(evidence, without_environments, Policy()).blocking] == ["x"]


@pytest.mark.slow
def test_each_real_month_against_the_months_before_gives_one_false_alarm_at_most(year: Path) -> None:
    """All 2013, with the policy that people reviewed: 336,776 rows, in seconds."""
    config = load()
    schema, policy = read_schema(config.schema_file), read_policy(config.policy_file)
    types = {feature.name: column_type(feature) for feature in schema.feature}
    spans: dict[int, Any] = {}
    alarms: dict[int, list[str]] = {}
    for month in range(1, 13):
        rows = _stored(year / f"span-{month:02d}" / "flights.parquet", types)
        began = time.process_time()
        spans[month] = table_statistics(rows)
        evidence = Evidence(
            label="late",
            task="binary",
            splits={"train": spans[month]},
            spans=dict(spans),
            spans_read=list(spans),
            time_column="scheduled_departure",
            rows=lambda rows=rows: (("train", batch) for batch in rows),  # type: ignore[misc]
        )
        alarms[month] = [finding.sentence() for finding in judge(evidence, schema, policy).findings]
        assert time.process_time() - began < 8
    assert sum(map(len, alarms.values())) <= 1, alarms
    assert len(spans) == 12

    # The same policy sees a last month in kilometres.
    metric = [_in_kilometres(batch) for batch in rows]
    spans[12] = table_statistics(metric)
    evidence = Evidence("late", "binary", {"train": spans[12]}, spans=spans, time_column="scheduled_departure")
    (finding,) = (f for f in judge(evidence, schema, policy).findings if f.feature == "distance_miles")
    assert finding.kind == "comparator_jensen_shannon_divergence_high"


def _in_kilometres(rows: pa.RecordBatch) -> pa.RecordBatch:
    miles = rows.column("distance_miles")
    return rows.set_column(
        rows.schema.get_field_index("distance_miles"),
        "distance_miles",
        pc.multiply(miles, 1.609).cast(pa.int64(), False),
    )


def _stored(path: Path, types: dict[str, ColumnType]) -> list[Any]:
    (table,) = pq.read_table(path).combine_chunks().to_batches()
    return [pa.RecordBatch.from_arrays([to_stored(table.column(n), t) for n, t in types.items()], names=list(types))]


def test_training_data_need_not_have_what_only_serving_has(statistics: Callable[..., Any]) -> None:
    feature = 'feature { name: "request" type: BYTES presence { min_fraction: 1 } %s }'
    environments = 'default_environment: ["TRAINING", "SERVING"] '
    found = {
        rule: judge(
            Evidence(label=None, task="binary", splits={"train": statistics(other=[1, 2])}),
            schema_of(environments + feature % rule + ' feature { name: "other" type: INT }'),
            Policy(),
        ).findings
        for rule in ("", 'not_in_environment: "TRAINING"')
    }
    assert [[finding.feature for finding in findings] for findings in found.values()] == [["request"], []]


def test_rows_above_a_bound_are_counted_the_same_in_a_run_and_in_its_files(
    statistics: Callable[..., Any], tmp_path: Path
) -> None:
    """300 of 27,020 rows: the histogram has 1.1 %, or 3.4 %, as its bins happen to lie."""
    humidity = [float(60 + i % 40) for i in range(26_720)] + [100 + (i % 300 + 1) * 0.15 for i in range(300)]
    schema = schema_of('feature { name: "humidity" type: FLOAT float_domain { min: 0 max: 100 } }')
    table = batch(humidity=humidity)
    pq.write_table(pa.Table.from_batches([table]), tmp_path / "t.parquet")
    where = Source(str(tmp_path / "t.parquet"), {"humidity": ColumnType.FLOAT})
    told = []
    for rows in (lambda: [("train", table)], None):
        evidence = Evidence("label", "binary", {"train": statistics(humidity=humidity)}, rows=rows)
        found = judge(replace(evidence, label=None), schema, Policy())
        guessed = found.findings[0]
        if rows is None:
            assert "(about " in guessed.sentence()
            assert guessed.share != pytest.approx(300 / 27_020, rel=0.2)
        (finding,) = with_rows(found, {"training": where}, 5).findings
        told.append((finding.count, finding.of, finding.sentence(), finding.places()))
    assert told[0] == told[1]
    assert told[0][:2] == (300, 27_020)
    assert "(300 of 27,020 rows, 1.1%, " in told[0][2]
    assert told[0][3][0].endswith("t.parquet: 300 of 27,020 rows, rows 26,721 to 27,020 (100.15, 100.3, 100.45)")


def test_a_column_that_the_model_is_not_shown_neither_leaks_nor_drifts(statistics: Callable[..., Any]) -> None:
    label = [0, 1, 1] * 20
    table = GOOD | {"free": [f"a{y}" for y in label], "label": label, "note": [f"n{i}" for i in range(60)]}
    evidence = Evidence(
        label="label",
        task="binary",
        splits={"train": statistics(**table)},
        spans={1: statistics(**GOOD), 2: statistics(**table)},
        rows=lambda: [("train", batch(**table))],
    )
    loud = judge(evidence, SCHEMA, Policy())
    assert ("label_leak", "free") in {(f.kind, f.feature) for f in loud.blocking}
    assert {f.feature for f in loud.warnings} == {"free", "note"}
    assert judge(replace(evidence, excluded=("free", "note")), SCHEMA, Policy()).findings == ()
    retired = schema_of(str(SCHEMA))
    for feature in retired.feature:
        if feature.name in ("free", "note"):
            feature.lifecycle_stage = schema_pb2.DEPRECATED
    assert judge(evidence, retired, Policy()).findings == ()
