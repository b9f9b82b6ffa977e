"""The model to start from: the one that serves, if it was trained on other examples than those at hand.

One that was trained on these very examples is passed over: else each model would be the beginning of the next, and
an unchanged run would train for ever on. Then, and where nothing serves, it is the last one fit to serve that was
trained on other examples and was not rolled back. So a model starts from where its equal started, and is cached.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tfx.dsl.components.common import resolver
from tfx.dsl.io import fileio

from pipeline.components.champion import last_fit, model_of
from pipeline.lineage.artifact_names import TRAINED_ON
from pipeline.serving.versions import serving_now


class BaseModelStrategy(resolver.ResolverStrategy):
    """Resolves `model` to the one to start from; `examples` are those at hand."""

    def __init__(self, serving: str = "") -> None:
        """Take `serving`, the folder of the pushed versions."""
        self._serving = Path(serving) if serving else None

    def resolve_artifacts(self, store: Any, input_dict: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """Return an empty list when there is no such model. `store` is not asked."""
        at_hand = {examples.id for examples in input_dict["examples"]}
        models = [model for model in input_dict["model"] if fileio.exists(model.uri)]
        others = [model for model in models if model.get_int_custom_property(TRAINED_ON) not in at_hand]
        served = serving_now(self._serving) if self._serving else None
        base = model_of(served, models) if served else []
        if not base or base[0] not in others:
            base = last_fit(others, input_dict, served.withdrawn if served else ())
        return input_dict | {"model": base}
