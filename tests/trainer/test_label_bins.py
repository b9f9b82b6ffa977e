"""Bins that are cut where the label changes."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.bins import target_aware_edges

PLACES = (np.arange(2000, dtype="float32") + 0.5)[:, np.newaxis] / 2000


def test_the_label_chooses_the_cuts() -> None:
    place = PLACES[:, 0]
    labels = np.where(place < 0.03, 0.9, np.where(place < 0.4, 0.3, 0.1))
    assert target_aware_edges(PLACES, labels, 3).tolist() == [pytest.approx([0, 0.03, 0.4, 1])]


def test_what_the_label_leaves_open_is_cut_in_halves() -> None:
    assert target_aware_edges(PLACES, np.zeros(2000), 4).tolist() == [[0, 0.25, 0.5, 0.75, 1]]
    assert target_aware_edges(PLACES, PLACES[:, 0] > 0.5, 4).tolist() == [[0, 0.25, 0.5, 0.75, 1]]


def test_a_handful_of_rows_is_no_bin() -> None:
    labels = (PLACES[:, 0] < 0.005).astype(int)
    (edges,) = target_aware_edges(PLACES, labels, 2)
    assert edges.tolist() == pytest.approx([0, 0.01, 1])


def test_each_number_has_its_own() -> None:
    both = np.concatenate([PLACES, PLACES[::-1]], axis=1)
    labels = (PLACES[:, 0] < 0.2).astype(int)
    assert target_aware_edges(both, labels, 2).tolist() == [pytest.approx([0, 0.2, 1]), pytest.approx([0, 0.8, 1])]


def test_any_of_several_classes_may_ask_for_a_cut() -> None:
    classes = np.digitize(PLACES[:, 0], [0.1, 0.7])
    (edges,) = target_aware_edges(PLACES, np.eye(3)[classes], 3)
    assert edges.tolist() == pytest.approx([0, 0.1, 0.7, 1])


def test_a_few_rows_of_one_value_are_enough() -> None:
    (edges,) = target_aware_edges(np.full((3, 1), 1.0, "float32"), np.array([0, 1, 1]), 8)
    assert len(edges) == 9
    assert (np.diff(edges) > 0).all()
