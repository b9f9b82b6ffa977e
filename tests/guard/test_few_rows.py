"""What chance does in tables of few rows is no finding."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.data.table_statistics import table_statistics
from pipeline.guard.drift import by_chance, drift_from
from pipeline.guard.label_leak import ClassLeak, NumberLeak
from pipeline.guard.policy import Policy

SCHEMA = schema_pb2.Schema()
for _name, _kind in (("colour", schema_pb2.BYTES), ("size", schema_pb2.FLOAT)):
    SCHEMA.feature.add(name=_name, type=_kind).value_count.max = 1


def table(source: np.random.Generator, rows: int, shift: float = 0.0) -> pa.Table:
    colours = source.choice(["red", "blue", "green"], rows, p=[0.5 - shift / 4, 0.3, 0.2 + shift / 4])
    sizes = pa.array(source.normal(shift, size=rows).astype(np.float32), mask=source.random(rows) < 0.2)
    return pa.table({"colour": colours.astype(str), "size": sizes})


@pytest.mark.parametrize("rows", [20, 33, 200])
def test_two_small_tables_of_one_kind_do_not_drift(rows: int) -> None:
    source = np.random.default_rng(rows)
    found = []
    for _ in range(10):
        one, other = (table_statistics(table(source, rows).to_batches()) for _ in range(2))
        found += drift_from("before", one, other, SCHEMA, Policy())[0]
    assert len(found) <= 1


def test_a_small_table_that_is_another_drifts() -> None:
    source = np.random.default_rng(1)
    one = table_statistics(table(source, 200).to_batches())
    other = table_statistics(table(source, 200, shift=2.0).to_batches())
    assert {finding.feature for finding in drift_from("before", one, other, SCHEMA, Policy())[0]} == {"colour", "size"}


def test_tables_of_many_rows_are_held_to_the_policy_alone() -> None:
    assert set(by_chance(1000, 10**6)) == {0.0}
    assert by_chance(999, 10**6).share > 0


def test_ten_rows_give_no_label_away_by_chance() -> None:
    source = np.random.default_rng(5)
    for _ in range(50):
        columns = {f"c{place}": source.choice(["a", "b"], 10) for place in range(30)}
        numbers = {f"n{place}": source.normal(size=10) for place in range(30)}
        classes = ClassLeak(0.99, 0.9, "label")
        classes.add("train", pa.record_batch(columns | {"label": source.integers(0, 2, 10)}))
        sums = NumberLeak(0.99, 0.9, "label")
        sums.add("train", pa.record_batch(numbers | {"label": source.normal(size=10)}))
        assert classes.findings() + sums.findings() == []
