"""Durations and times of day, as 1:23:45, 2 days 01:00:00, 2h 5m and P1DT2H, in seconds."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.reading import HHMM
from pipeline.data.values.numbers import MINUS

CLOCK = (
    rf"^\s*(?:\+|(?P<minus>{MINUS}))?(?:(?P<days>\d+)(?: days?,? \+?|\.))?(?P<hours>\d{{1,4}}):(?P<minutes>[0-5]\d):"
    r"(?P<seconds>[0-5]\d(?:[.,]\d+)?)\s*$"
)
ISO = (
    rf"^\s*(?P<minus>{MINUS})?P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:[.,]\d+)?)S)?)?\s*$"
)
WORDS = (
    rf"(?i)^\s*(?P<minus>{MINUS})?(?:(?P<years>\d+) ?(?:y|yrs?|years?),? ?)?(?:(?P<months>\d+) ?(?:mos?|months?),? ?)?"
    r"(?:(?P<weeks>\d+) ?(?:w|wks?|weeks?),? ?)?(?:(?P<days>\d+) ?(?:d|days?),? ?)?"
    r"(?:(?P<hours>\d+) ?(?:h|hrs?|hours?|std)\.?,? ?)?(?:(?P<minutes>\d+) ?(?:m|mins?|minutes?)\.?,? ?)?"
    r"(?:(?P<seconds>\d+(?:[.,]\d+)?) ?(?:s|secs?|seconds?)\.?)?\s*$"
)
LAP = r"^\s*([0-5]?\d[.,]\d+\s*)$"
YEARS = r"(?i:\d ?y(?:rs?|ears?)?,? ?)\d+ ?"
"""Behind years, m is months: 3y 2m."""
SHORT = {
    "%H:%M": rf"^\s*(?:\+|(?P<minus>{MINUS}))?\s?(?P<hours>\d{{1,4}}):(?P<minutes>[0-5]\d)\s*$",
    HHMM: r"^(?P<minus>)(?P<hours>[01]\d|2[0-4])(?P<minutes>[0-5]\d)$",
    "%I:%M %p": r"^\s*(?P<minus>)(?P<hours>0?[1-9]|1[0-2])(?::(?P<minutes>[0-5]\d)(?::(?P<seconds>[0-5]\d))?)?\s?"
    r"(?P<half>[aApP])\.?[mM]\.?\s*$",
    "%M:%S": rf"^\s*(?:\+|(?P<minus>{MINUS}))?\s?(?P<minutes>\d{{1,4}}):(?P<seconds>[0-5]\d(?:[.,]\d+)?)\s*$",
}
"""Texts of two parts, or of figures alone, by their format. Only a person or the column's name tells which it is."""
_SECONDS = {
    "years": 31_556_952,
    "months": 2_629_746,
    "weeks": 604_800,
    "days": 86_400,
    "hours": 3600,
    "minutes": 60,
    "seconds": 1,
}


def to_seconds(text: pa.Array, form: str | None = None, units: Sequence[str] = ()) -> pa.Array:
    """Return seconds, float64; null where a text is no duration.

    Args:
        form: what texts of two parts are, one of SHORT; when None, they are no durations.
        units: what may stand behind them and is left out.
    """
    if units:
        text = pc.replace_substring_regex(
            text, pattern=rf"\s*(?:{'|'.join(map(re.escape, units))})\s*$", replacement=""
        )
    coded = text.dictionary_encode()  # they come again
    patterns = (CLOCK, ISO, WORDS, *((SHORT[form],) if form else ()))
    distinct = pc.replace_substring_regex(coded.dictionary, pattern=rf"({YEARS})m\b", replacement=r"\1mo")
    if form == HHMM:
        figures = pc.replace_substring_regex(distinct, pattern=r"^\s*(\d\d?)[.hH]?(\d\d)\s*$", replacement=r"\1\2")
        distinct = pc.utf8_lpad(pc.utf8_trim_whitespace(figures), 4, "0")
    if form == "%M:%S":  # a lap of less than a minute, 48.78 beside 1:02.94
        distinct = pc.replace_substring_regex(distinct, pattern=r"^\s*(\d[.,]\d+\s*)$", replacement=r"0\1")
        distinct = pc.replace_substring_regex(distinct, pattern=LAP, replacement=r"0:\1")
    seconds = pc.coalesce(*(_seconds(distinct, pattern) for pattern in patterns))
    return pc.take(seconds, coded.indices)


def _seconds(text: pa.Array, pattern: str) -> pa.Array:
    parts = pc.extract_regex(text, pattern=pattern)
    total: pa.Array = pc.if_else(parts.is_valid(), 0.0, pa.scalar(None, pa.float64()))
    given: pa.Array = pc.if_else(parts.is_valid(), False, False)
    for name, seconds in _SECONDS.items():
        if parts.type.get_field_index(name) >= 0:
            written = pc.replace_substring(parts.field(name), ",", ".")
            there = pc.fill_null(pc.not_equal(written, ""), False)
            given = pc.or_(given, there)
            value = pc.cast(pc.if_else(there, written, "0"), pa.float64())
            total = pc.add(total, pc.multiply(value, float(seconds)))
    if parts.type.get_field_index("half") >= 0:  # 12:30 am is half an hour after midnight
        total = pc.subtract(total, pc.if_else(pc.equal(parts.field("hours"), "12"), 43_200.0, 0.0))
        total = pc.add(total, pc.if_else(pc.equal(pc.utf8_lower(parts.field("half")), "p"), 43_200.0, 0.0))
    sign = pc.if_else(pc.equal(parts.field("minus"), ""), 1.0, -1.0)
    return pc.if_else(given, pc.multiply(total, sign), pa.scalar(None, pa.float64()))
