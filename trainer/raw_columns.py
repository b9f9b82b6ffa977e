"""The matrices of trainer.stacks by feature: what the transform graph begins with."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from trainer import derived, stacks
from trainer.features import Feature, FeatureTable, Storage


class RawColumns:
    """The matrices, and which of their columns a feature is. Derived features are none of them.

    Attributes:
        label: (batch, 1), as it is stored.
    """

    def __init__(self, matrices: dict[str, tf.Tensor], table: FeatureTable) -> None:
        self._places = {
            name: place for names in stacks.names_by_storage(table).values() for place, name in enumerate(names)
        }
        self._values, self._present = {}, {}
        if stacks.FLOATS in matrices:
            self._values[Storage.FLOAT] = matrices[stacks.FLOATS]
            self._present[Storage.FLOAT] = tf.math.is_finite(matrices[stacks.FLOATS])
        for storage, name, presence in (
            (Storage.INT, stacks.INTS, stacks.HAS_INT),
            (Storage.BYTES, stacks.TEXTS, stacks.HAS_TEXT),
        ):
            if name in matrices:
                self._values[storage] = matrices[name]
                self._present[storage] = tf.cast(matrices[presence], tf.bool)
        self.label = matrices[stacks.RAW_LABEL]
        self._folds = matrices.get(stacks.FOLDS)
        self._table = table
        numbers = [storage for storage in (Storage.FLOAT, Storage.INT) if storage in self._values]
        self._start = {Storage.FLOAT: 0, Storage.INT: 0}
        if len(numbers) == 2:
            self._start[Storage.INT] = self._values[Storage.FLOAT].shape[1]
        if numbers:
            self.present = side_by_side([self._present[storage] for storage in numbers])
            values = [tf.cast(self._values[storage], tf.float32) for storage in numbers]
            self.numbers = tf.where(self.present, side_by_side(values), float("nan"))

    def columns(self) -> derived.Columns:
        """Return what derived features read, a tensor a column."""
        read = derived.columns_read(self._table)
        numbers: dict[str, tf.Tensor] = {}
        stored: dict[str, tuple[tf.Tensor, tf.Tensor]] = {}
        for storage, names in stacks.names_by_storage(self._table).items():
            if not (chosen := [name for name in names if name in read]):
                continue
            places = [self._places[name] for name in chosen]
            values, present = columns_at(self._values[storage], places), columns_at(self._present[storage], places)
            if storage is not Storage.BYTES:
                known = tf.where(present, tf.cast(values, tf.float64), float("nan"))
                numbers |= zip(chosen, tf.unstack(known, len(chosen), axis=1), strict=True)
            if storage is not Storage.FLOAT:
                pairs = zip(*(tf.unstack(one, len(chosen), axis=1) for one in (values, present)), strict=True)
                stored |= zip(chosen, pairs, strict=True)
        return derived.Columns(numbers, stored, self.label, self._folds)

    def number(self, feature: Feature) -> int:
        """Return the feature's column in `numbers` (batch, floats and ints), NaN where missing, and in `present`."""
        return self._start[feature.storage] + self._places[feature.name]

    def stored(self, features: Sequence[Feature]) -> tuple[tf.Tensor, tf.Tensor]:
        """Return value and presence, both (batch, features), of features of one storage."""
        storage, places = features[0].storage, [self._places[feature.name] for feature in features]
        return columns_at(self._values[storage], places), columns_at(self._present[storage], places)

    def texts(self, features: Sequence[Feature]) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the values as text and their presence, both (batch, features)."""
        values, presence, order = [], [], []
        for storage in Storage:
            if stored := [feature for feature in features if feature.storage is storage]:
                value, present = self.stored(stored)
                values.append(value if storage is Storage.BYTES else tf.strings.as_string(value))
                presence.append(present)
                order += stored
        places = [order.index(feature) for feature in features]
        return columns_at(side_by_side(values), places), columns_at(side_by_side(presence), places)


def side_by_side(matrices: Sequence[tf.Tensor]) -> tf.Tensor:
    """Put matrices of as many rows into one."""
    return tf.concat(matrices, axis=1) if len(matrices) > 1 else matrices[0]


def columns_at(matrix: tf.Tensor, places: Sequence[int]) -> tf.Tensor:
    """Return some columns of a matrix, in that order."""
    if list(places) == list(range(matrix.shape[1])):
        return matrix
    if matrix.dtype == tf.string:
        return tf.gather(matrix, places, axis=1)
    return tf.transpose(tf.gather(tf.transpose(matrix), places))  # whole rows: in a third of the time
