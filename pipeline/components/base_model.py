"""The model to start from: the last one fit to serve that was trained on other examples than those at hand.

One that was trained on these very examples is passed over: else each model would be the beginning of the next, and
an unchanged run would train for ever on. So it starts from where that one started, and is cached.
"""

from __future__ import annotations

from typing import Any

from pipeline.components.artifact_names import TRAINED_ON
from pipeline.components.champion import ChampionStrategy


class BaseModelStrategy(ChampionStrategy):
    """Resolves `model` to the one to start from; `examples` are those at hand."""

    def resolve_artifacts(self, store: Any, input_dict: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """An empty list when there is no such model. `store` is not asked."""
        at_hand = {examples.id for examples in input_dict["examples"]}
        trained = [model for model in input_dict["model"] if model.get_int_custom_property(TRAINED_ON) in at_hand]
        found = super().resolve_artifacts(store, input_dict | {"challenger": trained})
        return input_dict | {"model": found["model"]}
