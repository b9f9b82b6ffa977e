"""Proposals: what is proposed in words, what it does to the schema, and what is never proposed."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from pipeline.contract.proposal import Proposal
from pipeline.contract.proposals import propose
from pipeline.data.columns import ColumnType

ROWS = 1000


def schema(text: str) -> Any:
    return text_format.Parse(text, schema_pb2.Schema())


def split(rows: int, **columns: str) -> Any:
    """Statistics of a split: `int`, `float` or `string` columns as text, all rows with one value by default."""
    statistics = statistics_pb2.DatasetFeatureStatisticsList()
    dataset = statistics.datasets.add(num_examples=rows)
    for name, text in columns.items():
        kind, _, rest = text.partition(" ")
        column = dataset.features.add(type=statistics_pb2.FeatureNameStatistics.Type.Value(kind.upper()))
        column.path.step.append(name)
        stats = column.string_stats if kind == "string" else column.num_stats
        stats.common_stats.num_non_missing = rows
        stats.common_stats.min_num_values = stats.common_stats.max_num_values = 1
        text_format.Merge(rest, stats)
        stats.common_stats.num_missing = rows - stats.common_stats.num_non_missing
    return statistics


def strings(**counts: int) -> str:
    buckets = " ".join(f'buckets {{ label: "{value}" sample_count: {count} }}' for value, count in counts.items())
    top = " ".join(f'top_values {{ value: "{value}" frequency: {count} }}' for value, count in counts.items())
    return f"string unique: {len(counts)} {top} rank_histogram {{ {buckets} }}"


def proposals(curated: str, inferred: str = "", **splits: Any) -> list[Proposal]:
    return propose(schema(curated), schema(inferred), splits)


def only(found: list[Proposal]) -> Proposal:
    (proposal,) = found
    return proposal


def told(proposal: Proposal) -> list[str]:
    return [proposal.change, *(evidence.sentence() for evidence in proposal.evidence)]


def applied(curated: str, *found: Proposal) -> Any:
    """The schema after the proposals; a second time changes nothing."""
    changed = schema(curated)
    for proposal in found:
        proposal.apply(changed)
    again = schema_pb2.Schema()
    again.CopyFrom(changed)
    for proposal in found:
        proposal.apply(again)
    assert again == changed
    return changed


# What is not proposed


@pytest.mark.parametrize(
    "looser",
    [
        'type: INT int_domain { min: -100 max: 100 }',
        'type: INT int_domain { max: 9 }',
        'type: INT presence { min_fraction: 0.1 min_count: 1 }',
        'type: INT value_count { min: 0 max: 9 }',
        'type: INT value_count { min: 1 }',
        'type: INT',
        'type: INT drift_comparator { jensen_shannon_divergence { threshold: 0.0001 } }',
        'type: BYTES deprecated: true presence { min_count: 5000 }',
        'type: BYTES lifecycle_stage: ALPHA',
    ],
)  # fmt: skip
def test_a_looser_rule_is_no_difference(looser: str) -> None:
    inferred = 'feature { name: "a" type: INT presence { min_fraction: 1 } shape { dim { size: 1 } } }'
    assert proposals(f'feature {{ name: "a" {looser} }}', inferred, train=split(ROWS, a="int min: 1 max: 9")) == []


def test_values_within_the_allowed_share_of_others_are_no_violation() -> None:
    curated = """feature {
        name: "a" type: BYTES string_domain { value: "x" } distribution_constraints { min_domain_mass: %s } }"""
    train = split(100, a=strings(x=95, y=5))
    assert proposals(curated % 0.95, train=train) == []
    assert only(proposals(curated % 0.96, train=train)).change == "allow 1 more value: 'y'"


def test_nan_infinity_and_what_is_no_text_are_never_proposed() -> None:
    curated = """
        feature { name: "a" type: FLOAT float_domain { min: 0 max: 1 disallow_nan: true disallow_inf: true } }
        feature { name: "b" type: BYTES string_domain { value: "x" } }"""
    numbers = "float min: -inf max: inf histograms { num_nan: 5 }"
    assert proposals(curated, train=split(ROWS, a=numbers, b=strings(x=990, __BYTES_VALUE__=10))) == []


def test_an_empty_split_says_nothing() -> None:
    curated = 'feature { name: "a" type: INT presence { min_fraction: 1 } }'
    assert proposals(curated, train=split(ROWS, a="int"), eval=split(0)) == []
    assert proposals(curated, train=split(0)) == []


# Domains


def test_new_values_of_a_shared_sorted_domain() -> None:
    curated = """
        string_domain { name: "airline" value: ["AA", "UA"] }
        feature { name: "carrier" type: BYTES domain: "airline" }
        feature { name: "partner" type: BYTES domain: "airline" }"""
    train = split(ROWS, carrier=strings(UA=600, DL=300, B6=99, ZZ=1), partner=strings(UA=1000))
    found = only(proposals(curated, train=train, eval=split(10, carrier=strings(UA=9, XX=1), partner=strings(AA=10))))
    assert (found.kind, found.feature) == ("new_values", "carrier")
    assert told(found) == [
        "allow 4 more values: 'DL', 'B6', 'XX', 'ZZ' (the domain is also that of 'partner')",
        "train: 400 rows (40.0%) with 3 new values: 'DL' 300, 'B6' 99, 'ZZ' 1",
        "eval: 1 row (10.0%) with a new value: 'XX' 1",
    ]
    assert list(applied(curated, found).string_domain[0].value) == ["AA", "B6", "DL", "UA", "XX", "ZZ"]


def test_new_values_of_an_unsorted_domain_go_to_its_end() -> None:
    curated = 'feature { name: "a" type: BYTES string_domain { value: ["low", "high"] } }'
    found = only(proposals(curated, train=split(ROWS, a=strings(low=1, nil=1, extreme=1))))
    assert list(applied(curated, found).feature[0].string_domain.value) == ["low", "high", "extreme", "nil"]


def test_many_new_values_are_counted_and_some_are_shown() -> None:
    curated = 'feature { name: "a" type: BYTES string_domain { value: "x" } }'
    counts = {f"v{i:02d}": 1 for i in range(12)}
    found = only(proposals(curated, train=split(12, a=strings(**counts))))
    shown = "'v00', 'v01', 'v02', 'v03', 'v04', 'v05', 'v06', 'v07', 'v08', 'v09', 2 more"
    assert found.change == f"allow 12 more values: {shown}"
    assert found.evidence[0].sentence().endswith("'v09' 1, 2 more")
    assert len(applied(curated, found).feature[0].string_domain.value) == 13


def test_more_values_than_statistics_list_open_the_domain() -> None:
    curated = """
        string_domain { name: "d" value: "x" }
        string_domain { name: "e" value: "x" }
        feature { name: "a" type: BYTES domain: "d" distribution_constraints { min_domain_mass: 0.9 } }
        feature { name: "b" type: BYTES domain: "e" }"""
    train = split(ROWS, a=strings(x=1, y=1, z=1).replace("unique: 3", "unique: 5000"), b=strings(x=ROWS))
    found = only(proposals(curated, train=train))
    assert (found.kind, found.change) == ("open_domain", "allow any text: more than 3 different values")
    assert found.evidence[0].sentence().startswith("train: at least 2 rows (0.2%) with more than 2 new values: ")
    after = applied(curated, found)
    assert [domain.name for domain in after.string_domain] == ["e"]
    assert after.feature[0] == schema_pb2.Feature(name="a", type=schema_pb2.BYTES)


@pytest.mark.parametrize(
    ("rule", "found", "change", "evidence", "after"),
    [
        ("int_domain { min: 1 max: 12 }", "int min: 1 max: 13", "allow 1 to 13 instead of 1 to 12", "up to 13",
         "int_domain { min: 1 max: 13 }"),
        ("int_domain { min: 1 max: 12 }", "int min: -2 max: 1300", "allow -2 to 1300 instead of 1 to 12",
         "down to -2, up to 1300", "int_domain { min: -2 max: 1300 }"),
        ("int_domain { min: 1 }", "int min: 0 max: 99", "allow at least 0 instead of at least 1", "down to 0",
         "int_domain { min: 0 }"),
        ("domain: 'shared'", "int min: 3 max: 8", "allow at most 8 instead of at most 5", "up to 8",
         "domain: 'shared'"),
        ("bool_domain {}", "int min: 0 max: 2", "allow 0 to 2 instead of 0 to 1, as numbers instead of a boolean",
         "up to 2", "int_domain { min: 0 max: 2 }"),
        ("float_domain { min: 0 max: 1 disallow_nan: true }", "float min: -0.25 max: inf",
         "allow -0.25 to 1 instead of 0 to 1", "down to -0.25",
         "float_domain { min: -0.25 max: 1 disallow_nan: true }"),
    ],
)  # fmt: skip
def test_a_range_to_widen(rule: str, found: str, change: str, evidence: str, after: str) -> None:
    kind = found.partition(" ")[0].upper()
    curated = 'int_domain { name: "shared" max: 5 } feature { name: "a" type: %s %s }'
    proposal = only(
        proposals(curated % (kind, rule), train=split(ROWS, a=found), eval=split(9, a=f"{kind.lower()} max: 1 min: 1"))
    )
    assert (proposal.kind, told(proposal)) == ("range", [change, f"train: {evidence}"])
    expected = schema(curated % (kind, after))
    if "shared" in rule:
        expected.int_domain[0].max = 8
    assert applied(curated % (kind, rule), proposal) == expected


# Types, missing values, lists


def test_a_changed_type_takes_its_domain_along() -> None:
    curated = 'feature { name: "a" type: INT int_domain { min: 1 } value_count { min: 1 max: 1 } }'
    numbers = split(ROWS, a="float min: 0.5 max: 2")
    found = only(proposals(curated, train=numbers, eval=split(9, a="int min: 1 max: 1")))
    assert (found.kind, told(found)) == (
        "type",
        [
            "change the type from int to float; int_domain no longer applies and goes",
            "train: 1,000 rows (100.0%) with a value: from 0.5 to 2",
            "eval: 9 rows (100.0%) with a value: from 1 to 1",
        ],
    )
    assert applied(curated, found) == schema('feature { name: "a" type: FLOAT value_count { min: 1 max: 1 } }')
    text = only(proposals(curated, train=numbers, eval=split(9, a=strings(x=9))))
    assert text.change == "change the type from int to string; int_domain no longer applies and goes"


def test_a_type_that_is_not_there_yet() -> None:
    found = only(proposals('feature { name: "a" }', train=split(ROWS, a="int")))
    assert found.change == "change the type from no type to int"


@pytest.mark.parametrize(("present", "share"), [(966, "96.6%"), (9, "0.9%")])
def test_a_share_of_values_to_lower(present: int, share: str) -> None:
    curated = 'feature { name: "a" type: INT presence { min_fraction: 1 min_count: 1 } }'
    train = split(ROWS, a=f"int common_stats {{ num_non_missing: {present} }}")
    found = only(proposals(curated, train=train, eval=split(10, a="int")))
    missing = ROWS - present
    assert (found.kind, told(found)) == (
        "presence",
        [
            f"require a value in {share} of the rows instead of 100.0%",
            f"train: {missing:,} rows ({missing / 10:.1f}%) without a value",
        ],
    )
    after = applied(curated, found).feature[0].presence
    assert (after.min_fraction, after.min_count) == (present / ROWS, 1)


def test_a_column_that_one_split_lacks() -> None:
    curated = 'feature { name: "a" type: INT presence { min_fraction: 0.7 min_count: 3 } }'
    found = only(proposals(curated, train=split(ROWS, a="int"), eval=split(10)))
    assert told(found) == [
        "require a value in 0.0% of the rows instead of 70.0%, in 0 at least instead of 3",
        "eval: 10 rows (100.0%) without a value",
    ]
    assert applied(curated, found).feature[0].presence == schema_pb2.FeaturePresence(min_fraction=0, min_count=0)


@pytest.mark.parametrize(
    ("rule", "least", "most", "change", "after"),
    [
        ("value_count { min: 1 max: 1 }", 1, 3, "values in a cell: 1 to 3 instead of 1",
         "value_count { min: 1 max: 3 }"),
        ("value_count { min: 2 }", 1, 9, "values in a cell: at least 1 instead of at least 2",
         "value_count { min: 1 }"),
        ("shape { dim { size: 2 } }", 1, 2, "values in a cell: 1 to 2 instead of 2 in every row",
         "value_count { min: 1 max: 2 }"),
    ],
)  # fmt: skip
def test_a_number_of_values_in_a_cell(rule: str, least: int, most: int, change: str, after: str) -> None:
    column = f"int common_stats {{ min_num_values: {least} max_num_values: {most} }}"
    found = only(proposals(f'feature {{ name: "a" type: INT {rule} }}', train=split(ROWS, a=column)))
    evidence = f"train: {least} to {most} in a cell that is not empty"
    assert (found.kind, told(found)) == ("valency", [change, evidence])
    expected = schema(f'feature {{ name: "a" type: INT {after} }}')
    assert applied(f'feature {{ name: "a" type: INT {rule} }}', found) == expected


def test_a_shape_allows_no_empty_cell() -> None:
    curated = 'feature { name: "a" type: INT shape { dim { size: 1 } } }'
    found = only(proposals(curated, train=split(ROWS, a="int common_stats { num_non_missing: 999 }")))
    assert found.change == "values in a cell: 1 instead of 1 in every row"
    assert applied(curated, found) == schema('feature { name: "a" type: INT value_count { min: 1 max: 1 } }')


# Columns that come and go


@pytest.mark.parametrize(
    ("column", "found"),
    [({}, "no such column"), ({"a": "int common_stats { num_non_missing: 0 }"}, "every value is missing")],
)
def test_a_column_that_is_gone(column: dict[str, str], found: str) -> None:
    curated = 'feature { name: "a" type: INT presence { min_count: 1 } int_domain { min: 1 } }'
    proposal = only(proposals(curated, train=split(ROWS, **column)))
    assert proposal.kind == "column_gone"
    assert proposal.change.startswith("retire the column (lifecycle_stage: DEPRECATED)")
    assert [evidence.sentence() for evidence in proposal.evidence] == [f"train: {found}"]
    assert applied(curated, proposal).feature[0].lifecycle_stage == schema_pb2.DEPRECATED
    assert proposals('feature { name: "a" type: INT int_domain { min: 1 } }', train=split(ROWS, **column)) == []


@pytest.mark.parametrize("rule", ['not_in_environment: "SERVING"', 'in_environment: "EXTRA"'])
def test_a_column_is_missed_where_the_schema_expects_it(rule: str) -> None:
    curated = f'default_environment: "TRAINING" feature {{ name: "a" type: INT presence {{ min_count: 1 }} {rule} }}'
    assert len(proposals(curated, train=split(ROWS))) == 1
    kinds = {
        e: propose(schema(curated), schema(""), {"s": split(9)}, environment=e)
        for e in ("TRAINING", "SERVING", "EXTRA")
    }
    expected = {"TRAINING": 1, "SERVING": 0, "EXTRA": 1 if "EXTRA" in rule else 0}
    assert {environment: len(found) for environment, found in kinds.items()} == expected


INFERRED = """
    string_domain { name: "gate" value: ["B", "A"] }
    feature {
      name: "gate" type: BYTES domain: "gate" presence { min_fraction: 1 min_count: 1 } shape { dim { size: 1 } } }
    feature { name: "delay" type: FLOAT presence { min_count: 1 } value_count { min: 1 max: 2 } }
    feature { name: "hot" type: INT presence { min_count: 1 } }
    feature { name: "when" type: INT presence { min_count: 1 } }
"""


def test_new_columns_come_last_in_the_order_of_the_table() -> None:
    train = split(ROWS, delay="float min: -1.5 max: 60", old="int", gate=strings(A=600, B=400))
    found = proposals('feature { name: "old" type: FLOAT }', INFERRED, train=train, eval=split(9, old="int"))
    assert [(proposal.feature, proposal.kind) for proposal in found] == [
        ("old", "type"),
        ("delay", "new_column"),
        ("gate", "new_column"),
    ]
    assert told(found[1]) == [
        "add the column: float, may be missing",
        "train: 1,000 rows (100.0%) with a value: from -1.5 to 60",
    ]
    assert told(found[2]) == [
        "add the column: string, 2 values allowed, required",
        "train: 1,000 rows (100.0%) with a value: 'A', 'B'",
    ]
    assert applied("", *found[1:]) == schema(
        """
        string_domain { name: "gate" value: ["A", "B"] }
        feature { name: "delay" type: FLOAT presence { min_count: 1 } value_count { min: 1 max: 2 } }
        feature {
          name: "gate" type: BYTES domain: "gate"
          presence { min_fraction: 1 min_count: 1 } value_count { min: 1 max: 1 }
        }"""
    )


@pytest.mark.parametrize(
    ("there", "name"),
    [('string_domain { name: "gate" value: ["A", "B", "C"] }', "gate"), ('int_domain { name: "gate" }', "gate_")],
)
def test_the_name_of_a_new_domain_may_be_taken(there: str, name: str) -> None:
    (found,) = proposals(there, INFERRED, train=split(ROWS, gate=strings(A=600, B=400)))
    assert applied(there, found).feature[0].domain == name


def test_booleans_and_times_are_what_ingestion_took_them_for() -> None:
    train = split(ROWS, hot="int max: 1", when="int min: 1e9 max: 2e9")
    types = {"hot": ColumnType.BOOL, "when": ColumnType.TIMESTAMP}
    found = propose(schema(""), schema(INFERRED), {"train": train}, column_types=types)
    assert [proposal.change for proposal in found] == [
        "add the column: bool, may be missing",
        "add the column: timestamp, may be missing",
    ]
    after = applied("", *found)
    assert after.feature[0].HasField("bool_domain")
    assert after.feature[1].time_domain.integer_format == schema_pb2.TimeDomain.UNIX_SECONDS


def test_a_proposal_as_json() -> None:
    curated = 'feature { name: "a" type: BYTES string_domain { value: "x" } }'
    found = only(proposals(curated, train=split(ROWS, a=strings(x=999, y=1))))
    assert json.loads(json.dumps(found.to_json())) == {
        "kind": "new_values",
        "feature": "a",
        "change": "allow 1 more value: 'y'",
        "evidence": [
            {
                "split": "train",
                "found": "with a new value",
                "rows": 1,
                "share": 0.001,
                "examples": ["'y' 1"],
                "bound": "",
            }
        ],
    }


# What TFDV says


def test_tfdv_agrees_before_and_after() -> None:
    """Every column that TFDV objects to has a proposal, and after all of them it objects to none."""
    curated = schema(
        """
        string_domain { name: "d" value: ["red", "green"] }
        feature { name: "color" type: BYTES domain: "d" }
        feature { name: "mostly" type: BYTES domain: "d" distribution_constraints { min_domain_mass: 0.7 } }
        feature { name: "few" type: BYTES domain: "d" distribution_constraints { min_domain_mass: 0.8 } }
        feature { name: "size" type: INT int_domain { min: 0 max: 3 } }
        feature { name: "flag" type: INT bool_domain {} }
        feature { name: "weight" type: FLOAT float_domain { min: 1 } presence { min_fraction: 1 } }
        feature { name: "fixed" type: FLOAT shape { dim { size: 1 } } }
        feature { name: "typed" type: INT int_domain { min: 9 } }
        feature { name: "gone" type: FLOAT presence { min_count: 1 } }
        feature { name: "empty" type: BYTES presence { min_fraction: 0.5 } }
        feature { name: "fine" type: INT int_domain { min: 0 max: 9 } value_count { min: 1 max: 1 } }
        """
    )
    table = pd.DataFrame(
        {
            "color": ["red", "blue", None, "green"],
            "mostly": ["red", "red", "red", "blue"],
            "few": ["red", "red", "red", "blue"],
            "size": [1, 2, 3, 9],
            "flag": [0, 1, 2, 1],
            "weight": [0.5, None, 2.0, 3.0],
            "fixed": [0.5, None, 2.0, 3.0],
            "typed": [0.5, 1.5, 2.5, 3.5],
            "empty": pd.Series([None] * 4, dtype=object),
            "fine": [1, 2, 3, 4],
            "new": ["a", "b", "a", "b"],
        }
    )
    statistics = tfdv.generate_statistics_from_dataframe(table, n_jobs=1)
    before = set(tfdv.validate_statistics(statistics, curated).anomaly_info)
    found = propose(curated, tfdv.infer_schema(statistics), {"train": statistics})
    assert {proposal.feature for proposal in found} == before
    assert before == {"color", "few", "size", "flag", "weight", "fixed", "typed", "gone", "empty", "new"}
    for proposal in found:
        proposal.apply(curated)
    assert dict(tfdv.validate_statistics(statistics, curated).anomaly_info) == {}
    assert propose(curated, tfdv.infer_schema(statistics), {"train": statistics}) == []
