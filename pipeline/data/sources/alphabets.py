"""Which encoding a text of Cyrillic, Greek, Hebrew or Arabic letters is in, by those that each language has most of."""

from __future__ import annotations

import re

_CYRILLIC = "оеаинтсрвлкмдпуяыхгзбчйцьњљјжшюёіщэфєїґћђъўџ"
_LETTERS = {
    "cp1251": _CYRILLIC,
    "cp1253": "αοιετνσηυρπκμλςόίάέγήδώθχύφβξζψωϊϋΐΰ",
    "cp1255": "יוהלארתבשמנדקעפחגםסזטכןצךףץ",
    "cp1256": "الينمروتبةعدسفهكقحجأشصطىخضذثزئغءآإؤظگچپژ",
    "koi8_r": _CYRILLIC,
    "cp866": _CYRILLIC,
}
"""The letters of each, the commonest first; of what two encodings read alike, the first is taken."""
_RUN, _MOST = 2, 0.5
_ENOUGH = 0.55
_OFTEN = {"cp1251": 1.05, "koi8_r": 0.95}
"""How much oftener than others people have an encoding."""
_FEW = 4


def other_script(telling: bytes) -> str | None:
    """Return the encoding of lines with bytes beyond ASCII; None if they are none of these alphabets."""
    words = _whole(telling)
    likeness = {name: _likeness({*words}, name) for name in _LETTERS}
    best = max(likeness, key=lambda name: likeness[name])
    return best if stands_apart(telling) and likeness[best] >= _ENOUGH * sum(map(len, {*words})) else None


def is_long(telling: bytes) -> bool:
    """Return whether words of nothing but bytes beyond ASCII are more than an ÄÖÜ or two."""
    return sum(map(len, {*_whole(telling)})) > _FEW


def stands_apart(telling: bytes) -> bool:
    """Return whether most bytes beyond ASCII stand in words of nothing else: a letter with an accent stands beside
    plain ones."""
    return sum(map(len, _whole(telling))) > _MOST * sum(byte > 127 for byte in telling)


def _whole(telling: bytes) -> list[bytes]:
    words = re.findall(rb"[A-Za-z0-9_\x80-\xff]+", telling)
    return [word for word in words if len(word) >= _RUN and not re.search(rb"[\x00-\x7f]", word)]


def _likeness(words: set[bytes], encoding: str) -> float:
    """Return how common the letters are, from 1 for the commonest to 0 for none of the alphabet."""
    letters = _LETTERS[encoding]
    common = {letter: 1 - place / 48 for place, letter in enumerate(letters)}
    found = 0.0
    for word in words:
        text = word.decode(encoding, "replace")
        if text == text.upper() or text[1:] == text[1:].lower():  # not mIxed, as nobody writes
            found += sum(common.get(letter, 0.0) for letter in text.lower())
    return found * _OFTEN.get(encoding, 1.0)
