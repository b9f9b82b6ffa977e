"""The search for hyperparameters: what it tries, what it keeps, and how it goes on after a crash."""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from keras_tuner.engine.trial import TrialStatus
from keras_tuner.errors import FatalError

from trainer.hyperparameters import merge
from trainer.settings.fitting import FittingSettings
from trainer.settings.tuner import TunerSettings
from trainer.tune import Search, search_space

pytestmark = pytest.mark.slow

SETTINGS = FittingSettings(hidden_units=(32,), dropout=0.4, learning_rate=1e-3, batch_size=256, epochs=9, seed=0)
SPACE = {
    "hidden_units": [[16], [32], [64, 32]],
    "dropout": {"from": 0.0, "to": 0.5, "scale": "linear"},
    "learning_rate": {"from": 1e-4, "to": 1e-2, "scale": "log"},
    "batch_size": {"from": 64, "to": 512, "scale": "linear"},
}

Loss = Callable[[FittingSettings], float]


def bowl(settings: FittingSettings) -> float:
    """Least at a dropout of 0.25 and a learning rate of 1e-3."""
    return 0.5 + abs(settings.dropout - 0.25) + abs(math.log10(settings.learning_rate) + 3)


def search(
    folder: Path, loss: Loss = bowl, trials: int = 6, algorithm: str = "random", minutes: float | None = None
) -> tuple[Search, list[FittingSettings]]:
    """A search that was carried out, and the settings that were fitted."""
    fitted = []

    def fit_with(settings: FittingSettings, rows: Mapping[str, Any]) -> float:
        assert rows == {"x": [1]}
        fitted.append(settings)
        return loss(settings)

    plan = TunerSettings.model_validate({"algorithm": algorithm, "trials": trials, "minutes": minutes, "space": SPACE})
    found = Search(plan, SETTINGS, str(folder), lambda spill_to: {"x": [1]}, fit_with)
    found.search()
    return found, fitted


def test_the_space_begins_with_the_configuration() -> None:
    space = search_space(TunerSettings(space=SPACE).space, SETTINGS)
    assert space.values == {"hidden_units": "[32]", "dropout": 0.4, "learning_rate": 1e-3, "batch_size": 256}
    assert merge(SETTINGS, space.values) == SETTINGS


def test_a_setting_outside_the_space_gives_way_to_the_spaces_first_value() -> None:
    tried = {"dropout": {"from": 0.5, "to": 0.6, "scale": "linear"}, "batch_size": [32, 64]}
    space = search_space(TunerSettings(space=tried).space, SETTINGS)
    assert space.values == {"dropout": 0.5, "batch_size": 32}


@pytest.mark.parametrize(
    "algorithm",
    ["random", pytest.param("bayesian", marks=pytest.mark.long), pytest.param("hyperband", marks=pytest.mark.long)],
)
def test_every_algorithm_starts_from_the_configuration_and_stays_in_the_space(tmp_path: Path, algorithm: str) -> None:
    found, fitted = search(tmp_path / "s", trials=14, algorithm=algorithm)
    assert len(fitted) == 14
    first = fitted[0]
    assert first.model_dump(include=set(SPACE)) == SETTINGS.model_dump(include=set(SPACE))
    for settings in fitted:
        assert not settings.refit
        assert settings.hidden_units in ((16,), (32,), (64, 32))
        assert 0 <= settings.dropout <= 0.5
        assert 1e-4 <= settings.learning_rate <= 1e-2
        assert isinstance(settings.batch_size, int)
        assert 64 <= settings.batch_size <= 512
    epochs = {settings.epochs for settings in fitted}
    assert epochs == ({1, 3, 9} if algorithm == "hyperband" else {9})
    best = min(fitted, key=bowl)
    chosen = merge(SETTINGS, found.get_best_hyperparameters()[0].values)
    assert chosen.model_dump(include=set(SPACE)) == best.model_dump(include=set(SPACE))


def test_it_tells_of_each_trial(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    losses = iter([0.7, math.nan, 0.5312])

    def loss(settings: FittingSettings) -> float:
        logging.getLogger("longhaul.progress").info("epoch %d", 1)
        return next(losses)

    with caplog.at_level(logging.INFO, "longhaul.progress"):
        search(tmp_path / "s", loss, trials=3)
    assert caplog.messages == [
        "reading the training split",
        "trial 1 of 3: epoch 1",
        "trial 1 of 3: validation loss 0.7000, best 0.7000",
        "trial 2 of 3: epoch 1",
        "trial 2 of 3: validation loss not a number, best 0.7000",
        "trial 3 of 3: epoch 1",
        "trial 3 of 3: validation loss 0.5312, best 0.5312",
    ]


def test_an_error_in_a_trial_ends_the_search(tmp_path: Path) -> None:
    def loss(settings: FittingSettings) -> float:
        raise ValueError("no such thing")

    with pytest.raises(FatalError, match=r"trial 1 with .*'dropout': 0.4") as failure:
        search(tmp_path / "s", loss)
    assert str(failure.value.__cause__) == "no such thing"


@pytest.mark.long
def test_an_interrupted_search_goes_on_with_the_trial_it_was_at(tmp_path: Path) -> None:
    whole, all_fitted = search(tmp_path / "whole")
    begun: list[FittingSettings] = []

    def interrupted(settings: FittingSettings) -> float:
        begun.append(settings)
        if len(begun) == 4:
            raise KeyboardInterrupt
        return bowl(settings)

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "s", interrupted)
    found, fitted = search(tmp_path / "s")
    assert begun[:3] + fitted == all_fitted  # the fourth again, and those after it as if nothing had been
    assert scores(found) == scores(whole)
    assert list((tmp_path / "s").glob(".rows-*")) == []


def test_more_trials_go_on_where_fewer_ended(tmp_path: Path) -> None:
    _, first = search(tmp_path / "s", trials=3)
    found, then = search(tmp_path / "s", trials=5)
    assert (len(first), len(then)) == (3, 2)
    assert len(scores(found)) == 5
    assert search(tmp_path / "s", trials=5)[1] == []


def test_after_its_time_no_trial_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("trainer.tune.time", SimpleNamespace(monotonic=lambda: now[0]))

    def slow(settings: FittingSettings) -> float:
        now[0] += 40
        return bowl(settings)

    found, fitted = search(tmp_path / "s", slow, minutes=1)
    assert len(fitted) == 2
    assert found.get_best_hyperparameters()[0].values


@pytest.mark.long
def test_kill_9_leaves_what_is_finished(tmp_path: Path) -> None:
    """Killed whenever: whatever it had told as done is not done again."""
    program = textwrap.dedent(
        """
        import sys, pathlib
        sys.path[:0] = [{tests!r}]
        from test_tune import search, bowl
        def loss(settings):
            print("fitted", flush=True)
            return bowl(settings)
        search(pathlib.Path({folder!r}), loss, trials=5_000)
        """
    ).format(tests=str(Path(__file__).parent), folder=str(tmp_path / "s"))
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=os.environ) as child:
        assert child.stdout
        for _ in range(25):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
    done = [path for path in (tmp_path / "s").glob("trial_*/trial.json") if json.loads(path.read_text())["score"]]
    assert 24 <= len(done) < 5_000
    found, fitted = search(tmp_path / "s", trials=len(done) + 4)
    assert len(fitted) in (4, 5)  # one may be done that the oracle had not yet heard of
    assert len(scores(found)) == len(done) + 4


def scores(found: Search) -> dict[str, float]:
    return {name: trial.score for name, trial in found.oracle.trials.items() if trial.status == TrialStatus.COMPLETED}
