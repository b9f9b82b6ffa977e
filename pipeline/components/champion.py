"""The champion: the last blessed model that is not the challenger itself.

Stock LatestBlessedModelStrategy returns the newest blessed model. After an unchanged run that is the
challenger, which would be judged against itself: Evaluator would run again instead of being cached, and
a model could never lose. Leaving the challenger out gives an unchanged run an unchanged champion.
"""

from __future__ import annotations

from typing import Any

from tfx.components.evaluator import constants
from tfx.dsl.components.common import resolver


class ChampionStrategy(resolver.ResolverStrategy):
    """Resolves `model` and `model_blessing` to the champion's; `challenger` is the model under test."""

    def resolve_artifacts(self, store: Any, input_dict: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """Empty lists when no other model was ever blessed. `store` is not asked."""
        challengers = {model.id for model in input_dict["challenger"]}
        blessings = {
            blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY): blessing
            for blessing in sorted(input_dict["model_blessing"], key=lambda artifact: artifact.id)
            if blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY) == constants.BLESSED_VALUE
        }
        blessed = [model for model in input_dict["model"] if model.id in blessings and model.id not in challengers]
        if not blessed:
            return {"model": [], "model_blessing": [], "challenger": input_dict["challenger"]}
        champion = max(blessed, key=lambda model: blessings[model.id].id)
        return {
            "model": [champion],
            "model_blessing": [blessings[champion.id]],
            "challenger": input_dict["challenger"],
        }
