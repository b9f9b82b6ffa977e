"""Rows as a loaded network reads them, and what it answers to them with its gradients."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.data.decided_labels import row_hashes
from trainer.artifact_names import DERIVED_FEATURES
from trainer.features import FeatureTable
from trainer.rows import from_examples

Array = npt.NDArray[Any]


def raw_columns(records: Array, table: FeatureTable) -> dict[str, pa.Array]:
    """{feature: one value a row} of serialized tf.Examples."""
    batch = from_examples(list(records))
    present = set(batch.schema.names)
    missing = pa.nulls(len(records))
    return {
        feature.name: batch.column(feature.name) if feature.name in present else missing for feature in table.features
    }


_MOST_UNREAD = 8


def unread_columns(records: Array, table: FeatureTable) -> dict[str, list[Any]]:
    """{column: one value a row} of what no feature reads, the label aside: by it people find a row in their table."""
    batch = from_examples(list(records))
    read = {table.label.name, *(feature.name for feature in table.features)}
    names = [name for name in batch.schema.names if name not in read][:_MOST_UNREAD]
    return {name: batch.column(name).to_pylist() for name in names}


def row_names(records: Array, columns: Collection[str], label: str) -> list[str]:
    """Name rows by a hash of all their values but the label's, as pipeline.data.decided_labels does.

    Args:
        columns: of the table; one that no row has is missing in all.
    """
    batch = from_examples(list(records))
    found = dict(zip(batch.schema.names, batch.columns, strict=True))
    arrays = [_as_read(found.get(name, pa.nulls(len(records)))) for name in columns]
    return [f"{name:016x}" for name in row_hashes(pa.RecordBatch.from_arrays(arrays, list(columns)), label, ())]


def _as_read(column: pa.Array) -> pa.Array:
    if pa.types.is_null(column.type):
        return column.cast(pa.int64())
    is_text = pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)
    return column.cast(pa.string()) if is_text else column


def derived_values(model: Any, records: Array, table: FeatureTable) -> dict[str, list[Any]]:
    """Return the derived features of rows in their own units; None where one is missing."""
    import tensorflow as tf

    if DERIVED_FEATURES not in model.signatures:
        return {}
    found = model.signatures[DERIVED_FEATURES](examples=tf.constant(records))
    names = table.tensor_names
    return {
        one.feature.name: [None if value == b"" or value != value else value for value in column.numpy()]
        for one in table.derived
        if (column := found.get(names[one.feature.name])) is not None
    }


def network_inputs(model: Any, records: Array) -> dict[str, Array]:
    """Transform serialized tf.Examples to what the network reads: (rows, columns) each."""
    import tensorflow as tf

    found = model.signatures["transform_features"](examples=tf.constant(records))
    return {name: values.numpy() for name, values in found.items()}


def differentiate(model: Any, inputs: Mapping[str, Array], outputs: Array) -> dict[str, Array]:
    """Predict one output (rows,) of each row, and compute its gradient by float input (rows, columns)."""
    import tensorflow as tf

    wanted = {
        name: tf.constant(values.astype(np.float32) if np.issubdtype(values.dtype, np.floating) else values)
        for name, values in inputs.items()
    }
    return {name: values.numpy() for name, values in model.differentiate(wanted, tf.constant(outputs)).items()}


def typical_row(inputs: Mapping[str, Array]) -> dict[str, Array]:
    """(columns,) each: medians of numbers, the commonest of codes."""
    return {
        name: np.median(values, axis=0).astype(values.dtype)
        if np.issubdtype(values.dtype, np.floating)
        else np.array([np.bincount(column).argmax() for column in values.T], values.dtype)
        for name, values in inputs.items()
    }
