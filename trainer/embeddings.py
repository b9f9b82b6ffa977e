"""The embeddings of all categories, in one table and one look-up.

A layer for each would cost a table of hundreds of text columns minutes of building graphs, and a request an operation a
column.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import ops

_RANGE = 0.05
"""Weights begin within it, as those of Keras's own embeddings do."""
_WIDEST = 32


class Embeddings(keras.layers.Layer):
    """(batch, features) ids -> (batch, sum of widths): each feature's embedding, side by side.

    A wide vocabulary has a wide embedding. In the table a row is as long as the longest; what is beyond its feature's
    width is 0 and stays so, since nothing reads it.

    Args:
        features: their names, for those who ask by name.
        sizes: ids of each.
    """

    def __init__(self, features: Sequence[str], sizes: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.features, self.sizes = list(features), list(sizes)
        self.widths = [min(_WIDEST, 2 + round(size**0.5)) for size in sizes]
        self._first = np.concatenate([[0], np.cumsum(self.sizes)])[:-1].astype(np.int64)  # row of each feature
        widest = max(self.widths)
        self._places = np.flatnonzero(np.arange(widest) < np.array(self.widths)[:, np.newaxis])
        self._back = np.full(len(sizes) * widest, len(self._places))  # where a number went; those unread nowhere
        self._back[self._places] = np.arange(len(self._places))

    def build(self, input_shape: Any) -> None:
        """See keras."""
        shape = (sum(self.sizes), max(self.widths))
        self.table = self.add_weight(name="embeddings", shape=shape, initializer=self._initial)

    def _initial(self, shape: Any, dtype: Any = None) -> Any:
        widths = np.repeat(self.widths, self.sizes)[:, np.newaxis]
        used = (np.arange(shape[1]) < widths).astype(np.float32)
        return ops.convert_to_tensor(keras.initializers.RandomUniform(-_RANGE, _RANGE)(shape, dtype) * used, dtype)

    def call(self, ids: Any) -> Any:
        """Look up."""
        rows = tf.gather(self.table.value, ids + self._first)  # (batch, features, widest)
        every = tf.reshape(rows, [-1, len(self._back)])
        return every if len(self._places) == len(self._back) else self._read(every)

    def _read(self, every: Any) -> Any:
        @tf.custom_gradient
        def read(values: Any) -> tuple[Any, Any]:
            # TensorFlow's own gradient adds up number by number, although none is read twice.
            def gradient(upstream: Any) -> Any:
                return tf.gather(tf.pad(upstream, [[0, 0], [0, 1]]), self._back, axis=1)

            return tf.gather(values, self._places, axis=1), gradient

        return read(every)

    def by_feature(self) -> dict[str, npt.NDArray[Any]]:
        """Return each feature's own embedding, (ids, width)."""
        table = np.asarray(self.table)
        return {
            feature: table[first : first + size, :width]
            for feature, first, size, width in zip(self.features, self._first, self.sizes, self.widths, strict=True)
        }

    def assign(self, feature: str, embedding: npt.NDArray[Any]) -> None:
        """Give a feature another one, of the shape that `by_feature` has."""
        number = self.features.index(feature)
        first = self._first[number]
        self.table.value[first : first + self.sizes[number], : self.widths[number]].assign(embedding)
