"""Starts and steps of a rollout that are killed at any moment: by the same command again each is on record once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.commands import rollout as commands
from pipeline.config.pipeline import PipelineConfig
from tests.serving.killed import killed_at
from tests.serving.test_rollback import config, push
from tests.serving.test_rollout import recorded

__all__ = ["config"]
MOST_MOMENTS = 40


@pytest.mark.parametrize("goes_on", [False, True])
def test_each_is_on_record_once(config: PipelineConfig, tmp_path: Path, goes_on: bool) -> None:
    push(config, "first")
    second = push(config, "second")
    begin: Callable[[], object] = lambda: commands.start(config, second, share=1, by="Ann")  # noqa: E731
    if goes_on:
        begin()
    shutil.copytree(config.root, before := tmp_path / "before")
    work = (lambda: commands.step(config, 50, by="Ann")) if goes_on else begin
    once = [("start", "1"), ("step", "50")][: 1 + goes_on]
    for moment in range(MOST_MOMENTS):
        shutil.rmtree(config.root)
        shutil.copytree(before, config.root)
        was_killed = killed_at(moment, work)
        work()
        assert [(one["step"], one["share"]) for one in recorded(config)] == once, moment
        assert commands.status(config.serving_folder).share == float(once[-1][1])
        if not was_killed:
            return
    raise AssertionError("it never came to its end")


def test_what_is_tried_anew_after_its_end_is_a_start(config: PipelineConfig) -> None:
    first = push(config, "first")
    push(config, "second")
    for by in ("Ann", "Bob"):
        commands.start(config, first, share=1, by=by)
        commands.abort(config, by=by)
    assert [one["step"] for one in recorded(config)] == ["start", "abort"] * 2
