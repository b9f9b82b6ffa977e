"""What the functions of derived features compute: numbers are float64 with NaN where missing, see trainer.derived."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import tensorflow as tf

MISSING = math.nan
SEPARATOR = " \u00d7 "
"""Between the values of `cross`."""
_DAY = 86_400.0
_EARTH_KM = 6371.0088


def _finite(value: tf.Tensor) -> tf.Tensor:
    return tf.where(tf.math.is_finite(value), value, MISSING)


def unless_nan(known: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """Return the value, missing where the other is."""
    return tf.where(tf.math.is_nan(known), tf.constant(MISSING, tf.float64), value)


def _kept(condition: tf.Tensor, *inputs: tf.Tensor) -> tf.Tensor:
    """Return yes or no as 1 or 0, missing where an input is."""
    known = reduce(tf.add, inputs)  # NaN where one is
    return unless_nan(known, tf.cast(condition, tf.float64))


def _comparison(compare: Callable[[Any, Any], tf.Tensor]) -> Callable[[Any, Any], tf.Tensor]:
    return lambda left, right: _kept(compare(left, right), left, right)


def _and(*sides: tf.Tensor) -> tf.Tensor:
    def both(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
        return tf.where((left == 0) | (right == 0), tf.constant(0.0, tf.float64), left * right)

    return reduce(both, sides)


def _or(*sides: tf.Tensor) -> tf.Tensor:
    def either(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
        return tf.where((left == 1) | (right == 1), tf.constant(1.0, tf.float64), left + right)

    return reduce(either, sides)


def _where(condition: tf.Tensor, yes: tf.Tensor, no: tf.Tensor) -> tf.Tensor:
    return unless_nan(condition, tf.where(condition == 1, yes, no))


def _coalesce(*values: tf.Tensor) -> tf.Tensor:
    return reduce(lambda first, then: tf.where(tf.math.is_nan(first), then, first), values)


def _least(*values: tf.Tensor) -> tf.Tensor:
    return reduce(lambda one, other: tf.where(tf.math.is_nan(one) | (one < other), one, other), values)


def _most(*values: tf.Tensor) -> tf.Tensor:
    return reduce(lambda one, other: tf.where(tf.math.is_nan(one) | (one > other), one, other), values)


def _days(time: tf.Tensor) -> tf.Tensor:
    return tf.floor(time / _DAY)


def _civil(time: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return year, month and day of a time in seconds since 1970 (Hinnant: chrono-Compatible Low-Level Date
    Algorithms)."""
    days = _days(time) + 719_468
    era = tf.floor(days / 146_097)
    of_era = days - era * 146_097
    year = tf.floor((of_era - tf.floor(of_era / 1460) + tf.floor(of_era / 36_524) - tf.floor(of_era / 146_096)) / 365)
    of_year = of_era - (365 * year + tf.floor(year / 4) - tf.floor(year / 100))
    from_march = tf.floor((5 * of_year + 2) / 153)
    day = of_year - tf.floor((153 * from_march + 2) / 5) + 1
    month = tf.where(from_march < 10, from_march + 3, from_march - 9)
    return year + era * 400 + tf.cast(month <= 2, tf.float64), month, day


def _distance_km(latitude: Any, longitude: Any, latitude_2: Any, longitude_2: Any) -> tf.Tensor:
    """Return the way along a great circle."""
    north, east, north_2, east_2 = (angle * (math.pi / 180) for angle in (latitude, longitude, latitude_2, longitude_2))
    half = tf.sin((north_2 - north) / 2) ** 2 + tf.cos(north) * tf.cos(north_2) * tf.sin((east_2 - east) / 2) ** 2
    return 2 * _EARTH_KM * tf.asin(tf.sqrt(tf.minimum(half, tf.constant(1.0, tf.float64))))


OF_NUMBERS: Mapping[str, Callable[..., tf.Tensor]] = {
    "+": tf.add,
    "-": tf.subtract,
    "*": lambda left, right: _finite(left * right),
    "/": lambda left, right: _finite(left / right),
    "//": lambda left, right: _finite(tf.floor(left / right)),
    "%": lambda left, right: _finite(tf.math.floormod(left, right)),
    "**": lambda left, right: _finite(_kept_power(left, right)),
    "negative": tf.negative,
    "positive": tf.identity,
    "not": lambda value: 1 - value,
    "and": _and,
    "or": _or,
    "<": _comparison(tf.less),
    "<=": _comparison(tf.less_equal),
    ">": _comparison(tf.greater),
    ">=": _comparison(tf.greater_equal),
    "==": _comparison(tf.equal),
    "!=": _comparison(tf.not_equal),
    "where": _where,
    "coalesce": _coalesce,
    "log1p": lambda value: _finite(tf.math.log1p(value)),
    "sqrt": tf.sqrt,
    "abs": tf.abs,
    "min": _least,
    "max": _most,
    "clip": lambda value, least, most: _least(_most(value, least), most),
    "year": lambda time: _civil(time)[0],
    "month": lambda time: _civil(time)[1],
    "day": lambda time: _civil(time)[2],
    "weekday": lambda time: tf.math.floormod(_days(time) + 3, tf.constant(7.0, tf.float64)),
    "hour": lambda time: tf.floor((time - _days(time) * _DAY) / 3600),
    "days_between": lambda first, last: (last - first) / _DAY,
    "distance_km": _distance_km,
}


def _kept_power(base: tf.Tensor, exponent: tf.Tensor) -> tf.Tensor:
    """Return a power that is missing where base or exponent is: to TensorFlow NaN ** 0 is 1."""
    return tf.pow(base, exponent) + 0 * (base + exponent)


def _is_in(value: tf.Tensor, of: Sequence[float]) -> tf.Tensor:
    found = tf.reduce_any(value[..., tf.newaxis] == tf.constant([float(one) for one in of], tf.float64), axis=-1)
    return _kept(found, value)


def _bucket(value: tf.Tensor, edges: Sequence[float]) -> tf.Tensor:
    bounds = tf.constant([float(one) for one in edges], tf.float64)
    below = tf.reduce_sum(tf.cast(value[..., tf.newaxis] >= bounds, tf.float64), axis=-1)
    return unless_nan(value, below)


OF_LIST = {"in": _is_in, "bucket": _bucket}


def _length(text: tf.Tensor, present: tf.Tensor, _: None) -> tf.Tensor:
    return tf.where(present, tf.cast(tf.strings.length(text, "UTF8_CHAR"), tf.float64), MISSING)


def _contains(text: tf.Tensor, present: tf.Tensor, part: str) -> tf.Tensor:
    found = tf.strings.regex_full_match(text, rf"\C*{_quoted(part)}\C*")
    return tf.where(present, tf.cast(found, tf.float64), MISSING)


def _quoted(text: str) -> str:
    """Return a regular expression of RE2 for the text itself."""
    return "".join(
        re.sub(r"[^A-Za-z0-9_\x80-\U0010ffff]", lambda found: f"\\x{ord(found[0]):02x}", one) for one in text
    )


def _lower(text: tf.Tensor, present: tf.Tensor, _: None) -> tuple[tf.Tensor, tf.Tensor]:
    return tf.strings.lower(text, encoding="utf-8"), present


def _extract(text: tf.Tensor, present: tf.Tensor, pattern: str) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the first group of the first match, or the match where there is no group."""
    group = 2 if re.search(r"(?<!\\)(\\\\)*\((?!\?)|\(\?P<", re.sub(r"\[[^]]*\]", "", pattern)) else 1
    whole = rf"\A\C*?({pattern})\C*\z"
    return tf.strings.regex_replace(text, whole, rf"\{group}"), present & tf.strings.regex_full_match(text, whole)


OF_TEXT: Mapping[str, Callable[..., Any]] = {
    "length": _length,
    "contains": _contains,
    "lower": _lower,
    "extract": _extract,
}


def cross(texts: Sequence[tuple[tf.Tensor, tf.Tensor]]) -> tuple[tf.Tensor, tf.Tensor]:
    """Join values; all must be there."""
    joined = tf.strings.join([value for value, _ in texts], SEPARATOR)
    return joined, reduce(tf.logical_and, [present for _, present in texts])


def first_text(texts: Sequence[tuple[tf.Tensor, tf.Tensor]]) -> tuple[tf.Tensor, tf.Tensor]:
    """Return of each row the first value that is there."""
    value, present = texts[0]
    for then, is_there in texts[1:]:
        value, present = tf.where(present, value, then), present | is_there
    return value, present


def as_text(number: tf.Tensor, *, is_truth: bool) -> tuple[tf.Tensor, tf.Tensor]:
    """Write whole numbers, and yes and no as true and false."""
    present = ~tf.math.is_nan(number)
    if is_truth:
        return tf.where(number == 1, "true", "false"), present
    return tf.strings.as_string(tf.cast(tf.where(present, number, 0), tf.int64)), present
