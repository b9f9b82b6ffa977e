"""A rollback that is killed at any moment: the same command again brings it to its end, and all lists agree."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ml_metadata import MetadataStore

from pipeline.commands.rollback import list_versions, roll_back
from pipeline.config.pipeline import PipelineConfig
from pipeline.lineage.pushes import ROLLBACK_TYPE
from pipeline.lineage.store import open_store
from pipeline.serving.versions import read_manifest
from tests.serving.test_rollback import base, config, push, states

__all__ = ["config"]
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.copyfile")
MOST_MOMENTS = 100


def killed_at(moment: int, work: Callable[[], Any], *, in_store: bool = False) -> bool:
    """Does the work in a process of its own that is killed before its change number so and so, of a file or of
    the store (or of the store alone); False if it came to its end first."""
    child = os.fork()
    if child == 0:
        left = [moment]

        def change(event: str, arguments: tuple[Any, ...]) -> None:
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if event == "store" or (not in_store and (event in CHANGES or writes)):
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        put = MetadataStore._call

        def call(self: Any, name: str, *arguments: Any) -> Any:
            if name.startswith("Put"):
                change("store", ())
            return put(self, name, *arguments)

        MetadataStore._call = call
        sys.addaudithook(change)
        work()
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL)
    return code != 0


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

    def each(first: int, step: int, *, in_store: bool = False) -> Any:
        for moment in range(first, MOST_MOMENTS, step):
            shutil.rmtree(config.root)
            shutil.copytree(before, config.root)
            if not killed_at(moment, lambda: roll_back(config, None, "it is bad", dry_run=False), in_store=in_store):
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


def test_another_command_puts_it_on_record(
    config: PipelineConfig, moments: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    for moment in moments(0, 1, in_store=True):
        rest = list_versions(config.serving_folder)[1:]
        there = len(rest) == 3
        roll_back(config, good := rest[-1].number, "further", dry_run=False)
        manifest = read_manifest(base(config) / str(list_versions(config.serving_folder)[0].number))
        assert manifest
        assert manifest.copy_of == good
        assert len(rollbacks(config)) == 1 + there, moment
    assert "it is on record now" in capfd.readouterr().err
