"""From the texts of a column to what they mean, a whole column at a time, by the settings `data.missing` and
`data.columns`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.data import Data
from pipeline.config.reading import DEGREES, FORMULA, Reading
from pipeline.data.columns import ColumnType
from pipeline.data.convert import is_text, to_stored
from pipeline.data.values import booleans, dates, durations, numbers
from pipeline.data.values.compound import to_numbers
from pipeline.data.values.degrees import to_degrees
from pipeline.data.values.digits import in_ascii

ALWAYS_MISSING = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "N/A", "NA", "NULL",
    "NaN", "n/a", "nan", "null",
)  # fmt: skip
"""What means 'missing' in every column of delimited text, whatever the settings: Arrow's list."""

_TYPES = {
    "text": ColumnType.STRING,
    "boolean": ColumnType.BOOL,
    "date": ColumnType.TIMESTAMP,
    "duration": ColumnType.FLOAT,
}
_FORMULA = r"""^\s*(?:="(.*)"|'(.*))\s*$"""
_PLAIN = Reading()


@dataclass(frozen=True)
class Readings:
    """How the texts of a table are read.

    Attributes:
        missing: what means 'missing' in every column, besides ALWAYS_MISSING.
        columns: the settings of single columns.
        set_aside: whether rows with a value that does not fit are set aside; else the first of them is an error.
    """

    missing: tuple[str, ...] = ()
    columns: Mapping[str, Reading] = field(default_factory=dict)
    set_aside: bool = False

    @property
    def are_plain(self) -> bool:
        """Whether nothing is read in another way than by default."""
        return not (self.missing or self.columns or self.set_aside)

    def of(self, name: str) -> Reading:
        """Return the settings of a column."""
        return self.columns.get(name, _PLAIN)

    def touches(self, name: str) -> bool:
        """Return whether a column is read in another way than a plain one."""
        return bool(self.missing) or name in self.columns or self.raw

    def type_of(self, name: str) -> ColumnType | None:
        """Return the type that the settings of a column say; None where its values tell."""
        return _TYPES.get(self.of(name).kind or "")

    @property
    def raw(self) -> bool:
        """Whether a column has words of its own for 'missing', so that delimited text must be read with all words."""
        return any(reading.missing is not None for reading in self.columns.values())

    def missing_in(self, name: str) -> tuple[str, ...]:
        """Return the texts that mean 'missing' in a column of delimited text, but for the empty one."""
        own = self.of(name).missing
        return own if own is not None else (*ALWAYS_MISSING[1:], *self.missing)

    def without_missing(self, array: pa.Array, name: str) -> pa.Array:
        """Return the column with null for each text that means 'missing', blanks around it or not."""
        if not is_text(array.type):
            return array
        own = self.of(name).missing
        known = own if own is not None else (*self.missing, *(ALWAYS_MISSING[1:] if self.raw else ()))
        # Of a column of texts without any settings a blank is a value, as it always was; and where nothing is missing.
        is_verbatim = own == () and self.of(name).kind in (None, "text")
        blank = ("",) if (self.missing or name in self.columns) and not is_verbatim else ()
        words = [*known, *blank]
        if not words:
            return array
        text = array.cast(pa.string())
        hit = pc.is_in(pc.utf8_trim_whitespace(text), pa.array(sorted(set(words)), pa.string()))
        if not pc.any(hit).as_py():
            return text
        return pc.if_else(hit, pa.scalar(None, pa.string()), text)


PLAIN = Readings()


READ_BY = ("missing", "columns", "bad_rows", "bad_rows_at_most")
"""The settings of `data` that say how texts are read."""


def readings_from(settings: Mapping[str, Any]) -> Readings:
    """Return the same from the settings as JSON has them."""
    columns = {name: Reading.model_validate(one) for name, one in settings.get("columns", {}).items()}
    return Readings(tuple(settings.get("missing", ())), columns, settings.get("bad_rows") == "set_aside")


def written(data: Data) -> dict[str, Any]:
    """Return the settings of READ_BY as JSON has them, but for those that say nothing: so a step that is told them runs
    again only if they do."""
    return data.model_dump(mode="json", include=set(READ_BY), exclude_defaults=True)


def readings_of(data: Data) -> Readings:
    """Return how the configuration says that texts are read."""
    return Readings(data.missing, data.columns, data.bad_rows == "set_aside")


def to_plain(text: pa.Array, reading: Reading, column_type: ColumnType) -> pa.Array:
    """Return the texts of a column as `to_stored` takes them; null where they do not fit the settings.

    Whole columns of the kinds text and None come back as they are, and so does one that is stored as text.
    """
    if reading.format == FORMULA and is_text(text.type):
        return pc.replace_substring_regex(text.cast(pa.string()), pattern=_FORMULA, replacement=r"\1\2")
    if column_type is ColumnType.STRING or not is_text(text.type):
        return text
    text = text.cast(pa.string())
    if reading.kind in ("number", "date", "duration"):
        text = in_ascii(text)
    if reading.kind == "number":
        if reading.format is None:
            return numbers.to_plain(text, reading)
        return to_degrees(text) if reading.format == DEGREES else to_numbers(text, reading.format, reading.unit)
    if reading.kind == "boolean":
        return booleans.to_plain(text, reading.words)
    if reading.kind == "date" and (reading.format or reading.zone):
        return dates.to_seconds(text, reading.format, reading.zone, reading.century)
    if reading.kind == "duration":
        return durations.to_seconds(text, reading.format, reading.unit)
    return text


def to_guess(text: pa.Array, name: str, readings: Readings) -> pa.Array:
    """Return a column of texts as its type is guessed from: without what means 'missing', and numbers as Arrow reads
    them."""
    if not readings.touches(name):
        return text
    text, reading = readings.without_missing(text, name), readings.of(name)
    return to_plain(text, reading, ColumnType.FLOAT) if reading.kind == "number" else text


def convert(array: pa.Array, reading: Reading, column_type: ColumnType) -> tuple[pa.Array, pa.Array | None]:
    """Return a column, shape [rows], in `column_type.stored`, and which rows do not fit (None: all do).

    Those are null in the first.
    """
    plain = to_plain(array, reading, column_type)
    bad = None
    if plain.null_count > array.null_count:
        bad = pc.and_(plain.is_null(), array.is_valid())
    try:
        return to_stored(plain, column_type), bad
    except pa.ArrowInvalid:
        more = _misfits(plain, column_type)
        kept = pc.if_else(more, pa.scalar(None, plain.type), plain)
        return to_stored(kept, column_type), more if bad is None else pc.or_(bad, more)


def _misfits(array: pa.Array, column_type: ColumnType) -> pa.Array:
    """Return which values `to_stored` does not take, shape [rows]."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    coded = array.dictionary_encode()
    flags = [False] * len(coded.dictionary)
    waiting = [(0, len(coded.dictionary))]
    while waiting:
        start, length = waiting.pop()
        try:
            to_stored(coded.dictionary.slice(start, length), column_type)
        except pa.ArrowInvalid:
            if length == 1:
                flags[start] = True
            else:
                half = length // 2
                waiting += [(start, half), (start + half, length - half)]
    return pc.fill_null(pc.take(pa.array(flags, pa.bool_()), coded.indices), False)
