"""TFX components: stock ones taught to read columns, and our own. One file each.

A pipeline of anybody's imports those with stock contracts from here: `from pipeline.components import StatisticsGen`.
Each takes what TFX's own takes, works in columns where it can, and says in one log line where it cannot, and why.
Asking for one makes Beam build pipelines faster in this process, those of TFX's own components too.
"""

from __future__ import annotations

import importlib
from typing import Any

_STOCK = {
    "StatisticsGen": "statistics_gen",
    "SchemaGen": "stock_contracts",
    "ExampleValidator": "example_validator",
    "Transform": "transform",
    "Evaluator": "stock_contracts",
    "Pusher": "stock_contracts",
}
"""By class the module in this folder: each is imported when it is asked for, because TFX takes seconds."""

__all__ = ["Evaluator", "ExampleValidator", "Pusher", "SchemaGen", "StatisticsGen", "Transform"]


def __getattr__(name: str) -> Any:
    if name not in _STOCK:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Not by an import, which would count in the digest of every step: no result depends on it.
    patches = importlib.import_module("..patches.install", __name__)
    patches.install_patches(patches.STOCK)
    return getattr(importlib.import_module(f"{__name__}.{_STOCK[name]}"), name)
