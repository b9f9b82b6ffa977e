"""Raw columns to the model's three inputs and the label; one graph for training and serving.

    numeric      (batch, n)  float32  place among the training values, 0 to 1; 0.5 where missing
    flags        (batch, f)  float32  booleans, then one 'is missing' flag per optional feature
    categorical  (batch, c)  int64    vocabulary id; then one id for unknown and one for missing values
    label_xf     (batch,)             class index, or the number of a regression

Columns are stacked before they are analysed: one quantile sketch serves all numbers and one count all categories, so
that a table of 5,000 columns costs two analyzers, not 5,000.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from trainer import vocabularies
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
    """See tft: `inputs` are raw columns, at most one value a row. `custom_config["features"]` is the table."""
    table = FeatureTable.from_dict(custom_config["features"])
    outputs: dict[str, tf.Tensor] = {}
    if columns := _numbers(inputs, table):
        outputs[NUMERIC] = _place_among_quantiles(tf.stack(columns, axis=1))
    if flags := _flags(inputs, table):
        outputs[FLAGS] = tf.stack(flags, axis=1)
    if categorical := table.of(Kind.CATEGORICAL):
        outputs[CATEGORICAL] = _vocabulary_ids(inputs, categorical, table.max_vocabulary)
    outputs[LABEL] = _label(inputs[table.label.name], table.label)
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


def _numbers(inputs: dict[str, Any], table: FeatureTable) -> list[tf.Tensor]:
    """Return one float32 (batch,) per number or part of a timestamp; NaN where missing."""
    columns = []
    for feature in table.of(Kind.NUMERIC, Kind.TIMESTAMP):
        value, present = _dense(inputs[feature.name], feature.storage)
        parts = _time_parts(value) if feature.kind is Kind.TIMESTAMP else [tf.cast(value, tf.float32)]
        columns += [tf.where(present, part, float("nan")) for part in parts]
    return columns


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
        (batch, n) in [0, 1].
    """
    sketch = tft.quantiles(values, SKETCH_BUCKETS, epsilon=0.5 / SKETCH_BUCKETS, reduce_instance_dims=False)
    sketch = tf.ensure_shape(sketch, [values.shape[1], SKETCH_BUCKETS - 1])
    picks = [round(i * (SKETCH_BUCKETS - 2) / PLACES) for i in range(PLACES + 1)]
    edges = tf.gather(sketch, picks, axis=1)  # (n, PLACES + 1)
    columns = tf.transpose(values)  # (n, batch)
    missing = tf.math.is_nan(columns)
    columns = tf.where(missing, 0.0, columns)
    above = tf.clip_by_value(tf.searchsorted(edges, columns, side="right"), 1, PLACES)  # (n, batch)
    low = tf.gather(edges, above - 1, batch_dims=1)
    high = tf.gather(edges, above, batch_dims=1)
    within = tf.clip_by_value(tf.math.divide_no_nan(columns - low, high - low), 0.0, 1.0)
    # Edges that coincide (a value that fills whole steps) have no inside: such a value is at their upper end.
    within = tf.where(high > low, within, tf.cast(columns >= high, tf.float32))
    place = (tf.cast(above - 1, tf.float32) + within) / PLACES
    return tf.transpose(tf.where(missing, 0.5, place))


def _flags(inputs: dict[str, Any], table: FeatureTable) -> list[tf.Tensor]:
    flags = []
    for feature in table.of(Kind.BOOLEAN):
        value, present = _dense(inputs[feature.name], feature.storage)
        flags.append(tf.where(present, tf.cast(value, tf.float32), 0.5))
    for feature in table.optional:
        _, present = _dense(inputs[feature.name], feature.storage)
        flags.append(tf.cast(~present, tf.float32))
    return flags


def _vocabulary_ids(inputs: dict[str, Any], features: Sequence[Feature], max_vocabulary: int) -> tf.Tensor:
    """Return (batch, features) int64."""
    texts, present = [], []
    for feature in features:
        value, there = _dense(inputs[feature.name], feature.storage)
        texts.append(value if feature.storage is Storage.BYTES else tf.strings.as_string(value))
        present.append(there)
    return vocabularies.ids(texts, present, [feature.name for feature in features], max_vocabulary)


def _label(column: Any, label: Label) -> tf.Tensor:
    value, _ = _dense(column, label.storage)
    if label.task == "regression":
        return tf.cast(value, tf.float32)
    text = value if label.storage is Storage.BYTES else tf.strings.as_string(value)
    return tf.argmax(text[:, tf.newaxis] == tf.constant(label.classes), axis=1)


def _dense(column: Any, storage: Storage) -> tuple[tf.Tensor, tf.Tensor]:
    """Return (value, present), both (batch,), of a column of at most one value a row."""
    default: Any = {Storage.INT: 0, Storage.FLOAT: 0.0, Storage.BYTES: ""}[storage]
    if isinstance(column, tf.SparseTensor):
        shape = [column.dense_shape[0], 1]
        first = tf.SparseTensor(column.indices, column.values, shape)
        value = tf.squeeze(tf.sparse.to_dense(first, default_value=default), axis=1)
        present = tf.sparse.to_dense(
            tf.SparseTensor(column.indices, tf.ones_like(column.indices[:, 0], tf.bool), shape),
            default_value=False,
        )
        present = tf.squeeze(present, axis=1)
    else:  # the schema gives it a shape: every row has a value
        value = tf.reshape(column, [-1])
        present = tf.ones_like(value, dtype=tf.bool)
    if storage is Storage.FLOAT:
        present &= tf.math.is_finite(value)
    return value, present
