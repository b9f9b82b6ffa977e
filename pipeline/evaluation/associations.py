"""Which features tell the same: rank correlations of pairs of numbers (Spearman), on the rows that have both values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

MOST = 10
_LEAST = 0.7
"""Weaker correlations are not told."""
_MOST_COLUMNS = 300
_FEWEST_ROWS = 30
"""That have both values: of fewer, chance makes strong correlations."""


def strongest_pairs(columns: Mapping[str, pa.Array]) -> dict[str, Any]:
    """Return `looked_at`: how many columns; `pairs`: the strongest first, [{one, other, correlation, rows}].

    Args:
        columns: {feature: one value a row}; those that are no numbers are left out.
    """
    from scipy.stats import rankdata

    names: list[str] = []
    ranks = []
    for name, column in columns.items():
        if len(names) == _MOST_COLUMNS or not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
            continue
        if column.null_count == len(column):
            continue
        values = np.asarray(column.cast(pa.float64(), safe=False).fill_null(np.nan))
        rank = rankdata(values, nan_policy="omit")
        if np.nanstd(rank) > 0:
            names.append(name)
            ranks.append(rank - np.nanmean(rank))
    found: dict[str, Any] = {"looked_at": len(names), "pairs": []}
    if len(names) < 2:
        return found
    x = np.stack(ranks)
    there = np.isfinite(x).astype(np.float64)
    x = np.nan_to_num(x)
    counts, sums, squares = there @ there.T, x @ there.T, x**2 @ there.T
    counts = np.maximum(counts, 1.0)
    covariance = x @ x.T - sums * sums.T / counts
    spread = (squares - sums**2 / counts) * (squares.T - sums.T**2 / counts)
    told = (spread > 1e-9) & (counts >= _FEWEST_ROWS)
    rho = np.divide(covariance, np.sqrt(spread), out=np.zeros_like(covariance), where=told)
    ones, others = np.triu_indices(len(names), 1)
    strength = np.abs(rho[ones, others])
    for place in np.argsort(-strength, kind="stable")[:MOST]:
        if strength[place] >= _LEAST:
            one, other = int(ones[place]), int(others[place])
            pair = {"one": names[one], "other": names[other], "correlation": float(rho[one, other])}
            found["pairs"].append(pair | {"rows": int(counts[one, other])})
    return found
