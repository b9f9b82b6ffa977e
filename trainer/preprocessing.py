"""Raw columns to the model's three inputs and the label; one graph for training and serving.

    numeric      (batch, n)  float32  place among the training values, 0 to 1; 0.5 where missing
    flags        (batch, f)  float32  booleans, then one 'is missing' flag per optional feature
    categorical  (batch, c)  int64    vocabulary id; then one id for unknown and one for missing values
    label_xf     (batch,)             class index, or the number of a regression

It works on matrices (trainer.stacks): one quantile sketch and one search serve all numbers, one count and one look-up
all categories, so that a table of 5,000 columns costs two analyzers and as few nodes as one of five.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from trainer import quantiles, stacks, vocabularies
from trainer.artifact_names import LABEL
from trainer.features import Feature, FeatureTable, Kind, Label, Storage

NUMERIC, FLAGS, CATEGORICAL = "numeric", "flags", "categorical"

TIME_PARTS = ("hour", "weekday", "day_of_year")
"""What a timestamp tells the model. The date itself stays out: no future row has a training date."""

SKETCH_BUCKETS = 1000
"""The outer bounds are the 0.1 % and 99.9 % quantiles: outliers cannot stretch anything."""
PLACES = 256
"""Between so many quantiles a number's place is linear: fine enough for what few rows have in common."""


def preprocessing_fn(inputs: dict[str, Any], custom_config: dict[str, Any]) -> dict[str, tf.Tensor]:
    """See tft: `inputs` are the matrices of trainer.stacks, or raw columns of at most one value a row.

    `custom_config["features"]` is the table.
    """
    table = FeatureTable.from_dict(custom_config["features"])
    raw = _Raw(inputs if stacks.is_stacked(inputs, table) else stacks.of_parsed(inputs, table), table)
    outputs: dict[str, tf.Tensor] = {}
    if table.of(Kind.NUMERIC, Kind.TIMESTAMP):
        outputs[NUMERIC] = _place_among_quantiles(_numbers(raw, table))
    if table.of(Kind.BOOLEAN) or table.optional:
        outputs[FLAGS] = _flags(raw, table)
    if categorical := table.of(Kind.CATEGORICAL):
        texts, present = raw.texts(categorical)
        names = [feature.name for feature in categorical]
        outputs[CATEGORICAL] = vocabularies.ids(texts, present, names, table.max_vocabulary)
    outputs[LABEL] = _label(raw.label, table.label)
    return outputs


def columns_by_feature(table: FeatureTable) -> dict[str, list[tuple[str, int]]]:
    """Return which columns of which outputs tell of a feature: {feature: [(output, column)]}."""
    columns: dict[str, list[tuple[str, int]]] = {feature.name: [] for feature in table.features}
    numeric = [
        feature
        for feature in table.of(Kind.NUMERIC, Kind.TIMESTAMP)
        for _ in (TIME_PARTS if feature.kind is Kind.TIMESTAMP else ("value",))
    ]
    flags = [*table.of(Kind.BOOLEAN), *table.optional]
    for output, features in ((NUMERIC, numeric), (FLAGS, flags), (CATEGORICAL, table.of(Kind.CATEGORICAL))):
        for place, feature in enumerate(features):
            columns[feature.name].append((output, place))
    return columns


class _Raw:
    """The matrices, and which of their columns a feature is.

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
        numbers = [storage for storage in (Storage.FLOAT, Storage.INT) if storage in self._values]
        self._start = {Storage.FLOAT: 0, Storage.INT: 0}
        if len(numbers) == 2:
            self._start[Storage.INT] = self._values[Storage.FLOAT].shape[1]
        if numbers:
            self.present = _side_by_side([self._present[storage] for storage in numbers])
            values = [tf.cast(self._values[storage], tf.float32) for storage in numbers]
            self.numbers = tf.where(self.present, _side_by_side(values), float("nan"))

    def number(self, feature: Feature) -> int:
        """Return the feature's column in `numbers` (batch, floats and ints), NaN where missing, and in `present`."""
        return self._start[feature.storage] + self._places[feature.name]

    def stored(self, features: Sequence[Feature]) -> tuple[tf.Tensor, tf.Tensor]:
        """Return value and presence, both (batch, features), of features of one storage."""
        storage, places = features[0].storage, [self._places[feature.name] for feature in features]
        return _columns(self._values[storage], places), _columns(self._present[storage], places)

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
        return _columns(_side_by_side(values), places), _columns(_side_by_side(presence), places)


def _side_by_side(matrices: Sequence[tf.Tensor]) -> tf.Tensor:
    return tf.concat(matrices, axis=1) if len(matrices) > 1 else matrices[0]


def _columns(matrix: tf.Tensor, places: Sequence[int]) -> tf.Tensor:
    return matrix if list(places) == list(range(matrix.shape[1])) else tf.gather(matrix, places, axis=1)


def _numbers(raw: _Raw, table: FeatureTable) -> tf.Tensor:
    """Return float32 (batch, numbers and parts of timestamps), NaN where missing."""
    times = table.of(Kind.TIMESTAMP)
    parts, place_of = [], {}
    if table.of(Kind.NUMERIC):
        parts.append(raw.numbers)
        place_of = {feature.name: raw.number(feature) for feature in table.of(Kind.NUMERIC)}
    width = raw.numbers.shape[1] if parts else 0
    for storage in Storage:
        if stored := [feature for feature in times if feature.storage is storage]:
            value, present = raw.stored(stored)
            of_times = [tf.where(present, part, float("nan")) for part in _time_parts(value)]
            parts.append(tf.reshape(tf.stack(of_times, axis=2), [-1, len(stored) * len(of_times)]))
            place_of |= {feature.name: width + place * len(of_times) for place, feature in enumerate(stored)}
            width += len(stored) * len(of_times)
    wanted = [
        place_of[feature.name] + part
        for feature in table.of(Kind.NUMERIC, Kind.TIMESTAMP)
        for part in range(len(TIME_PARTS) if feature.kind is Kind.TIMESTAMP else 1)
    ]
    return _columns(_side_by_side(parts), wanted)


def _time_parts(unix_seconds: tf.Tensor) -> list[tf.Tensor]:
    days = unix_seconds // 86_400
    hour = tf.cast(unix_seconds % 86_400, tf.float32) / 3_600
    weekday = tf.cast((days + 3) % 7, tf.float32)  # 1 January 1970 was a Thursday; 0 is Monday
    # The mean year is near enough: the part is a season, not a calendar.
    day_of_year = tf.cast(tf.math.floormod(tf.cast(days, tf.float64), 365.2425), tf.float32)
    return [hour, weekday, day_of_year]


def _place_among_quantiles(values: tf.Tensor) -> tf.Tensor:
    """Return the piecewise-linear empirical distribution function.

    Args:
        values: (batch, n), NaN where missing.

    Returns:
        (batch, n) in [0, 1]; in the middle where missing, and in a column without any value in training.
    """
    count = values.shape[1]
    sketch = quantiles.of_columns(values, SKETCH_BUCKETS)
    picks = [round(i * (SKETCH_BUCKETS - 2) / PLACES) for i in range(PLACES + 1)]
    edges = tf.gather(sketch, picks, axis=1)  # (n, PLACES + 1)
    # Step k lies below edge k; those before the first edge and behind the last one have no width.
    steps = tf.reshape(tf.concat([edges[:, :1], edges, edges[:, -1:]], axis=1), [-1])  # (n * (PLACES + 3),)
    offsets = tf.constant([[column * (PLACES + 3)] for column in range(count)])
    columns = tf.transpose(values)  # (n, batch)
    above = tf.raw_ops.UpperBound(sorted_inputs=edges, values=columns)  # (n, batch), 0 to PLACES + 1
    low = tf.gather(steps, above + offsets)
    high = tf.gather(steps, above + (offsets + 1))
    # Halves, since the whole of the greatest distance is no float32.
    within = tf.math.divide_no_nan(0.5 * columns - 0.5 * low, 0.5 * high - 0.5 * low)
    # Edges that coincide (a value that fills whole steps) have no inside: such a value is at their upper end.
    place = tf.clip_by_value(tf.cast(above - 1, tf.float32) + within, 0.0, float(PLACES)) / PLACES
    return tf.transpose(tf.where(tf.math.is_nan(columns + edges[:, :1]), 0.5, place))


def _flags(raw: _Raw, table: FeatureTable) -> tf.Tensor:
    booleans, optional = table.of(Kind.BOOLEAN), table.optional
    parts = []
    if booleans:
        parts.append(tf.where(raw.present, raw.numbers, 0.5))
    if optional:
        parts.append(tf.cast(~raw.present, tf.float32))
    behind = raw.present.shape[1] if booleans else 0
    places = [raw.number(feature) for feature in booleans] + [behind + raw.number(feature) for feature in optional]
    return _columns(_side_by_side(parts), places)


def _label(raw: tf.Tensor, label: Label) -> tf.Tensor:
    value = tf.squeeze(raw, axis=1)
    if label.task == "regression":
        return tf.cast(value, tf.float32)
    text = value if label.storage is Storage.BYTES else tf.strings.as_string(value)
    return tf.argmax(text[:, tf.newaxis] == tf.constant(label.classes), axis=1)
