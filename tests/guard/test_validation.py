"""Validation by groups of columns finds what TFDV finds in all columns at once."""

from __future__ import annotations

import copy

import pandas as pd
import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.guard.validation import Statistics, validate

SCHEMA = text_format.Parse(
    """
    default_environment: "TRAINING"
    default_environment: "SERVING"
    dataset_constraints { min_examples_count: 10 }
    string_domain { name: "colors" value: ["red", "green"] }
    string_domain { name: "unused" value: ["x"] }
    int_domain { name: "small" min: 0 max: 3 }
    feature { name: "color" type: BYTES domain: "colors" presence { min_fraction: 1 } }
    feature { name: "second" type: BYTES domain: "colors" skew_comparator { infinity_norm { threshold: 0.1 } } }
    feature { name: "size" type: INT domain: "small" drift_comparator { jensen_shannon_divergence { threshold: 0.1 } } }
    feature { name: "gone" type: FLOAT presence { min_count: 1 } }
    feature { name: "label" type: INT not_in_environment: "SERVING" }
    """,
    schema_pb2.Schema(),
)
TABLE = pd.DataFrame(
    {
        "color": ["red", "blue", None, "green"],
        "second": ["red", "red", "red", "green"],
        "size": [1, 2, 3, 9],
        "label": [0, 1, 0, 1],
        "new": [0.5, 1.5, 2.5, 3.5],
    }
)
OTHER = TABLE.assign(second="green", size=[0, 0, 0, 0])


def statistics_of(table: pd.DataFrame) -> Statistics:
    return tfdv.generate_statistics_from_dataframe(table, n_jobs=1)


@pytest.mark.parametrize("environment", [None, "TRAINING", "SERVING"])
@pytest.mark.parametrize("columns_at_once", [1, 2, 5, 100])
def test_equal_to_tfdv(columns_at_once: int, environment: str | None) -> None:
    statistics, other = statistics_of(TABLE), statistics_of(OTHER)
    theirs = tfdv.validate_statistics(
        statistics, SCHEMA, environment=environment, previous_statistics=other, serving_statistics=other
    )
    ours = validate(
        statistics,
        SCHEMA,
        environment=environment,
        previous_span=other,
        serving=other,
        columns_at_once=columns_at_once,
    )
    assert ours.anomaly_info == theirs.anomaly_info
    assert set(theirs.anomaly_info) == {"color", "second", "size", "gone", "new"} | (
        {"label"} if environment == "SERVING" else set()
    )
    assert ours.dataset_anomaly_info == theirs.dataset_anomaly_info
    assert theirs.HasField("dataset_anomaly_info")
    assert sorted(map(str, ours.drift_skew_info)) == sorted(map(str, theirs.drift_skew_info))
    assert len(theirs.drift_skew_info) == 2


def test_rules_across_columns_keep_the_columns_together() -> None:
    schema = copy.deepcopy(SCHEMA)
    text_format.Parse(
        'name: "weighted" feature { step: "color" } weight_feature { step: "size" }', schema.weighted_feature.add()
    )
    statistics = statistics_of(TABLE)
    assert validate(statistics, schema, columns_at_once=1) == tfdv.validate_statistics(statistics, schema)
