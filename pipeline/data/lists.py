"""Flat columns in the layout of TFDV, TFT and TFMA: a list of at most one value per row."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

INTS = pa.large_list(pa.int64())
FLOATS = pa.large_list(pa.float32())
BYTES = pa.large_list(pa.large_binary())


def list_type(stored: pa.DataType) -> pa.DataType:
    """The list type of a column of a Parquet file; booleans are integers, all else but numbers is bytes."""
    if pa.types.is_integer(stored) or pa.types.is_boolean(stored):
        return INTS
    return FLOATS if pa.types.is_floating(stored) else BYTES


def as_lists(column: pa.Array, to: pa.DataType) -> pa.Array:
    """A flat column as a list column: a null stays null, a value becomes a list of one.

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


def serialized_examples(batch: pa.RecordBatch) -> list[bytes]:
    """Each row as a serialized tf.Example, by tfx-bsl's encoder in C++."""
    from tfx_bsl.coders import example_coder

    lists = [as_lists(column, list_type(column.type)) for column in batch.columns]
    encoder = example_coder.RecordBatchToExamplesEncoder()
    examples: list[bytes] = encoder.encode(pa.RecordBatch.from_arrays(lists, names=batch.schema.names))
    return examples
