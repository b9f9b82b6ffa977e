"""Which model a warm start begins with: rows of (model, examples it was trained on, blessings) to one model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tfx.components.evaluator import constants
from tfx.types import standard_artifacts

from pipeline.components.base_model import BaseModelStrategy
from pipeline.lineage.artifact_names import CHECKED, TRAINED_ON


def blessing(kind: Any, number: int, model: int, blessed: bool) -> Any:
    artifact = kind()
    artifact.id = number
    artifact.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model)
    artifact.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, int(blessed))
    artifact.set_int_custom_property(CHECKED, 1)
    return artifact


def resolve(folder: Path, at_hand: int, models: list[tuple[int, int | None, bool, bool]]) -> list[int]:
    """Ids of the models to start from.

    Args:
        folder: where all the models lie.
        at_hand: id of this run's Examples.
        models: (id, id of its Examples, whether Evaluator blessed it, whether the infra check did), oldest first.
    """
    inputs: dict[str, list[Any]] = {"model": [], "model_blessing": [], "infra_blessing": [], "examples": []}
    for model_id, trained_on, good, served in models:
        model = standard_artifacts.Model()
        model.id, model.uri = model_id, str(folder)
        if trained_on is not None:
            model.set_int_custom_property(TRAINED_ON, trained_on)
        inputs["model"].append(model)
        inputs["model_blessing"].append(blessing(standard_artifacts.ModelBlessing, 100 + model_id, model_id, good))
        inputs["infra_blessing"].append(blessing(standard_artifacts.InfraBlessing, 200 + model_id, model_id, served))
    examples = standard_artifacts.Examples()
    examples.id = at_hand
    inputs["examples"].append(examples)
    found = BaseModelStrategy().resolve_artifacts(None, inputs)
    assert found["examples"] == inputs["examples"]
    return [model.id for model in found["model"]]


@pytest.mark.parametrize(
    ("models", "base"),
    [
        ([], []),
        ([(1, 8, True, True)], [1]),
        ([(1, 8, True, True), (2, 8, True, True)], [2]),
        # what was trained on these examples, or refused, is passed over
        ([(1, 8, True, True), (2, 9, True, True)], [1]),
        ([(1, 9, True, True)], []),
        ([(1, 7, True, True), (2, 8, False, True), (3, 8, True, False)], [1]),
        # a model from before these marks were made
        ([(1, None, True, True)], [1]),
    ],
)
def test_the_last_good_model_of_other_data(
    tmp_path: Path, models: list[tuple[int, int | None, bool, bool]], base: list[int]
) -> None:
    assert resolve(tmp_path, 9, models) == base
