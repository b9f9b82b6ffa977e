"""Which style of numbers the texts of a column are written in."""

from __future__ import annotations

import re
from collections import Counter
from typing import TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.reading import Reading
from pipeline.data.values.counted import NEARLY_ALL, WORTH_SAYING, Counted, Doubt, Fit, Mask, as_mask, words_of
from pipeline.data.values.numbers import MINUS, to_plain
from pipeline.data.values.words import (
    COMMA_THOUSANDS,
    CURRENCIES,
    DATE_NAMES,
    HEX_NAMES,
    NEARLY,
    SCALES,
    SURE_SCALES,
    UNITS,
    VERSION_NAMES,
)

_PLAIN = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$|^\s*[+-]?(?i:inf|infinity)\s*$"
_PARTS = (
    rf"^\(?\s*(?:{MINUS}|\+)?\s*(?P<pre>[^\d\s.,()+\-'\x{{2212}}\x{{2013}}]{{0,5}}\.?)\s*(?:{MINUS}|\+)?\s*"
    r"(?P<body>\d[\d.,_'\x{2019} \x{a0}\x{202f}\x{2009}]*\d|\d[.,]?|[.,]\d+)(?:[eE][+-]?\d+)?"
    rf"(?P<gap>\s*)(?P<suf>[^\d\s()+\-,.:;=][^\d()+:;=]{{0,14}}?|\+|)\s*{MINUS}?\s*\)?$"
)
_FEW_POINTS, _OTHERS = 3, 10
_SAMPLE, _ENOUGH = 200, 20_000
_POINTS = ("points", "total")
_SURE_TOTAL = 32
"""Behind so many no day and no month stands."""
_ROUND = 0.3
_RATINGS = 20
"""So many different texts may be categories such as 16+ and 18+; more are quantities."""
_STYLES = ((".", ""), (".", ","), (",", ""), (",", "."), (",", " "), (".", " "), (".", "'"), (",", "'"), (".", "_"))


BOUNDS = ("<", "<=", ">", ">=", "\u2264", "\u2265")
BOUND = r"^\s*(?:[<>]=?|\x{2264}|\x{2265})\s*\d"
_MEASURED = 5
"""So many different numbers are measured ones."""


class _Units(TypedDict):
    """Settings of a Reading."""

    unit: tuple[str, ...]
    scale: bool


def is_plain(values: Counted) -> Mask:
    """Return which texts are numbers without any ado."""
    return values.matches(_PLAIN)


def are_codes(values: Counted, plain: Mask) -> bool:
    """Return whether texts such as 2E8 are codes rather than numbers: nothing is a fraction, and others are of letters
    and digits, too, or all are of one length and most are figures alone.

    A number with its unit, 7kg, is no sign of codes, and a stray or two are none beside 1e3, as programs write powers.
    """
    powers = values.matches(r"^\d+[eE]\d+$")
    if not powers.any() or values.share(plain) < WORTH_SAYING:
        return False
    figures = values.matches(r"^\d+$")
    if not (powers | figures | ~plain).all():
        return False
    upper = values.matches(r"^\d+E\d+$").any()
    letter = "A-Z" if upper else "a-z"
    like = values.matches(rf"^(?:\d+[{letter}]|[{letter}]+\d)[0-9{letter}]*$") & ~powers
    units = as_mask(pc.is_in(pc.ascii_ltrim(values.texts, "0123456789"), pa.array(sorted(UNITS | SURE_SCALES))))
    strays = 0 if upper else 1 - NEARLY_ALL
    lengths = pc.count_distinct(pc.utf8_length(values.texts)).as_py()
    one_length = upper and lengths == 1 and plain.all() and figures.sum() > powers.sum()
    return bool(values.share(like & ~units) > strays or one_length)


def guess_number(name: str, values: Counted, decimal: str | None) -> Fit | Doubt | None:
    """Return the style of numbers in which nearly all texts are written; None if they are no numbers.

    Args:
        decimal: the mark before fractions in the rest of the file, if it is known.
    """
    if points := _of_total(name, values):
        return points
    if len(values.texts) <= _ENOUGH:
        return _guess(name, values, decimal)
    step = -(-len(values.texts) // _ENOUGH)  # the style shows in a part, but a bound is one text of many rows
    found = _guess(name, values.where(values.matches(BOUND) | (np.arange(len(values.texts)) % step == 0)), decimal)
    if not isinstance(found, Fit):
        return found
    fits = _fits(values, Reading.model_validate(found.settings))
    return Fit(found.settings, fits, found.said) if values.share(fits) >= WORTH_SAYING else None


def _of_total(name: str, values: Counted) -> Fit | None:
    """Return how points of a total are read, 41/100, where the total is the same everywhere and a usual one.

    Days of a month (31/10) and seasons (2019/10) are written so, too.
    """
    fits = values.matches(r"^\d+(?:[.,]\d+)?\s?/\s?(?:5|10|100)$")
    if values.share(fits) < WORTH_SAYING:
        return None
    behind = {re.sub(r"^[\d.,]+", "", text) for text in values.where(fits).texts.to_pylist()}
    if len({re.sub(r"\s", "", unit) for unit in behind}) > 1 or fits.sum() < _FEW_POINTS:
        return None
    written = pc.extract_regex(values.where(fits).texts, pattern=r"^(?P<points>[\d.,]+)\s?/\s?(?P<total>\d+)$")
    points, total = (pc.cast(pc.replace_substring(written.field(part), ",", "."), "float64") for part in _POINTS)
    if pc.any(pc.greater(points, total)).as_py() or (words_of(name) & DATE_NAMES and total[0].as_py() < _SURE_TOTAL):
        return None
    comma, point = (pc.any(pc.match_substring(written.field("points"), mark)).as_py() for mark in ",.")
    if comma and point:
        return None
    settings: dict[str, object] = {"kind": "number", "unit": tuple(sorted(unit.strip() for unit in behind))}
    return Fit(settings | ({"decimal": ","} if comma else {}), fits)


def far_marker(values: Counted) -> str:
    """Return a sentence where a number of nines stands far from all others, as -999 does for 'missing'; else ""."""
    nines = values.matches(r"^-?9{2,6}(?:\.[09]+)?$")
    others = values.where(~nines & is_plain(values))
    if not nines.any() or len(others.texts) < _OTHERS:
        return ""
    low, high = pc.min_max(pc.cast(pc.utf8_ltrim(others.texts, "+"), "float64")).as_py().values()
    for text, times in zip(values.where(nines).texts.to_pylist(), values.where(nines).times.tolist(), strict=True):
        if times > 1 and not low - (high - low) <= float(text) <= high + (high - low):
            return f"{text} in {times:,} rows is far from all others: if it means 'missing', give --missing={text}"
    return ""


def _guess(name: str, values: Counted, decimal: str | None) -> Fit | Doubt | None:
    some = pa.array(values.some(_SAMPLE), pa.string())
    if as_mask(pc.match_substring_regex(some, pattern=_PARTS)).mean() < WORTH_SAYING / 2:
        return None  # as most columns of words, before all of them are looked at
    parts = pc.extract_regex(values.texts, pattern=_PARTS)
    like = as_mask(parts.is_valid())
    if values.share(like) < WORTH_SAYING:
        return None
    units = _units(parts, values)
    if units is None or isinstance(units, Doubt):
        return units
    fits = {style: _fits(values, Reading(decimal=style[0], thousands=style[1], **units)) for style in _STYLES}  # type: ignore[arg-type]
    best = max(values.share(mask) for mask in fits.values())
    if best < WORTH_SAYING:
        return None
    style = next(style for style in _STYLES if values.share(fits[style]) == best)
    if style == (".", "") and decimal == "," and _all_grouped(values, "."):
        style = (",", ".")
    elif style == (".", ",") and values.share(fits[",", ""]) == best:
        commas = _commas(values, units, decimal)
        if isinstance(commas, Doubt):
            return commas
        style = commas
    if style[1] not in ("", ",") and not units["unit"] and _is_code(name, values.where(fits[style]), style[1]):
        return None
    if _are_ratings(values, units, style[1]) or ("<" in units["unit"] and words_of(name) & VERSION_NAMES):
        return None
    settings: dict[str, object] = {"kind": "number"}
    settings |= {"decimal": style[0]} if style[0] != "." else {}
    settings |= {"thousands": style[1]} if style[1] else {}
    settings |= {name: value for name, value in units.items() if value}
    return Fit(settings, fits[style], _of_bounds(values) if "<" in units["unit"] else "")


def _fits(values: Counted, reading: Reading) -> Mask:
    return as_mask(to_plain(values.texts, reading).is_valid())


def _units(parts: object, values: Counted) -> _Units | Doubt | None:
    """Return what stands before and after the numbers, as settings; None if that makes them no numbers."""
    before = _tally(parts.field("pre").to_pylist(), values)  # type: ignore[attr-defined]
    gaps = parts.field("gap").to_pylist()  # type: ignore[attr-defined]
    after = _tally(parts.field("suf").to_pylist(), values)  # type: ignore[attr-defined]
    spaced = {suf for suf, gap in zip(parts.field("suf").to_pylist(), gaps, strict=True) if suf and gap}  # type: ignore[attr-defined]
    few = values.total * (1 - NEARLY_ALL)
    before = Counter({unit: times for unit, times in before.items() if unit and times > few})
    after = Counter({unit: times for unit, times in after.items() if unit and times > few})
    bounds = set(BOUNDS) if _are_bounded(values) else set()
    known_before = CURRENCIES | NEARLY
    before = Counter({unit: times for unit, times in before.items() if unit not in bounds})
    if any(unit not in known_before and _counts(times, values) for unit, times in before.items()):
        return None
    before = Counter({unit: times for unit, times in before.items() if unit in known_before})
    scale = [unit for unit in after if unit in SCALES]
    about = bool(before.keys() & NEARLY - {"±"}) and not {*scale} & UNITS & spaced  # not ±5K, ~5 m
    is_scale = bool(scale) and (bool(before.keys() & CURRENCIES) or about or len({unit.lower() for unit in scale}) > 1)
    if len(scale) == 1 and scale[0] in SURE_SCALES - spaced:
        is_scale = is_scale or len(values.texts) > _RATINGS or bool(values.matches(r"\d[.,]\d").any())
    units = {unit for unit in after if not (is_scale and unit in SCALES)}
    for unit in list(units):
        known = unit in CURRENCIES or unit in UNITS or unit == "+" or not re.search(r"\w", unit)
        if not known and not (unit in spaced and re.fullmatch(r"[^\W\d_]{2,}\.?", unit)):
            if _counts(after[unit], values):
                return None
            units.remove(unit)
    money = {unit for unit in (*before, *units) if unit in CURRENCIES}
    others = {unit for unit in (*before, *units) if unit not in CURRENCIES}
    if len(money) > 1 or len({re.sub(r"s?\.?$", "", unit.lower()) for unit in others - NEARLY}) > 1:
        if not others <= UNITS:
            return None  # words, as in 12 Main St
        listed = ", ".join(sorted(money if len(money) > 1 else others))
        return Doubt(f"its numbers are in different units ({listed}), so it stays text")
    if len(others - UNITS - {"+", "%"}) and len(values.texts) < 3:
        return None
    return {"unit": tuple(sorted(money | others | bounds)), "scale": is_scale}


def _are_ratings(values: Counted, units: _Units, thousands: str) -> bool:
    """Return whether these are classes such as 16+ and 18+."""
    has_plus = "+" in units["unit"]
    return has_plus and not thousands and not units["scale"] and len(values.texts) <= _RATINGS


def _of_bounds(values: Counted) -> str:
    shown = values.where(values.matches(BOUND)).texts[0].as_py()
    return f"a bound, as {shown!r}, counts as the number that it names"


def _are_bounded(values: Counted) -> bool:
    """Return whether some values are no more than a bound, `<0.05` among numbers: beyond what was measured.

    Where as many different bounds as numbers stand in a column, as `<18` and `65+`, they are classes.
    """
    bounded = values.matches(BOUND)
    plain = (values.matches(r"^[+-]?[\d.,]")).sum()
    return bool(bounded.any() and plain >= _MEASURED and bounded.sum() <= plain)


def _counts(times: int, values: Counted) -> bool:
    """Return whether so many are more than mistakes."""
    return times > values.total * (1 - WORTH_SAYING)


def _tally(texts: list[str | None], values: Counted) -> Counter[str]:
    tally: Counter[str] = Counter()
    for text, times in zip(texts, values.times.tolist(), strict=True):
        if text is not None:
            tally[text] += times
    return tally


def _commas(values: Counted, units: _Units, decimal: str | None) -> tuple[str, str] | Doubt:
    """Return what a comma before exactly three digits is, in a column that has no other."""
    if values.share(values.matches(r"\d,\d")) == 0:
        return ".", ""
    if values.matches(r"(^|\D)0+,").any():
        return ",", ""
    if decimal is not None:
        return (".", ",") if decimal == "." else (",", "")
    small = values.matches(r"(^|[^\d,])\d{1,3}$") & ~values.matches(",")
    large = values.matches(r"(^|[^\d,])\d{4,}")
    round_ones = values.share(values.matches(r",\d00\b")) > 0.3 * values.share(values.matches(","))
    money = any(unit in COMMA_THOUSANDS for unit in units["unit"])
    if money or (small.any() and not large.any()) or round_ones:
        return ".", ","
    example = values.where(values.matches(r"\d,\d")).texts[0].as_py()
    return Doubt(
        f"{example!r} may be a thousands mark or a decimal comma, and no value tells which, so it stays text",
        ({"kind": "number", "thousands": ","}, {"kind": "number", "decimal": ","}),
    )


def _all_grouped(values: Counted, mark: str) -> bool:
    escaped = re.escape(mark)
    grouped = values.matches(rf"^\D*[1-9]\d{{0,2}}(?:{escaped}\d{{3}})+\D*$")
    return bool(grouped.any()) and bool((grouped | values.matches(r"^\D*\d{1,3}\D*$")).all())


def _is_code(name: str, values: Counted, mark: str) -> bool:
    """Return whether grouped digits are rather the parts of a number that names something: a phone, an address."""
    body = pc.replace_substring_regex(values.texts, pattern=r"^[^\d]+|[^\d]+$", replacement="")
    if as_mask(pc.match_substring_regex(body, pattern=rf"^0\d*{re.escape(mark)}")).any():
        return True
    if mark == "_" and (words_of(name) & HEX_NAMES or not _are_large(values)):
        return True
    marks = pc.count_substring_regex(body, pattern=r"\D")
    digits = pc.count_substring_regex(body, pattern=r"\d")
    one_length = pc.count_distinct(digits).as_py() == 1 and pc.count_distinct(marks).as_py() == 1
    at_least = 1 if mark in " _" else 2
    return bool(one_length and pc.min(marks).as_py() >= at_least)


def _are_large(values: Counted) -> bool:
    """Return whether digits around underscores are numbers, and no keys of two parts as 3_150: many are round."""
    return bool(values.matches(r"\d_\d{3}_\d{3}").any() or values.matches(r"_[05]00\b").mean() > _ROUND)
