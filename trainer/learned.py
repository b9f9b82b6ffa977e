"""Statistics that derived features learn of the training rows: `count_by`, `mean_by` and `rate_by`, in one look-up.

A row to learn from belongs to one of the folds of trainer.folds. For it a mean is that of the other folds' rows, so
that nothing of its own label comes back to it; for any other row it is that of all. A mean is smoothed: it counts some
rows more, which have the mean of all keys. The values lie in a file among the assets of the graph, as vocabularies do:
see trainer.statistics_file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import tf_utils

from trainer import statistics_file
from trainer.folds import FOLDS, NO_FOLD


def look_up(
    keys: tf.Tensor, present: tf.Tensor, values: tf.Tensor, folds: tf.Tensor | None, wanted: Sequence[tuple[str, float]]
) -> tf.Tensor:
    """Learn statistics by key, and look them up.

    Args:
        keys: (batch, statistics), whatever where they are not present (batch, statistics).
        values: float64 (batch, statistics), NaN where a mean leaves the row out.
        folds: int64 (batch, 1), NO_FOLD of rows that are not learned from; None where nothing depends on them.
        wanted: of each statistic its function and its smoothing.

    Returns:
        float64 (batch, statistics), NaN where a key is missing, or where there is nothing to take a mean of.
    """
    from trainer.key_sums import analyzer  # Beam, which the Trainer needs not

    if folds is None:
        folds = tf.fill([tf.shape(keys)[0], 1], tf.constant(NO_FOLD, tf.int64))
    (file,) = tft.experimental.ptransform_analyzer(
        [tf.where(present, keys, ""), tf.cast(present, tf.int64), values, folds],
        analyzer(tuple(wanted)),
        output_dtypes=[tf.string],
        output_shapes=[[]],
        output_asset_default_values=[statistics_file.write([], wanted)],
        name="statistics_by_key",
    )
    begins = [
        [f"{statistics_file.number_of(place)}{NO_FOLD if function == 'count_by' else fold}"
         for place, (function, _) in enumerate(wanted)]
        for fold in range(NO_FOLD, FOLDS)
    ]  # fmt: skip
    of_row = tf.squeeze(folds, axis=1) - NO_FOLD
    of_keys = tf.constant([[one + statistics_file.OF_KEY for one in of_fold] for of_fold in begins])
    asked = tf.raw_ops.Add(x=tf.gather(of_keys, of_row), y=keys)  # (batch, statistics)
    found, _ = tf_utils.construct_and_lookup_table(_table, file, tf.concat([begins, asked], axis=0))
    of_all, of_key = found[: len(begins)], found[len(begins) :]
    found = tf.where(tf.math.is_nan(of_key), tf.gather(of_all, of_row), of_key)
    return tf.where(present, found, tf.constant(float("nan"), tf.float64))


def _table(file: tf.Tensor) -> tf.lookup.StaticHashTable:
    return tf.lookup.StaticHashTable(_Values(file), default_value=float("nan"))


class _Values(tf.lookup.TextFileInitializer):
    """Reads numbers by keys of any bytes; see trainer.statistics_file."""

    def __init__(self, file: tf.Tensor) -> None:
        super().__init__(file, tf.string, 0, tf.float64, 1, delimiter="\t")

    def initialize(self, table: Any) -> Any:
        """See TensorFlow."""
        content = tf.io.read_file(tf.convert_to_tensor(self._filename, tf.string))
        lines = tf.strings.split([content], "\n").values[:-1]
        begins, key, value = tf.io.decode_csv(
            lines, ["", "", tf.constant([], tf.float64)], "\t", use_quote_delim=False, select_cols=[0, 1, 2]
        )
        keys = tf.strings.join([begins, tf.io.decode_base64(key)])
        operation = tf.raw_ops.LookupTableImportV2(table_handle=table.resource_handle, keys=keys, values=value)
        tf.compat.v1.add_to_collection(tf.compat.v1.GraphKeys.TABLE_INITIALIZERS, operation)
        return operation
