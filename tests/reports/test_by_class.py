"""What a model does with each class and each tenth of its predictions."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.reports.by_class import classes_of, tenths_of, worst_pairs

CONFUSION = {"classes": ["a", "b", "c"], "rows": [[8, 2, 0], [1, 9, 0], [0, 5, 0]]}


def test_classes_the_worst_first() -> None:
    found = {one.name: one for one in classes_of({"challenger": {"confusion": CONFUSION}})}
    assert list(found) == ["c", "b", "a"]
    a = found["a"]
    assert (a.rows, a.called, a.precision, a.recall) == (10, 9, pytest.approx(8 / 9), pytest.approx(0.8))
    assert a.f1 == pytest.approx(16 / 19)
    assert a.recall_ends == pytest.approx((0.4902, 0.9433), abs=1e-4)  # Wilson's
    assert (found["c"].precision, found["c"].recall, found["c"].f1) == (None, 0.0, 0.0)  # never called so


def test_classes_in_order_stay_in_it() -> None:
    document = {"challenger": {"confusion": CONFUSION, "order": {"places_off": 0.3, "weighted_kappa": 0.5}}}
    assert [one.name for one in classes_of(document)] == ["a", "b", "c"]


def test_pairs_that_are_confused() -> None:
    found = worst_pairs({"challenger": {"confusion": CONFUSION}})
    assert [(pair.true, pair.predicted, pair.rows, pair.share) for pair in found] == [
        *(("c", "b", 5, 1.0), ("a", "b", 2, 0.2), ("b", "a", 1, 0.1)),
    ]


def test_the_last_of_forty_classes_is_confused_and_a_heap_is_not() -> None:
    names = [*(f"class {place}" for place in range(39)), "all the others"]
    rows = np.diag(np.full(40, 5)) + np.eye(40, k=39, dtype=int)
    confusion = {"classes": names, "rows": rows.tolist()}
    for told in ({}, {"rest": 0}):  # of an earlier version, and of this one
        (pair,) = worst_pairs({"challenger": {"confusion": confusion | told}})
        assert (pair.true, pair.predicted) == ("class 0", "all the others")
    assert worst_pairs({"challenger": {"confusion": confusion | {"rest": 21}}}) == []
    assert worst_pairs({"challenger": {"confusion": confusion | {"classes": [*names[:-1], "21 others"]}}}) == []


def test_the_error_by_tenth() -> None:
    predicted = [float(place) for place in range(100)]
    true = [value - 1 if value < 50 else value + 3 for value in predicted]
    found = tenths_of({"challenger": {"points": {"true": true, "predicted": predicted}}})
    assert [one.rows for one in found] == [10] * 10
    assert (found[0].low, found[0].high, found[0].mean_error, found[0].absolute_error) == (0, 9, 1, 1)
    assert (found[-1].mean_error, found[-1].absolute_error) == (-3, 3)
    assert tenths_of({"challenger": {"points": {"true": [1.0], "predicted": [1.0]}}}) == []


def test_other_tasks_have_none() -> None:
    assert classes_of(None) == []
    assert worst_pairs({"challenger": {}}) == []
    assert tenths_of({"challenger": {"confusion": CONFUSION}}) == []
