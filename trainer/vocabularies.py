"""The vocabularies of all categorical features, in one file, one analysis and one look-up.

A vocabulary of its own for each would cost TFT some ten Beam stages and a second and more a column.
"""

from __future__ import annotations

from collections.abc import Sequence

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

    places = tf.constant([[f"{place}" for place in range(len(columns))]])
    # tf.strings.join cannot broadcast
    keys = tf.raw_ops.Add(x=places, y=tf.raw_ops.Add(x=":", y=tf.io.encode_base64(texts)))
    (file,) = tft.experimental.ptransform_analyzer(
        [tf.where(present, keys, "")],
        analyzer(tuple(columns), most),
        output_dtypes=[tf.string],
        output_shapes=[[]],
        output_asset_default_values=[words_file.write([[]], columns[:1])],
        name="vocabularies",
    )
    numbers, _ = tf_utils.construct_and_lookup_table(_table, file, tf.concat([places, keys], axis=0))
    sizes, found = numbers[:1], numbers[1:]
    known = tf.where(found < 0, sizes, found)
    return tf.where(present, known, sizes + 1)


def _table(file: tf.Tensor) -> tf.lookup.StaticHashTable:
    lines = tf.lookup.TextFileInitializer(file, tf.string, 0, tf.int64, 1, delimiter="\t")
    return tf.lookup.StaticHashTable(lines, default_value=-1)
