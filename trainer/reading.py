"""Transformed columns in memory: Parquet files through the transform graph, in large batches.

A tf.Example per row would be parsed at every step of every epoch; columns are transformed once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from trainer.features import Feature, FeatureTable, Label, Storage

_BATCH_ROWS = 16_384
_DTYPES = {Storage.INT: tf.int64, Storage.FLOAT: tf.float32, Storage.BYTES: tf.string}

Columns = dict[str, npt.NDArray[Any]]


def read_transformed(
    patterns: Sequence[str], table: FeatureTable, transform: Any, extra: Sequence[str] = ()
) -> Columns:
    """All rows of a split, transformed.

    Args:
        patterns: globs of Parquet files.
        transform: the TransformFeaturesLayer.
        extra: raw integer columns to keep beside the transformed ones.

    Returns:
        One array per transformed feature and extra column, (rows, ...), in file order.
    """
    columns: list[Feature | Label] = [*table.features, table.label]
    transform_batch = tf.function(transform, reduce_retracing=True)
    batches: list[Columns] = []
    for batch in _record_batches(patterns, [*dict.fromkeys([column.name for column in columns] + list(extra))]):
        transformed = transform_batch({column.name: to_sparse(batch.column(column.name), column) for column in columns})
        kept = {name: batch.column(name).to_numpy(zero_copy_only=False) for name in extra}
        batches.append({name: tensor.numpy() for name, tensor in transformed.items()} | kept)
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def to_sparse(column: pa.Array, described: Feature | Label) -> tf.SparseTensor:
    """A flat Arrow column as the (rows, 1) SparseTensor that a parsed tf.Example would give."""
    rows = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
    indices = np.stack([rows, np.zeros_like(rows)], axis=1)
    values = column.drop_null().to_numpy(zero_copy_only=False)
    return tf.SparseTensor(indices, tf.constant(values, _DTYPES[described.storage], shape=rows.shape), [len(column), 1])


def _record_batches(patterns: Sequence[str], names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Record batches with the given columns; one that a file lacks comes as all missing."""
    for path in sorted(path for pattern in patterns for path in tf.io.gfile.glob(pattern)):
        with tf.io.gfile.GFile(path, "rb") as file:  # local or remote; a shard is small
            stored = pq.ParquetFile(pa.BufferReader(file.read()))
        present = set(stored.schema_arrow.names)
        for batch in stored.iter_batches(_BATCH_ROWS, columns=[name for name in names if name in present]):
            arrays = [batch.column(name) if name in present else pa.nulls(batch.num_rows, pa.int64()) for name in names]
            yield pa.RecordBatch.from_arrays(arrays, names=list(names))
