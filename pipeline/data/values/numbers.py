"""Numbers as people write them, made into those that Arrow reads."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.reading import Reading

BLANKS = r"[ \t\x{a0}\x{2009}\x{202f}\x{2007}]"
APOSTROPHES = r"['\x{2019}\x{2018}\x{b4}`]"
MINUS = r"[\-\x{2212}\x{2013}\x{fe63}\x{ff0d}]"
_NONE = r"(?:-{1,2}|\x{2013}|\x{2014})"
"""In place of a fraction that is none: 74.- or 5,-."""
SCALES = {
    word: power
    for power, words in {
        "e3": "k K thousand Thousand Tsd Tsd. tsd tsd. тыс тыс.",
        "e4": "万 만",
        "e5": "lakh lakhs",
        "e6": "m M mn mln mln. million millions Million Millionen millones Mio Mio. mio mio. млн млн.",
        "e7": "crore crores",
        "e8": "亿 億 억",
        "e9": "b B G bn billion billions Billion milliard milliards Milliarden Mrd Mrd. mrd mrd. Mia Mia. mld mld."
        " млрд млрд.",
        "e12": "trillion Trillion",
    }.items()
    for word in words.split()
}
"""Letters and words behind a number that stand for a power of ten."""


def to_plain(text: pa.Array, reading: Reading) -> pa.Array:
    """Return numbers as '-1234.5' for texts in the style of the settings; null for other texts."""
    if reading.scale or any(re.fullmatch(r"[\d.,eE+\- ']*", unit) for unit in reading.unit):
        return by_parts(text, reading)  # such a unit may also stand within a number
    # An expression without groups takes a twentieth of the time, and most numbers are written plainly.
    easy = pc.fill_null(pc.match_substring_regex(text, pattern=_easy_pattern(reading)), True)
    plain = _without_marks(text, reading)
    if pc.all(easy).as_py():
        return plain
    hard = pc.invert(easy)
    return pc.replace_with_mask(plain, hard, by_parts(text.filter(hard), reading))


def _easy_pattern(reading: Reading) -> str:
    unit = _any_of(reading.unit)
    mark = _class(reading.thousands) if reading.thousands else ""
    digits = rf"(?:\d{{1,3}}(?:{mark}\d{{3}})+|\d+)" if mark else r"\d+"
    before, after = (rf"(?:-?{unit} ?|{unit} ?-)", rf" ?{unit}") if unit else ("-?", "")
    return rf"^{before}{digits}(?:{re.escape(reading.decimal)}\d*)?(?:[eE][+-]?\d+)?{after}$"


def _without_marks(text: pa.Array, reading: Reading) -> pa.Array:
    """Return texts of the easy pattern as Arrow reads them."""
    for unit in sorted(reading.unit, key=len, reverse=True):
        text = pc.replace_substring(text, pattern=unit, replacement="")
    if reading.thousands in (" ", "'"):
        text = pc.replace_substring_regex(text, pattern=_class(reading.thousands), replacement="")
    elif reading.thousands:
        text = pc.replace_substring(text, pattern=reading.thousands, replacement="")
    if reading.decimal == ",":
        text = pc.replace_substring(text, pattern=",", replacement=".")
    return pc.replace_substring(text, pattern=" ", replacement="") if reading.unit else text


def by_parts(text: pa.Array, reading: Reading) -> pa.Array:
    """Return what `to_plain` does, by an expression that knows every part of a number."""
    parts = pc.extract_regex(text, pattern=pattern(reading))
    digits = parts.field("digits")
    if reading.thousands:
        digits = pc.replace_substring_regex(digits, pattern=_class(reading.thousands), replacement="")
    fraction, exponent = parts.field("fraction"), parts.field("exponent")
    fraction = pc.replace_substring_regex(fraction, pattern=_NONE, replacement="")
    if reading.decimal == ",":
        fraction = pc.replace_substring(fraction, pattern=",", replacement=".")
    if reading.scale:
        scale = parts.field("scale")
        for written, power in SCALES.items():
            exponent = pc.if_else(pc.equal(scale, written), power, exponent)
    negative = pc.fill_null(pc.not_equal(parts.field("minus"), ""), False)
    for other in ("minus2", "open", "open2", "behind"):
        negative = pc.or_(negative, pc.fill_null(pc.not_equal(parts.field(other), ""), False))
    # A bracket that is not closed, and two signs, are no number.
    odd = pc.or_(
        pc.not_equal(_count(parts, ("open", "open2")), _count(parts, ("close",))),
        pc.greater(_count(parts, ("minus", "minus2", "open", "open2", "behind", "plus", "plus2")), 1),
    )
    bare = pc.and_(pc.equal(digits, ""), pc.less_equal(pc.utf8_length(fraction), 1))
    plain = pc.binary_join_element_wise(pc.if_else(negative, "-", ""), digits, fraction, exponent, "")
    fits = pc.and_(parts.is_valid(), pc.invert(pc.or_(pc.fill_null(odd, False), pc.fill_null(bare, False))))
    return pc.if_else(fits, plain, pa.scalar(None, pa.string()))


def pattern(reading: Reading) -> str:
    """Return the regular expression, in RE2's dialect, of a number in the style of the settings."""
    mark = _class(reading.thousands) if reading.thousands else ""
    # Groups of two besides the last are India's lakhs.
    grouped = rf"\d{{1,3}}(?:{mark}\d{{2,3}})*{mark}\d{{3}}|" if mark else ""
    decimal = re.escape(reading.decimal)
    unit = _any_of(reading.unit)
    scale = f"(?P<scale>{'|'.join(map(re.escape, sorted(SCALES, key=len, reverse=True)))})?" if reading.scale else ""
    b = BLANKS + "*"
    return (
        rf"^\s*(?P<open>\()?{b}(?:(?P<minus>{MINUS})|(?P<plus>\+))?{b}{unit}{b}"
        rf"(?:(?P<minus2>{MINUS})|(?P<plus2>\+))?{b}(?P<open2>\()?{b}"
        rf"(?P<digits>{grouped}\d*)(?P<fraction>(?:{decimal}(?:\d+|{_NONE}|))?)(?P<exponent>(?:[eE][+-]?\d+)?){b}{scale}{b}{unit}{b}"
        rf"(?P<behind>{MINUS})?{b}(?P<close>\))?\s*$"
    )


def _class(mark: str) -> str:
    return {" ": BLANKS, "'": APOSTROPHES}.get(mark, re.escape(mark))


def _any_of(units: Iterable[str]) -> str:
    written = sorted(map(re.escape, units), key=len, reverse=True)
    return f"(?:{'|'.join(written)})?" if written else ""


def _count(parts: pa.Array, names: Iterable[str]) -> pa.Array:
    total: pa.Array = pa.scalar(0, pa.int8())
    for name in names:
        total = pc.add(total, pc.cast(pc.not_equal(parts.field(name), ""), pa.int8()))
    return total
