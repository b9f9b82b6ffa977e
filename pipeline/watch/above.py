"""Whether more is lost than training promised: is it real, and does it matter, asked one after the other.

Each delivery of labels is tested with those just before it (1, 2, 4 and so on), by a normal test of the difference of
two means, that of the deliveries and that of training, whose variances add up. Nothing is added for what may be lost:
that is asked of what is found. It matters where the difference itself is more than may be lost.

All deliveries since the first one are tested, too, by a confidence sequence. The promise's error is in each of these
differences, so that they move as a Brownian motion does in the time 1 / variance, which ends where the promise's error
is all that is left (Jennison and Turnbull, Group Sequential Methods, section 3.1). So a loss that is there from the
first day on is told where it is 3.7 standard errors; tests of 64 deliveries, each with its part, need 4.7.

Each test has a part of delta that is fixed before, however often somebody looks. Tests overlap and share the promise,
so that they err together: the levels add up to `OVERLAP` times delta, those of sequences to `SINCE` times delta, and a
false alarm has a probability of at most delta all the same. Both factors are by simulation of normal means, in lives of
up to 1,500 deliveries (tests/watch/test_excess.py has some of 104).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.watch.sequences import FEWEST_ROWS, OVER, Bounds, best_rho, margin, normal_quantile, spent

Array = npt.NDArray[Any]

LENGTHS = {1: 0.04, 2: 0.7, 4: 0.1, 8: 0.08} | {2**power: 0.01 for power in range(4, 12)}
"""Deliveries that are tested together, and the share of delta that such tests have: most where two weeks tell. Hours
and days have few rows each, so that many of them tell together what one does not."""
OVERLAP, SINCE = 1.3, 0.25
_SLOW = 20
_PLANNED = 30
"""Deliveries after which a sequence is tightest."""
_LEAST = 1e-30
"""No difference has a smaller variance, so that one can divide by it."""


def spent_slowly(delta: float, number: Array | int) -> Array:
    """Return the part of delta that tests with this number, from 1, may use: it is a half after 20 of them."""
    k = np.asarray(number, float)
    return delta * _SLOW / ((k + _SLOW - 1) * (k + _SLOW))


def level(delta: float, number: int, length: int) -> float:
    """Return the level of a test of so many deliveries (`length`) that ends with delivery `number`."""
    return float(OVERLAP * spent_slowly(delta, number) * LENGTHS[length])


def above_promise(
    deliveries: Sequence[Array] | Array, promised: Array, may: float, delta: float, forgotten: int = 0
) -> Bounds:
    """Return after each delivery how much more than promised is surely lost, but for delta, where that matters: at most
    0 where the loss may be so much; -inf where too few labels are there; and whether a harm that was found is over.

    Once more is surely lost, upper confidence sequences begin with each later delivery, as in
    `sequences.bounds_until_over`; what came before one that is low enough counts no more.

    Args:
        deliveries, promised: rows, and the sums of the loss and of its square, in the order in which labels came.
        may: the greatest loss above the promise that does not matter; forgotten: deliveries that came before these.
    """
    known, mean, variance = _mean(promised)
    error = math.sqrt(variance / max(known, 1))
    until = np.concatenate([np.zeros((1, 3)), np.cumsum(np.array(deliveries).reshape(-1, 3), axis=0)])
    best_of, ended = np.full(len(until) - 1, -math.inf), np.zeros(len(until) - 1, bool)
    first, lasts = np.zeros(len(until) - 1, int), np.zeros(len(until) - 1, bool)
    reaches = normal_quantile(
        1 - np.array([[level(delta, forgotten + k, length) for length in LENGTHS] for k in range(1, len(until))])
    )
    begin = harmed = 0

    def since(begin: int, off: float) -> float:
        rows = _PLANNED * float(until[begin + 1, 0] - until[begin, 0])
        planned = variance / max(rows, FEWEST_ROWS) + error**2
        return _reach(off, planned, float(spent(SINCE * delta, forgotten + begin + 1)))

    for number in range(1, len(until)):

        def best(begin: int, number: int = number) -> float:
            least = -math.inf
            for length, reach in [*zip(LENGTHS, reaches[number - 1], strict=True), (number - begin, None)]:
                if length > number - begin:
                    continue
                rows, here, spread = _mean(until[number] - until[number - length])
                if rows >= FEWEST_ROWS:
                    off = spread / rows + error**2
                    surely = here - mean - (since(begin, off) if reach is None else float(reach) * math.sqrt(off))
                    least = max(least, surely if here - mean > may else min(surely, 0.0))
            return least

        least = best(begin)
        if not harmed and least > 0:
            harmed = number
        over = 0
        if harmed:
            limit = mean + may + min(float(reaches[number - 1].min()) * error, since(begin, error**2))
            over = _better_since(until, harmed, number, limit, variance)
        if over:
            begin, harmed, least = over - 1, 0, best(over - 1)
        best_of[number - 1], ended[number - 1] = least, bool(over)
        first[number - 1], lasts[number - 1] = begin, bool(harmed)
    return Bounds(best_of, ended, first, lasts)


def _reach(off: float, planned: float, part: float) -> float:
    """Return how far above 0 a difference is ever with a probability of at most `part`, by its variance."""
    known, tuned = (np.array(1 / max(one, _LEAST)) for one in (off, planned))
    return float(margin(known, known, best_rho(tuned, part), part))


def _better_since(until: Array, harmed: int, number: int, limit: float, variance: float) -> int:
    """Return the first delivery after the harmed one since which the loss is surely below a limit; 0: none."""
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
