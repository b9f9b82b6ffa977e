"""Rows with the predictions of the network that was trained: what a served model must predict, too.

exported.json         SHA-256 of every file of the SavedModel
scored_rows.parquet   some rows as serialized tf.Examples, and what the network itself predicts for them

The rows go through the transform graph and the network as they do in training; the served model must say the same.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from trainer.artifact_names import EXPORTED_FILE
from trainer.digests import file_digests
from trainer.features import FeatureTable
from trainer.kept_rows import keep_rows
from trainer.reading import first_rows
from trainer.rows import to_examples

SCORED_ROWS_FILE = "scored_rows.parquet"
EXAMPLE, PREDICTION = "example", "prediction"
"""Its columns: binary, and a list of the model's outputs."""
MOST_ROWS = 256
_MOST_CELLS = 1 << 18
"""Rows times columns: a row of a wide table is worth many of a narrow one."""


def save_probe_rows(
    folder: str, saved_model: str, patterns: Sequence[str], table: FeatureTable, transform: Any, network: Any
) -> None:
    """Write both files into `folder`.

    Args:
        saved_model: the folder that was exported.
        patterns: globs of the files of the training split.
        transform: the TransformFeaturesLayer.
        network: the Keras model that was fitted.
    """
    rows = max(1, min(MOST_ROWS, _MOST_CELLS // len(table.features)))
    raw, transformed = first_rows(patterns, table, transform, rows)
    inputs = {tensor.name: transformed[tensor.name] for tensor in network.inputs}
    predictions = np.asarray(network(inputs, training=False))
    save_scored(folder, saved_model, raw, predictions, table)


def save_scored(
    folder: str, saved_model: str, raw: pa.RecordBatch, predictions: npt.NDArray[Any], table: FeatureTable
) -> None:
    """Write both files for rows that are scored already.

    Args:
        raw: the rows as they are stored, the features' columns among them.
        predictions: (rows, outputs).
    """
    write_scored_rows(f"{folder}/{SCORED_ROWS_FILE}", to_examples(raw), predictions)
    keep_rows(saved_model, raw, predictions, table)
    with tf.io.gfile.GFile(f"{folder}/{EXPORTED_FILE}", "w") as file:
        json.dump(file_digests(saved_model), file, indent=1)


def write_scored_rows(path: str, examples: Sequence[bytes], predictions: npt.NDArray[Any]) -> None:
    """Write serialized tf.Examples and their predictions (rows, outputs) as a Parquet file."""
    columns = {
        EXAMPLE: pa.array(examples, pa.binary()),
        PREDICTION: pa.array(list(predictions), pa.list_(pa.float32())),
    }
    whole = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), whole, compression="zstd")
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(whole.getvalue().to_pybytes())


def read_scored_rows(path: str) -> tuple[list[bytes], npt.NDArray[Any]]:
    """Return what `write_scored_rows` wrote.

    Raises:
        tf.errors.NotFoundError: there is no such file.
    """
    with tf.io.gfile.GFile(path, "rb") as file:
        table = pq.read_table(pa.BufferReader(file.read()))
    return table[EXAMPLE].to_pylist(), np.array(table[PREDICTION].to_pylist(), np.float32)
