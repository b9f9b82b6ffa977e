"""What moved: columns ranked by importance times shift, with the share of false ones among those named held down.

The shift is the Jensen-Shannon divergence (base 2) of counts by bin. Whether it is more than chance is told by the
likelihood ratio statistic G of equal distributions, whose p-value comes from chi-square; Benjamini and Hochberg (JRSS B
1995, their equation 1) hold the share of false discoveries over the columns. Rows of a log depend on each other and
weeks differ from weeks though nothing is wrong: G is divided by how much it was in the weeks before (the
overdispersion of McCullagh and Nelder, section 4.5), so that a column is named when it moved more than it used to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Moved:
    """One column in a window.

    Attributes:
        shift: the divergence, in [0, 1]; score: times its importance, by which columns are ranked.
        p: how likely a shift like that is by chance; named: whether it is among those that count.
        before, after: share of the rows without a value; what: in words.
    """

    column: str
    shift: float
    importance: float
    score: float
    p: float
    named: bool
    before: float
    after: float
    what: str = ""


def divergence(first: Array, second: Array) -> Array:
    """Return the Jensen-Shannon divergence to base 2 of counts (…, bins)."""
    a = first / np.maximum(first.sum(-1, keepdims=True), 1)
    b = second / np.maximum(second.sum(-1, keepdims=True), 1)
    middle = (a + b) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(one > 0, one * np.log2(one / middle), 0).sum(-1) for one in (a, b)]
    return np.maximum((parts[0] + parts[1]) / 2, 0)


def statistic(first: Array, second: Array) -> tuple[Array, Array]:
    """Return the likelihood ratio statistic G of the hypothesis that both come of one distribution, and its degrees of
    freedom; counts (…, bins)."""
    first, second = np.asarray(first, float), np.asarray(second, float)
    n, m = first.sum(-1, keepdims=True), second.sum(-1, keepdims=True)
    both = first + second
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = [both * n / (n + m), both * m / (n + m)]
        parts = [
            np.where(one > 0, one * np.log(one / e), 0).sum(-1)
            for one, e in zip((first, second), expected, strict=True)
        ]
    return 2 * (parts[0] + parts[1]), np.maximum((both > 0).sum(-1) - 1, 1)


def p_values(first: Array, second: Array, usual: Array | float = 1.0) -> Array:
    """Return how likely each shift is by chance; counts (columns, bins).

    Args:
        usual: how many times its degrees of freedom G was in the weeks before, by column.
    """
    from scipy.special import chdtrc

    found, freedom = statistic(first, second)
    return np.asarray(chdtrc(freedom, found / np.maximum(usual, 1.0)))


def discoveries(p: Array, rate: float) -> Array:
    """Return which of the p-values count if at most this share of those that do may be false ones."""
    order = np.argsort(p, kind="stable")
    passed = p[order] <= rate * np.arange(1, len(p) + 1) / max(len(p), 1)
    last = np.flatnonzero(passed).max(initial=-1)
    found = np.zeros(len(p), bool)
    found[order[: last + 1]] = True
    return found


def rank(
    columns: list[str],
    before: Array,
    after: Array,
    missing: tuple[Array, Array],
    importance: dict[str, float],
    usual: Array | float,
    rate: float,
) -> list[Moved]:
    """Return the columns, the one that explains most first.

    Args:
        before, after: counts by bin, (columns, bins); the last bin is of missing values.
        missing: shares of the rows without a value, before and after.
    """
    shift = divergence(before, after)
    p = p_values(before, after, usual)
    named = discoveries(p, rate)
    equal = 1 / max(len(columns), 1)
    found = []
    for k, name in enumerate(columns):
        weight = importance.get(name, 0.0 if importance else equal)
        score = float(shift[k]) * max(weight, 1e-3 * equal)
        shares = float(missing[0][k]), float(missing[1][k])
        found.append(Moved(name, float(shift[k]), weight, score, float(p[k]), bool(named[k]), *shares))
    return sorted(found, key=lambda one: (not one.named, -one.score, -one.shift, one.column))
