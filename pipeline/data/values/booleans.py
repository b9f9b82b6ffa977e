"""Yes and no in words."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

PAIRS = (
    ("no", "yes"), ("false", "true"), ("n", "y"), ("f", "t"), ("off", "on"), ("nein", "ja"), ("non", "oui"),
    ("no", "sí"), ("no", "si"), ("no", "sì"), ("não", "sim"), ("nee", "ja"), ("nej", "ja"), ("нет", "да"),
    ("falsch", "wahr"), ("faux", "vrai"), ("falso", "verdadero"), ("falso", "vero"), ("falso", "verdadeiro"),
    ("nie", "tak"), ("ne", "ano"), ("hay\u0131r", "evet"), ("nem", "igen"), ("ei", "kyllä"),
    ("否", "是"), ("いいえ", "はい"), ("아니요", "예"), ("لا", "نعم"), ("disabled", "enabled"),
    ("onwaar", "waar"), ("fałsz", "prawda"), ("falsk", "sann"), ("falsk", "sand"), ("epätosi", "tosi"), ("nu", "da"),
    ("yanl\u0131ş", "doğru"), ("hamis", "igaz"), ("ложь", "истина"), ("ні", "так"), ("tidak", "ya"),
    ("không", "có"), ("假", "真"), ("偽", "真"), ("✗", "✓"), ("✘", "✔"), ("☐", "☑"),
)  # fmt: skip
"""The words for no and yes that are known, in small letters."""

_ALL = (("0", "1"), *PAIRS)
MIXED = {pair[0]: pair[1] for pair in _ALL[:5]}
"""Those that people mix in one column, as Yes, y and TRUE: the words for no, with those for yes."""


def to_plain(text: pa.Array, words: Sequence[str]) -> pa.Array:
    """Return 'false' and 'true' for the words, in any case; null for other texts."""
    pairs = (tuple(word.casefold() for word in words),) if words else _ALL
    lower = pc.utf8_lower(pc.utf8_trim_whitespace(text))
    known = {pair[0]: "false" for pair in pairs} | {pair[1]: "true" for pair in pairs}
    places = pc.index_in(lower, pa.array(list(known), pa.string()))
    return pc.take(pa.array(list(known.values()), pa.string()), places)
