"""How good a model is before labels are there: what its own scores say, once they are calibrated to the rows of today.

PAPE (Białek, Kivimäki, Kuberski, Perrakis, "Estimating model performance under covariate shift without labels", arXiv
2401.08348, section 4): a classifier tells the rows of production from those of the reference; its odds are the density
ratio w(x) (their equation 10). The scores are calibrated on the reference's labels with these weights (isotonic
regression), and the expected metric follows from the calibrated probabilities of production (their equations 4 to 6).
It sees rows of another mix, and no change of what a row means: for that, labels are needed.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.watch.sequences import normal_quantile

Array = npt.NDArray[Any]

BLOCKS = 20
"""Rows of both tables are dealt into them; the estimate without each of them tells its standard error (jackknife)."""
BINS = 100
"""Of scores, by quantiles of both tables: within one all rows are alike."""
_MOST_WEIGHT = 50.0
"""Of a row of the reference, beside the mean: one row must not stand for a whole table."""
_SHRINK = 1e-6


class Estimate(NamedTuple):
    """An estimate of a metric, its standard error, and the number of errors behind that (for Student's t)."""

    value: float
    error: float
    freedom: float = math.inf

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return where it lies with this confidence."""
        reach = self.reach(0.5 + confidence / 2)
        return self.value - reach, self.value + reach

    def reach(self, probability: float) -> float:
        """Return how far above the estimate this quantile of the metric is."""
        if math.isinf(self.freedom):
            return float(normal_quantile(probability)) * self.error
        from scipy.special import stdtrit

        return float(stdtrit(self.freedom, probability)) * self.error


def density_ratio(reference: Array, production: Array, categorical: list[int] | None = None) -> Array:
    """Return the weight of each row of the reference, on average 1: how much likelier it is in production.

    Args:
        reference, production: (rows, columns) of numbers; NaN where a value is missing, categories as whole numbers.
    """
    import lightgbm

    rng = np.random.default_rng(7)
    of_reference, of_production = rng.integers(0, 2, len(reference)), rng.integers(0, 2, len(production))
    every = max(1, len(reference) // max(len(production), 1000))
    settings = {
        "objective": "binary",
        "num_leaves": 15,
        "learning_rate": 0.1,
        "min_data_in_leaf": 50,
        "verbosity": -1,
        "num_threads": 2,
        "deterministic": True,
        "force_col_wise": True,
        "seed": 7,
        "max_bin": 63,
        "feature_fraction": min(1.0, max(0.1, 100 / reference.shape[1])),
    }
    share = np.empty(len(reference))
    for part in (0, 1):  # no row is judged by a classifier that has seen it
        asked, first, second = (
            of_reference == part,
            reference[of_reference != part][::every],
            production[of_production != part],
        )
        if not asked.any() or not len(first) or not len(second):
            share[asked] = 0.5
            continue
        target = np.repeat([0, 1], [len(first), len(second)])
        balance = np.repeat([len(second) / len(first), 1.0], [len(first), len(second)])
        data = lightgbm.Dataset(
            np.concatenate([first, second]), target, weight=balance, categorical_feature=categorical or []
        )
        told = lightgbm.train(settings, data, num_boost_round=40)
        share[asked] = np.asarray(told.predict(reference[asked]))
    share = np.clip(share, 1e-4, 1 - 1e-4)
    weights = share / (1 - share)
    weights = np.minimum(weights / weights.mean(), _MOST_WEIGHT)
    return np.asarray(weights / weights.mean())


def isotonic(values: Array, weights: Array) -> Array:
    """Return the ascending values that are nearest to these, by weighted squares; bins without weight follow others."""
    from scipy.optimize import isotonic_regression

    found = isotonic_regression(values, weights=np.maximum(weights, 1e-12)).x
    return np.asarray(found)


def estimate_binary(scores: Array, labels: Array, weights: Array, production: Array) -> dict[str, Estimate]:
    """Estimate log loss and area under the ROC curve of scores (rows,) of production.

    Args:
        scores, labels, weights: (rows,) of the reference.
    """
    edges = np.unique(np.quantile(np.concatenate([scores, production]), np.linspace(0, 1, BINS + 1)[1:-1]))
    of_reference, of_production = np.searchsorted(edges, scores, "right"), np.searchsorted(edges, production, "right")
    size = len(edges) + 1
    rng = np.random.default_rng(7)
    first, second = rng.integers(0, BLOCKS, len(scores)), rng.integers(0, BLOCKS, len(production))
    weight = _by_block(first, of_reference, weights, size)
    positive = _by_block(first, of_reference, weights * labels, size)
    rows = _by_block(second, of_production, np.ones(len(production)), size)
    clipped = np.clip(production, 1e-7, 1 - 1e-7)
    if_one = _by_block(second, of_production, -np.log(clipped), size)
    if_zero = _by_block(second, of_production, -np.log1p(-clipped), size)

    def of(*sums: Array) -> Array:
        weight, positive, rows, if_one, if_zero = sums
        prior = positive.sum() / max(weight.sum(), _SHRINK)
        found = isotonic((positive + _SHRINK * prior) / (weight + _SHRINK), weight + _SHRINK)
        loss = (found * if_one + (1 - found) * if_zero).sum() / rows.sum()
        hits, misses = found * rows, (1 - found) * rows
        below = np.cumsum(misses) - misses / 2
        area = (hits * below).sum() / max(hits.sum() * misses.sum(), 1e-12)
        return np.array([loss, area])

    sums = (weight, positive, rows, if_one, if_zero)
    totals = [one.sum(axis=0) for one in sums]
    whole = of(*totals)
    error = np.zeros(2)
    for chosen in ((0, 1), (2, 3, 4)):  # labels of the reference and rows of production are two sources of chance
        without = [
            of(*(total - one[block] if place in chosen else total for place, (one, total) in enumerate(pairs)))
            for block in range(BLOCKS)
            for pairs in [list(zip(sums, totals, strict=True))]
        ]
        error += (BLOCKS - 1) / BLOCKS * ((np.array(without) - np.mean(without, axis=0)) ** 2).sum(axis=0)
    return {name: Estimate(float(whole[k]), math.sqrt(error[k])) for k, name in enumerate(("log_loss", "auc"))}


def estimate_mean(losses: Array, weights: Array, scores: Array, production: Array) -> Estimate:
    """Estimate the mean loss in production from that of reference rows of like scores (direct loss estimation).

    It serves where the loss is not told by the score alone: several classes, where `scores` are the greatest
    probabilities, and numbers.
    """
    edges = np.unique(np.quantile(np.concatenate([scores, production]), np.linspace(0, 1, 51)[1:-1]))
    size = len(edges) + 1
    place, there = np.searchsorted(edges, scores, "right"), np.searchsorted(edges, production, "right")
    overall = float((weights * losses).sum() / weights.sum())
    prior = 5.0  # rows' worth of the overall mean, for bins that few rows are in

    rng = np.random.default_rng(7)
    first, second = rng.integers(0, BLOCKS, len(scores)), rng.integers(0, BLOCKS, len(production))
    weight = _by_block(first, place, weights, size)
    total = _by_block(first, place, weights * losses, size)
    rows = _by_block(second, there, np.ones(len(production)), size)

    def of(weight: Array, total: Array, rows: Array) -> float:
        mean = (total + prior * overall) / (weight + prior)
        return float((mean * rows).sum() / rows.sum())

    whole = of(weight.sum(0), total.sum(0), rows.sum(0))
    error = 0.0
    for is_reference in (True, False):
        without = np.array(
            [
                of(
                    weight.sum(0) - weight[block] * is_reference,
                    total.sum(0) - total[block] * is_reference,
                    rows.sum(0) - rows[block] * (not is_reference),
                )
                for block in range(BLOCKS)
            ]
        )
        error += (BLOCKS - 1) / BLOCKS * float(((without - without.mean()) ** 2).sum())
    return Estimate(whole, math.sqrt(error))


def _by_block(block: Array, place: Array, values: Array, size: int) -> Array:
    """Add up values by block and bin; (BLOCKS, size)."""
    return np.bincount(block * size + place, values, BLOCKS * size).reshape(BLOCKS, size)
