# ruff: noqa: RUF001 (signs of fractions and of times)
"""Whether the texts of a column are numbers written in parts, and which lost their digits in a spreadsheet."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow.compute as pc

from pipeline.config.reading import ERROR, FEET, FORMULA, FRACTION, POWER
from pipeline.data.values.codes import is_plain
from pipeline.data.values.compound import is_of_parts, to_numbers
from pipeline.data.values.counted import NEARLY_ALL, WORTH_SAYING, Counted, Doubt, Fit, as_mask, words_of
from pipeline.data.values.words import DATE_NAMES, KEY_NAMES, LENGTH_NAMES

_SIGNS = {FEET: r"['′’´]|f", FRACTION: r"\d[/⁄]\d|[¼-¾⅓-⅞]", POWER: r"10", ERROR: r"±|\+/?[-−]|\d\(\d"}
_SAID = {FEET: "feet and inches are read as inches", ERROR: "what stands behind ± or in brackets is left out"}
_UNIT = re.compile(r"[\d)]\s*([^\W\d_%°µ][^\d()±]{0,11}|[%°µ][^\d()±]{0,11})$")
"""A unit behind a number and its error, 5 ± 1 mm."""
_SAMPLE = 200
_ENOUGH = 5
"""So many different ones of feet tell by inches below 12 that they are no minutes and seconds, 5'11"."""
_TALL = {"height", "ht", "tall", "feet", "ft", "length", "width", "depth", "size"}
_POINTS = ("points", "total")
_POINTS_OF = r"^(?P<points>[\d.,]+)(?:\s?/\s?| out of )(?P<total>\d+)(?: stars)?$"
_SURE_TOTAL = 32
"""Behind so many no day and no month stands."""
_FEW = 3
_APOSTROPHE = r"^'[\d.,+-][^']*$"
"""What a spreadsheet is told to take for a text."""
_FORMULA = r'^="[^"]*"$'
_SHORTENED = r"^\d\.\d{2,5}E\+1[1-9]$"


def guess_compound(name: str, values: Counted) -> Fit | Doubt | None:
    """Return how numbers in parts are read; None if the texts are none."""
    some = values.some(_SAMPLE)  # as most columns of words, before all of them are looked at
    for form, sign in _SIGNS.items():
        if sum(bool(re.search(sign, text)) for text in some) < len(some) / 10:
            continue
        units = sorted({found[1] for text in some if (found := _UNIT.search(text))}) if form == ERROR else []
        if not _are_meant(form, some, units):
            continue
        fits = as_mask(to_numbers(values.texts, form, units).is_valid())
        if values.share(fits) < WORTH_SAYING:
            continue
        settings: dict[str, object] = {"kind": "number", "format": form}
        if len(units) > 1:
            return Doubt(f"its numbers are in different units ({', '.join(units[:5])}), so it stays text")
        settings |= {"unit": (*units,)} if units else {}
        if form == ERROR and _come_again(values.where(fits)):
            said = f"{some[0]!r} may be a number with its error, or a number and another one, so it stays text"
            return Doubt(said, ({"kind": "number", "format": ERROR},))
        if form == FEET and not _are_feet(words_of(name), values.where(fits)):
            said = f"{some[0]!r} may be feet and inches or minutes and seconds, so it stays text"
            return Doubt(said, ({"kind": "number", "format": FEET},))
        return Fit(settings, fits, _SAID.get(form, ""))
    return None


def _come_again(values: Counted) -> bool:
    """Return whether numbers come again with others in brackets, as sections do, 1.2(3), and stars with their votes."""
    bracketed = values.where(values.matches(r"\d\(\d+\)$")).texts
    numbers = pc.replace_substring_regex(bracketed, pattern=r"\(\d+\)$", replacement="")
    return 2 * int(pc.count_distinct(numbers).as_py()) < len(bracketed)


def _are_feet(words: set[str], values: Counted) -> bool:
    is_marked = values.matches(r"\d\s*(?:\"|''|i|\x{2033}|\x{201d}|\x{2019}\x{2019}|\x{2032}\x{2032})").any()
    return bool(words & _TALL) or bool(is_marked and len(values.texts) >= _ENOUGH and not words & LENGTH_NAMES)


def _are_meant(form: str, some: list[str], units: Sequence[str]) -> bool:
    """Return whether some are surely of the form: 1/2 alone may be a day, 4 1/2 is none; 5 ft have a unit."""
    sure = [text for text in some if is_of_parts(text, form, units)]
    if form == FRACTION:
        return any(re.search(r"\d[\s-]+\d+[/⁄]|[¼-¾⅓-⅞]", text) for text in sure)
    return any(form != FEET or re.search(r"\d.*\D\d", text) for text in sure)


def guess_formula(values: Counted) -> Fit | None:
    """Return how texts are read that spreadsheets are to keep as they are, ="00123"."""
    formulas = values.matches(_APOSTROPHE)
    if len(formulas) and formulas.all():
        shown = values.texts[0].as_py()
        return Fit({"kind": "text", "format": FORMULA}, formulas, f"{shown} is read as {shown[1:]}")
    formulas = values.matches(_FORMULA)
    if not formulas.any() or values.share(formulas | values.matches(r"^[\w .-]*$")) < NEARLY_ALL:
        return None
    if values.matches(r'^="[1-9]\d*\.\d+"$').any() and values.matches(r'^="-?(0|[1-9]\d*)(\.\d+)?"$').all():
        return Fit({"kind": "number", "unit": ('="', '"')}, formulas)
    shown = values.where(formulas).texts[0].as_py()
    return Fit({"kind": "text", "format": FORMULA}, formulas, f"{shown} is read as {shown[2:-1]}")


def guess_shortened(name: str, values: Counted) -> Fit | Doubt | None:
    """Return what becomes of long figures that a spreadsheet has written as 4.00638E+12: the rest of them is lost."""
    short = values.matches(_SHORTENED)
    if not short.any() or values.share(short | values.matches(r"^\d{8,}$")) < WORTH_SAYING:
        return None
    shown = values.where(short).texts[0].as_py()
    said = f"a spreadsheet has cut the last digits off ({shown}): export it with this column as text if they count"
    return Doubt(said) if words_of(name) & KEY_NAMES else Fit({"kind": "number"}, is_plain(values), said, is_plain=True)


def guess_total(name: str, values: Counted) -> Fit | None:
    """Return how points of a total are read, 41/100, where the total is the same everywhere and a usual one.

    Days of a month (31/10) and seasons (2019/10) are written so, too.
    """
    fits = values.matches(r"^\d+(?:[.,]\d+)?(?:\s?/\s?| out of )(?:5|10|100)(?: stars)?$")
    if values.share(fits) < WORTH_SAYING:
        return None
    behind = {re.sub(r"^[\d.,]+", "", text) for text in values.where(fits).texts.to_pylist()}
    if len({re.sub(r"\s", "", unit) for unit in behind}) > 1 or fits.sum() < _FEW:
        return None
    written = pc.extract_regex(values.where(fits).texts, pattern=_POINTS_OF)
    points, total = (pc.cast(pc.replace_substring(written.field(part), ",", "."), "float64") for part in _POINTS)
    if pc.any(pc.greater(points, total)).as_py() or (words_of(name) & DATE_NAMES and total[0].as_py() < _SURE_TOTAL):
        return None
    comma, point = (pc.any(pc.match_substring(written.field("points"), mark)).as_py() for mark in ",.")
    if comma and point:
        return None
    settings: dict[str, object] = {"kind": "number", "unit": tuple(sorted(unit.strip() for unit in behind))}
    return Fit(settings | ({"decimal": ","} if comma else {}), fits)
