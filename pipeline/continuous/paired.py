"""The paired sequential test: does the challenger lose more than the champion, on the same labelled rows?

Of each row that both have answered and whose label is known, the difference of the losses, challenger minus champion,
is one observation. The confidence sequence of its mean is that of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas,
"Time-uniform central limit theory and asymptotic confidence sequences" (arXiv 2103.06476, the one-sided form of their
Theorem 2.2, with the running variance in place of a known one), which holds at all times at once: it may be looked at
at any time, as often as one likes.

A step is passed once the upper bound is below what may be lost. A model that loses more than that passes the first
step with a probability of at most delta, and it must pass all of them to be promoted. It is aborted once a lower bound
is above 0; all tests that may abort it share delta for that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pipeline.watch.sequences import Array, best_rho, margin

PASS, ABORT, WAIT = "pass", "abort", "wait"
BY = "labels, on rows that both have answered"
_TUNED_TO = 2_000
"""Rows for which the bounds are tightest."""


@dataclass(frozen=True)
class Pairs:
    """Sums over rows that both answered.

    Attributes:
        rows: how many; total, square: sums of the differences of the losses, challenger minus champion, and of their
            squares.
        champion, challenger: sums of the losses.
    """

    rows: int = 0
    total: float = 0.0
    square: float = 0.0
    champion: float = 0.0
    challenger: float = 0.0

    def __add__(self, other: Pairs) -> Pairs:
        return Pairs(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Judgement:
    """What a look at a step found.

    Attributes:
        action: pass, abort or wait; because: a sentence.
        mean: difference of the mean losses, challenger minus champion; least, most: its bounds.
        by: what it rests on.
    """

    action: str
    because: str
    rows: int
    mean: float
    least: float
    most: float
    by: str = BY


def pairs_of(champion: Array, challenger: Array) -> Pairs:
    """Return the sums over rows with these losses."""
    difference = np.asarray(challenger, float) - np.asarray(champion, float)
    return Pairs(
        len(difference),
        float(difference.sum()),
        float((difference**2).sum()),
        float(np.sum(champion)),
        float(np.sum(challenger)),
    )


def bounds(rows: Array, total: Array, square: Array, delta: float) -> Array:
    """Return how far the mean may be from what it was, to each side with a probability of delta at all times together;
    shape as `rows`."""
    rows = np.asarray(rows, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.maximum(np.asarray(square, float) / rows - (np.asarray(total, float) / rows) ** 2, 0)
        # Models that answer alike have differences of 0: the least variance keeps the bounds finite.
        each = np.maximum(variance, 1e-18)
        rho = best_rho(_TUNED_TO * each, delta)
        return margin(rows, rows * each, rho, delta)


def judge(pairs: Pairs, *, may_lose: float, delta: float, aborts: int, fewest: int) -> Judgement:
    """Judge a step by its pairs.

    Args:
        may_lose: how much more the challenger may lose a row; aborts: tests that may abort it, over the whole rollout.
        fewest: with fewer rows nothing is said: the bounds rest on a central limit theorem.
    """
    if pairs.rows < fewest:
        mean = pairs.total / pairs.rows if pairs.rows else math.nan
        said = f"{pairs.rows:,} of {fewest:,} labelled rows that both have answered are there"
        return Judgement(WAIT, said, pairs.rows, mean, -math.inf, math.inf)
    mean = pairs.total / pairs.rows
    most = mean + float(bounds(np.array(pairs.rows), np.array(pairs.total), np.array(pairs.square), delta))
    least = mean - float(bounds(np.array(pairs.rows), np.array(pairs.total), np.array(pairs.square), delta / aborts))
    said = f"on {pairs.rows:,} labelled rows the challenger loses {mean:+.5f} a row against the champion"
    if least > 0:
        return Judgement(ABORT, f"{said}, surely more: at least {least:+.5f}", pairs.rows, mean, least, most)
    if most < may_lose:
        return Judgement(
            PASS, f"{said}, at most {most:+.5f}, where {may_lose:g} may be lost", pairs.rows, mean, least, most
        )
    said = f"{said}, between {least:+.5f} and {most:+.5f}: not sure yet"
    return Judgement(WAIT, said, pairs.rows, mean, least, most)
