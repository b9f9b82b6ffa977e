"""Drift and skew: TFDV's distances, the bounds, and what changed, in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
import tensorflow_data_validation as tfdv

from pipeline.data.table_statistics import table_statistics
from pipeline.guard.drift import drift, skew
from pipeline.guard.policy import Change, FeatureChange, FeaturePolicy, Policy
from tests.guard.conftest import batch, schema_of

SCHEMA = schema_of("""
    feature { name: "origin" type: BYTES }
    feature { name: "miles" type: FLOAT }
    feature { name: "seats" type: INT }
""")
LOOSE = Change(l_infinity=1, jensen_shannon=1, missing_rate=1, new_values=1)
MILES = [float(100 + i) for i in range(100)]


def table(jfk: int = 50, factor: float = 1.0, missing: int = 0, other: str = "EWR") -> dict[str, list[Any]]:
    return {
        "origin": ["JFK"] * jfk + [other] * (100 - jfk),
        "miles": [None] * missing + [factor * value for value in MILES[missing:]],
        "seats": [1, 2] * 50,
    }


def test_the_distances_are_tfdvs_from_span_to_span(statistics: Callable[..., Any]) -> None:
    spans = {3: statistics(**table()), 4: statistics(**table(jfk=70)), 7: statistics(**table(jfk=70, factor=1.6))}
    found, distances = drift(spans, SCHEMA, Policy(drift=LOOSE))
    assert found == []
    assert {feature: (d.measure, d.threshold) for feature, d in distances.items()} == {
        "origin": ("l_infinity", 1.0), "miles": ("jensen_shannon", 1.0), "seats": ("jensen_shannon", 1.0),
    }  # fmt: skip
    assert distances["origin"].by == {"4": pytest.approx(0.2), "7": 0.0}
    assert distances["seats"].by == {"4": 0.0, "7": 0.0}
    theirs = schema_of(
        'feature { name: "miles" type: FLOAT drift_comparator { jensen_shannon_divergence { threshold: 0.1 } } }'
    )
    (info,) = tfdv.validate_statistics(spans[7], theirs, previous_statistics=spans[4]).drift_skew_info
    assert distances["miles"].by == {"4": 0.0, "7": info.drift_measurements[0].value}
    assert distances["miles"].by["7"] > 0.3


def test_rows_with_weights_are_compared_as_rows_whatever_the_other_table_has() -> None:
    rows = pa.record_batch({"origin": ["JFK", "EWR"] * 500, "miles": [100.0, 900.0] * 500, "w": [9.0, 1.0] * 500})
    weighted, plain = table_statistics([rows], "w"), table_statistics([rows])
    for one, other in ((weighted, plain), (plain, weighted), (weighted, weighted)):
        for found, distances in (skew(one, other, SCHEMA, Policy()), drift({1: one, 2: other}, SCHEMA, Policy())):
            assert found == []
            assert {name: [*of.by.values()] for name, of in distances.items()} == {"origin": [0.0], "miles": [0.0]}


def test_only_the_newest_span_is_judged(statistics: Callable[..., Any]) -> None:
    usual, odd = statistics(**table()), statistics(**table(jfk=90))
    assert drift({1: usual, 2: odd, 3: odd}, SCHEMA, Policy())[0] == []
    ((finding,), _) = drift({1: usual, 2: usual, 3: odd}, SCHEMA, Policy())
    assert (finding.kind, finding.feature, finding.split) == ("comparator_l_infty_high", "origin", "span 3")
    assert finding.rule == "policy: drift.l_infinity"
    assert finding.expected == "a distance of at most 0.1 from span 2"
    assert finding.found in (
        "0.400; the share of 'JFK' went from 50.0% to 90.0%",
        "0.400; the share of 'EWR' went from 50.0% to 10.0%",
    )
    assert drift({1: usual}, SCHEMA, Policy()) == ([], {})


def test_kilometres_for_miles(statistics: Callable[..., Any]) -> None:
    ((finding,), _) = drift({1: statistics(**table()), 2: statistics(**table(factor=1.6))}, SCHEMA, Policy())
    assert (finding.kind, finding.feature) == ("comparator_jensen_shannon_divergence_high", "miles")
    assert finding.found.endswith("the median went from about 150 to about 240")


def test_a_comparator_in_the_schema_wins(statistics: Callable[..., Any]) -> None:
    schema = schema_of(
        'feature { name: "origin" type: BYTES drift_comparator { infinity_norm { threshold: 0.3 } } }'
        'feature { name: "seats" type: INT }'
    )
    spans = {1: statistics(**table()), 2: statistics(**table(jfk=75)), 3: statistics(**table(jfk=40))}
    found, distances = drift(spans, schema, Policy(features={"origin": _drift(l_infinity=0.01)}))
    (finding,) = found
    assert finding.rule == "schema: drift.l_infinity"
    assert distances["origin"].threshold == 0.3
    found, _ = drift({1: spans[1], 2: spans[2]}, schema, Policy(features={"origin": _drift(l_infinity=0.01)}))
    assert found == []


def _drift(**bounds: float) -> FeaturePolicy:
    return FeaturePolicy(drift=FeatureChange(**bounds))


def test_missing_more_often_than_before(statistics: Callable[..., Any]) -> None:
    spans = {1: statistics(**table()), 2: statistics(**table(missing=12))}
    ((finding,), _) = drift(spans, SCHEMA, Policy())
    assert (finding.kind, finding.feature) == ("missing_rate_change", "miles")
    assert finding.found == "12.0% of the rows without a value, 0.0% in span 1"
    assert drift(spans, SCHEMA, Policy(features={"miles": _drift(missing_rate=0.2)}))[0] == []


def test_values_that_came_and_went(statistics: Callable[..., Any]) -> None:
    spans = {1: statistics(**table(jfk=93)), 2: statistics(**table(jfk=93, other="LGA"))}
    (came, gone), _ = drift(spans, SCHEMA, Policy())
    assert (came.kind, came.found) == ("new_values", "'LGA' not in span 1: 7 of 100 values, 7.0%")
    assert (gone.kind, gone.found) == ("vanished_values", "'EWR' only in span 1: 7 of 100 values, 7.0%")
    assert came.offends
    assert came.offends(batch(**table(jfk=93, other="LGA"))).to_pylist() == [False] * 93 + [True] * 7
    assert gone.offends is None
    with_domain = schema_of('feature { name: "origin" type: BYTES string_domain { value: ["JFK", "EWR", "LGA"] } }')
    assert drift(spans, with_domain, Policy())[0] == []  # the schema knows what may be there


def test_a_column_that_names_the_rows_always_has_new_values(statistics: Callable[..., Any]) -> None:
    spans = {span: statistics(**(table() | {"origin": [f"s{span}r{i}" for i in range(100)]})) for span in (1, 2)}
    assert drift(spans, SCHEMA, Policy())[0] == []


def test_skew_between_training_and_serving(statistics: Callable[..., Any]) -> None:
    serving = {name: values for name, values in table(jfk=80).items() if name != "seats"}
    (finding,), distances = skew(statistics(**table()), statistics(**serving), SCHEMA, Policy())
    assert (finding.kind, finding.split, finding.rule) == (
        "comparator_l_infty_high", "serving", "policy: skew.l_infinity",
    )  # fmt: skip
    assert "went from 50.0% to" in finding.found
    assert distances["origin"].by == {"serving": pytest.approx(0.3)}
    assert set(distances) == {"origin", "miles"}
