"""Rows as a loaded network reads them, and what it answers to them with its gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

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
