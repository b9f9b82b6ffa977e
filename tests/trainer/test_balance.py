"""Balance: with rare classes probabilities stay those of the world as it is, and balance does something."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from trainer.balance import class_weights, restored
from trainer.baselines import load_baselines, save_baselines
from trainer.features import Feature, FeatureTable, Kind, Label, Storage
from trainer.fitting import Fitted, fit
from trainer.preprocessing import NUMERIC
from trainer.settings.trainer import TrainerSettings

ROWS = 4_000


def world(classes: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Places (rows, 1), the true probabilities (rows, classes) and labels; all classes but the first are rare."""
    dice = np.random.default_rng(4)
    places = dice.random((ROWS, 1)).astype("float32")
    odds = np.exp([0 * places[:, 0], -4.5 + 3 * places[:, 0], -2.5 - 2 * places[:, 0]][:classes]).T
    truth = odds / odds.sum(axis=1, keepdims=True)
    labels = (dice.random(ROWS)[:, None] > truth.cumsum(axis=1)).sum(axis=1).clip(0, classes - 1)
    return places, truth, labels


def fitted(classes: int, **settings: Any) -> tuple[Fitted, npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """The fit, its probabilities (rows, classes), the true ones, and the labels."""
    task = "binary" if classes == 2 else "multiclass"
    feature = Feature("miles", Kind.NUMERIC, Storage.FLOAT, optional=False)
    table = FeatureTable(Label("y", task, Storage.INT, ("a", "b", "c")[:classes]), (feature,), max_vocabulary=5, bins=8)
    places, truth, labels = world(classes)
    small = {
        "hidden_units": (16, 8),
        "members": 2,
        "batch_size": 64,
        "epochs": 6,
        "refit": False,
        "learning_rate": 0.01,
    }
    of = fit(table, [], {NUMERIC: places}, labels, None, TrainerSettings.model_validate(small | settings))
    answers = np.asarray(of.model.predict({NUMERIC: places}, batch_size=1024, verbose=0))
    return of, np.concatenate([1 - answers, answers], axis=1) if classes == 2 else answers, truth, labels


def test_weights_let_classes_count_alike() -> None:
    labels = np.repeat([0, 1, 3], [90, 9, 1])
    weights = class_weights(labels, 4)
    assert weights[labels].mean() == pytest.approx(1)
    assert [weights[labels][labels == of].sum() for of in (0, 1, 3)] == pytest.approx([100 / 3] * 3)
    assert weights[2] == 1  # of no row


def test_bayes_rule_brings_the_world_back() -> None:
    """A world with weights has the probabilities p w / sum(p w)."""
    p, weights = np.random.default_rng(1).dirichlet([1, 1, 1], 50), np.array([0.4, 3.0, 20.0])
    with_weights = p * weights / (p * weights).sum(axis=1, keepdims=True)
    assert restored(with_weights, weights) == pytest.approx(p)
    two = p[:, :2] / p[:, :2].sum(axis=1, keepdims=True)
    weighed = two[:, 1] * 3 / (two[:, 1] * 3 + two[:, 0] * 0.4)
    assert restored(weighed, weights[:2]) == pytest.approx(two[:, 1])


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, pytest.param(3, marks=pytest.mark.long)])
def test_a_balanced_network_is_calibrated(classes: int) -> None:
    """Without the correction it would say of each class that it is as likely as another."""
    of, answers, truth, labels = fitted(classes, teacher="none", balance="classes")
    assert of.trees is None
    rates = np.bincount(labels) / ROWS
    assert rates[1:].max() < 0.1
    assert answers.sum(axis=1) == pytest.approx(np.ones(ROWS), abs=1e-5)
    assert answers.mean(axis=0) == pytest.approx(rates, abs=0.04)
    assert np.abs(answers - truth).mean() < 0.035
    _, plain, _, _ = fitted(classes, teacher="none")
    assert np.abs(plain - answers).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, pytest.param(3, marks=pytest.mark.long)])
def test_balanced_trees_teach_probabilities_of_the_world_as_it_is(classes: int, tmp_path: Any) -> None:
    of, answers, truth, labels = fitted(classes, balance="classes", refit=True)
    assert of.trees is not None
    assert answers.mean(axis=0) == pytest.approx(np.bincount(labels) / ROWS, abs=0.04)
    assert np.abs(answers - truth).mean() < 0.035
    places, _, _ = world(classes)
    every, given = np.arange(ROWS), {NUMERIC: places}
    told = of.trees.predict(given, every)
    weighted = np.bincount(labels) / ROWS
    assert told.reshape(ROWS, -1).mean(axis=0) == pytest.approx(weighted[1:] if classes == 2 else weighted, abs=0.04)
    folder = str(tmp_path / "Format-Serving")
    save_baselines(of.trees.boosters, labels, classes, folder, of.trees.weights)
    beside = load_baselines(folder)
    assert beside is not None
    assert beside.predict(ROWS, lambda: given)["trees"] == pytest.approx(told.reshape(ROWS, -1), abs=1e-6)
