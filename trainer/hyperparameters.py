"""The settings that a network is fitted with: the configuration's, and what a search found better.

KerasTuner knows numbers, booleans and text; a list (`hidden_units`) travels as JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

HYPERPARAMETERS_FILE = "hyperparameters.json"
"""In the ModelRun artifact: every setting that the network was fitted with."""
TUNED_FILE = "tuned.json"
"""Beside it: of these the ones that a search found, as KerasTuner has them; missing without a search."""


def encode(value: Any) -> Any:
    """A setting as KerasTuner and ML Metadata take it."""
    return json.dumps(list(value)) if isinstance(value, list | tuple) else value


def merge(settings: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, with the values that a search found in their place.

    Args:
        settings: the configuration's `trainer` section.
        found: values by name, as `encode` gives them (KerasTuner makes 0 and 1 of a boolean); a name that is no
            setting (hyperband's `tuner/…`) is left out.
    """
    merged = dict(settings)
    for name, value in found.items():
        if name in merged:
            kept = type(merged[name])
            merged[name] = json.loads(value) if kept in (list, tuple) else kept(value)
    return merged
