"""What the rows of a window lose more than their own scores expect, at an unchanged base rate: a loss with the chance
taken out that says nothing about the model.

The log loss of a row is its entropy by the score, which depends on the mix of rows alone, and (y - p)(-z), with z the
logit of the score p: its mean is 0 while scores are calibrated. Of this, (y - p)(-c) is how far the base rate is off.
With c the mean of z weighted by p(1 - p), the remainder (y - p)(c - z) has nothing in common with that, and with the
flights a third of the log loss's variance: both are control variates whose mean is known (Glasserman, Monte Carlo
Methods in Financial Engineering, section 4.1). It is also the score test of a slope of 1 in a logistic recalibration
(Cox, Biometrika 1958). It does not see a base rate that moves; the log loss itself does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.tallies import BUCKETS, Tally
from pipeline.watch.realized import tally_of

if TYPE_CHECKING:
    from pipeline.watch.reference import Reference

Array = npt.NDArray[Any]


def center_of(tally: Tally) -> float:
    """Return the mean logit, weighted by p(1 - p)."""
    p, counts = _scores(tally)
    weight = counts.sum(axis=0) * p * (1 - p)
    return float((weight * _logit(p)).sum() / max(weight.sum(), 1e-12))


def promised_excess(reference: Reference) -> tuple[float, Array]:
    """Return the center of a version's scores and the moments of its excess, of all its evaluation rows; where its file
    is of an earlier Longhaul, of those that it has."""
    if reference.excess:
        return reference.excess[0], np.array(reference.excess[1:])
    tally = tally_of("binary", reference.truth, reference.scores)
    center = center_of(tally)
    return center, moments(tally, center)


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
