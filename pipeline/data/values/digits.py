"""Digits of other scripts, as in ٤٢ and ४२, written as those of ASCII."""

from __future__ import annotations

import sys
import unicodedata
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

_MARKS = {
    "\u066b": ".", "\u066c": ",", "\u066a": "%", "\uff0e": ".", "\uff0c": ",", "\uff05": "%", "\uff0b": "+",
    "\uff0f": "/", "\uff1a": ":", "\uff08": "(", "\uff09": ")",
}  # fmt: skip
"""The marks of numbers and dates beside such digits. Minus signs and currencies are known by themselves."""
_DIGIT = r"[^\P{Nd}0-9]"


@cache
def _ascii() -> dict[int, str]:
    digits = (chr(code) for code in range(128, sys.maxunicode + 1))
    known = {ord(char): str(unicodedata.digit(char)) for char in digits if unicodedata.category(char) == "Nd"}
    return known | {ord(mark): plain for mark, plain in _MARKS.items()}


def in_ascii(text: pa.Array) -> pa.Array:
    """Return texts, shape [rows], with the digits of other scripts as those of ASCII, and the marks beside them.

    Comes back as it is where no text has such a digit.
    """
    if pc.all(pc.string_is_ascii(text)).as_py() is not False:
        return text
    foreign = pc.fill_null(pc.match_substring_regex(text, pattern=_DIGIT), False)
    if not pc.any(foreign).as_py():
        return text
    coded = text.filter(foreign).dictionary_encode()
    plain = pa.array([str(one).translate(_ascii()) for one in coded.dictionary.to_pylist()], pa.string())
    return pc.replace_with_mask(text, foreign, pc.take(plain, coded.indices))
