"""The network as it is served gives the same answers as the one that was fitted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.trainer.test_model import FEATURES, build, rows, table
from trainer.features import Kind
from trainer.served_network import ServedNetwork

CLASSES = {"binary": (), "multiclass": ("a", "b", "c"), "regression": ()}


@pytest.mark.parametrize("task", CLASSES)
@pytest.mark.parametrize("dropout", [0.0, 0.2])
@pytest.mark.parametrize("hidden_units", [[16], [16, 8], [16, 8, 4]], ids=str)
def test_it_answers_as_the_fitted_network(task: str, dropout: float, hidden_units: list[int]) -> None:
    described = table(task, *FEATURES, classes=CLASSES[task])
    network = build(described, hidden_units=hidden_units, dropout=dropout)
    dice = np.random.default_rng(3)
    network.set_weights([dice.normal(size=value.shape) for value in network.get_weights()])
    asked = rows(200)
    network.get_layer("piecewise_linear").adapt(asked["numeric"], dice.integers(0, 2, 200))
    expected = np.array(network(asked))
    assert np.ptp(expected) > 0.1
    assert np.array(ServedNetwork(network)(asked)) == pytest.approx(expected, rel=1e-5, abs=1e-4)


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.kind)
def test_one_feature_of_any_kind_is_enough(feature: Any) -> None:
    network = build(table("binary", feature), dropout=0.0)
    asked = {tensor.name: np.full((2, tensor.shape[1]), 1, tensor.dtype) for tensor in network.inputs}
    if feature.kind is Kind.NUMERIC:
        network.get_layer("piecewise_linear").adapt(np.linspace(0, 1, 50, dtype="float32")[:, None], np.arange(50) % 2)
    assert np.array(ServedNetwork(network)(asked)) == pytest.approx(np.array(network(asked)), abs=1e-6)
