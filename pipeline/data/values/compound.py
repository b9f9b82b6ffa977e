# ruff: noqa: RUF001 (marks of inches, signs of times and minus)
"""Numbers written in parts: 5'11", 4 1/2, 0.97 x 10^5, 7.3 ± 0.7, 7.3(7)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.reading import ERROR, FEET, FRACTION, POWER

_NUMBER = r"[+\-−–]?\d+(?:[.,]\d+)?"
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_FEET = re.compile(
    r"(\d{1,2})\s*(?:['′’´]|ft\.?|feet|foot)(?:\s*(\d{1,2}(?:\.\d+)?)\s*(?:[\"″”]|''|’’|′′|in\.?|inch(?:es)?)?)?"
)
_FRACTION = re.compile(r"([-−])?(?:(\d+)(?:[\s-]+|$))?(?:(\d{1,2})[/⁄](\d{1,2}))?")
_POWER = re.compile(
    rf"(?:({_NUMBER})\s*[x×*·⋅]\s*)?10\s*(?:\^\s*|\*\*\s*|(?=[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]))([+\-−–⁺⁻]?[\d⁰¹²³⁴⁵⁶⁷⁸⁹]+)"
)
_ERROR = re.compile(
    rf"(?:\(\s*)?({_NUMBER})\s*(?:±|\+/[-−]|\+[-−])\s*\d+(?:[.,]\d+)?(?:\s*\))?|([+\-−–]?\d+[.,]\d+)\(\d{{1,3}}\)"
)
_PARTS_OF_ONE = (2, 3, 4, 5, 6, 8, 10, 12, 16, 32, 64)


def to_numbers(text: pa.Array, form: str, units: Sequence[str] = ()) -> pa.Array:
    """Return numbers as plain texts, of the form; null where a text is none. Plain numbers are numbers of each form.

    Args:
        units: what may stand behind them.
    """
    coded = text.dictionary_encode()
    values = [_number(_without_unit(str(one).strip(), units), form) for one in coded.dictionary.to_pylist()]
    return pc.take(pa.array([None if one is None else repr(one) for one in values], pa.string()), coded.indices)


def is_of_parts(text: str, form: str, units: Sequence[str] = ()) -> bool:
    """Return whether a text is of the form and no plain number."""
    text = _without_unit(text, units)
    return re.fullmatch(_NUMBER, text) is None and _number(text, form) is not None


def _without_unit(text: str, units: Sequence[str]) -> str:
    unit = next((unit for unit in units if text.endswith(unit)), "")
    return text.removesuffix(unit).rstrip()


def _number(text: str, form: str) -> float | None:
    if form == FEET:
        feet = _FEET.fullmatch(text)
        inches = float(feet[2] or 0) if feet else 12.0
        return 12 * float(feet[1]) + inches if feet and inches < 12 else None
    if form == FRACTION and (parted := _parted(text)) is not None:
        return parted
    if form == POWER and (power := _POWER.fullmatch(text)):
        raised = int(_plain(power[2].translate(_RAISED)))
        return float(f"{_plain(power[1] or '1')}e{raised}")
    if form == ERROR and (told := _ERROR.fullmatch(text)):
        return float(_plain(told[1] or told[2]))
    return float(_plain(text)) if re.fullmatch(_NUMBER, text) else None


def _parted(text: str) -> float | None:
    spaced = "".join(f" {unicodedata.normalize('NFKC', one)}" if one in "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞" else one for one in text)
    found = _FRACTION.fullmatch(spaced.strip())
    if not text or found is None:
        return None
    minus, whole, part, of = found.groups()
    if part and not (int(of) in _PARTS_OF_ONE and int(part) < int(of)):
        return None
    value = int(whole or 0) + (int(part) / int(of) if part else 0)
    return -value if minus else value


def _plain(text: str) -> str:
    return re.sub("[−–]", "-", text).replace(",", ".")
