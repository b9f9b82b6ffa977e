"""The settings that a network is fitted with: the configuration's, and what a search found better.

KerasTuner knows numbers, booleans and text; a list (`hidden_units`) travels as JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeVar

from trainer.settings.fitting import FittingSettings

TUNED_FILE = "tuned.json"
"""In the ModelRun artifact: of its settings those that a search found, as KerasTuner has them; missing without one."""

Found = Mapping[str, bool | int | float | str]
"""What a search found, by field of `trainer` and as `encode` gives it; of hyperband also `tuner/…`."""
Settings = TypeVar("Settings", bound=FittingSettings)


def encode(value: bool | int | float | str | tuple[int, ...]) -> bool | int | float | str:
    """Write a setting as KerasTuner and ML Metadata take it."""
    return json.dumps(list(value)) if isinstance(value, tuple) else value


def merge(settings: Settings, found: Found) -> Settings:
    """Put the values that a search found in the place of the configuration's; leave out what is no setting."""
    kept = settings.model_dump()
    better = {
        name: json.loads(str(value)) if isinstance(kept[name], tuple) else value
        for name, value in found.items()
        if name in kept
    }
    return type(settings).model_validate(kept | better)
