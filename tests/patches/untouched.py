"""Modules of others as they are without our patches."""

from __future__ import annotations

import importlib.util
from types import ModuleType


def untouched(module: ModuleType) -> ModuleType:
    """A second copy, that nobody has patched."""
    spec = importlib.util.find_spec(module.__name__)
    assert spec is not None
    assert spec.loader is not None
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    return copy
