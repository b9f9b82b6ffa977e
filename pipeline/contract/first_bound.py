"""The first threshold of a model: not clearly worse than a guess, which in few rows is less than better than one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_HELD_OUT = 0.2
"""The share of rows that judges the model, in the configuration that `init` writes."""
_CONFIDENCE = 0.95
"""That of the intervals beside the metrics (evaluation.confidence)."""
_AUC = 0.55
_GAIN = 0.01
"""What is asked of an accuracy, beyond that of the commonest class."""
_FEW_JUDGING = 1_000
"""Rows that judge; with fewer of them a person is told how far chance goes."""
_FEW_OF_A_CLASS = 20
"""Rows of the rarer class in the whole table; with fewer of them, those that judge may hold none, and no AUC."""


@dataclass(frozen=True)
class FirstBound:
    """A metric, its bound as `evaluation.thresholds` has it, and the sentence that goes with it."""

    metric: str
    bound: str
    why: str


def bound_of_classes(counts: Sequence[int]) -> FirstBound:
    """Return the bound of a classification, by the rows of each class.

    Of two classes it is an AUC of 0.55, of several the accuracy of the commonest class and 0.01 more; less what chance
    takes from it in the rows that judge, in one of 40 tables. The spread of an AUC is that of the Mann-Whitney
    statistic (Mann, Whitney, Annals of Mathematical Statistics 18, 1947), that of an accuracy the binomial one.
    """
    from scipy import stats

    judging = _judging(sum(counts))
    if len(counts) == 2 and min(counts) >= _FEW_OF_A_CLASS:
        lower, higher = (count * _HELD_OUT for count in sorted(counts))
        reach = float(stats.norm.ppf(0.5 + _CONFIDENCE / 2)) * math.sqrt((lower + higher + 1) / (12 * lower * higher))
        asked, least, metric = _AUC, max(0.0, _AUC - reach), "auc"
        guess = "a guess has 0.5"
    else:
        commonest = max(counts) / sum(counts)
        asked, metric = min(0.99, commonest + _GAIN), "accuracy"
        least = float(stats.binom.ppf((1 - _CONFIDENCE) / 2, judging, asked)) / judging
        guess = f"a guess, always the commonest class, has {commonest:.2f}"
    digits = 2 if judging < _FEW_JUDGING else 3
    bound = math.floor(min(asked, least) * 10**digits) / 10**digits
    return FirstBound(metric, f"at_least: {bound:.{digits}f}", _why(judging, guess))


def bound_of_amounts(values: npt.NDArray[np.float64]) -> FirstBound:
    """Return the bound of a regression: the error of always giving the mean, and what chance adds to it.

    The mean of squared errors in the rows that judge spreads as their own spread over the square root of how many
    there are (central limit theorem; Student's t, since of few rows that spread is hardly known).
    """
    from scipy import stats

    judging = _judging(len(values))
    squared = (values - values.mean()) ** 2
    error = math.sqrt(squared.mean())
    reach = float(stats.t.ppf(0.5 + _CONFIDENCE / 2, judging) * squared.std()) / math.sqrt(judging)
    most = math.sqrt(squared.mean() + reach)
    return FirstBound("rmse", f"at_most: {most:.4g}", _why(judging, f"a guess, always the mean, has {error:.4g}"))


def _judging(rows: int) -> int:
    return max(1, round(rows * _HELD_OUT))


def _why(judging: int, guess: str) -> str:
    if judging >= _FEW_JUDGING:
        return f"{guess}; ask for more once you know what the model can do"
    return f"{guess}; only some {judging:,} rows judge, so chance is allowed for: ask for more when there are more"
