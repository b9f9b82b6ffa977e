"""Figures that are plain numbers, and those that are codes rather than numbers."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.values.counted import NEARLY_ALL, WORTH_SAYING, Counted, Mask, as_mask, words_of
from pipeline.data.values.words import HEX_NAMES, KEY_NAMES, SURE_SCALES, UNITS

_PLAIN = (
    r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE](-\d+|\+?0*([0-2]?\d|3[0-7])))?\s*$|^\s*[+-]?(?i:inf|infinity)\s*$|"
    r"^\s*[+-]?([0-2](\.\d*)?|3(\.[0-3]\d*|\.40\d*)?)[eE]\+?38\s*$"
)
"""A number of float32, or surely an infinite one: the largest is 3.4e38."""
_BEYOND = r"^\d+[eE]0*(?:39|[4-9]\d|[1-9]\d\d+)$"
_ROUND = 0.3


def is_plain(values: Counted) -> Mask:
    """Return which texts are numbers without any ado."""
    return values.matches(_PLAIN)


def are_codes(values: Counted, plain: Mask) -> bool:
    """Return whether texts such as 2E8 are codes rather than numbers: nothing is a fraction, and others are of letters
    and digits, too, or all are of one length and most are figures alone.

    So are they where one is more than a number can hold, 4E52. A number with its unit, 7kg, is no sign of codes, and
    a stray or two are none beside 1e3, as programs write powers.
    """
    powers = values.matches(r"^\d+[eE]\d+$")
    if not powers.any():
        return False
    figures = values.matches(r"^\d+$")
    if (powers | figures).all() and values.matches(_BEYOND).any():
        return True
    if values.share(plain) < WORTH_SAYING:
        return False
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


def is_code(name: str, values: Counted, mark: str) -> bool:
    """Return whether grouped digits are rather the parts of a number that names something: a phone, an address."""
    body = pc.replace_substring_regex(values.texts, pattern=r"^[^\d]+|[^\d]+$", replacement="")
    if as_mask(pc.match_substring_regex(body, pattern=rf"^0\d*{re.escape(mark)}")).any():
        return True
    if mark == "_" and (words_of(name) & HEX_NAMES or not _are_large(values)):
        return True
    if mark == " " and as_mask(pc.match_substring_regex(body, pattern=r"^[1-9]\D\d{3}$")).all():
        return bool(words_of(name) & KEY_NAMES)  # 9 310: parts of a name are longer
    marks = pc.count_substring_regex(body, pattern=r"\D")
    digits = pc.count_substring_regex(body, pattern=r"\d")
    one_length = pc.count_distinct(digits).as_py() == 1 and pc.count_distinct(marks).as_py() == 1
    at_least = 1 if mark in " _" else 2
    return bool(one_length and pc.min(marks).as_py() >= at_least)


def _are_large(values: Counted) -> bool:
    """Return whether digits around underscores are numbers, and no keys of two parts as 3_150: many are round."""
    return bool(values.matches(r"\d_\d{3}_\d{3}").any() or values.matches(r"_[05]00\b").mean() > _ROUND)
