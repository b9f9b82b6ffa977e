"""Where to cut a number into bins: where the label changes most.

A regression tree of one number, grown best first on a histogram (Gorishniy, Rubachev, Babenko: On Embeddings for
Numerical Features in Tabular Deep Learning, NeurIPS 2022, section 3.2.2, "PLE-T"). Few rows that differ a lot from all
others, such as planes whose last flight cannot be back yet, get bins of their own; equal bins would drown them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_CELLS = 1000
ENOUGH_ROWS = 200_000
"""So many tell where the label changes, and tables of thousands of columns stay quick."""
_SMALLEST_SHARE = 0.01
"""Of the rows, in a bin that the label chose; smaller ones would be chance."""


def target_aware_edges(places: npt.NDArray[Any], targets: npt.NDArray[Any], bins: int) -> npt.NDArray[Any]:
    """Cut each number into `bins` bins.

    Args:
        places: (rows, n) in [0, 1], see trainer.preprocessing.
        targets: (rows,) numbers, or (rows, classes) ones and zeros.

    Returns:
        (n, bins + 1), rising from 0 to 1.
    """
    targets = targets.reshape(len(targets), -1)
    return np.stack([_edges(column, targets, bins) for column in places.T])


def _edges(places: npt.NDArray[Any], targets: npt.NDArray[Any], bins: int) -> npt.NDArray[Any]:
    cell = np.minimum((places * _CELLS).astype(np.int64), _CELLS - 1)
    rows = _running(np.bincount(cell, minlength=_CELLS))
    sums = np.stack([_running(np.bincount(cell, column, _CELLS)) for column in targets.T], axis=1)
    smallest = max(1.0, _SMALLEST_SHARE * len(places))

    def cut(first: int, last: int) -> tuple[float, int]:
        """Return how much cutting the cells first … last - 1 lessens the squared error, and the best place to do it."""
        inner = np.arange(first + 1, last)
        left, right = rows[inner] - rows[first], rows[last] - rows[inner]
        allowed = (left >= smallest) & (right >= smallest)
        if not allowed.any():
            return 0.0, first
        inner, left, right = inner[allowed], left[allowed, None], right[allowed, None]
        means = (sums[inner] - sums[first]) / left - (sums[last] - sums[inner]) / right
        gains = (left * right / (left + right) * means**2).sum(axis=1)
        best = int(gains.argmax())
        return float(gains[best]), int(inner[best])

    leaves = {(0, _CELLS): cut(0, _CELLS)}
    while len(leaves) < bins:
        (first, last), (gain, middle) = max(leaves.items(), key=lambda leaf: leaf[1][0])
        if gain <= 0:
            break
        del leaves[first, last]
        leaves |= {(first, middle): cut(first, middle), (middle, last): cut(middle, last)}
    edges = sorted({bound / _CELLS for leaf in leaves for bound in leaf})
    while len(edges) <= bins:  # always as many, so that one model can start from another's weights
        widest = int(np.diff(edges).argmax())
        edges.insert(widest + 1, (edges[widest] + edges[widest + 1]) / 2)
    return np.array(edges, np.float32)


def _running(counts: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.concatenate([[0.0], np.cumsum(counts, dtype=np.float64)])
