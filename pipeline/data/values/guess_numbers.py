"""Which style of numbers the texts of a column are written in."""

from __future__ import annotations

import re
from collections import Counter
from typing import TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.reading import Reading
from pipeline.data.values.codes import is_code, is_plain
from pipeline.data.values.counted import NEARLY_ALL, WORTH_SAYING, Counted, Doubt, Fit, Mask, as_mask, words_of
from pipeline.data.values.guess_compound import guess_total
from pipeline.data.values.guess_suffixes import FLAGGED, SOME_PLAIN, flags_of, taken_apart
from pipeline.data.values.numbers import MINUS, SCALES, to_plain
from pipeline.data.values.words import (
    COMMA_THOUSANDS,
    CURRENCIES,
    FLAGS,
    NEARLY,
    SURE_SCALES,
    UNITS,
    VERSION_NAMES,
)

_OF_SPACE = r"(?:[^\d\s/]{1,4}/)?[kcdm]?m[23]"
_PARTS = (
    rf"^\(?\s*(?:{MINUS}|\+)?\s*(?P<pre>[^\d\s.,()+\-'\x{{2212}}\x{{2013}}]{{0,5}}\.?)\s*(?:{MINUS}|\+)?\s*\(?\s*"
    r"(?P<body>\d[\d.,_'\x{2019} \x{a0}\x{202f}\x{2009}]*\d|\d[.,]?|[.,]\d+)"
    r"(?:[.,](?:-{1,2}|\x{2013}|\x{2014}))?(?:[eE][+-]?\d+)?"
    rf"(?P<gap>\s*)(?P<suf>[^\d\s()+\-,.:;=\x{{2013}}\x{{2014}}][^\d()+:;=]{{0,14}}?|{_OF_SPACE}|\[\w{{1,3}}\]|\+|)\s*{MINUS}?\s*\)?$"
)
_DEGREES = ("C", "F")
_NOTE = re.compile(r"\*{1,3}|[†‡§¶#^]|\[\w{1,3}\]")
"""A mark behind some numbers of a column, for a note below the table."""
_MOST_NOTES = 30
_FEW_WORDS, _MANY_NUMBERS = 2, 12
_FEW_POINTS, _OTHERS, _HALF = 3, 3, 0.5
_SAMPLE, _FEW, _ENOUGH = 200, 2000, 20_000
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


def guess_number(name: str, values: Counted, decimal: str | None) -> Fit | Doubt | None:
    """Return the style of numbers in which nearly all texts are written; None if they are no numbers.

    Args:
        decimal: the mark before fractions in the rest of the file, if it is known.
    """
    if points := guess_total(name, values):
        return points
    if len(values.texts) <= _ENOUGH:
        return _guess(name, values, decimal)
    bounded = values.matches(BOUND)  # the style shows in a part, but a bound is one text of many rows
    enough = _FEW if bounded.any() and values.share(is_plain(values)) >= NEARLY_ALL else _ENOUGH
    step = -(-len(values.texts) // enough)
    found = _guess(name, values.where(bounded | (np.arange(len(values.texts)) % step == 0)), decimal)
    if not isinstance(found, Fit):
        return found
    fits = _fits(values, Reading.model_validate(found.settings))
    return Fit(found.settings, fits, found.said) if values.share(fits) >= WORTH_SAYING else None


def are_nothing(values: Counted) -> Mask:
    """Return which texts are a dash beside a currency, as spreadsheets write nothing: `$ -`."""
    dashes = values.matches(r"^\S{1,4}\s*-+$|^-+\s*\S{1,4}$")
    if not dashes.any():
        return dashes
    return dashes & as_mask(pc.is_in(pc.utf8_trim(values.texts, characters=" -"), pa.array(sorted(CURRENCIES))))


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


def far_words(values: Counted) -> Mask | None:
    """Return which texts are words without figures, if one or two of them are all that keeps many different ones with
    figures from being read; None elsewhere."""
    others = ~values.matches(r"\d")
    few = 0 < others.sum() <= _FEW_WORDS and len(others) > _MANY_NUMBERS
    words = few and all(re.search(r"[^\W\d_]", text) for text in values.where(others).texts.to_pylist())
    return others if words and values.share(others) < WORTH_SAYING else None


def _guess(name: str, values: Counted, decimal: str | None) -> Fit | Doubt | None:
    some = pa.array(values.some(_SAMPLE), pa.string())
    if as_mask(pc.match_substring_regex(some, pattern=_PARTS)).mean() < WORTH_SAYING / 2:
        return None  # as most columns of words, before all of them are looked at
    parts = pc.extract_regex(values.texts, pattern=_PARTS)
    like = as_mask(parts.is_valid())
    if values.share(like) < WORTH_SAYING or values.matches(r"^[+-]?00\d").any():  # codes of fixed length
        return None
    units = _units(name, parts, values)
    if units is None or isinstance(units, Doubt):
        return units
    fits = {style: _fits(values, Reading(decimal=style[0], thousands=style[1], **units)) for style in _STYLES}  # type: ignore[arg-type]
    best = max(values.share(mask) for mask in fits.values())
    if best < WORTH_SAYING:
        return _of_two_styles(values, fits[".", ""], fits[",", ""])
    style = next(style for style in _STYLES if values.share(fits[style]) == best)
    if style == (".", "") and decimal == "," and _all_grouped(values, "."):
        style = (",", ".")
    elif style == (".", ",") and values.share(fits[",", ""]) == best:
        commas = _commas(values, units, decimal)
        if isinstance(commas, Doubt):
            return commas
        style = commas
    if style[1] not in ("", ",") and not units["unit"] and is_code(name, values.where(fits[style]), style[1]):
        return None
    if _are_ratings(values, units, style[1]) or ("<" in units["unit"] and words_of(name) & VERSION_NAMES):
        return None
    settings: dict[str, object] = {"kind": "number"}
    settings |= {"decimal": style[0]} if style[0] != "." else {}
    settings |= {"thousands": style[1]} if style[1] else {}
    settings |= {name: value for name, value in units.items() if value}
    return Fit(settings, fits[style], _said_of(values, units))


def _of_two_styles(values: Counted, points: Mask, commas: Mask) -> Doubt | None:
    """Return why a column is not read: some of its numbers have a decimal point, others a decimal comma."""
    if values.share(points | commas) < WORTH_SAYING or values.matches(r"[.,]\d*[.,]|[.,]\d{3}$").any():
        return None
    point, comma = (values.where(only).texts[0].as_py() for only in (points & ~commas, commas & ~points))
    return Doubt(f"some of its numbers have a point before the fraction, others a comma ({point!r}, {comma!r}): text")


def _fits(values: Counted, reading: Reading) -> Mask:
    return as_mask(to_plain(values.texts, reading).is_valid())


def _units(name: str, parts: object, values: Counted) -> _Units | Doubt | None:
    """Return what stands before and after the numbers, as settings; None if that makes them no numbers."""
    before = _tally(parts.field("pre").to_pylist(), values)  # type: ignore[attr-defined]
    gaps = parts.field("gap").to_pylist()  # type: ignore[attr-defined]
    after = _tally(parts.field("suf").to_pylist(), values)  # type: ignore[attr-defined]
    spaced = {suf for suf, gap in zip(parts.field("suf").to_pylist(), gaps, strict=True) if suf and gap}  # type: ignore[attr-defined]
    few = values.total * (1 - NEARLY_ALL)
    before = Counter({unit: times for unit, times in before.items() if unit and times > few})
    after = Counter({unit: times for unit, times in after.items() if unit and times > few})
    after, is_money = taken_apart(after)
    bounds = set(BOUNDS) if _are_bounded(values) else set()
    known_before = CURRENCIES | NEARLY
    before = Counter({unit: times for unit, times in before.items() if unit not in bounds})
    if any(unit not in known_before and _counts(times, values) for unit, times in before.items()):
        return _of_unknown(values, [*before], "before")
    before = Counter({unit: times for unit, times in before.items() if unit in known_before})
    scale = [unit for unit in after if unit in SCALES]
    about = bool(before.keys() & NEARLY - {"±"}) and not {*scale} & UNITS & spaced  # not ±5K, ~5 m
    is_money |= bool(before.keys() & CURRENCIES)
    is_scale = bool(scale) and (is_money or about or len({unit.lower() for unit in scale}) > 1)
    if len(scale) == 1 and scale[0] in SURE_SCALES - spaced:
        is_scale = is_scale or len(values.texts) > _RATINGS or bool(values.matches(r"\d[.,]\d").any())
    units = {unit for unit in after if not (is_scale and unit in SCALES)}
    flags = flags_of(name, values)
    units -= flags
    for unit in list(units):
        known = (
            unit.partition("/")[0] in CURRENCIES | UNITS or unit in UNITS or unit == "+" or not re.search(r"\w", unit)
        )
        known = known or (unit in _DEGREES and _are_fractions(values)) or _NOTE.fullmatch(unit) is not None
        if not known and not (unit in spaced and re.fullmatch(r"[^\W\d_]{2,}\.?", unit)):
            if _counts(after[unit], values):
                return _of_unknown(values, [*after])
            units.remove(unit)
    money = {unit for unit in (*before, *units) if unit in CURRENCIES}
    notes = {unit for unit in units if _NOTE.fullmatch(unit)} if values.share(is_plain(values)) > SOME_PLAIN else set()
    if len(notes) > _MOST_NOTES:
        return None
    others = {unit for unit in (*before, *units) if unit not in CURRENCIES} - notes
    if len(money) > 1 or len({re.sub(r"s?\.?$", "", unit.lower()) for unit in others - NEARLY}) > 1:
        if not others <= UNITS:
            return _of_unknown(values, [*others])  # or words, as in 12 Main St
        listed = ", ".join(sorted(money if len(money) > 1 else others))
        return Doubt(f"its numbers are in different units ({listed}), so it stays text")
    if len(others - UNITS - {"+", "%"}) and len(values.texts) < 3:
        return None
    return {"unit": tuple(sorted(money | others | bounds | notes | flags)), "scale": is_scale}


def _of_unknown(values: Counted, units: list[str], place: str = "behind") -> Doubt | None:
    """Return why numbers with a word beside them, which is no known unit, are not read: fractions, or most without.

    None of codes as 12A.
    """
    fractions = _are_fractions(values) if place == "behind" else values.matches(r"\d[.,]\d").all()
    if len(units) > _FEW_POINTS or not (fractions or values.share(is_plain(values)) > _HALF):
        return None
    listed = " and ".join(map(repr, sorted(units)))
    said = f"its numbers have {listed} {place} them, and nothing tells what that means, so it stays text"
    return Doubt(said, ({"kind": "number", "unit": units[0]},) if len(units) == 1 else ())


def _are_fractions(values: Counted) -> bool:
    return values.share(values.matches(r"\d[.,]\d{1,2}\D")) >= WORTH_SAYING / 2


def _are_ratings(values: Counted, units: _Units, thousands: str) -> bool:
    """Return whether these are classes such as 16+ and 18+."""
    has_plus = "+" in units["unit"]
    return has_plus and not thousands and not units["scale"] and len(values.texts) <= _RATINGS


def _said_of(values: Counted, units: _Units) -> str:
    """Return what a person should know of units; "" mostly."""
    if "<" in units["unit"]:
        return _of_bounds(values)
    marked, plain = values.matches("%"), is_plain(values)
    if "%" in units["unit"] and SOME_PLAIN / 4 < values.share(plain) < 1 - SOME_PLAIN / 4:
        shown = [values.where(one).texts[0].as_py() for one in (marked, plain)]
        return f"some have %, others none ({shown[0]!r}, {shown[1]!r}): read as they stand, without dividing by 100"
    if {*FLAGS} <= {*units["unit"]}:
        shown = values.where(values.matches(FLAGGED)).texts[0].as_py()
        return f"a letter behind a number, as in {shown!r}, is left out: it says how the number came about"
    notes = [unit for unit in units["unit"] if _NOTE.fullmatch(unit)]
    marked = values.matches(rf"\d\s*{re.escape(notes[0])}$") if notes else np.zeros(0, bool)
    return f"a mark for a note, as in {values.where(marked).texts[0].as_py()!r}, is left out" if marked.any() else ""


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
    if values.matches(r"(^|\D)0+,|,\d+[eE]").any():
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
