"""What stands behind numbers and is no unit alone: a power of ten with a currency, flags of a statistical office."""

from __future__ import annotations

import re
from collections import Counter

import pyarrow.compute as pc

from pipeline.data.values.codes import is_plain
from pipeline.data.values.counted import Counted, name_words
from pipeline.data.values.numbers import SCALES
from pipeline.data.values.words import CURRENCIES, FLAGS, KEY_NAMES, UNITS

SOME_PLAIN = 0.2
"""The share of plain numbers beside which others have a mark behind them."""
FLAGGED = rf"\d (?P<flag>[{''.join(FLAGS)}]{{1,3}})$"
_MEASURED = r"\d[.,]\d|\d{5}"
_HOUSE_NAMES = {"house", "street", "address", "building", "haus", "hausnummer", "hausnr", "hnr", "stra\xdfe", "strasse"}
_SCALED = re.compile(
    rf"({'|'.join(map(re.escape, sorted(SCALES, key=len, reverse=True)))})\s?({'|'.join(map(re.escape, CURRENCIES))})"
)


def taken_apart(after: Counter[str]) -> tuple[Counter[str], bool]:
    """Return what stands behind numbers, powers of ten and currencies (Mio. €) one by one, and whether any was so."""
    parts: Counter[str] = Counter()
    for unit, times in after.items():
        pair = _SCALED.fullmatch(unit) if unit not in CURRENCIES else None
        for part in pair.groups() if pair else (unit,):
            parts[part] += times
    return parts, parts.total() > after.total()


def flags_of(name: str, values: Counted) -> set[str]:
    """Return the flags behind some of plain numbers, and all letters of such that a later file may have; none where
    they may be units (250 ns, 2 s), or where whole numbers may name something: a house 12 b, a class 3 c. Such are
    small; or none has a fraction, and they stand in a column named so, or come again with another letter or none."""
    kinds = set(pc.extract_regex(values.texts, pattern=FLAGGED).field("flag").to_pylist()) - {"", None}
    in_order = all(list(kind) == sorted(kind) for kind in kinds)  # bep, but not cup
    if not (kinds - UNITS - {"d"} and in_order) or values.share(is_plain(values)) <= SOME_PLAIN:
        return set()
    if values.share(values.matches(_MEASURED)) < 0.5 or _name_things(name, values):
        return set()
    return kinds | {*FLAGS}


def _name_things(name: str, values: Counted) -> bool:
    """Return whether numbers, some with a letter, name houses or the like: not `number of persons`, `house prices`."""
    if values.matches(r"\d[.,]\d").any():
        return False
    marked = values.where(values.matches(FLAGGED)).texts.to_pylist()
    numbers = Counter(text.partition(" ")[0] for text in values.texts.to_pylist())
    again = sum(numbers[text.partition(" ")[0]] > 1 for text in marked)
    return again > len(marked) / 2 or bool({*name_words(name)[-1:]} & (KEY_NAMES | _HOUSE_NAMES | {"code"}))
