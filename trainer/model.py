"""The network: quantile-encoded numbers, embedded categories, two dense layers.

Numbers enter as piecewise-linear encodings over quantile bins (Gorishniy, Rubachev, Babenko: On Embeddings
for Numerical Features in Tabular Deep Learning, NeurIPS 2022); they let a plain network draw the steps that
trees draw. Knows no files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from trainer.features import FeatureTable, Kind
from trainer.preprocessing import CATEGORICAL, FLAGS, NUMERIC, TIME_PARTS


class PiecewiseLinear(keras.layers.Layer):
    """(batch, n) places in [0, 1] -> (batch, n * bins): how far each of the equal bins is filled."""

    def __init__(self, bins: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bins = bins

    def call(self, places: Any) -> Any:
        """Bin k of a place p holds clip(p * bins - k, 0, 1)."""
        filled = ops.clip(places[:, :, None] * self.bins - ops.arange(self.bins, dtype="float32"), 0.0, 1.0)
        return ops.reshape(filled, (-1, places.shape[1] * self.bins))


def build_model(
    table: FeatureTable,
    vocabulary_sizes: Sequence[int],
    *,
    hidden_units: Sequence[int],
    dropout: float,
    label_mean: float = 0.0,
    label_scale: float = 1.0,
) -> keras.Model:
    """The network for `table`, not compiled.

    Args:
        vocabulary_sizes: ids per categorical feature, those for unknown and missing included.
        label_mean, label_scale: of a regression's training labels; the last layer undoes the scaling.

    Returns:
        A model from {numeric, flags, categorical} (those that the table has) to (batch, 1) probability of the
        second class, (batch, classes) probabilities, or (batch, 1) prediction in the label's unit.
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
        for index, (feature, size) in enumerate(zip(table.of(Kind.CATEGORICAL), vocabulary_sizes, strict=True)):
            name = f"embed_{index}_{table.tensor_names[feature.name]}"
            embed = keras.layers.Embedding(size, min(32, 2 + round(size**0.5)), name=name)
            parts.append(embed(inputs[CATEGORICAL][:, index]))
    hidden = keras.layers.Concatenate()(parts) if len(parts) > 1 else parts[0]
    for units in hidden_units:
        hidden = keras.layers.Dense(units, activation="relu")(hidden)
        hidden = keras.layers.Dropout(dropout)(hidden)
    if table.label.task == "binary":
        output = keras.layers.Dense(1, activation="sigmoid", name="probability")(hidden)
    elif table.label.task == "multiclass":
        output = keras.layers.Dense(len(table.label.classes), activation="softmax", name="probabilities")(hidden)
    else:
        output = keras.layers.Dense(1, name="standardized")(hidden)
        output = keras.layers.Rescaling(label_scale, label_mean, name="prediction")(output)
    return keras.Model(inputs, output, name="tabular_network")
