"""A run's collections of garbage leave out what was imported before."""

from __future__ import annotations

import gc
from functools import partial
from typing import Any

import pytest
from tfx.orchestration.local import runner_utils

from pipeline.runners.local.launch import StepLauncher

pytestmark = pytest.mark.slow


def test_what_is_there_when_steps_are_launched_is_frozen_once(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen: list[None] = []
    monkeypatch.setattr(gc, "freeze", partial(frozen.append, None))
    monkeypatch.setattr(gc, "get_freeze_count", lambda: len(frozen))
    monkeypatch.setattr(runner_utils, "extract_local_deployment_config", lambda ir: None)
    nothing: Any = None
    for _ in range(2):
        StepLauncher(nothing, nothing, nothing, nothing, nothing)
    assert len(frozen) == 1
