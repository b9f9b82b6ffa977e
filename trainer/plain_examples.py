"""Plain tensors to serialized tf.Examples, inside a graph: by TensorFlow's own encoder of protocol buffers.

So a model that takes tf.Examples only also answers whoever sends numbers and texts.
"""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from trainer.features import Feature, FeatureTable, Storage

_KINDS = {
    Storage.INT: ("Int64List", "int64_list"),
    Storage.FLOAT: ("FloatList", "float_list"),
    Storage.BYTES: ("BytesList", "bytes_list"),
}


def examples_of(tensors: Mapping[str, tf.Tensor], table: FeatureTable) -> tf.Tensor:
    """Encode a plain tensor a feature, (batch,), by the feature's name; NaN or "" stands for a missing value.

    Returns:
        (batch,) serialized tf.Examples.
    """
    rows = tf.shape(next(iter(tensors.values())))[0]
    entries = tf.stack([_entry(feature, tensors[feature.name], rows) for feature in table.features], axis=1)
    sizes = tf.fill([rows, 1], len(table.features))
    features = tf.io.encode_proto(sizes, [entries], ["feature"], "tensorflow.Features")
    return tf.io.encode_proto(tf.fill([rows, 1], 1), [features[:, tf.newaxis]], ["features"], "tensorflow.Example")


def _entry(feature: Feature, values: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    if feature.storage is Storage.BYTES:
        present = values != ""
    else:
        present = ~tf.math.is_nan(values)
        kind = tf.int64 if feature.storage is Storage.INT else tf.float32
        values = tf.cast(tf.where(present, values, tf.zeros_like(values)), kind)
    message, field = _KINDS[feature.storage]
    one = tf.fill([rows, 1], 1)
    listed = tf.io.encode_proto(one, [values[:, tf.newaxis]], ["value"], f"tensorflow.{message}")
    there = tf.cast(present, tf.int32)[:, tf.newaxis]  # without a kind a feature is missing
    held = tf.io.encode_proto(there, [listed[:, tf.newaxis]], [field], "tensorflow.Feature")
    name = tf.fill([rows, 1], feature.name)
    return tf.io.encode_proto(
        tf.fill([rows, 2], 1), [name, held[:, tf.newaxis]], ["key", "value"], "tensorflow.Features.FeatureEntry"
    )
