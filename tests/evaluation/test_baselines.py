"""The network beside trees and a guess: who is ahead, by the same rows, and what is said of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.evaluation.baselines import GUESS, NETWORK, compare
from pipeline.evaluation.tallies import BLOCKS, Tally, metric_values, rows_of
from pipeline.reports.baselines import baseline_sentence, baseline_values, trees_ahead_note

ROWS = 4000
BLOCK = np.arange(ROWS) % BLOCKS
DICE = np.random.default_rng(1)
TRUTH = DICE.random(ROWS)


def tallies(task: str, **blur: float) -> dict[str, Tally]:
    """Of predictors that know the truth but for some noise; the guess knows nothing."""
    dice = np.random.default_rng(2)
    labels: Any = (dice.random(ROWS) < TRUTH).astype(int)
    if task == "regression":
        labels = TRUTH + 0.05 * dice.standard_normal(ROWS)

    def answers(noise: float) -> Any:
        second = np.clip(TRUTH + noise * dice.standard_normal(ROWS), 0.01, 0.99)[:, None]
        return np.concatenate([1 - second, second], axis=1) if task == "multiclass" else second

    known = {name: answers(noise) for name, noise in blur.items()}
    known[GUESS] = np.full_like(known[NETWORK], 0.5)
    return {name: rows_of(task, labels, of, BLOCK).tally(np.arange(ROWS)) for name, of in known.items()}


@pytest.mark.parametrize(
    ("task", "telling", "guess"),
    [
        ("binary", ["auc", "log_loss"], {"auc": 0.5, "log_loss": np.log(2)}),
        ("multiclass", ["accuracy", "log_loss"], {"log_loss": np.log(2)}),
        ("regression", ["rmse", "mae"], {"rmse": np.sqrt(1 / 12)}),
    ],
)
def test_the_better_one_is_told(task: str, telling: list[str], guess: dict[str, float]) -> None:
    given = tallies(task, network=0.3, trees=0.05)
    found = compare(task, given, 0.95)
    assert found
    assert (found["telling"], found["trees_ahead"]) == (telling, telling)
    for metric, value in guess.items():
        assert found["metrics"]["guess"][metric] == pytest.approx(value, rel=0.03)
    own = metric_values(task, given[NETWORK])
    for metric in telling:
        low, high = found["differences"][metric]
        assert low <= own[metric] - found["metrics"]["trees"][metric] <= high
    for noise in (0.05, 0.3):  # as good, and the worse ones
        beside = compare(task, tallies(task, network=0.05, trees=noise), 0.95)
        assert beside
        assert beside["trees_ahead"] == []


def test_a_network_that_is_ahead_by_one_metric_is_not_behind() -> None:
    """Its order is better, its probabilities are not."""
    given = tallies("binary", network=0.1, trees=0.3)
    labels = (np.random.default_rng(2).random(ROWS) < TRUTH).astype(int)
    shrunk = np.clip(0.05 * TRUTH + 0.9, 0, 1)[:, None]
    given[NETWORK] = rows_of("binary", labels, shrunk, BLOCK).tally(np.arange(ROWS))
    found = compare("binary", given, 0.95)
    assert found
    assert metric_values("binary", given[NETWORK])["log_loss"] > found["metrics"]["trees"]["log_loss"]
    assert found["trees_ahead"] == []


def test_without_trees_there_is_a_guess_and_beside_an_older_model_nothing() -> None:
    found = compare("binary", tallies("binary", network=0.1), 0.95)
    assert found
    assert (list(found["metrics"]), found["differences"], found["trees_ahead"]) == ([GUESS], {}, [])
    assert compare("binary", {}, 0.95) is None


def verdict(task: str = "binary", **blur: float) -> dict[str, Any]:
    given = tallies(task, **blur)
    return {"metrics": metric_values(task, given[NETWORK]), "baselines": compare(task, given, 0.95), "confidence": 0.95}


def test_it_is_said_in_a_line() -> None:
    said = verdict(network=0.3, trees=0.05)
    auc, trees = said["metrics"]["auc"], said["baselines"]["metrics"]["trees"]["auc"]
    assert baseline_sentence(said).startswith(f"auc: trees {trees:.4f}, network {auc:.4f}, guess 0.5000; log_loss: ")
    assert f"auc {trees:.4f} against {auc:.4f} and log_loss" in trees_ahead_note(said)
    assert "`trainer.epochs`" in trees_ahead_note(said)
    assert baseline_sentence(verdict(network=0.3)).startswith("auc: network 0.")
    assert trees_ahead_note(verdict(network=0.05, trees=0.3)) == trees_ahead_note(verdict(network=0.3)) == ""


@pytest.mark.parametrize("older", [{"metrics": {"auc": 0.7}}, {"metrics": {"auc": 0.7}, "baselines": None}])
def test_of_an_older_verdict_nothing_is_said(older: dict[str, Any]) -> None:
    assert (baseline_values(older), baseline_sentence(older), trees_ahead_note(older)) == ({}, "", "")


def test_a_metric_that_cannot_be_computed_is_left_out() -> None:
    one_class = verdict(network=0.1, trees=0.1)
    del one_class["metrics"]["auc"]
    assert list(baseline_values(one_class)) == ["log_loss"]
