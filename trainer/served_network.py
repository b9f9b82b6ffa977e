"""The network as it is served: what is the same for every row is multiplied out once, instead of in every request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer.preprocessing import CATEGORICAL, FLAGS, NUMERIC, WORDS

_NARROW = 64
"""Answers of all members together, up to which their last layer is one matrix: most of it is zeros."""

Array = npt.NDArray[Any]


class ServedNetwork(tf.Module):
    """A fitted network of trainer.model in fewer operations; called as the network is.

    Answers differ from the network's by roundings only:

    - The first layer takes in the scaling of the filled bins.
    - Embeddings of one width are read at once, each no wider than it is.
    - The members' first layer takes in what they scale its units by; their last one is a product of two matrices.
    """

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        layers = {layer.name: layer for layer in network.layers}
        self.inputs = network.inputs
        bins: Any = layers.get("piecewise_linear")
        embeddings = layers.get("embeddings")
        self._parts: dict[str, Any] = {
            NUMERIC: lambda places: [bins.filled(places)],
            FLAGS: lambda flags: [flags],
            CATEGORICAL: embeddings and _Embeddings(embeddings),
            WORDS: lambda ids: [layers["word_embeddings"](ids)],
        }
        self._shared = _constants(*_first_layer(layers["shared"], bins, self._parts[CATEGORICAL], self.inputs))
        scale = _exact(layers["members"].scale)
        behind = network.layers[network.layers.index(layers["members"]) + 1 :]
        first, *later = (layer for layer in behind if not isinstance(layer, keras.layers.Dropout))
        # Of a kernel that the members share, (units, outputs), or of each its own, (members, units, outputs).
        kernel = np.moveaxis(scale[:, :, None] * _exact(first.kernel), 0, 1)
        self._shape = [-1, *kernel.shape[1:]]
        self._members = _constants(kernel.reshape(len(kernel), -1), np.ravel(first.bias))
        self._activation = first.activation
        self._later = [_Last(layer) if _is_narrow(layer) else layer for layer in later]

    @tf.autograph.experimental.do_not_convert
    def __call__(self, inputs: dict[str, Any], training: bool = False) -> Any:
        """Compute predictions; there is no training."""
        given = {tensor.name: tf.cast(inputs[tensor.name], tensor.dtype) for tensor in self.inputs}
        parts = [one for name, part in self._parts.items() if name in given for one in part(given[name])]
        units = tf.nn.relu(_product(tf.concat(parts, axis=1), self._shared))
        answers = self._activation(tf.reshape(_product(units, self._members), self._shape))
        for layer in self._later:
            answers = layer(answers)
        return answers


class _Embeddings(tf.Module):
    """trainer.embeddings.Embeddings, those of one width side by side.

    Attributes:
        order: of the columns of what the layer gives, as they are given here.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self._features, self._tables, order = [], [], []
        tables, starts = list(layer.by_feature().values()), np.cumsum([0, *layer.widths])
        for width in sorted(set(layer.widths)):
            alike = [place for place, its in enumerate(layer.widths) if its == width]
            sizes = [len(tables[place]) for place in alike]
            self._features.append((alike, np.cumsum([0, *sizes])[:-1]))
            self._tables.append(_constants(np.concatenate([tables[place] for place in alike])))
            order += [np.arange(starts[place], starts[place + 1]) for place in alike]
        self.order = np.concatenate(order)

    def __call__(self, ids: tf.Tensor) -> list[tf.Tensor]:
        columns = tf.unstack(ids, ids.shape[1], axis=1)
        found = []
        for (features, firsts), (table,) in zip(self._features, self._tables, strict=True):
            if len(features) == 1:
                found.append(tf.gather(table, columns[features[0]]))
            else:
                rows = tf.gather(table, tf.stack([columns[place] for place in features], axis=1) + firsts)
                found.append(tf.reshape(rows, [-1, len(features) * int(table.shape[1])]))
        return found


class _Last(tf.Module):
    """trainer.model.MembersDense where each member has its own kernel, as one product of two matrices.

    The narrow one comes first: TensorFlow multiplies so in a third of the time.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__()
        kernel = _exact(layer.kernel)  # (members, units, outputs)
        members, units, outputs = kernel.shape
        whole = np.zeros((members, outputs, members, units))
        whole[np.arange(members), :, np.arange(members)] = np.moveaxis(kernel, 1, 2)
        self._kernel, self._bias = _constants(whole.reshape(-1, members * units), layer.bias)
        self._shape, self._activation = (members, units, outputs), layer.activation

    def __call__(self, answers: tf.Tensor) -> tf.Tensor:
        members, units, outputs = self._shape
        summed = tf.matmul(self._kernel, tf.reshape(answers, [-1, members * units]), transpose_b=True)
        by_row = tf.reshape(tf.transpose(summed), [-1, members, outputs])
        return self._activation(by_row + self._bias)


def _is_narrow(layer: Any) -> bool:
    shape: Any = getattr(getattr(layer, "kernel", None), "shape", ())
    return len(shape) == 3 and shape[0] * shape[2] <= _NARROW


def _first_layer(
    shared: Any, bins: Any, embeddings: _Embeddings | None, inputs: Sequence[keras.KerasTensor]
) -> tuple[Array, Array]:
    """Return kernel and bias for bins as they are filled, without their scaling, and embeddings in their order."""
    kernel, bias = _exact(shared.kernel), _exact(shared.bias)
    at = 0
    if bins is not None:
        scale, mean = _exact(bins.scale), _exact(bins.mean)
        at = len(scale)
        kernel[:at] *= scale[:, None]
        bias -= mean @ kernel[:at]
    if embeddings is not None:
        at += sum(tensor.shape[1] for tensor in inputs if tensor.name == FLAGS)
        theirs = kernel[at : at + len(embeddings.order)]
        theirs[:] = theirs[embeddings.order]
    return kernel, bias


def _product(rows: tf.Tensor, weights: Sequence[tf.Variable]) -> tf.Tensor:
    kernel, bias = weights
    return tf.nn.bias_add(tf.matmul(rows, kernel), bias)


def _exact(variable: Any) -> npt.NDArray[np.float64]:
    return np.array(variable, np.float64)


def _constants(*arrays: Array) -> list[tf.Variable]:
    """Return what a checkpoint holds: TensorFlow copies a constant into every signature."""
    return [tf.Variable(np.float32(array), trainable=False) for array in arrays]
