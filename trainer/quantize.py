"""Smaller weights: stored as float16 or int8, unpacked in the graph, so that any server of SavedModels takes them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

_WORTHWHILE_WEIGHTS = 1024
"""A smaller array (a bias, a scale) stays as it is: it saves nothing, and its precision matters most."""


class QuantizedNetwork(tf.Module):
    """The network with weights that are stored small; called as the network is.

    Args:
        how: "float16", or "int8": symmetric, with one scale for each column of a matrix, and for each row of a table of
            embeddings, since a row is a word's.
    """

    def __init__(self, network: keras.Model, how: str) -> None:
        super().__init__()
        self._stored = [
            _Stored(np.asarray(variable), how, axis=-1 if variable.name == "embeddings" else -2)
            for variable in _variables(network)
        ]
        # A bound method, which a SavedModel does not follow to the float32 weights.
        self._stateless_call = network.stateless_call
        self._trainable = len(network.trainable_variables)
        self._inputs = lambda: network.inputs

    @property
    def inputs(self) -> list[keras.KerasTensor]:
        """As of the network."""
        return list(self._inputs())

    @property
    def weights_bytes(self) -> int:
        """What the stored weights take."""
        return sum(stored.bytes for stored in self._stored)

    def __call__(self, inputs: dict[str, Any], training: bool = False) -> Any:
        """Compute predictions; there is no training."""
        values = [stored.value() for stored in self._stored]
        outputs, _ = self._stateless_call(
            values[: self._trainable], values[self._trainable :], inputs, training=training
        )
        return outputs


def is_large(shape: Sequence[int]) -> bool:
    """Tell whether an array of this shape is worth rounding; a vector never is."""
    return len(shape) >= 2 and math.prod(shape) >= _WORTHWHILE_WEIGHTS


def weights_bytes(network: keras.Model) -> int:
    """Return what a network's weights take as they are."""
    return sum(np.asarray(variable).nbytes for variable in _variables(network))


def _variables(network: keras.Model) -> list[Any]:
    return [*network.trainable_variables, *network.non_trainable_variables]


class _Stored(tf.Module):
    """One array of weights; those along `axis` have one scale."""

    def __init__(self, weights: npt.NDArray[Any], how: str, axis: int) -> None:
        super().__init__()
        self._dtype = weights.dtype
        worthwhile = weights.dtype == np.float32 and is_large(weights.shape)
        self._scale = None
        if worthwhile and how == "float16":
            weights = weights.astype(np.float16)
        elif worthwhile:
            scale = np.maximum(np.abs(weights).max(axis=axis, keepdims=True), np.finfo(np.float32).tiny) / 127
            self._scale = tf.Variable(scale, trainable=False)  # 1 along the axis
            weights = np.round(weights / scale).astype(np.int8)
        self.bytes = weights.nbytes + (0 if self._scale is None else 4 * int(np.prod(self._scale.shape)))
        self._weights = tf.Variable(weights, trainable=False)

    def value(self) -> tf.Tensor:
        """Return the weights in their own type."""
        weights = tf.cast(self._weights, self._dtype)
        return weights if self._scale is None else weights * self._scale
