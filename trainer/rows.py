"""Converts rows between Arrow columns, tf.Examples and the plain tensors that a model takes.

A flat column has one value a row, null where it is missing. TFDV, TFT and TFMA have lists of at most one value.
tfx-bsl takes seconds to import, hence only where it is used. What the transform graph takes is made in stacks.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from trainer.features import Storage

INTS = pa.large_list(pa.int64())
FLOATS = pa.large_list(pa.float32())
BYTES = pa.large_list(pa.large_binary())

MISSING = np.uint64(1)
"""The hash of a missing value."""


def list_type(stored: pa.DataType) -> pa.DataType:
    """Return the list type of a column of a Parquet file; booleans are integers, all else but numbers is bytes."""
    if pa.types.is_integer(stored) or pa.types.is_boolean(stored):
        return INTS
    return FLOATS if pa.types.is_floating(stored) else BYTES


def as_lists(column: pa.Array, to: pa.DataType) -> pa.Array:
    """Return a flat column as a list column: a null stays null, a value becomes a list of one.

    No value is copied but to convert its type or to drop nulls; the offsets are a cumulative sum.
    """
    values = column.drop_null().cast(to.value_type)
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(valid)])  # (rows + 1,)
    if column.null_count == 0:
        return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), values)
    # An offset that is null marks a null list.
    mask = np.append(~valid, False)
    return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64(), mask=mask), values)


def as_values(lists: pa.Array) -> pa.Array:
    """Return the inverse of `as_lists`: lists of at most one value as a flat column; an empty list is null."""
    if pa.types.is_null(lists.type):
        return lists
    values = lists.flatten()
    if len(values) == len(lists):
        return values
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    place = pc.subtract(pc.cumulative_sum(lengths), 1)  # of each row's value, where it has one
    return values.take(pc.if_else(pc.equal(lengths, 1), place, pa.scalar(None, place.type)))


def to_examples(batch: pa.RecordBatch) -> list[bytes]:
    """Return each row of flat columns as a serialized tf.Example, by tfx-bsl's encoder in C++."""
    from tfx_bsl.coders import example_coder

    lists = [as_lists(column, list_type(column.type)) for column in batch.columns]
    encoder = example_coder.RecordBatchToExamplesEncoder()
    examples: list[bytes] = encoder.encode(pa.RecordBatch.from_arrays(lists, names=batch.schema.names))
    return examples


def from_examples(examples: Sequence[bytes]) -> pa.RecordBatch:
    """Return flat columns of serialized tf.Examples that have at most one value a feature; text is binary."""
    from tfx_bsl.coders import example_coder

    batch = example_coder.ExamplesToRecordBatchDecoder().DecodeBatch(list(examples))
    return pa.RecordBatch.from_arrays(list(map(as_values, batch.columns)), names=batch.schema.names)


def to_plain(column: pa.Array, storage: Storage) -> npt.NDArray[Any]:
    """Return a flat column as `serving_tensors` takes it, (rows,): float64 with NaN, or bytes with "", where it is
    missing."""
    if storage == "bytes":
        values: npt.NDArray[Any] = column.cast(pa.binary()).fill_null(b"").to_numpy(zero_copy_only=False)
        return values
    return np.asarray(column.cast(pa.float64(), safe=False).fill_null(np.nan))


def hashes(column: pa.Array) -> npt.NDArray[np.uint64]:
    """Return a hash of each value, (rows,): equal for equal values, in every run; a missing value is a value."""
    from pandas.util import hash_array

    encoded = column.dictionary_encode()
    distinct = hash_array(encoded.dictionary.to_numpy(zero_copy_only=False), categorize=False)
    return np.append(distinct, MISSING)[encoded.indices.fill_null(len(distinct)).to_numpy()]
