"""Texts in the network: what their n-grams say, added up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import ops

from trainer import ngrams

WIDTH = 16
"""Of a text's embedding."""
ENOUGH_TEXTS = 50_000
"""So many tell how rare n-grams are."""
_RANGE = 0.05


class Words(keras.layers.Layer):
    """(batch, texts * MOST) ids -> (batch, texts * WIDTH): the embeddings of a text's n-grams, weighted and added.

    The weights are those of TF-IDF: rare n-grams count more, and the squares of a text's weights add up to 1. Until
    `adapt` has seen data all n-grams count alike.

    Args:
        buckets: ids of each text's n-grams; 0 is none.
    """

    def __init__(self, buckets: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.buckets = list(buckets)
        self._first = np.concatenate([[0], np.cumsum([size + 1 for size in buckets])])[:-1].astype(np.int64)

    def build(self, input_shape: Any) -> None:
        """See keras."""
        rows = sum(self.buckets) + len(self.buckets)
        initial = keras.initializers.RandomUniform(-_RANGE, _RANGE)
        self.table = self.add_weight(name="embeddings", shape=(rows, WIDTH), initializer=initial)
        none = np.ones(rows, np.float32)
        none[self._first] = 0.0
        self.rarity = self.add_weight(name="rarity", shape=(rows,), initializer="ones", trainable=False)
        self.rarity.assign(none)

    def adapt(self, ids: npt.NDArray[Any]) -> None:
        """Learn how rare each n-gram is, of ids (rows, texts * MOST)."""
        rarity = np.zeros(sum(self.buckets) + len(self.buckets), np.float32)
        for first, size, of_text in zip(
            self._first, self.buckets, np.split(ids, len(self.buckets), axis=1), strict=True
        ):
            texts = np.zeros(size + 1, np.int64)
            for row in of_text:
                texts[np.unique(row)] += 1
            rarity[first : first + size + 1] = np.log((1 + len(ids)) / (1 + texts)) + 1
            rarity[first] = 0.0
        self.rarity.assign(rarity)

    def call(self, ids: Any) -> Any:
        """Add up."""
        rows = tf.reshape(ids, [-1, len(self.buckets), ngrams.MOST]) + tf.cast(self._first[:, np.newaxis], ids.dtype)
        weights = tf.gather(self.rarity.value, rows)  # (batch, texts, MOST)
        norm = tf.math.rsqrt(tf.maximum(tf.reduce_sum(weights**2, axis=-1, keepdims=True), 1e-6))
        embedded = tf.gather(self.table.value, rows)  # (batch, texts, MOST, WIDTH)
        pooled = tf.einsum("btn,btnw->btw", weights * norm, embedded)
        return ops.reshape(pooled, [-1, len(self.buckets) * WIDTH])
