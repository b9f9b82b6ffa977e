"""A run's collections of garbage leave out what was imported before."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from pipeline.runners.local import launch

pytestmark = pytest.mark.slow


def test_what_is_there_when_steps_are_launched_is_frozen_once(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen: list[int] = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(1))
    monkeypatch.setattr(gc, "get_freeze_count", lambda: len(frozen))
    monkeypatch.setattr(launch.runner_utils, "extract_local_deployment_config", lambda ir: None)
    nothing: Any = None
    for _ in range(2):
        launch.StepLauncher(nothing, nothing, nothing, nothing, nothing)
    assert frozen == [1]
