"""Curves in numbers that rows give."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from pipeline.evaluation.curves import curves
from pipeline.evaluation.row_sample import RowSample
from pipeline.evaluation.tallies import Tally, rows_of

LABELS = np.array([0, 1, 0, 1, 1])
PROBABILITIES = np.array([[0.1], [0.4], [0.4], [0.8], [0.9]])


def tally(task: str, labels: np.ndarray, predictions: np.ndarray) -> Tally:
    return rows_of(task, labels, predictions, np.arange(len(labels)) % 20).tally(np.arange(len(labels)))


def test_two_classes() -> None:
    found = curves("binary", ["0", "1"], [tally("binary", LABELS, PROBABILITIES)], None, 0.95)
    assert found.keys() == {"task", "challenger"}
    own = found["challenger"]
    assert own["roc"] == {
        "false_positive_rate": [0, 0, 0, 0.5, 1],
        "true_positive_rate": [0, 0.33333, 0.66667, 1, 1],
    }
    assert own["precision_recall"] == {"recall": [0.33333, 0.66667, 1, 1], "precision": [1, 1, 0.75, 0.6]}
    assert own["thresholds"]["threshold"] == [0.9, 0.8, 0.4, 0.1]
    assert own["thresholds"]["flagged"] == [0.2, 0.4, 0.8, 1]
    assert sum(own["distribution"]["positive"]) == 3
    assert own["distribution"]["negative"][5] == own["distribution"]["negative"][20] == 1
    assert own["calibration"]["predicted"] == pytest.approx([0.1, 0.4, 0.8, 0.9])
    assert own["calibration"]["came_true"] == [0, 0.5, 1, 1]
    assert own["calibration"]["rows"] == [1, 2, 1, 1]
    # Wilson's interval of 1 of 2
    assert (own["calibration"]["low"][1], own["calibration"]["high"][1]) == pytest.approx((0.0945, 0.9055), abs=1e-4)
    json.dumps(found, allow_nan=False)


def test_one_class_has_no_roc() -> None:
    found = curves("binary", ["0", "1"], [tally("binary", np.ones(5, np.int64), PROBABILITIES)] * 2, None, 0.95)
    assert found["challenger"].keys() == {"distribution", "calibration"} == found["champion"].keys()


def test_long_curves_are_thinned_to_their_ends() -> None:
    random = np.random.default_rng(1)
    labels, predictions = random.integers(0, 2, 20_000), random.random((20_000, 1))
    roc = curves("binary", ["0", "1"], [tally("binary", labels, predictions)], None, 0.95)["challenger"]["roc"]
    assert len(roc["true_positive_rate"]) == 200
    assert (roc["true_positive_rate"][0], roc["false_positive_rate"][0]) == (0, 0)
    assert (roc["true_positive_rate"][-1], roc["false_positive_rate"][-1]) == (1, 1)


def test_several_classes() -> None:
    labels, predictions = np.array([0, 1, 2, 2]), np.eye(3)[[0, 1, 0, 2]]
    own = curves("multiclass", ["a", "b", "c"], [tally("multiclass", labels, predictions)], None, 0.95)["challenger"]
    assert own["confusion"] == {"classes": ["a", "b", "c"], "rows": [[1, 0, 0], [0, 1, 0], [1, 0, 1]], "rest": 0}
    assert own["calibration"]["came_true"] == [0.75]


def test_classes_in_order_are_measured_by_how_far_off_predictions_are() -> None:
    draw = np.random.default_rng(1)
    labels = draw.integers(0, 5, 400)
    predicted = np.clip(labels + draw.integers(-1, 3, 400), 0, 4)
    classes = list("abcde")
    found = curves("multiclass", classes, [tally("multiclass", labels, np.eye(5)[predicted])], None, 0.95, ordered=True)
    assert found["challenger"]["order"] == {
        "places_off": pytest.approx(np.abs(labels - predicted).mean()),
        "weighted_kappa": pytest.approx(cohen_kappa_score(labels, predicted, weights="quadratic")),
    }
    same = tally("multiclass", np.ones(3, np.int64), np.eye(5)[[1, 1, 1]])
    one_class = curves("multiclass", classes, [same], None, 0.95, ordered=True)["challenger"]["order"]
    assert one_class == {"places_off": 0.0, "weighted_kappa": None}


def test_of_very_many_classes_the_rare_ones_are_one() -> None:
    labels = np.concatenate([np.arange(60), np.arange(39)])
    found = curves(
        "multiclass", list(map(str, range(60))), [tally("multiclass", labels, np.eye(60)[labels])], None, 0.9
    )
    confusion = found["challenger"]["confusion"]
    assert confusion["classes"] == [*map(str, range(39)), "21 others"]
    assert np.array_equal(confusion["rows"], np.diag([2] * 39 + [21]))


def test_a_number() -> None:
    rows = RowSample(
        np.arange(3), np.zeros(3), np.array([1.0, 2, 3]), np.array([[1.5], [2], [2]]), np.empty(3), np.ones(3)
    )
    found = curves("regression", [], [tally("regression", rows.labels, rows.predictions)], rows, 0.95)
    assert found["challenger"]["points"] == {"true": [1, 2, 3], "predicted": [1.5, 2, 2]}


def test_nothing_was_evaluated() -> None:
    assert curves("binary", ["0", "1"], [], None, 0.95) == {"task": "binary"}
