"""Flat columns as lists of at most one value, as tf.Examples and as tensors, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from trainer.features import Storage
from trainer.rows import (
    BYTES,
    FLOATS,
    INTS,
    as_lists,
    as_values,
    from_examples,
    list_type,
    to_examples,
    to_plain,
)  # fmt: skip


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
    first, second = (tf.train.Example.FromString(example) for example in to_examples(batch))
    assert first.features.feature["i"].int64_list.value == [7]
    assert first.features.feature["s"].bytes_list.value == ["ü".encode()]
    assert first.features.feature["f"].WhichOneof("kind") is None
    assert second.features.feature["f"].float_list.value == [2.5]
    assert second.features.feature["i"].WhichOneof("kind") is None


def test_a_missing_value_has_no_feature_and_a_text_may_be_empty() -> None:
    rows = pa.RecordBatch.from_pydict({
        "carrier": pa.array(["UA", "", None]),
        "day": pa.array([1, None, 3], pa.int64()),
        "miles": pa.array([None, 2.5, 3.5], pa.float32()),
    })  # fmt: skip
    spec = {
        "carrier": tf.io.VarLenFeature(tf.string),
        "day": tf.io.VarLenFeature(tf.int64),
        "miles": tf.io.VarLenFeature(tf.float32),
    }
    parsed = tf.io.parse_example(to_examples(rows), spec)
    found = {
        name: (column.indices[:, 0].numpy().tolist(), column.values.numpy().tolist()) for name, column in parsed.items()
    }
    assert found == {"carrier": ([0, 1], [b"UA", b""]), "day": ([0, 2], [1, 3]), "miles": ([1, 2], [2.5, 3.5])}


def test_rows_come_back_from_their_examples() -> None:
    rows = pa.record_batch({
        "carrier": pa.array(["UA", "", None], pa.large_binary()),
        "day": pa.array([1, None, 3], pa.int64()),
        "miles": pa.array([None, 2.5, 3.5], pa.float32()),
    })  # fmt: skip
    found = from_examples(to_examples(rows))
    assert found.select(rows.schema.names).to_pylist() == rows.to_pylist()


@pytest.mark.parametrize(
    ("lists", "values"),
    [
        (pa.array([[1], [2]]), [1, 2]),
        (pa.array([[1], None, [], [2]]), [1, None, None, 2]),
        (pa.array([[9], [1], None, [2]]).slice(1), [1, None, 2]),
        (pa.array([None, None]), [None, None]),
    ],
)
def test_lists_become_values(lists: pa.Array, values: list[int | None]) -> None:
    assert as_values(lists).to_pylist() == values


@pytest.mark.parametrize(
    ("column", "storage", "plain"),
    [
        (pa.array(["ü", None, ""]), Storage.BYTES, ["ü".encode(), b"", b""]),
        (pa.array([b"\xff", None], pa.large_binary()), Storage.BYTES, [b"\xff", b""]),
        (pa.nulls(2), Storage.BYTES, [b"", b""]),
        (pa.array([7, None]), Storage.INT, [7.0, np.nan]),
        (pa.array([0.5, None], pa.float32()), Storage.FLOAT, [0.5, np.nan]),
        (pa.nulls(1), Storage.FLOAT, [np.nan]),
    ],
)
def test_plain_tensors_say_what_is_missing(column: pa.Array, storage: Storage, plain: list[Any]) -> None:
    found = to_plain(column, storage)
    np.testing.assert_array_equal(found, np.array(plain, object if storage is Storage.BYTES else np.float64))
    assert found.dtype == (object if storage is Storage.BYTES else np.float64)
