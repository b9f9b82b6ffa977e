"""Raw columns to the model's inputs and the label; one graph for training and serving.

    numeric      (batch, n)  float32  place among the training values, 0 to 1; 0.5 where missing
    flags        (batch, f)  float32  booleans, then one 'is missing' flag per optional feature
    categorical  (batch, c)  int64    vocabulary id; then one id for unknown and one for missing values
    words        (batch, w)  int64    of each text as many places; ids of its n-grams, then 0
    label_xf     (batch,)             class index, or the number of a regression

Derived features come behind the columns in each of them. Where there are any, two more outputs say what they are in
their own units: derived_numbers (batch, d) float32 and derived_texts (batch, t) string, "" where missing.

It works on matrices (trainer.stacks): one quantile sketch and one search serve all numbers, one count and one look-up
all categories, so that a table of 5,000 columns costs two analyzers and as few nodes as one of five.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from trainer import derived, ngrams, quantiles, stacks, vocabularies
from trainer.artifact_names import LABEL
from trainer.features import Feature, FeatureTable, Kind, Label, Storage
from trainer.raw_columns import RawColumns, columns_at, side_by_side

NUMERIC, FLAGS, CATEGORICAL, WORDS = "numeric", "flags", "categorical", "words"
DERIVED_NUMBERS, DERIVED_TEXTS = "derived_numbers", "derived_texts"

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
    raw = RawColumns(inputs if stacks.is_stacked(inputs, table) else stacks.of_parsed(inputs, table), table)
    computed = derived.Derived(raw.columns(), table) if table.derived else None
    outputs: dict[str, tf.Tensor] = {}
    numbers = [_numbers(raw, table)] if _of_columns(table, Kind.NUMERIC, Kind.TIMESTAMP) else []
    texts = [raw.texts(of_columns)] if (of_columns := _of_columns(table, Kind.CATEGORICAL)) else []
    if computed:
        outputs |= in_their_units(computed, table)
        if names := derived.of_kind(table, Kind.CATEGORICAL):
            texts.append(computed.texts(names))
        if names := derived.of_kind(table, Kind.WORDS):
            outputs[WORDS] = side_by_side([ngrams.ids(*computed.words(name)) for name in names])
    if places := _places(numbers, computed, table):
        outputs[NUMERIC] = places[0]
    if table.of(Kind.BOOLEAN) or table.optional:
        outputs[FLAGS] = _flags(raw, computed, table)
    if texts:
        values, present = (side_by_side(parts) for parts in zip(*texts, strict=True))
        names = [feature.name for feature in table.of(Kind.CATEGORICAL)]
        outputs[CATEGORICAL] = vocabularies.ids(values, present, names, table.max_vocabulary)
    outputs[LABEL] = _label(raw.label, table.label)
    return outputs


def _of_columns(table: FeatureTable, *kinds: Kind) -> tuple[Feature, ...]:
    """Return the features that are columns of the table, not derived."""
    return tuple(feature for feature in table.features if feature.shown and feature.kind in kinds)


def _places(of_columns: list[tf.Tensor], computed: derived.Derived | None, table: FeatureTable) -> list[tf.Tensor]:
    """Return places, (batch, n): of the columns' numbers, then of derived numbers and of the parts of derived times.

    Nothing if there are none.
    """
    values, sketches = [], []
    names = derived.of_kind(table, Kind.NUMERIC, Kind.TIMESTAMP) if computed else []
    times = derived.of_kind(table, Kind.TIMESTAMP)
    order = [("", place) for part in of_columns for place in range(part.shape[1])]
    wanted = [*order, *((name, part) for name in names for part in range(len(TIME_PARTS) if name in times else 1))]
    by_keys = [name for name in names if computed and computed.is_statistic(name)]
    for learns in (False, True):  # what is computed of what was learned is known only to a second pass over the rows
        parts = [] if learns else list(of_columns)
        if computed:
            chosen = [name for name in names if computed.is_learned(name) is learns and name not in by_keys]
            if plain := [name for name in chosen if name not in times]:
                parts.append(computed.numbers(plain))
                order += [(name, 0) for name in plain]
            for name in (name for name in chosen if name in times):
                parts.append(_parts_of(computed, name))
                order += [(name, part) for part in range(len(TIME_PARTS))]
        if parts:
            values.append(side_by_side(parts))
            with tf.name_scope("learned" if learns else "known"):  # TFT tells analyzers apart by it
                sketches.append(quantiles.of_columns(values[-1], SKETCH_BUCKETS))
    if computed and by_keys:
        values.append(computed.numbers(by_keys))
        order += [(name, 0) for name in by_keys]
        sketches.append(computed.quantiles(by_keys, SKETCH_BUCKETS))
    if not values:
        return []
    at = {one: place for place, one in enumerate(order)}
    sketch = tf.concat(sketches, axis=0) if len(sketches) > 1 else sketches[0]
    return [columns_at(_place_among_quantiles(side_by_side(values), sketch), [at[one] for one in wanted])]


def _parts_of(computed: derived.Derived, name: str) -> tf.Tensor:
    time = computed.number(name)[:, tf.newaxis]
    is_there = ~tf.math.is_nan(time)
    parts = _time_parts(tf.cast(tf.where(is_there, time, 0), tf.int64))
    return side_by_side([tf.where(is_there, part, float("nan")) for part in parts])


def in_their_units(computed: derived.Derived, table: FeatureTable) -> dict[str, tf.Tensor]:
    """Return derived_numbers and derived_texts, those that the table has."""
    found = {}
    if names := units_of(table, DERIVED_NUMBERS):
        found[DERIVED_NUMBERS] = computed.numbers(names)
    if names := units_of(table, DERIVED_TEXTS):
        values, present = computed.texts(names)
        found[DERIVED_TEXTS] = tf.where(present, values, "")
    return found


def units_of(table: FeatureTable, output: str) -> list[str]:
    """Return the derived features whose values an output gives in their own units, in order."""
    is_text = output == DERIVED_TEXTS
    return [
        one.feature.name
        for one in table.derived
        if one.feature.kind is not Kind.WORDS and (one.feature.kind is Kind.CATEGORICAL) is is_text
    ]


def columns_by_feature(table: FeatureTable) -> dict[str, list[tuple[str, int]]]:
    """Return which columns of which outputs tell of a feature: {feature: [(output, column)]}."""
    columns: dict[str, list[tuple[str, int]]] = {feature.name: [] for feature in table.shown}
    numeric = [
        feature
        for feature in table.of(Kind.NUMERIC, Kind.TIMESTAMP)
        for _ in (TIME_PARTS if feature.kind is Kind.TIMESTAMP else ("value",))
    ]
    flags = [*table.of(Kind.BOOLEAN), *table.optional]
    words = [feature for feature in table.of(Kind.WORDS) for _ in range(ngrams.MOST)]
    for output, features in (
        (NUMERIC, numeric),
        (FLAGS, flags),
        (CATEGORICAL, table.of(Kind.CATEGORICAL)),
        (WORDS, words),
    ):
        for place, feature in enumerate(features):
            columns[feature.name].append((output, place))
    return columns


def _numbers(raw: RawColumns, table: FeatureTable) -> tf.Tensor:
    """Return float32 (batch, numbers and parts of timestamps), NaN where missing."""
    times = _of_columns(table, Kind.TIMESTAMP)
    parts, place_of = [], {}
    if numeric := _of_columns(table, Kind.NUMERIC):
        parts.append(raw.numbers)
        place_of = {feature.name: raw.number(feature) for feature in numeric}
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
        for feature in _of_columns(table, Kind.NUMERIC, Kind.TIMESTAMP)
        for part in range(len(TIME_PARTS) if feature.kind is Kind.TIMESTAMP else 1)
    ]
    return columns_at(side_by_side(parts), wanted)


def _time_parts(unix_seconds: tf.Tensor) -> list[tf.Tensor]:
    days = unix_seconds // 86_400
    hour = tf.cast(unix_seconds % 86_400, tf.float32) / 3_600
    weekday = tf.cast((days + 3) % 7, tf.float32)  # 1 January 1970 was a Thursday; 0 is Monday
    # The mean year is near enough: the part is a season, not a calendar.
    day_of_year = tf.cast(tf.math.floormod(tf.cast(days, tf.float64), 365.2425), tf.float32)
    return [hour, weekday, day_of_year]


def _place_among_quantiles(values: tf.Tensor, sketch: tf.Tensor) -> tf.Tensor:
    """Return the piecewise-linear empirical distribution function.

    Args:
        values: (batch, n), NaN where missing.
        sketch: (n, SKETCH_BUCKETS - 1) of the training rows.

    Returns:
        (batch, n) in [0, 1]; in the middle where missing, and in a column without any value in training.
    """
    count = values.shape[1]
    picks = [round(i * (SKETCH_BUCKETS - 2) / PLACES) for i in range(PLACES + 1)]
    edges = tf.gather(sketch, picks, axis=1)  # (n, PLACES + 1)
    # Step k lies below edge k; those before the first edge and behind the last one have no width.
    # Halves, since the whole of the greatest distance is no float32.
    low = 0.5 * tf.concat([edges[:, :1], edges], axis=1)
    width = 0.5 * tf.concat([edges, edges[:, -1:]], axis=1) - low
    steps = tf.reshape(tf.stack([low, width], axis=2), [-1, 2])  # (n * (PLACES + 2), 2)
    offsets = tf.constant([[column * (PLACES + 2)] for column in range(count)])
    columns = tf.transpose(values)  # (n, batch)
    above = tf.raw_ops.UpperBound(sorted_inputs=edges, values=columns)  # (n, batch), 0 to PLACES + 1
    low, width = tf.unstack(tf.gather(steps, above + offsets), axis=2)
    within = tf.math.divide_no_nan(0.5 * columns - low, width)
    # Edges that coincide (a value that fills whole steps) have no inside: such a value is at their upper end.
    place = tf.clip_by_value(tf.cast(above - 1, tf.float32) + within, 0.0, float(PLACES)) / PLACES
    return tf.transpose(tf.where(tf.math.is_nan(columns + edges[:, :1]), 0.5, place))


def _flags(raw: RawColumns, computed: derived.Derived | None, table: FeatureTable) -> tf.Tensor:
    own = {one.feature.name for one in table.derived}
    booleans, optional = table.of(Kind.BOOLEAN), table.optional
    of_columns = [[feature for feature in features if feature.name not in own] for features in (booleans, optional)]
    of_derived = [[feature.name for feature in features if feature.name in own] for features in (booleans, optional)]
    parts = []
    places: dict[str, int] = {}
    missing: dict[str, int] = {}
    if of_columns[0]:
        at = [raw.number(feature) for feature in of_columns[0]]
        parts.append(tf.where(columns_at(raw.present, at), columns_at(raw.numbers, at), 0.5))
        places = {feature.name: place for place, feature in enumerate(of_columns[0])}
    if of_columns[1]:
        parts.append(tf.cast(~columns_at(raw.present, [raw.number(feature) for feature in of_columns[1]]), tf.float32))
        missing = {feature.name: len(places) + place for place, feature in enumerate(of_columns[1])}
    width = sum(part.shape[1] for part in parts)
    if computed and (names := list(dict.fromkeys([*of_derived[0], *of_derived[1]]))):
        numbers = computed.numbers(names)
        is_missing = tf.math.is_nan(numbers)
        parts += [tf.where(is_missing, 0.5, numbers), tf.cast(is_missing, tf.float32)]
        places |= {name: width + place for place, name in enumerate(names)}
        missing |= {name: width + len(names) + place for place, name in enumerate(names)}
    wanted = [places[feature.name] for feature in booleans] + [missing[feature.name] for feature in optional]
    return columns_at(side_by_side(parts), wanted)


def _label(raw: tf.Tensor, label: Label) -> tf.Tensor:
    value = tf.squeeze(raw, axis=1)
    if label.task == "regression":
        return tf.cast(value, tf.float32)
    text = value if label.storage is Storage.BYTES else tf.strings.as_string(value)
    return tf.argmax(text[:, tf.newaxis] == tf.constant(label.classes), axis=1)
