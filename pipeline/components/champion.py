"""The champion: the last model that Evaluator blessed and the infra check did not refuse, and that is still there.

Stock LatestBlessedModelStrategy returns the newest blessed model. After an unchanged run that is the
challenger, which would be judged against itself: Evaluator would run again instead of being cached, and
a model could never lose. Leaving the challenger out gives an unchanged run an unchanged champion.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tfx.components.evaluator import constants
from tfx.dsl.components.common import resolver
from tfx.dsl.io import fileio

from pipeline.components.artifact_names import CHECKED


class ChampionStrategy(resolver.ResolverStrategy):
    """Resolves `model` and `model_blessing` to the champion's; `challenger` is the model under test."""

    def resolve_artifacts(self, store: Any, input_dict: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """Empty lists when no other model was ever fit to serve. `store` is not asked."""
        challengers = {model.id for model in input_dict["challenger"]}
        blessings = _newest(blessing for blessing in input_dict["model_blessing"] if _is_blessed(blessing))
        checks = _newest(check for check in input_dict["infra_blessing"] if check.get_int_custom_property(CHECKED))
        refused = {model for model, check in checks.items() if not _is_blessed(check)}
        fit = [
            model
            for model in input_dict["model"]
            if model.id in blessings and model.id not in challengers | refused
            if fileio.exists(model.uri)  # somebody may have deleted it
        ]
        champion = [max(fit, key=lambda model: blessings[model.id].id)] if fit else []
        return {
            "model": champion,
            "model_blessing": [blessings[model.id] for model in champion],
            "infra_blessing": [],
            "challenger": input_dict["challenger"],
        }


def _newest(blessings: Iterable[Any]) -> dict[int, Any]:
    """The last blessing of each model, by the model's id."""
    by_age = sorted(blessings, key=lambda blessing: blessing.id)
    return {found.get_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY): found for found in by_age}


def _is_blessed(blessing: Any) -> bool:
    blessed = blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY)
    return bool(blessed == constants.BLESSED_VALUE)
