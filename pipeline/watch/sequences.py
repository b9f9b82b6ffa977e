"""Bounds that may be looked at at any time: whether a loss is above what was promised, with few false alarms.

Lower confidence sequences (Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit theory and
asymptotic confidence sequences", arXiv 2103.06476, the one-sided form of their Theorem 2.2 and, for `best_rho`, the
approximation of their appendix on tuning) hold at all times at once but for a probability of delta. An alarm is the
test of Podkopaev and Ramdas, "Tracking the risk of a deployed model and detecting harmful distribution shifts" (arXiv
2110.06177, equation 7): the lower bound of the running loss is above the upper bound of the loss in training plus a
tolerance; the false alarms of both bounds add up.

A long good history would hide a change that came late: so a new sequence begins with each window, and the k-th spends
delta 6 / (pi k)^2, which adds up to delta over all windows that there will ever be. Nor shall one very bad window be
harm for long, since the mean carries it: see `bounds_until_over`.

All arrays may have leading axes, for simulations of many lives at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

FEWEST_ROWS = 200
"""With fewer labelled rows nothing is said: the bounds rest on a central limit theorem."""


OVER = 0.1
"""How likely a harm that goes on is ever taken for over."""


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


class Bounds(NamedTuple):
    """What is known after each group; shape (…, groups).

    Attributes:
        least: the highest lower bound that any sequence has.
        over: whether a harm that was found before is over, so that what came until then counts no more.
        first: the group from which on rows count; lasts: whether a harm was found and is not over.
    """

    least: Array
    over: Array
    first: Array
    lasts: Array

    def counts(self, most: float | Array) -> Array:
        """Return whether a group's bound is above `most`, of shape (…), and no later group ended that harm."""
        ended = np.zeros(self.over.shape, bool)
        ended[..., :-1] = np.logical_or.accumulate(self.over[..., :0:-1], axis=-1)[..., ::-1]
        return np.asarray((self.least > np.asarray(most)[..., None]) & ~ended)


def counts_from(known: Sequence[Bounds]) -> Array:
    """Return after each group the first one that counts, once a harm is over by all metrics: of what harmed all rows,
    nothing is left for a part of them; 0 while none ended."""
    lasts = np.any([one.lasts for one in known], axis=0)
    first = np.max([one.first for one in known], axis=0)
    return np.asarray(np.maximum.accumulate(np.where(lasts, 0, first)))


def bounds_until_over(
    groups: Groups,
    most: float | Array,
    delta: float,
    typical_variance: float | Array,
    fewest: int = FEWEST_ROWS,
    longest: int | None = None,
    forgotten: int = 0,
    first: Array | None = None,
) -> Bounds:
    """Return what is known after each group.

    Once a bound is above `most`, upper confidence sequences begin with each later group, the k-th with its part of
    `OVER`. When one of them is below `most`, the harm is over: what came before that sequence counts no more. That only
    takes lower bounds away, so it adds no false alarm.

    Args:
        most: the greatest loss that is no harm; shape (…).
        delta: how likely any of them is ever above the loss that the rows of its time have.
        typical_variance: of one row's loss in training; the sequences are tuned by it.
        fewest: rows with which something is said; longest: groups that a sequence is followed for, all when None.
        forgotten: groups that came before these, whose sequences have had their parts of delta.
        first: the first group that counts, after each; see `counts_from`. It, too, only takes lower bounds away.
    """
    rows, mean, variance = (np.asarray(one, float) for one in groups)
    count = rows.shape[-1]
    nothing = np.zeros((*rows.shape[:-1], 1))
    rows_until, losses_until, squares_until = (
        np.concatenate([nothing, np.cumsum(np.where(rows > 0, one, 0), axis=-1)], axis=-1)
        for one in (rows, rows * mean, rows * (variance + mean**2))
    )
    part = spent(delta, forgotten + 1 + np.arange(count))
    rho = best_rho(np.maximum(2 * rows, fewest) * typical_variance, part)
    limit = np.broadcast_to(np.asarray(most, float), rows.shape[:-1])
    begin, harmed = np.zeros(limit.shape, int), np.full(limit.shape, -1)
    best, over = np.full(rows.shape, -np.inf), np.zeros(rows.shape, bool)
    begins, lasts = np.zeros(rows.shape, int), np.zeros(rows.shape, bool)
    for now in range(count):
        if first is not None:
            anew = begin < first[now]
            over[..., now] = anew & (harmed >= 0)
            begin, harmed = np.maximum(begin, first[now]), np.where(anew, -1, harmed)
        starts = np.arange(0 if longest is None else max(0, now + 1 - longest), now + 1)
        n, total, square = (
            one[..., now + 1, None] - one[..., starts] for one in (rows_until, losses_until, squares_until)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            average = total / n
            spread = np.maximum(square - n * average**2, 0)
        bound = np.where(n >= fewest, average - margin(n, spread, rho[..., starts], part[starts]), -np.inf)
        bound = np.where(starts >= begin[..., None], bound, -np.inf)
        harmed = np.where((harmed < 0) & (bound.max(axis=-1) > limit), now, harmed)
        if (harmed >= 0).any():
            number = starts - harmed[..., None]
            of_over = spent(OVER, np.maximum(number, 1))
            tuned = best_rho(np.maximum(4 * rows[..., starts], fewest) * typical_variance, of_over)
            better = average + margin(n, spread, tuned, of_over) < limit[..., None]
            better &= (number > 0) & (harmed >= 0)[..., None] & (n >= fewest)
            ended = better.any(axis=-1)
            over[..., now] |= ended
            begin = np.where(ended, starts[better.argmax(axis=-1)], begin)
            harmed = np.where(ended, -1, harmed)
            bound = np.where(starts >= begin[..., None], bound, -np.inf)
        best[..., now] = bound.max(axis=-1)
        begins[..., now], lasts[..., now] = begin, harmed >= 0
    return Bounds(best, over, begins, lasts)


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
