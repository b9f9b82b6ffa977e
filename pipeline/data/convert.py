"""From whatever Arrow holds to the three types Longhaul stores, a whole column at a time.

Arrow says *that* a column cannot be converted, not *where*. `to_stored` therefore converts
optimistically, and `first_bad_row` finds the culprit afterwards by bisection: fast when the data
are right, exact when they are not.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.columns import ColumnType

EXPECTED = {
    ColumnType.INT: "a whole number (int64)",
    ColumnType.FLOAT: "a number (float32)",
    ColumnType.STRING: "text (UTF-8)",
    ColumnType.BOOL: "true or false",
    ColumnType.TIMESTAMP: "an ISO 8601 date or date-time",
}

REMEDY = (
    "correct the value, or say how it is read: by data.missing, data.columns or the column's type in the schema; "
    "data.bad_rows: set_aside goes on without such rows"
)
"""For a value that its column cannot hold."""

ITEMS_APART = "|"
"""Between the items of a list of categories, which is text from then on: `items(tags, '|')` reads it."""

# Arrow takes thirty times longer over a value that does not parse than over one that does, and goes
# on to the end of the column; so these many values are tried first.
PROBE = 8

_FLOAT32_MAX = 3.4028235677973366e38
_UNITS_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_TICKS = {32: pa.int32(), 64: pa.int64()}
_ZONED = r"[T ].*(Z|[+-]\d\d(:?\d\d)?)$"


_BYTES = 12


def shorten(value: object, limit: int = 60) -> str:
    """Return a value as shown in a message: quoted, at most `limit` characters; bytes as hexadecimal digits."""
    if isinstance(value, bytes):
        return f"the bytes {value[:_BYTES].hex(' ')}{' …' if len(value) > _BYTES else ''}"
    text = str(value)
    return repr(text if len(text) <= limit else text[:limit] + "…")


def column_type_of(data_type: pa.DataType) -> ColumnType | None:
    """Return the column type of an Arrow type; None for Arrow's null type.

    Binary counts as STRING: only its bytes can tell whether it is text.

    Raises:
        TypeError: a nested or otherwise unusable type.
    """
    types = pa.types
    if types.is_dictionary(data_type):
        return column_type_of(data_type.value_type)
    if types.is_null(data_type):
        return None
    if types.is_boolean(data_type):
        return ColumnType.BOOL
    if types.is_integer(data_type):
        return ColumnType.INT
    if types.is_decimal(data_type):
        return ColumnType.INT if data_type.scale <= 0 and data_type.precision <= 18 else ColumnType.FLOAT
    if types.is_floating(data_type) or is_span(data_type):
        return ColumnType.FLOAT
    if types.is_date(data_type) or types.is_timestamp(data_type):
        return ColumnType.TIMESTAMP
    if is_text(data_type) or is_categories(data_type):
        return ColumnType.STRING
    raise TypeError(str(data_type))


def to_stored(array: pa.Array, column_type: ColumnType) -> pa.Array:
    """Convert one column, shape [rows], to `column_type.stored`, same shape; nulls and NaN become null.

    Text is parsed (surrounding blanks do not matter; nothing but blanks is a missing number or time). Lists of
    categories become text, with ITEMS_APART between the items. Timestamps become whole Unix seconds, rounded down;
    without a zone they are UTC. Durations and times of day become seconds. Integers are taken as they are where a
    timestamp is expected.

    Raises:
        pa.ArrowInvalid: a value does not fit.
    """
    array = _plain(array, column_type)
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), column_type.stored)
    array = _as_numbers(array)
    if is_text(array.type):
        return _from_text(array.cast(pa.string()), column_type)  # the cast checks that binary is UTF-8
    if column_type is ColumnType.STRING:
        return array.cast(pa.string())
    if pa.types.is_date(array.type) or pa.types.is_timestamp(array.type):
        # Taking a timestamp for a number would depend on the file's time unit.
        if column_type is not ColumnType.TIMESTAMP and array.null_count < len(array):
            raise pa.ArrowInvalid("a timestamp")
        return _unix_seconds(array)
    if column_type is ColumnType.FLOAT:
        return _to_float32(array.cast(pa.float64(), safe=False))
    if column_type is ColumnType.BOOL:
        return _check_zero_one(array.cast(pa.int64()))
    return array.cast(pa.int64())


def _plain(array: pa.Array, column_type: ColumnType) -> pa.Array:
    """Return values that are neither a dictionary's nor lists."""
    if pa.types.is_dictionary(array.type):
        return array.dictionary_decode()
    if not is_categories(array.type):
        return array
    if column_type is not ColumnType.STRING:
        raise pa.ArrowInvalid("a list")
    return joined(array)


def first_bad_row(array: pa.Array, column_type: ColumnType) -> int:
    """Return the index of the first value that keeps `to_stored` from converting `array`."""
    low, high = 0, len(array)  # rows before `low` convert, rows before `high` do not
    while high - low > 1:
        middle = (low + high) // 2
        try:
            to_stored(array.slice(low, middle - low), column_type)
            low = middle
        except pa.ArrowInvalid:
            high = middle
    return low


def is_span(data_type: pa.DataType) -> bool:
    """Return whether a column of this Arrow type holds durations or times of day."""
    return bool(pa.types.is_duration(data_type) or pa.types.is_time(data_type))


def is_categories(data_type: pa.DataType) -> bool:
    """Return whether a column of this Arrow type holds lists of texts or of whole numbers, as many as a row has."""
    if not (pa.types.is_list(data_type) or pa.types.is_large_list(data_type)):
        return False
    items = data_type.value_type
    items = items.value_type if pa.types.is_dictionary(items) else items
    return bool(is_text(items) or pa.types.is_integer(items))


def joined(lists: pa.Array) -> pa.Array:
    """Return lists of categories, shape [rows], as text, shape [rows]; a list without an item is null.

    Raises:
        pa.ArrowInvalid: an item is no text.
    """
    items = pc.list_flatten(lists)
    items = (items.dictionary_decode() if pa.types.is_dictionary(items.type) else items).cast(pa.string())
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    texts = pc.binary_join(pa.ListArray.from_arrays(offsets, items.fill_null("")), ITEMS_APART)
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)


def is_text(data_type: pa.DataType) -> bool:
    """Return whether a column of this Arrow type holds texts, or bytes that may be."""
    types = pa.types
    checks = (
        types.is_string,
        types.is_large_string,
        types.is_string_view,
        types.is_binary,
        types.is_large_binary,
        types.is_fixed_size_binary,
    )
    return any(check(data_type) for check in checks)


def _from_text(text: pa.Array, column_type: ColumnType) -> pa.Array:
    if column_type is ColumnType.STRING:
        return text
    if column_type is ColumnType.TIMESTAMP:
        return _text_to_seconds(text)
    try:
        _parse(text.slice(0, PROBE), column_type)
        return _parse(text, column_type)
    except pa.ArrowInvalid:  # Arrow takes no blanks, '+5' or '5.0'; people write them all
        text = _blank_to_null(pc.utf8_trim_whitespace(text))
        if column_type is ColumnType.INT:
            text = pc.replace_substring_regex(text, pattern=r"^\+?(-?\d+)(\.0*)?$", replacement=r"\1")
        return _parse(text, column_type)


def _parse(text: pa.Array, column_type: ColumnType) -> pa.Array:
    if column_type is ColumnType.INT:
        return text.cast(pa.int64())
    if column_type is ColumnType.BOOL:
        return text.cast(pa.bool_()).cast(pa.int64())
    return _to_float32(_nan_to_null(text.cast(pa.float64())))


def _text_to_seconds(text: pa.Array) -> pa.Array:
    try:
        text.slice(0, PROBE).cast(pa.timestamp("s"))
        return text.cast(pa.timestamp("s")).cast(pa.int64())
    except pa.ArrowInvalid:
        pass  # fractions of a second, zones or blanks: the general way is slower
    text = _blank_to_null(pc.utf8_trim_whitespace(text))
    text = pc.replace_substring_regex(text, pattern=r"(:\d\d)\.\d+", replacement=r"\1")
    zoned = pc.match_substring_regex(text, pattern=_ZONED)
    missing = pa.scalar(None, pa.string())
    # Arrow parses a column with zones or one without; a file may hold both.
    aware = pc.if_else(zoned, text, missing).cast(pa.timestamp("s", "UTC")).cast(pa.int64())
    naive = pc.if_else(zoned, missing, text).cast(pa.timestamp("s")).cast(pa.int64())
    return pc.coalesce(aware, naive)


def _blank_to_null(text: pa.Array) -> pa.Array:
    """A field of nothing but blanks is a missing number."""
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _unix_seconds(array: pa.Array) -> pa.Array:
    if pa.types.is_date(array.type):
        array = array.cast(pa.timestamp("s"))
    per_second = _UNITS_PER_SECOND[array.type.unit]
    ticks = array.cast(pa.int64())  # Arrow keeps UTC whatever the zone
    # Integer division rounds towards zero; before 1970 that would be up, not down.
    floored = pc.if_else(pc.less(ticks, 0), pc.subtract(ticks, per_second - 1), ticks)
    return pc.divide(floored, per_second)


def _as_numbers(array: pa.Array) -> pa.Array:
    """Return fractions as float64, NaN as null, and spans of time in seconds; other columns as they are."""
    if is_span(array.type):
        ticks = array.cast(_TICKS[array.type.bit_width]).cast(pa.float64())
        return pc.divide(ticks, _UNITS_PER_SECOND[array.type.unit])
    return _nan_to_null(array.cast(pa.float64())) if pa.types.is_floating(array.type) else array


def _nan_to_null(array: pa.Array) -> pa.Array:
    return pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)


def _to_float32(array: pa.Array) -> pa.Array:
    too_big = pc.and_(pc.greater(pc.abs(array), _FLOAT32_MAX), pc.is_finite(array))
    if pc.any(too_big).as_py():
        raise pa.ArrowInvalid("out of range for float32")
    return array.cast(pa.float32(), safe=False)


def _check_zero_one(array: pa.Array) -> pa.Array:
    if pc.any(pc.not_equal(pc.multiply(array, array), array)).as_py():
        raise pa.ArrowInvalid("neither 0 nor 1")
    return array
