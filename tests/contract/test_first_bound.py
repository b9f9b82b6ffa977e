"""The first threshold lets a guess pass by chance hardly ever less often than it should, and asks more of many rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from sklearn import metrics

from pipeline.contract.first_bound import FirstBound, bound_of_amounts, bound_of_classes

TIMES = 200


def value_of(bound: FirstBound) -> float:
    return float(bound.bound.split(": ")[1])


@pytest.mark.parametrize("counts", [[20, 20], [30, 170], [60, 60], [25, 4_000]])
def test_a_model_as_good_as_a_guess_is_not_refused_by_chance_of_two_classes(counts: Sequence[int]) -> None:
    random, bound = np.random.default_rng(0), bound_of_classes(counts)
    assert bound.metric == "auc"
    labels = np.repeat([0, 1], [max(1, count // 5) for count in counts])
    passed = [metrics.roc_auc_score(labels, random.random(len(labels))) >= value_of(bound) for _ in range(TIMES)]
    assert np.mean(passed) > 0.9  # 0.975 of a model with an AUC of 0.55


@pytest.mark.parametrize("counts", [[5, 15], [7, 8, 9], [50, 40, 30], [300, 200, 100], [3, 400]])
def test_nor_of_several(counts: Sequence[int]) -> None:
    random, bound = np.random.default_rng(0), bound_of_classes(counts)
    assert bound.metric == "accuracy"
    judging = round(sum(counts) / 5)
    hits = random.binomial(judging, max(counts) / sum(counts), TIMES)
    assert (hits / judging >= value_of(bound)).mean() > 0.93


@pytest.mark.parametrize("rows", [10, 32, 150, 900])
@pytest.mark.parametrize("kind", ["normal", "lognormal", "exponential"])
def test_nor_of_amounts(rows: int, kind: str) -> None:
    random = np.random.default_rng(0)
    passed = []
    for _ in range(TIMES):
        values = getattr(random, kind)(size=rows)
        judging = np.arange(rows) < max(1, round(rows / 5))
        error = np.sqrt(((values[judging] - values[~judging].mean()) ** 2).mean())
        passed.append(error <= value_of(bound_of_amounts(values)))
    assert np.mean(passed) > 0.9


def test_of_many_rows_more_than_a_guess_is_asked() -> None:
    random = np.random.default_rng(0)
    assert value_of(bound_of_classes([200_000, 200_000])) == 0.545
    assert 0.5 < value_of(bound_of_classes([300_000, 100_000, 200_000])) <= 0.51
    assert value_of(bound_of_amounts(random.normal(size=400_000))) < 1.01


def test_a_model_much_worse_than_a_guess_is_refused_of_few_rows_too() -> None:
    assert value_of(bound_of_classes([60, 60])) > 0.3
    assert value_of(bound_of_classes([100, 20, 20])) > 0.5
    assert value_of(bound_of_amounts(np.random.default_rng(0).normal(size=150))) < 1.3


def test_the_sentence_says_what_a_guess_has_and_how_many_rows_judge() -> None:
    assert bound_of_classes([60, 60]).why.startswith("a guess has 0.5; only some 24 rows judge, so chance is allowed")
    assert "a guess, always the commonest class, has 0.50" in bound_of_classes([50, 30, 20]).why
    assert "a guess, always the mean, has 0.5" in bound_of_amounts(np.array([0.0, 1.0] * 50)).why
    assert "judge" not in bound_of_classes([6_000, 6_000]).why


@pytest.mark.parametrize("rare", range(1, 20))
def test_where_those_that_judge_may_hold_one_class_only_no_auc_is_asked_for(rare: int) -> None:
    assert bound_of_classes([rare, 200]).metric == "accuracy"
