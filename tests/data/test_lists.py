"""Flat columns as lists of at most one value, and rows as serialized tf.Examples."""

from __future__ import annotations

import pyarrow as pa
import pytest
import tensorflow as tf

from pipeline.data.lists import BYTES, FLOATS, INTS, as_lists, list_type, serialized_examples


def test_a_list_holds_one_value_or_is_missing() -> None:
    gaps = pa.array([None, 1.5, None, 2.5], pa.float32())
    assert as_lists(gaps, FLOATS).to_pylist() == [None, [1.5], None, [2.5]]
    assert as_lists(gaps.slice(1, 2), FLOATS).to_pylist() == [[1.5], None]
    assert as_lists(pa.nulls(2, pa.string()), BYTES).to_pylist() == [None, None]
    assert as_lists(pa.array(["ü", ""]), BYTES).to_pylist() == [["ü".encode()], [b""]]
    assert as_lists(pa.array([True, None]), INTS).to_pylist() == [[1], None]
    assert as_lists(gaps, FLOATS).type == FLOATS


def test_no_value_is_copied() -> None:
    column = pa.array([1, 2, 3, 4], pa.int64())
    lists = as_lists(column, INTS)
    assert lists.values.buffers()[1].address == column.buffers()[1].address
    assert as_lists(column.slice(1, 2), INTS).to_pylist() == [[2], [3]]


@pytest.mark.parametrize(
    ("stored", "expected"),
    [(pa.int64(), INTS), (pa.int8(), INTS), (pa.bool_(), INTS), (pa.float32(), FLOATS), (pa.float64(), FLOATS),
     (pa.string(), BYTES), (pa.large_binary(), BYTES)],
)  # fmt: skip
def test_the_list_type_follows_the_stored_type(stored: pa.DataType, expected: pa.DataType) -> None:
    assert list_type(stored) == expected


def test_a_row_becomes_an_example_without_its_missing_values() -> None:
    batch = pa.record_batch({"i": pa.array([7, None]), "f": pa.array([None, 2.5], pa.float32()), "s": ["ü", None]})
    first, second = (tf.train.Example.FromString(example) for example in serialized_examples(batch))
    assert first.features.feature["i"].int64_list.value == [7]
    assert first.features.feature["s"].bytes_list.value == ["ü".encode()]
    assert first.features.feature["f"].WhichOneof("kind") is None
    assert second.features.feature["f"].float_list.value == [2.5]
    assert second.features.feature["i"].WhichOneof("kind") is None
