"""The network: piecewise-linear numbers, embedded categories, and an ensemble in one graph.

    numbers     piecewise-linear over bins that the label chose (Gorishniy, Rubachev, Babenko: On Embeddings for
                Numerical Features in Tabular Deep Learning, NeurIPS 2022): a plain network can draw the steps that
                trees draw
    categories  an embedding each, all in one table
    ensemble    the members share all large weights; each scales the first layer's units in its own way and has its own
                biases and its own last layer (Gorishniy, Kotelnikov, Babenko: TabM, ICLR 2025; after Wen, Tran, Ba:
                BatchEnsemble, ICLR 2020). In TabM the members part at the input; here after the first layer, which
                is most of the work and, in a table of thousands of columns, most of the memory

While the network learns, each member answers for itself; asked, it gives the mean of their answers. Knows no files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import ops

from trainer import ngrams
from trainer.bins import target_aware_edges
from trainer.derived_columns import buckets_of
from trainer.embeddings import Embeddings
from trainer.features import FeatureTable, Kind
from trainer.preprocessing import CATEGORICAL, FLAGS, NUMERIC, TIME_PARTS, WORDS
from trainer.word_embeddings import Words


class PiecewiseLinear(keras.layers.Layer):
    """(batch, n) places in [0, 1] -> (batch, n * bins): how far each bin is filled, with even means and deviations.

    The bins are equal until `adapt` has seen data. Without the scaling a bin that few rows reach would be all but
    constant, and so would be learnt last.
    """

    _DEVIATION = 0.5
    _SMALLEST_DEVIATION = 0.05  # a unit is stretched at most ten times
    _CELLS_AT_ONCE = 2_000_000  # rows x units: 200,000 rows of 40 numbers would take three quarters of a gigabyte

    def __init__(self, bins: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bins = bins

    def build(self, input_shape: Any) -> None:
        """See keras. All weights are (n * bins,): small enough that no rewriting rounds them."""
        equal = np.tile(np.arange(self.bins + 1, dtype="float32") / self.bins, (input_shape[1], 1))

        def fixed(name: str, initializer: Any) -> Any:
            return self.add_weight(name=name, shape=(equal[:, 1:].size,), initializer=initializer, trainable=False)

        self.slope, self.shift = fixed("slope", "zeros"), fixed("shift", "zeros")
        self.mean, self.scale = fixed("mean", "zeros"), fixed("scale", "ones")
        self._cut(equal)

    def adapt(self, places: npt.NDArray[Any], targets: npt.NDArray[Any]) -> None:
        """Cut the bins where the targets change; see trainer.bins."""
        self._cut(target_aware_edges(places, targets, self.bins))
        mean, deviation = self._moments(places)
        self.mean.assign(mean)
        self.scale.assign(self._DEVIATION / np.maximum(deviation, self._SMALLEST_DEVIATION))

    def _moments(self, places: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return the mean and the standard deviation of each bin's filling, (n * bins,), from some rows at a time."""
        sums, squares = np.zeros(self.mean.shape), np.zeros(self.mean.shape)
        size = max(1, self._CELLS_AT_ONCE // len(sums))
        for first in range(0, len(places), size):
            filled = ops.convert_to_numpy(self.filled(places[first : first + size])).astype(np.float64)
            sums += filled.sum(axis=0)
            squares += np.square(filled).sum(axis=0)
        mean = sums / len(places)
        return mean, np.sqrt(np.maximum(squares / len(places) - mean**2, 0.0))

    def call(self, places: Any) -> Any:
        """Fill bins: bin k of a place p between its edges a and b is filled by clip((p - a) / (b - a), 0, 1)."""
        return (self.filled(places) - self.mean) * self.scale

    def _cut(self, edges: npt.NDArray[Any]) -> None:
        slope = 1.0 / np.diff(edges)
        self.slope.assign(slope.ravel())
        self.shift.assign((-edges[:, :-1] * slope).ravel())

    def filled(self, places: Any) -> Any:
        """Fill bins, without the scaling."""
        repeated = ops.reshape(ops.tile(places[:, :, None], [1, 1, self.bins]), [-1, places.shape[1] * self.bins])
        return ops.clip(repeated * self.slope + self.shift, 0.0, 1.0)


class Members(keras.layers.Layer):
    """(batch, units) -> (members, units): what each member scales the units by, at first some with the sign turned."""

    def __init__(self, members: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.members = members

    def build(self, input_shape: Any) -> None:
        """See keras."""
        signs = keras.initializers.RandomNormal()
        self.scale = self.add_weight(
            name="scale",
            shape=(self.members, input_shape[-1]),
            initializer=lambda shape, dtype=None: ops.sign(signs(shape, dtype)),
        )

    def call(self, units: Any) -> Any:
        """Give the scales."""
        return ops.convert_to_tensor(self.scale)


class ScaledDense(keras.layers.Layer):
    """[(batch, units), scales (members, units)] -> (batch, members, outputs): scale, then `MembersDense`, in one.

    The scales go into the kernel, (units, members * outputs): that is small, where the scaled units, (batch, members,
    units), are written and read for each batch, and their gradient once more. A step of training takes half the time.
    """

    def __init__(self, outputs: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.outputs = outputs
        self.activation = ops.relu

    def build(self, input_shape: Any) -> None:
        """See keras."""
        (_, units), (members, _) = input_shape
        self.kernel = self.add_weight(name="kernel", shape=(units, self.outputs), initializer="glorot_uniform")
        self.bias = self.add_weight(name="bias", shape=(members, self.outputs), initializer="zeros")

    def call(self, inputs: Any) -> Any:
        """Multiply."""
        units, scale = inputs
        kernel = ops.transpose(scale)[:, :, None] * self.kernel[:, None, :]
        summed = ops.matmul(units, ops.reshape(kernel, (kernel.shape[0], -1))) + ops.reshape(self.bias, (-1,))
        return ops.reshape(self.activation(summed), (-1, *self.bias.shape))


class MembersDense(keras.layers.EinsumDense):
    """(batch, members, units) -> (batch, members, outputs), without the shortcuts of keras.ops.einsum: those multiply
    the shared weights with each row by itself, whose gradient is a matrix per row; and LiteRT's converter refuses them.
    """

    def call(self, units: Any, training: bool | None = None) -> Any:
        """See keras."""
        return self.activation(tf.einsum(self.equation, units, self.kernel) + self.bias)


class Answer(keras.layers.Layer):
    """(batch, members, outputs) -> the mean, (batch, outputs); while learning, all of them as they are."""

    def call(self, answers: Any, training: bool = False) -> Any:
        """See the class."""
        return answers if training else ops.mean(answers, axis=1)


def build_model(
    table: FeatureTable,
    vocabulary_sizes: Sequence[int],
    *,
    hidden_units: Sequence[int],
    dropout: float,
    members: int = 1,
    label_mean: float = 0.0,
    label_scale: float = 1.0,
) -> keras.Model:
    """Return the network for `table`, not compiled; its loss is `trainer.member_loss`.

    Args:
        vocabulary_sizes: ids per categorical feature, those for unknown and missing included.
        hidden_units: of the shared first layer, then of the members' layers.
        label_mean, label_scale: of a regression's training labels; the last layers undo the scaling.

    Returns:
        A model from {numeric, flags, categorical, words} (those that the table has) to (batch, 1) probability of the
        second class, (batch, classes) probabilities, or (batch, 1) prediction in the label's unit. With
        `training=True` there is a middle axis for the members.
    """
    inputs: dict[str, keras.KerasTensor] = {}
    parts = []
    if width := len(table.of(Kind.NUMERIC)) + len(TIME_PARTS) * len(table.of(Kind.TIMESTAMP)):
        inputs[NUMERIC] = keras.Input((width,), name=NUMERIC)
        parts.append(PiecewiseLinear(table.bins, name="piecewise_linear")(inputs[NUMERIC]))
    if width := len(table.of(Kind.BOOLEAN)) + len(table.optional):
        inputs[FLAGS] = keras.Input((width,), name=FLAGS)
        parts.append(inputs[FLAGS])
    if vocabulary_sizes:
        inputs[CATEGORICAL] = keras.Input((len(vocabulary_sizes),), dtype="int64", name=CATEGORICAL)
        names = [table.tensor_names[feature.name] for feature in table.of(Kind.CATEGORICAL)]
        parts.append(Embeddings(names, vocabulary_sizes, name="embeddings")(inputs[CATEGORICAL]))
    if words := table.of(Kind.WORDS):
        inputs[WORDS] = keras.Input((len(words) * ngrams.MOST,), dtype="int64", name=WORDS)
        buckets = [buckets_of(table, feature.name) for feature in words]
        parts.append(Words(buckets, name="word_embeddings")(inputs[WORDS]))
    shared = keras.layers.Concatenate()(parts) if len(parts) > 1 else parts[0]
    shared = keras.layers.Dense(hidden_units[0], activation="relu", name="shared")(shared)
    scale = Members(members, name="members")(shared)
    later = list(enumerate(hidden_units[1:], start=1))
    if later and not dropout:  # no member's view of the units is looked at by itself
        number, units = later.pop(0)
        hidden = ScaledDense(units, name=f"hidden_{number}")([shared, scale])
    else:
        hidden = keras.layers.Dropout(dropout)(shared[:, None, :] * scale)
    for number, units in later:
        dense = MembersDense("bmi,iu->bmu", (members, units), "relu", bias_axes="mu", name=f"hidden_{number}")
        hidden = keras.layers.Dropout(dropout)(dense(hidden))

    def last(outputs: int, activation: str | None, name: str) -> Any:
        return MembersDense("bmi,mio->bmo", (members, outputs), activation, bias_axes="mo", name=name)(hidden)

    if table.label.task == "binary":
        answers = last(1, "sigmoid", "probability")
    elif table.label.task == "multiclass":
        answers = last(len(table.label.classes), "softmax", "probabilities")
    else:
        answers = keras.layers.Rescaling(label_scale, label_mean, name="prediction")(last(1, None, "standardized"))
    return keras.Model(inputs, Answer(name="answer")(answers), name="tabular_network")
