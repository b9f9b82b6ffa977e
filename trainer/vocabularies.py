"""The vocabularies of all categorical features, in one file, one analysis and one look-up.

A vocabulary of its own for each would cost TFT some ten Beam stages and a second and more a column.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import tf_utils

from trainer import words_file


def ids(texts: tf.Tensor, present: tf.Tensor, columns: Sequence[str], most: int) -> tf.Tensor:
    """Learn the vocabularies and look all values up in them.

    Args:
        texts: (batch, columns).
        present: (batch, columns), false where a value is missing.
        columns: their names.
        most: words kept of each, the most frequent first; of equally frequent ones those that sort last.

    Returns:
        (batch, columns) int64: 0 … v-1 known values, v unknown, v+1 missing.
    """
    from trainer.word_counts import analyzer  # Beam, which the Trainer needs not

    of_each = tf.constant([[words_file.key_of(place) for place in range(len(columns))]])
    keys = tf.raw_ops.Add(x=of_each, y=texts)  # tf.strings.join cannot broadcast
    (file,) = tft.experimental.ptransform_analyzer(
        [tf.where(present, keys, "")],
        analyzer(tuple(columns), most),
        output_dtypes=[tf.string],
        output_shapes=[[]],
        output_asset_default_values=[words_file.write([[]], columns[:1])],
        name="vocabularies",
    )
    numbers, _ = tf_utils.construct_and_lookup_table(_Table, file, keys)
    unknown, found = numbers[:1], numbers[1:]
    return tf.where(present, tf.where(found < 0, unknown, found), unknown + 1)


class _Table(tf.lookup.StaticHashTable):
    """The words of all columns."""

    def __init__(self, file: tf.Tensor) -> None:
        super().__init__(_Words(file), default_value=-1)

    def lookup(self, keys: tf.Tensor, name: str | None = None) -> tf.Tensor:
        """Look up unknown words of each column, in the first row, and then the keys.

        In two look-ups: to join the texts would be to copy them.
        """
        unknown = tf.constant([[words_file.key_of_unknown(place) for place in range(keys.shape[1])]])
        return tf.concat([super().lookup(unknown), super().lookup(keys, name)], axis=0)


class _Words(tf.lookup.TextFileInitializer):
    """Reads words of any bytes, which lines of text cannot hold; see trainer.words_file."""

    def __init__(self, file: tf.Tensor) -> None:
        super().__init__(file, tf.string, 0, tf.int64, 1, delimiter="\t")

    def initialize(self, table: Any) -> Any:
        """See TensorFlow."""
        content = tf.io.read_file(tf.convert_to_tensor(self._filename, tf.string))
        lines = tf.strings.split([content], "\n").values[:-1]
        place, word, number = tf.io.decode_csv(
            lines, ["", "", tf.constant([], tf.int64)], "\t", use_quote_delim=False, select_cols=[0, 1, 2]
        )
        keys = tf.strings.join([place, tf.io.decode_base64(word)], ":")
        operation = tf.raw_ops.LookupTableImportV2(table_handle=table.resource_handle, keys=keys, values=number)
        tf.compat.v1.add_to_collection(tf.compat.v1.GraphKeys.TABLE_INITIALIZERS, operation)
        return operation
