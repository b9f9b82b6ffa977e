"""Suspect labels: confident learning by hand, and planted wrong labels of a public table."""

from __future__ import annotations

import numpy as np
import pytest

from bench.suspects import share_found, tables
from pipeline.evaluation.suspects import Ranking, is_error, margins


def test_confident_learning_by_hand() -> None:
    chances = np.array([[0.9, 0.1], [0.7, 0.3], [0.1, 0.9], [0.55, 0.45], [0.2, 0.8], [0.95, 0.05]])
    labels = np.array([0, 0, 0, 1, 1, 1])
    # Thresholds (equation 2): of class 0 the mean of 0.9, 0.7, 0.1; of class 1 that of 0.45, 0.8, 0.05.
    thresholds = (1.7 / 3, 1.3 / 3)
    assert thresholds == pytest.approx((0.567, 0.433), abs=1e-3)
    # Row 2 reaches that of class 1 alone, row 5 that of class 0 alone. Row 3, which a plain 0.5 would call an error,
    # reaches only that of its own label.
    assert is_error(chances, labels).tolist() == [False, False, True, False, False, True]
    assert margins(chances, labels).round(2).tolist() == [0.8, 0.4, -0.8, -0.1, 0.6, -0.9]


def test_a_class_without_rows_is_nobodys_suggestion() -> None:
    chances = np.array([[0.2, 0.1, 0.7], [0.8, 0.1, 0.1], [0.3, 0.6, 0.1]])
    assert not is_error(chances, np.array([0, 0, 1])).any()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["breast_cancer", "penguins"])
def test_four_of_five_planted_labels_are_among_the_first_rows(name: str) -> None:
    assert share_found(*tables()[name], seed=0) >= 0.8


def test_each_witness_is_quoted() -> None:
    of = {
        "trees": np.array([[0.03, 0.97]]),
        "neighbours": np.array([[0.1, 0.9]]),
        "network": np.array([[0.88, 0.12]]),
    }
    one = Ranking(np.array([7]), np.array([0.9]), np.array([1]), np.array([True]), 1, 0.9, of)
    assert one.why(0, ("ill", "well"), 0) == (
        "trees 97% well, label 3%; 9 of 10 neighbours well; network 88% ill; trees and network disagree; "
        "an error by confident learning"
    )
