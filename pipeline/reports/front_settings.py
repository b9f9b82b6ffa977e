"""The settings in which the runs of a workspace differ, packed for a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from pipeline.lineage.diff import flat
from pipeline.lineage.summary import Listed

_PLACES = {"workspace", "name"}
"""Where things lie makes no other model."""


def differing_settings(runs: Sequence[Listed]) -> dict[str, dict[str, list[Any]]]:
    """Return, by the name of each setting that is not the same in all runs, its different values as text, and for each
    run which of them it had; -1 where that is not on record.

    A hyperparameter that Tuner chose has the name of its setting, which it overrules.
    """
    made_with = [_settings(one.run.properties.get("config", ""), one) for one in runs]
    names = dict.fromkeys(name for settings in made_with for name in settings)
    found: dict[str, dict[str, list[Any]]] = {}
    for name in names:
        texts = [settings.get(name) if settings else None for settings in made_with]
        values = list(dict.fromkeys(text for text in texts if text is not None))
        if len(values) > 1 or (values and any(settings and name not in settings for settings in made_with)):
            place = {value: number for number, value in enumerate(values)}
            found[name] = {"values": values, "of": [-1 if text is None else place[text] for text in texts]}
    return found


def _settings(config: str, listed: Listed) -> dict[str, str]:
    settings = dict(_flat(config))
    for name, value in listed.summary.hyperparameters.items():
        settings[f"trainer.{name}"] = _text(value)
    schema = listed.run.properties.get("schema_version")
    return settings | ({"schema version": schema} if schema else {})


@cache
def _flat(config: str) -> tuple[tuple[str, str], ...]:
    """Return a configuration's settings by dotted name; most runs have the one before's."""
    settings = flat(json.loads(config)) if config else {}
    return tuple((name, _text(value)) for name, value in settings.items() if name not in _PLACES)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
