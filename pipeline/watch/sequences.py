"""Bounds that may be looked at at any time: whether a loss is above what was promised, with few false alarms.

Lower confidence sequences (Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit theory and
asymptotic confidence sequences", arXiv 2103.06476, the one-sided form of their Theorem 2.2 and, for `best_rho`, the
approximation of their appendix on tuning) hold at all times at once but for a probability of delta. An alarm is the
test of Podkopaev and Ramdas, "Tracking the risk of a deployed model and detecting harmful distribution shifts" (arXiv
2110.06177, equation 7): the lower bound of the running loss is above the upper bound of the loss in training plus a
tolerance; the false alarms of both bounds add up.

A long good history would hide a change that came late: so a new sequence begins with each window, and the k-th spends
delta 6 / (pi k)^2, which adds up to delta over all windows that there will ever be.

All arrays may have leading axes, for simulations of many lives at once.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

FEWEST_ROWS = 200
"""With fewer labelled rows nothing is said: the bounds rest on a central limit theorem."""


class Groups(NamedTuple):
    """Losses in the order in which their labels came, as groups of rows; shape (…, groups).

    Attributes:
        rows: in each group; may be 0.
        mean: of their losses.
        variance: of one row's loss.
    """

    rows: Array
    mean: Array
    variance: Array


def best_rho(variance: Array, delta: float | Array) -> Array:
    """Return the parameter with which the bound is tightest when the variances of the rows add up to `variance`."""
    log = -2 * np.log(2 * np.minimum(delta, 0.49))
    return np.sqrt((log + np.log(log + 1)) / np.maximum(variance, 1e-300))


def margin(rows: Array, variance: Array, rho: Array, delta: float | Array) -> Array:
    """Return how far below the mean of the losses the one-sided bound is, once `rows` of them are known.

    Args:
        variance: what the rows' variances add up to; rho: see `best_rho`, chosen before the rows were seen.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = variance * rho**2 + 1
        inside = 2 * scale / (rows**2 * rho**2) * np.log1p(np.sqrt(scale) / (2 * delta))
        return np.where(rows > 0, np.sqrt(inside), np.inf)


def spent(delta: float, number: Array | int) -> Array:
    """Return the part of delta that the sequence or test with this number, from 1, may use; all of them have delta."""
    return np.asarray(delta * 6 / (math.pi * np.asarray(number, float)) ** 2)


def lower_bounds(
    groups: Groups,
    delta: float,
    typical_variance: float | Array,
    fewest: int = FEWEST_ROWS,
    longest: int | None = None,
    forgotten: int = 0,
) -> Array:
    """Return the highest lower bound that any sequence has after each group; shape (…, groups).

    Args:
        delta: how likely any of them is ever above the loss that the rows of its time have.
        typical_variance: of one row's loss in training; the sequences are tuned by it.
        fewest: rows with which something is said; longest: groups that a sequence is followed for, all when None.
        forgotten: groups that came before these, whose sequences have had their parts of delta.
    """
    rows, mean, variance = (np.asarray(one, float) for one in groups)
    count = rows.shape[-1]
    rows_until = np.cumsum(rows, axis=-1)
    losses_until = np.cumsum(np.where(rows > 0, rows * mean, 0), axis=-1)
    squares_until = np.cumsum(np.where(rows > 0, rows * (variance + mean**2), 0), axis=-1)
    best = np.full(rows.shape, -np.inf)
    for start in range(count):
        before = (..., slice(start - 1, start)) if start else None
        here = (..., slice(start, None if longest is None else start + longest))
        n = rows_until[here] - (rows_until[before] if before else 0)
        total = losses_until[here] - (losses_until[before] if before else 0)
        square = squares_until[here] - (squares_until[before] if before else 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            average = total / n
            spread = np.maximum(square - n * average**2, 0)
        part = spent(delta, forgotten + start + 1)
        planned = np.maximum(2 * rows[..., start : start + 1], fewest) * typical_variance
        bound = average - margin(n, spread, best_rho(planned, part), part)
        best[here] = np.fmax(best[here], np.where(n >= fewest, bound, -np.inf))
    return best


def upper_bound(mean: float, variance: float, rows: int, delta: float) -> float:
    """Return a bound that the loss in training is below but for a probability of delta: it was measured on `rows`."""
    return mean + float(normal_quantile(1 - delta)) * math.sqrt(variance / max(rows, 1))


def normal_quantile(share: float | Array) -> Any:
    """Return the quantile of the standard normal distribution."""
    from scipy.special import ndtri

    return ndtri(share)


def area_and_variance(negative: Array, positive: Array) -> tuple[Array, Array]:
    """Return the area under the ROC curve of counts by bin of the score, and its variance.

    The variance is that of DeLong, DeLong, Clarke-Pearson (Biometrics 1988, equation 5), for ties within a bin too.

    Args:
        negative, positive: rows of each class by bin, ascending; shape (…, bins).
    """
    negative, positive = np.asarray(negative, float), np.asarray(positive, float)
    m, n = positive.sum(-1, keepdims=True), negative.sum(-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        below = (np.cumsum(negative, -1) - negative / 2) / n  # of each positive row: how often it is above
        above = 1 - (np.cumsum(positive, -1) - positive / 2) / m
        area = (positive * below).sum(-1) / m[..., 0]
        first = (positive * (below - area[..., None]) ** 2).sum(-1) / (m[..., 0] - 1)
        second = (negative * (above - area[..., None]) ** 2).sum(-1) / (n[..., 0] - 1)
        return area, first / m[..., 0] + second / n[..., 0]
