"""The `tuner` section of a configuration: what it takes, and what it says of what it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.config.loading import REFERENCE, load
from pipeline.errors import ConfigError
from trainer.settings.trainer import TrainerSettings
from trainer.settings.tuner import TUNABLE, Range, TunerSettings


def write(folder: Path, tuner: dict[str, Any]) -> Path:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(REFERENCE.read_text()) | {"tuner": tuner}))
    return path


def test_it_is_off_by_default_and_has_a_space_of_its_own() -> None:
    tuner = TunerSettings()
    assert tuner.mode == "none"
    assert tuner.space.keys() <= set(TUNABLE)
    # What is there by default is what a file may say.
    assert (
        TunerSettings.model_validate({"space": tuner.model_dump(mode="json", by_alias=True)["space"]}).space
        == tuner.space
    )
    # It holds the defaults of the trainer, with which a search begins.
    for name, tried in tuner.space.items():
        default = getattr(TrainerSettings(), name)
        assert tried.from_ <= default <= tried.to if isinstance(tried, Range) else default in tried, name


def test_hyperband_has_a_space_without_epochs() -> None:
    tuner = TunerSettings(algorithm="hyperband")
    assert {**tuner.space, "epochs": TunerSettings().space["epochs"]} == TunerSettings().space
    assert "epochs" not in tuner.space
    assert TunerSettings.model_validate(tuner.model_dump(mode="json", by_alias=True)) == tuner  # as Tuner is told it


def test_a_space_takes_the_place_of_the_default(tmp_path: Path) -> None:
    space = {"dropout": {"from": 0.1, "to": 0.6}, "hidden_units": [[256, 128], [512, 256]]}
    tuner = load(write(tmp_path, {"mode": "search", "space": space})).tuner
    assert tuner.space == {
        "dropout": Range.model_validate({"from": 0.1, "to": 0.6}),
        "hidden_units": ((256, 128), (512, 256)),
    }


@pytest.mark.parametrize(
    ("tuner", "complaint"),
    [
        ({"mode": "on"}, "tuner.mode: Input should be 'none', 'search' or 'reuse' (received: 'on')"),
        ({"trails": 3}, "tuner.trails: unknown key; did you mean 'trials'?"),
        ({"trials": 0}, "tuner.trials: Input should be greater than or equal to 1 (received: 0)"),
        ({"space": {"seed": [1, 2]}}, "tuner.space: 'seed' cannot be tuned; hidden_units, "),
        ({"space": {"dropuot": [0.1, 0.2]}}, "tuner.space: 'dropuot' cannot be tuned; hidden_units, "),
        ({"space": {"dropout": [0.1]}}, "tuner.space: dropout: list two values or more"),
        ({"space": {"dropout": 0.1}}, "tuner.space: dropout: give a list of values, or {from: …, to: …, scale: "),
        ({"space": {"dropout": {"from": 0.1, "until": 1}}}, "tuner.space: dropout: give a list of values, or "),
        ({"space": {"dropout": [0.1, 1.5]}}, "tuner.space: dropout: 1.5 is refused (Input should be less than 1)"),
        (
            {"space": {"dropout": {"from": 0.1, "to": 1}}},
            "tuner.space: dropout: 1.0 is refused (Input should be less than 1)",
        ),
        (
            {"space": {"dropout": {"from": 0.6, "to": 0.1}}},
            "tuner.space: dropout: from (0.6) must be less than to (0.1)",
        ),
        (
            {"space": {"weight_decay": {"from": 0, "to": 0.1, "scale": "log"}}},
            "tuner.space: weight_decay: a log scale begins above 0, not at 0",
        ),
        ({"space": {"hidden_units": {"from": 8, "to": 64}}}, "tuner.space: hidden_units is no number; list the values"),
        ({"space": {"batch_size": {"from": 0.5, "to": 64}}}, "tuner.space: batch_size: 0.5 is refused (Input should "),
        ({"space": {}}, "tuner.space: Dictionary should have at least 1 item"),
        (
            {"algorithm": "hyperband", "space": {"epochs": [2, 4]}},
            "tuner: space: hyperband chooses the epochs itself, up to trainer.epochs; take `epochs` out",
        ),
    ],
)
def test_what_it_refuses(tmp_path: Path, tuner: dict[str, Any], complaint: str) -> None:
    path = write(tmp_path, tuner)
    with pytest.raises(ConfigError) as refusal:
        load(path)
    assert refusal.value.what.startswith(f"{path}: {complaint}")
    assert "\n" not in refusal.value.what
