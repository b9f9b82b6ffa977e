"""The champion: the model that serves. Where nothing serves, the last one that Evaluator blessed and that the infra
check did not refuse.

Stock LatestBlessedModelStrategy returns the newest blessed model. After a rollback that is the withdrawn one. After an
unchanged run it is the challenger, which would be judged against itself: Evaluator would run again instead of being
cached, and a model could never lose. A challenger that serves itself gets what it was judged against when it was
blessed, so an unchanged run has an unchanged champion.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tfx.components.evaluator import constants
from tfx.dsl.components.common import resolver
from tfx.dsl.io import fileio

from pipeline.components.whole_model import digest_on_disk
from pipeline.config.evaluation import CHAMPION
from pipeline.evaluation.reference_models import reference_digests
from pipeline.lineage.artifact_names import CHECKED, MODEL_DIGEST, TRAINED_ON
from pipeline.serving.versions import Serving, serving_now


class ChampionStrategy(resolver.ResolverStrategy):
    """Resolves `model` and `model_blessing` to the champion's, and `examples` to those that it was trained on;
    `reference` and `reference_blessing` to the other models that set a bound. `challenger` is the model under test."""

    def __init__(self, serving: str = "", against: str = CHAMPION, last: int = 0) -> None:
        """Take `serving`, the folder of pushed versions, and `evaluation.against` with its number, if it has one."""
        self._serving = Path(serving) if serving else None
        self._against, self._last = against, last or None

    def resolve_artifacts(self, store: Any, input_dict: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """Return empty lists when there is no champion. `store` says what was pushed, where other models set bounds."""
        (challenger,) = input_dict["challenger"]
        models = [model for model in input_dict["model"] if model.id != challenger.id and fileio.exists(model.uri)]
        served = serving_now(self._serving) if self._serving else None
        if served is None:
            champion = last_fit(models, input_dict)
        elif served.digest == digest_of(challenger):
            champion = _judged_against(served, models, input_dict)
        else:
            champion = model_of(served, models)
        blessings = _newest(blessing for blessing in input_dict["model_blessing"] if _is_blessed(blessing))
        references = self._references(store, challenger, models, champion)
        trained_on = {model.get_int_custom_property(TRAINED_ON) for model in champion}
        return {
            "model": champion,
            "model_blessing": [blessings[model.id] for model in champion if model.id in blessings],
            "infra_blessing": [],
            "examples": [found for found in input_dict.get("examples", []) if found.id in trained_on],
            "challenger": input_dict["challenger"],
            "reference": references,
            "reference_blessing": [blessings[model.id] for model in references if model.id in blessings],
        }

    def _references(self, store: Any, challenger: Any, models: list[Any], champion: list[Any]) -> list[Any]:
        if self._serving is None or self._against == CHAMPION:
            return []
        digests = reference_digests(store, self._serving, self._against, self._last, digest_of(challenger))
        by_digest = {digest_of(model): model for model in sorted(models, key=lambda model: -int(model.id))}
        found = [by_digest[digest] for digest in digests if digest in by_digest]
        return [model for model in found if all(model.id != one.id for one in champion)]


def digest_of(model: Any) -> str:
    """Tell a model from others wherever it lies. One of an older Longhaul has no digest on record."""
    recorded = model.get_string_custom_property(MODEL_DIGEST)
    return recorded or digest_on_disk(model)


def model_of(served: Serving, models: Iterable[Any]) -> list[Any]:
    """Return the Model artifact of what serves, in a list; an empty one where it is on record nowhere."""
    same = [model for model in models if digest_of(model) == served.digest]
    return sorted(same, key=lambda model: int(model.id))[:1]  # always the same one, for the cache


def last_fit(models: Iterable[Any], input_dict: dict[str, list[Any]], without: Iterable[str] = ()) -> list[Any]:
    """Return the one of `models` that was blessed last, in a list.

    Args:
        without: digests of models that are passed over.
    """
    blessings = _newest(blessing for blessing in input_dict["model_blessing"] if _is_blessed(blessing))
    checks = _newest(check for check in input_dict["infra_blessing"] if check.get_int_custom_property(CHECKED))
    refused = {model for model, check in checks.items() if not _is_blessed(check)}
    left_out = set(without)
    fit = [model for model in models if model.id in blessings and model.id not in refused]
    fit = [model for model in fit if not left_out or digest_of(model) not in left_out]
    return [max(fit, key=lambda model: blessings[model.id].id)] if fit else []


def _judged_against(served: Serving, models: Iterable[Any], input_dict: dict[str, list[Any]]) -> list[Any]:
    """Return what the model that serves was judged against when it was blessed last."""
    same = {model.id for model in input_dict["model"] if digest_of(model) == served.digest}
    mine = _newest(filter(_is_blessed, input_dict["model_blessing"]))
    blessed = [mine[number] for number in same if number in mine]
    if not blessed:
        return []
    last = max(blessed, key=lambda blessing: int(blessing.id))
    before = last.get_int_custom_property(constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY)
    return [model for model in models if model.id == before]


def _newest(blessings: Iterable[Any]) -> dict[int, Any]:
    """Return the last blessing of each model, by the model's id."""
    by_age = sorted(blessings, key=lambda blessing: blessing.id)
    return {found.get_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY): found for found in by_age}


def _is_blessed(blessing: Any) -> bool:
    blessed = blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY)
    return bool(blessed == constants.BLESSED_VALUE)
