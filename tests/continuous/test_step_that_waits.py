"""A step that gets too few rows decides nothing; people are told of it, once, and may end it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from pipeline.commands import rollout as levers
from pipeline.continuous.paired import ABORT, PASS, WAIT
from pipeline.serving import rollout
from tests.continuous.test_loop import World, world  # noqa: F401
from tests.serving.killed import killed_at
from tests.serving.test_rollback import base, config  # noqa: F401


def events(file: Path) -> list[str]:
    return [json.loads(line)["reason"] for line in file.read_text().splitlines()] if file.exists() else []


def test_people_are_told_once_of_a_canary_that_waits_and_one_of_them_ends_it(
    world: Callable[..., World],  # noqa: F811
    tmp_path: Path,
) -> None:
    here = world(new_span=True, approval="before_promote", canary=(10,))
    told = tmp_path / "told"
    notify = here.config.notify.model_copy(update={"command": ("/bin/sh", "-c", f"cat >> {told}; echo >> {told}")})
    here.config = here.config.model_copy(update={"notify": notify})
    here.verdicts[10.0] = WAIT
    here.look()
    here.now += timedelta(days=13)
    here.look()
    assert events(told) == []
    here.now += timedelta(days=1)
    here.look()
    here.look()
    (reason,) = events(told)
    assert reason.startswith("canary 10 %: as scripted; nothing else is trained meanwhile; `longhaul rollout promote`")
    here.verdicts[10.0] = PASS
    here.look()
    here.look()
    assert len(events(told)) == 2  # that it has passed all steps is another thing to be asked for
    levers.abort(here.config, by="Ann")
    assert here.look().attempt.ended == "overtaken"
    assert rollout.under_way(base(here.config)) is None
    assert here.trained == 1


def test_an_abort_that_was_killed_is_on_record_after_the_next_look(
    world: Callable[..., World],  # noqa: F811
    tmp_path: Path,
) -> None:
    here = world(new_span=True, canary=(10,))
    here.verdicts[10.0] = WAIT
    here.look()
    here.verdicts[10.0] = ABORT
    shutil.copytree(here.config.root, before := tmp_path / "before")
    for moment in range(20):
        killed_at(moment, here.look, ("store",))
        if len(here.versions()) == 3:
            break
        shutil.rmtree(here.config.root)
        shutil.copytree(before, here.config.root)
    here.look()
    assert here.journal.attempts()[0].ended == "aborted"
    assert not [one.name for one in base(here.config).iterdir() if one.name.startswith(".")]
