"""The numbers behind the figures of a model, as tables: whoever cannot see a curve reads it, or copies it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.reports.formats import number

_MOST = 25
"""Lines of a table; a curve has up to 200 points."""
_OF_100 = (50, 80, 90, 95)
_LEAST_POINTS = 20
LEVEL = 0.9
"""Of the interval of a single prediction."""


@dataclass(frozen=True)
class NumberTable:
    """A table as text; the first cell of a line is its heading."""

    name: str
    heads: list[str]
    lines: list[list[str]]


def number_tables(document: Mapping[str, Any] | None) -> list[NumberTable]:
    """Return a table for each figure of Evaluator's `curves.json` that has none elsewhere on the page."""
    found = (document or {}).get("challenger") or {}
    tables = []
    for key, name, columns in (
        ("roc", "ROC", {"false_positive_rate": "False positive rate", "true_positive_rate": "True positive rate"}),
        ("precision_recall", "Precision and recall", {"recall": "Recall", "precision": "Precision"}),
        (
            *("thresholds", "Decision thresholds"),
            {"threshold": "Flagged from", "precision": "Precision", "recall": "Recall", "flagged": "Rows flagged"},
        ),
    ):
        if curve := found.get(key):
            points = _thinned([*zip(*(curve[of] for of in columns), strict=True)])
            lines = [[number(value) for value in point] for point in points]
            tables.append(NumberTable(name, [*columns.values()], lines))
    if bars := found.get("distribution"):
        tables.append(_distribution(**bars))
    if confusion := found.get("confusion"):
        names = confusion["classes"]
        rows = zip(names, confusion["rows"], strict=True)
        lines = [[name, *(f"{count:,.0f}" for count in row)] for name, row in rows]
        tables.append(NumberTable("Confusion: true classes down, predicted ones across", ["True", *names], lines))
    return tables


def how_far_off(document: Mapping[str, Any] | None) -> str:
    """Say in a sentence within what distance most predictions of a regression lie; "" of another task, of few rows."""
    points = ((document or {}).get("challenger") or {}).get("points")
    if not points or len(points["true"]) < _LEAST_POINTS:
        return ""
    off = np.abs(np.array(points["predicted"], float) - np.array(points["true"], float))
    if not np.isfinite(off).all():
        return ""
    told = [f"{share} by at most {number(float(np.quantile(off, share / 100)))}" for share in _OF_100]
    return f"Of 100 predictions are off: {', '.join(told)}."


def half_width(document: Mapping[str, Any] | None, level: float) -> float | None:
    """Return how far from its prediction the truth of a new row lies at most, with probability `level`.

    It is split conformal prediction: of n evaluated rows the ceil((n + 1) * level)-th least distance (Lei et al.:
    Distribution-free predictive inference for regression, JASA 113, 2018). It needs rows that are like the new ones,
    and nothing of the model; the width is the same for every row. None of another task, and of too few rows.
    """
    points = ((document or {}).get("challenger") or {}).get("points")
    off = np.abs(np.array(points["predicted"], float) - np.array(points["true"], float)) if points else np.empty(0)
    rank = math.ceil((len(off) + 1) * level - 1e-9)
    if not np.isfinite(off).all() or not 0 < rank <= len(off):
        return None
    return float(np.sort(off)[rank - 1])


def of_a_new_row(document: Mapping[str, Any] | None, level: float) -> str:
    """Say in a sentence how far from its prediction a new row lies; "" where that cannot be said."""
    reach = half_width(document, level)
    if document is None or reach is None:
        return ""
    rows = len(document["challenger"]["points"]["true"])
    return (
        f"The truth of a new row lies within {number(reach)} of its prediction {100 * level:g} times in 100, if new "
        f"rows are like these: split conformal prediction, from the errors on {rows:,} evaluated rows. The width is "
        "the same for every row: where errors grow with the prediction, it is too wide for some and too narrow for "
        "others."
    )


def _distribution(edges: Sequence[float], negative: Sequence[int], positive: Sequence[int]) -> NumberTable:
    """Join bars two by two while they are too many; leave out those without rows."""
    bars = [list(bar) for bar in zip(edges, edges[1:], negative, positive, strict=False)]
    while len(bars) > _MOST:
        pairs = [bars[place : place + 2] for place in range(0, len(bars), 2)]
        bars = [[pair[0][0], pair[-1][1], sum(one[2] for one in pair), sum(one[3] for one in pair)] for pair in pairs]
    lines = [[f"{low:.2f}", f"{high:.2f}", f"{no:,.0f}", f"{yes:,.0f}"] for low, high, no, yes in bars if no or yes]
    return NumberTable("Predictions by what was true", ["Probability from", "to", "Negative", "Positive"], lines)


def _thinned(lines: Sequence[Any]) -> list[Any]:
    """Choose evenly, the first and the last among them."""
    chosen = np.unique(np.linspace(0, len(lines) - 1, min(_MOST, len(lines))).round().astype(int))
    return [lines[place] for place in chosen]
