"""A rollback that is killed at any moment: the same command again brings it to its end, and all lists agree."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from pipeline.commands import rollout
from pipeline.commands.rollback import list_versions, roll_back
from pipeline.config.pipeline import PipelineConfig
from pipeline.lineage.pushes import ROLLBACK_TYPE
from pipeline.lineage.store import open_store
from pipeline.serving.rollout import under_way
from pipeline.serving.versions import read_manifest
from tests.serving.killed import CHANGES, killed_at
from tests.serving.test_rollback import base, config, push, states

__all__ = ["config"]
MOST_MOMENTS = 100


def rollbacks(config: PipelineConfig) -> list[tuple[str, str]]:
    """Those on record: in place of what, and as which version."""
    found = open_store(config).get_executions_by_type(ROLLBACK_TYPE)
    return [tuple(one.custom_properties[key].string_value for key in ("from_version", "new_version")) for one in found]


@pytest.fixture
def moments(config: PipelineConfig, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Any:
    """Yields after a rollback was killed, at one moment after another."""
    for name in ("good", "better", "bad"):
        push(config, name)
    roll_back(config, None, "imports", dry_run=True)
    shutil.copytree(config.root, before := tmp_path / "before")

    def each(first: int, step: int, changes: Collection[str] = CHANGES) -> Any:
        for moment in range(first, MOST_MOMENTS, step):
            shutil.rmtree(config.root)
            shutil.copytree(before, config.root)
            if not killed_at(moment, lambda: roll_back(config, None, "it is bad", dry_run=False), changes):
                return
            yield moment
        raise AssertionError("it never came to its end")

    return each


@pytest.mark.parametrize("first", [0, *(pytest.param(n, marks=pytest.mark.long) for n in range(1, 6))])
def test_the_same_command_again_brings_it_to_its_end(config: PipelineConfig, moments: Any, first: int) -> None:
    published = 0
    for moment in moments(first, 6):
        good, better, bad = sorted(number for number, _ in states(config))[:3]
        there = len(states(config)) == 4
        published += there
        done = roll_back(config, None, "it is bad", dry_run=False)
        assert (done.from_version, done.to_version, done.note) == (bad, better, "it is bad"), moment
        assert states(config) == [
            (done.new_version, "served"), (bad, "withdrawn"), (better, "earlier"), (good, "earlier")
        ], moment  # fmt: skip
        assert rollbacks(config) == [(str(bad), str(done.new_version))], moment
        assert not [path for path in base(config).iterdir() if path.name.startswith(".")], moment
    assert published  # else no kill came after the publishing


@pytest.mark.parametrize("is_new", [True, False])
def test_a_version_that_is_tried_since_is_taken_away(config: PipelineConfig, moments: Any, is_new: bool) -> None:
    """Somebody rolled back, was killed and did not repeat it. A later rollback is another one."""
    for _ in moments(0, 1, ("store",)):
        if len(states(config)) == 4:
            break
    back, *_, first = (version.number for version in list_versions(config.serving_folder))
    rollout.start(config, push(config, "other") if is_new else first, share=10)
    there = len(states(config))
    done = roll_back(config, None, "the tried one is bad", dry_run=False)
    assert len(states(config)) == there + 1
    assert done.new_version == list_versions(config.serving_folder)[0].number > back
    assert done.to_version == (back if is_new else first)
    assert under_way(base(config)) is None


def test_another_command_puts_it_on_record(
    config: PipelineConfig, moments: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    for moment in moments(0, 1, ("store",)):
        rest = list_versions(config.serving_folder)[1:]
        there = len(rest) == 3
        roll_back(config, good := rest[-1].number, "further", dry_run=False)
        manifest = read_manifest(base(config) / str(list_versions(config.serving_folder)[0].number))
        assert manifest
        assert manifest.copy_of == good
        assert len(rollbacks(config)) == 1 + there, moment
    assert "it is on record now" in capfd.readouterr().err
