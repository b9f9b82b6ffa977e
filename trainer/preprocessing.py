"""Raw columns to the model's three inputs and the label; one graph for training and serving.

    numeric      (batch, n)  float32  place among the training values, 0 to 1; 0.5 where missing
    flags        (batch, f)  float32  booleans, then one 'is missing' flag per optional feature
    categorical  (batch, c)  int64    vocabulary id; then one id for unknown and one for missing values
    label_xf     (batch,)             class index, or the number of a regression

Columns are stacked before they are analysed: one quantile sketch serves all numbers and one count all categories, so
that a table of 5,000 columns costs two analyzers, not 5,000.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    if table.of(Kind.NUMERIC, Kind.TIMESTAMP):
        outputs[NUMERIC] = _place_among_quantiles(_numbers(inputs, table))
    if flags := _flags(inputs, table):
        outputs[FLAGS] = tf.concat(flags, axis=1)
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


def _numbers(inputs: dict[str, Any], table: FeatureTable) -> tf.Tensor:
    """Return float32 (batch, numbers and parts of timestamps), NaN where missing."""
    numbers, times = table.of(Kind.NUMERIC), table.of(Kind.TIMESTAMP)
    values = []
    if numbers:
        values.append(
            _matrix(inputs, numbers, lambda value, present: tf.where(present, tf.cast(value, tf.float32), float("nan")))
        )
    if times:
        value, present = _dense(inputs, times)
        parts = [tf.where(present, part, float("nan")) for part in _time_parts(value)]
        values.append(tf.reshape(tf.stack(parts, axis=2), [-1, len(times) * len(parts)]))
    names = [feature.name for feature in numbers] + [feature.name for feature in times for _ in TIME_PARTS]
    wanted = [name for name, places in columns_by_feature(table).items() for output, _ in places if output == NUMERIC]
    return _rearranged(tf.concat(values, axis=1), names, wanted)


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
    if booleans := table.of(Kind.BOOLEAN):
        flags.append(
            _matrix(inputs, booleans, lambda value, present: tf.where(present, tf.cast(value, tf.float32), 0.5))
        )
    if table.optional:
        flags.append(_matrix(inputs, table.optional, lambda _, present: tf.cast(~present, tf.float32)))
    return flags


def _vocabulary_ids(inputs: dict[str, Any], features: Sequence[Feature], max_vocabulary: int) -> tf.Tensor:
    """Return (batch, features) int64."""
    texts = _matrix(
        inputs, features, lambda value, _: value if value.dtype == tf.string else tf.strings.as_string(value)
    )
    present = _matrix(inputs, features, lambda _, present: present)
    return vocabularies.ids(texts, present, [feature.name for feature in features], max_vocabulary)


def _label(column: Any, label: Label) -> tf.Tensor:
    value = tf.squeeze(_dense({label.name: column}, [label])[0], axis=1)
    if label.task == "regression":
        return tf.cast(value, tf.float32)
    text = value if label.storage is Storage.BYTES else tf.strings.as_string(value)
    return tf.argmax(text[:, tf.newaxis] == tf.constant(label.classes), axis=1)


def _matrix(
    inputs: dict[str, Any], features: Sequence[Feature], read: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
) -> tf.Tensor:
    """Return (batch, features): what `read` makes of values and presence, once for each storage."""
    parts, order = [], []
    for storage in Storage:
        if stored := [feature for feature in features if feature.storage is storage]:
            parts.append(read(*_dense(inputs, stored)))
            order += [feature.name for feature in stored]
    return _rearranged(tf.concat(parts, axis=1), order, [feature.name for feature in features])


def _rearranged(matrix: tf.Tensor, columns: Sequence[str], wanted: Sequence[str]) -> tf.Tensor:
    """Put columns into another order; those of one name keep theirs."""
    if list(columns) == list(wanted):
        return matrix
    places: dict[str, list[int]] = {}
    for place, name in reversed(list(enumerate(columns))):
        places.setdefault(name, []).append(place)
    return tf.gather(matrix, [places[name].pop() for name in wanted], axis=1)


def _dense(inputs: dict[str, Any], features: Sequence[Feature | Label]) -> tuple[tf.Tensor, tf.Tensor]:
    """Return (value, present), both (batch, features), of columns of one storage and at most one value a row.

    Sparse ones are joined before they become dense: a graph costs by its nodes, in TFT several times over.
    """
    columns = {feature.name: inputs[feature.name] for feature in features}
    sparse = {name: column for name, column in columns.items() if isinstance(column, tf.SparseTensor)}
    full = {name: column for name, column in columns.items() if name not in sparse}
    values, presence = [], []
    if sparse:
        value, present = _join(list(sparse.values()), features[0].storage)
        values.append(value)
        presence.append(present)
    if full:  # the schema gives them a shape: every row has a value
        value = tf.stack([tf.reshape(column, [-1]) for column in full.values()], axis=1)
        values.append(value)
        presence.append(tf.ones_like(value, dtype=tf.bool))
    order = [*sparse, *full]
    value, present = (_rearranged(tf.concat(parts, axis=1), order, list(columns)) for parts in (values, presence))
    if features[0].storage is Storage.FLOAT:
        present &= tf.math.is_finite(value)
    return value, present


def _join(columns: Sequence[tf.SparseTensor], storage: Storage) -> tuple[tf.Tensor, tf.Tensor]:
    """Return (value, present), both (batch, columns); TensorFlow refuses rows with a second value."""
    default: Any = {Storage.INT: tf.constant(0, tf.int64), Storage.FLOAT: 0.0, Storage.BYTES: ""}[storage]
    indices = tf.concat([column.indices for column in columns], axis=0)
    lengths = tf.stack([tf.size(column.values) for column in columns])
    place = tf.repeat(tf.range(len(columns), dtype=tf.int64), lengths)
    # A second value of a row lies outside of the matrix.
    where = tf.stack([indices[:, 0], place + indices[:, 1] * len(columns)], axis=1)
    shape = tf.stack([columns[0].dense_shape[0], len(columns)])

    def scatter(values: tf.Tensor, otherwise: Any) -> tf.Tensor:
        dense = tf.raw_ops.SparseToDense(
            sparse_indices=where,
            output_shape=shape,
            sparse_values=values,
            default_value=otherwise,
            validate_indices=False,
        )
        return tf.ensure_shape(dense, [None, len(columns)])

    values = tf.concat([column.values for column in columns], axis=0)
    return scatter(values, default), scatter(tf.ones_like(place, tf.bool), False)
