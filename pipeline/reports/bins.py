"""Histograms of one column in several splits, brought to the same bins, so that their bars can be compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

Bar = tuple[float, float, float]
"""Lowest value, highest value, share of the values."""

FEW_ROWS_IN_A_BIN = 10
"""Of the calibration: no line goes through a bin with fewer."""
_MOST_BEYOND = 10
"""Bins on each side of the model's, where another split reaches farther; a model is narrow below that part of all."""


def common(histograms: Mapping[str, Sequence[Bar]]) -> dict[str, list[Bar]]:
    """Return the histograms with the bins of the first that is not narrow, continued to the others' extremes.

    TFDV's bins reach from the least to the greatest value of each split. The bars of the split that gives its bins
    stay as they are; the others' are cut and joined as if the values within a bar were spread evenly. Histograms
    without bars are left out; so are all if every value is the same.
    """
    known = {split: list(bars) for split, bars in histograms.items() if bars}
    low = min((bars[0][0] for bars in known.values()), default=0.0)
    high = max((bars[-1][1] for bars in known.values()), default=0.0)
    if not 0 < high - low < math.inf:
        return {}
    narrow = (high - low) / _MOST_BEYOND
    edges = _edges(next((bars for bars in known.values() if bars[-1][1] - bars[0][0] >= narrow), None), low, high)
    return {split: _cut(bars, edges) for split, bars in known.items()}


def _edges(model: list[Bar] | None, low: float, high: float) -> list[float]:
    """Return bounds, ascending, from `low` or below to `high` or above."""
    if model is None:  # few values, far apart
        return _steps(low, high, 0.0)
    widest = max(bar[1] - bar[0] for bar in model)
    inner = [model[0][0], *(bar[1] for bar in model)]
    below = [-edge for edge in _steps(-inner[0], -low, widest)[:0:-1]]
    return below + inner + _steps(inner[-1], high, widest)[1:]


def _steps(start: float, end: float, width: float) -> list[float]:
    """Return bounds from `start` to `end` or a little beyond; as wide as said unless that were too many."""
    if end <= start:
        return [start]
    width = max(width, (end - start) / _MOST_BEYOND)
    return [start + i * width for i in range(math.ceil((end - start) / width) + 1)]


def _cut(bars: list[Bar], edges: list[float]) -> list[Bar]:
    if edges == [bars[0][0], *(bar[1] for bar in bars)]:
        return bars
    below = [0.0, *(_share_up_to(bars, edge) for edge in edges[1:])]  # a bound counts with the bar below it
    return [(low, high, b - a) for (low, high), (a, b) in zip(pairwise(edges), pairwise(below), strict=True)]


def _share_up_to(bars: list[Bar], value: float) -> float:
    share = 0.0
    for low, high, part in bars:
        if high <= value:
            share += part
        elif low < value:
            share += part * (value - low) / (high - low)
    return share
