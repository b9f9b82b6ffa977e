"""Derived features as columns of rows: the values of the graph, and which of them should stay what they were."""

from __future__ import annotations

import pyarrow as pa
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from trainer.derived_columns import derive_all
from trainer.derived_rows import comparable, derived_rows, told_by_rows
from trainer.features import FeatureTable

SCHEMA = text_format.Parse(
    """
    feature { name: "x" type: FLOAT }
    feature { name: "y" type: FLOAT }
    feature { name: "n" type: INT }
    feature { name: "when" type: INT time_domain {} }
    feature { name: "city" type: BYTES }
    feature { name: "late" type: INT }
    """,
    schema_pb2.Schema(),
)


def table_of(exclude: tuple[str, ...] = (), **expressions: str) -> FeatureTable:
    return derive_all(
        SCHEMA, label="late", task="binary", classes=["0", "1"], exclude=exclude, categorical=[], max_vocabulary=9,
        bins=4, expressions=expressions,
    )  # fmt: skip


TABLE = table_of(
    ("hidden",),
    ratio="x / y", pair="cross(city, n)", often="count_by(city)", more="often + 1", words="ngrams(city)",
    at="hour(when)", early="at < 6", year_of="year(when)", age="days_between(when, '2020-01-01')", half="age / 2",
    after="when", hidden="x + 1", twice="hidden * 2",
)  # fmt: skip


def test_what_a_row_does_not_tell_is_left_out_and_what_goes_on_with_time_is_not_compared() -> None:
    told = told_by_rows(TABLE)
    named = {one.feature.name for one in told.derived}
    assert named == {one.feature.name for one in TABLE.derived} - {"often", "more", "words"}
    assert [feature.name for feature in told.features] == ["x", "y", "n", "when", "city"]
    assert set(comparable(TABLE)) == {"ratio", "pair", "at", "early", "twice"}


def test_rows_give_numbers_and_texts_and_null_where_one_is_missing() -> None:
    rows = pa.RecordBatch.from_pydict(
        {
            "x": pa.array([1.0, None, 3.0], pa.float32()),
            "y": pa.array([2.0, 1.0, 0.0], pa.float32()),
            "city": ["Bern", None, "Ulm"],
            "when": pa.array([3_600, 0, None], pa.int64()),  # as `n`, which is in no row, some may be missing
            "other": [b"", b"", b""],
        }
    )
    found = derived_rows(rows, told_by_rows(TABLE)).to_pydict()
    assert found["ratio"] == [0.5, None, None]
    assert found["pair"] == [None, None, None]
    assert found["at"] == [1.0, 0.0, None]
    assert found["early"] == [1.0, 1.0, None]
    assert found["twice"] == [4.0, None, 8.0]
    with_n = rows.append_column("n", pa.array([1, 2, 3]))
    assert derived_rows(with_n, told_by_rows(TABLE)).to_pydict()["pair"] == ["Bern \u00d7 1", None, "Ulm \u00d7 3"]


@pytest.mark.parametrize("rows", [0, 1])
def test_no_row_is_no_trouble(rows: int) -> None:
    batch = pa.RecordBatch.from_pydict({"x": pa.array([1.0] * rows, pa.float32())})
    assert derived_rows(batch, told_by_rows(table_of(twice="x * 2"))).num_rows == rows
