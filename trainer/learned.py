"""Statistics that derived features learn of the training rows: `count_by`, `mean_by` and `rate_by`, in one look-up.

A row to learn from belongs to one of the folds of trainer.folds. For it a mean is that of the other folds' rows, so
that nothing of its own label comes back to it; for any other row it is that of all. A mean is smoothed: it counts some
rows more, which have the mean of all keys. The values lie in a file among the assets of the graph, as vocabularies do:
see trainer.statistics_file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import tf_utils

from trainer import statistics_file
from trainer.folds import FOLDS, NO_FOLD


class Asked(NamedTuple):
    """What statistics are learned of, and looked up by.

    Attributes:
        keys: (batch, statistics), whatever where they are not present (batch, statistics).
        values: float64 (batch, statistics), NaN where a mean leaves the row out.
        folds: int64 (batch, 1), NO_FOLD of rows that are not learned from; None where nothing depends on them.
        wanted: of each statistic its function and its smoothing.
    """

    keys: tf.Tensor
    present: tf.Tensor
    values: tf.Tensor
    folds: tf.Tensor | None
    wanted: Sequence[tuple[str, float]]


def look_up(asked: Asked) -> tf.Tensor:
    """Learn statistics by key, and look them up.

    Returns:
        float64 (batch, statistics), NaN where a key is missing, or where there is nothing to take a mean of.
    """
    from trainer.key_sums import analyzer  # Beam, which the Trainer needs not

    (file,) = tft.experimental.ptransform_analyzer(
        _counted(asked),
        analyzer(tuple(asked.wanted)),
        output_dtypes=[tf.string],
        output_shapes=[[]],
        output_asset_default_values=[statistics_file.write([], asked.wanted)],
        name="statistics_by_key",
    )
    begins = [
        [f"{statistics_file.number_of(place)}{NO_FOLD if function == 'count_by' else fold}"
         for place, (function, _) in enumerate(asked.wanted)]
        for fold in range(NO_FOLD, FOLDS)
    ]  # fmt: skip
    of_row = tf.squeeze(_folds(asked), axis=1) - NO_FOLD
    of_keys = tf.constant([[one + statistics_file.OF_KEY for one in of_fold] for of_fold in begins])
    lines = tf.raw_ops.Add(x=tf.gather(of_keys, of_row), y=asked.keys)  # (batch, statistics)
    found, _ = tf_utils.construct_and_lookup_table(_table, file, tf.concat([begins, lines], axis=0))
    of_all, of_key = found[: len(begins)], found[len(begins) :]
    found = tf.where(tf.math.is_nan(of_key), tf.gather(of_all, of_row), of_key)
    return tf.where(asked.present, found, tf.constant(float("nan"), tf.float64))


def quantiles(asked: Asked, buckets: int) -> tf.Tensor:
    """Return (statistics, buckets - 1): quantiles of what `look_up` finds for the training rows.

    By rows with a value that is found; NaN of a statistic where none has one.
    """
    from trainer.key_sums import quantiles_analyzer

    shape = [len(asked.wanted), buckets - 1]
    (found,) = tft.experimental.ptransform_analyzer(
        _counted(asked),
        quantiles_analyzer(tuple(asked.wanted), buckets),
        output_dtypes=[tf.float32],
        output_shapes=[shape],
        name="quantiles_by_key",
    )
    return tf.ensure_shape(found, shape)


def _counted(asked: Asked) -> list[tf.Tensor]:
    return [tf.where(asked.present, asked.keys, ""), tf.cast(asked.present, tf.int64), asked.values, _folds(asked)]


def _folds(asked: Asked) -> tf.Tensor:
    if asked.folds is not None:
        return asked.folds
    return tf.fill([tf.shape(asked.keys)[0], 1], tf.constant(NO_FOLD, tf.int64))


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
