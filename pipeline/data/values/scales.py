"""Words that people order: low, medium, high."""

from __future__ import annotations

from collections.abc import Sequence

_SCALES = tuple(
    tuple(frozenset(place.split("/")) for place in scale.split(", "))
    for scale in (
        "very low/lowest, low, medium/middle/mid/moderate/normal/average, high, very high/highest, critical/extreme",
        "tiny/very small, small, medium/middle/mid, large/big, very large/huge",
        "xxs, xs, s, m, l, xl, xxl, xxxl",
        "never, rarely/seldom, sometimes/occasionally, often/frequently/usually, always",
        "strongly disagree, disagree, neutral/neither agree nor disagree/undecided, agree, strongly agree",
        "very dissatisfied, dissatisfied, neutral, satisfied, very satisfied",
        "very unlikely, unlikely, neutral, likely, very likely",
        "terrible/very bad/very poor/awful, bad/poor, fair/average/ok/okay/typical, good, very good/great, "
        "excellent/ideal/premium",
        "negative, neutral, positive",
        "none/absent, mild/minor/slight, moderate, serious/severe, critical/fatal",
        "freezing, cold, cool, mild, warm, hot",
        "very slow, slow, medium/moderate/average, fast, very fast",
        "beginner/novice, intermediate, advanced, expert",
        "bronze, silver, gold, platinum, diamond",
        "first, second, third, fourth, fifth",
        "sehr niedrig, niedrig/gering, mittel, hoch, sehr hoch",
        "klein, mittel, groß, sehr groß",
        "nie, selten, manchmal, oft, immer",
        "très faible, faible/bas, moyen, élevé/haut/fort, très élevé/très fort",
        "petit, moyen, grand, très grand",
        "muy bajo, bajo, medio, alto, muy alto",
    )
)
"""From low to high; where a place has several words, they mean the same."""


def in_order(words: Sequence[str]) -> list[str] | None:
    """Return words from low to high; None unless one scale has them all, each at a place of its own. Two letters are
    no words: they may mean anything."""
    if len(words) < 3 and min(map(len, words)) < 2:
        return None
    plain = [" ".join(word.casefold().replace("_", " ").replace("-", " ").split()) for word in words]
    for scale in _SCALES:
        places = [next((at for at, alike in enumerate(scale) if word in alike), None) for word in plain]
        if None not in places and len(set(places)) == len(words):
            return [word for _, word in sorted(zip(places, words, strict=True), key=lambda one: one[0] or 0)]
    return None
