"""What the rows of a window lose more than their own scores expect, at an unchanged base rate: a loss with the chance
taken out that says nothing about the model.

The log loss of a row is its entropy by the score, which depends on the mix of rows alone, and (y - p)(-z), with z the
logit of the score p: its mean is 0 while scores are calibrated. Of this, (y - p)(-c) is how far the base rate is off.
With c the mean of z weighted by p(1 - p), the remainder (y - p)(c - z) has nothing in common with that, and with the
flights a third of the log loss's variance: both are control variates whose mean is known (Glasserman, Monte Carlo
Methods in Financial Engineering, section 4.1). It is also the score test of a slope of 1 in a logistic recalibration
(Cox, Biometrika 1958). It does not see a base rate that moves; the log loss itself does.

Each delivery of labels is tested with those just before it, one to eight at a time, by a normal test against the mean
of training. Each test has a part of delta that is fixed before (`spent_slowly`), so that all that will ever be made
have delta together, however often somebody looks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.tallies import BUCKETS, Tally
from pipeline.watch.sequences import FEWEST_ROWS, OVER, Bounds, best_rho, margin, normal_quantile, spent

Array = npt.NDArray[Any]

LENGTHS = (1, 2, 4, 8)
"""Deliveries that are tested together."""
_SLOW = 50


def spent_slowly(delta: float, number: Array | int) -> Array:
    """Return the part of delta that the test with this number, from 1, may use: it is a half after 20 of them."""
    k = np.asarray(number, float)
    return delta * _SLOW / ((k + _SLOW - 1) * (k + _SLOW))


def center_of(tally: Tally) -> float:
    """Return the mean logit, weighted by p(1 - p)."""
    p, counts = _scores(tally)
    weight = counts.sum(axis=0) * p * (1 - p)
    return float((weight * _logit(p)).sum() / max(weight.sum(), 1e-12))


def moments(tally: Tally, center: float) -> Array:
    """Return rows, and the sums of the excess and of its square."""
    p, counts = _scores(tally)
    values = np.stack([0 - p, 1 - p]) * (center - _logit(p))
    return np.array([counts.sum(), (counts * values).sum(), (counts * values**2).sum()], float)


def _scores(tally: Tally) -> tuple[Array, Array]:
    """Return scores and how many rows of each label have them: (scores,), (2, scores)."""
    block_and_label, bucket = np.divmod(tally.cells, BUCKETS + 1)
    buckets, place = np.unique(bucket, return_inverse=True)
    counts = np.bincount(block_and_label % 2 * len(buckets) + place, tally.counts, 2 * len(buckets))
    return np.minimum((buckets + 0.5) / BUCKETS, 1 - 0.5 / BUCKETS), counts.reshape(2, -1)


def _logit(p: Array) -> Array:
    return np.asarray(np.log(p) - np.log1p(-p))


def excess_until_over(
    deliveries: Sequence[Array], promised: Array, may: float, delta: float, forgotten: int = 0
) -> Bounds:
    """Return after each delivery the greatest excess over training that is certain, but for delta (-inf where too few
    labels are there), and whether a harm that was found before is over.

    Once more is certain than may be, upper confidence sequences begin with each later delivery, as in
    `sequences.bounds_until_over`; what came before one that is low enough counts no more.

    Args:
        deliveries, promised: see `moments`, in the order in which labels came.
        may: the greatest excess that is no harm; forgotten: deliveries that came before these.
    """
    known, mean, variance = _mean(promised)
    error = math.sqrt(variance / max(known, 1))
    until = np.concatenate([np.zeros((1, 3)), np.cumsum(np.array(deliveries).reshape(-1, 3), axis=0)])
    best_of, ended = np.full(len(until) - 1, -math.inf), np.zeros(len(until) - 1, bool)
    first, lasts = np.zeros(len(until) - 1, int), np.zeros(len(until) - 1, bool)
    begin = harmed = 0
    for number in range(1, len(until)):
        reach = float(normal_quantile(1 - spent_slowly(delta, forgotten + number) / len(LENGTHS)))

        def best(begin: int, number: int = number, reach: float = reach) -> float:
            sums = [_mean(until[number] - until[number - length]) for length in LENGTHS if number >= begin + length]
            least = [
                here - mean - reach * math.hypot(math.sqrt(spread / max(rows, 1)), error)
                for rows, here, spread in sums
                if rows >= FEWEST_ROWS
            ]
            return max(least, default=-math.inf)

        least = best(begin)
        if not harmed and least > may:
            harmed = number
        over = 0
        if harmed:
            over = _better_since(until, harmed, number, mean + may + reach * error, variance)
        if over:
            begin, harmed, least = over - 1, 0, best(over - 1)
        best_of[number - 1], ended[number - 1] = least, bool(over)
        first[number - 1], lasts[number - 1] = begin, bool(harmed)
    return Bounds(best_of, ended, first, lasts)


def _better_since(until: Array, harmed: int, number: int, limit: float, variance: float) -> int:
    """Return the first delivery after the harmed one since which the excess is surely below a limit; 0: none."""
    starts = np.arange(harmed + 1, number + 1)
    rows, total, square = (until[number] - until[starts - 1]).T
    here = total / np.maximum(rows, 1)
    part = spent(OVER, starts - harmed)
    planned = np.maximum(4 * (until[starts, 0] - until[starts - 1, 0]), FEWEST_ROWS) * variance
    reach = margin(rows, np.maximum(square - rows * here**2, 0), best_rho(planned, part), part)
    low = (rows >= FEWEST_ROWS) & (here + reach < limit)
    return int(starts[low.argmax()]) if low.any() else 0


def _mean(sums: Array) -> tuple[float, float, float]:
    rows = float(sums[0])
    mean = float(sums[1]) / max(rows, 1)
    return rows, mean, max(float(sums[2]) / max(rows, 1) - mean**2, 0.0)
