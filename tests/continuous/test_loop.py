"""`longhaul loop` on a workspace with versions and records; what trains is stood in for, what judges is scripted.

The whole of it, trained and judged by a request log, is tests/e2e/test_renewal.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.commands import loop_work
from pipeline.commands import rollout as levers
from pipeline.commands.approve import decide
from pipeline.commands.loop import explain, loop_once
from pipeline.config.continuous import Continuous
from pipeline.config.pipeline import PipelineConfig
from pipeline.continuous.journal import Journal, journal_of
from pipeline.continuous.paired import ABORT, PASS, WAIT, Judgement
from pipeline.errors import EXIT_GATE, EXIT_UNAVAILABLE, LockedError
from pipeline.lineage.decisions import DECISION
from pipeline.lineage.store import open_store
from pipeline.serving import rollout
from pipeline.serving.publish import publish
from pipeline.serving.versions import newest_manifest
from tests.commands.test_approve import wait
from tests.serving.test_rollback import base, config, push  # noqa: F401

NEW_RUN = "20990101-000000-001"
"""Later than all that a test makes."""


class Killed(BaseException):
    """Stands for kill -9: nothing catches it, and nothing is tidied after it."""


class World:
    """A pipeline under the loop.

    Attributes:
        verdicts: what the judge says at each step, by share; trained: how often a run was made.
    """

    def __init__(
        self,
        config: PipelineConfig,  # noqa: F811
        monkeypatch: pytest.MonkeyPatch,
        *,
        serves: bool = True,
        **continuous: Any,
    ) -> None:
        settings = {"approval": "none", "canary": (10, 50)} | continuous
        self.config = config.model_copy(update={"continuous": Continuous(**settings)})
        self.verdicts: dict[float, str] = {0.0: PASS, 10.0: PASS, 50.0: PASS}
        self.trained = 0
        self.codes: list[int] = []
        self.now = datetime(2026, 1, 5, 6, tzinfo=UTC)
        (config.file or Path()).with_name("table.csv").write_text("carrier,distance_miles,late\nUA,1,1\n")
        self.before = push(config, "before") if serves else 0
        monkeypatch.setattr(loop_work, "train", self._train)
        monkeypatch.setattr(loop_work.rolling, "judged", self._judged)

    def _train(self, _: PipelineConfig, log: Path) -> tuple[int, float]:
        if self.codes and (code := self.codes.pop(0)):
            return code, 1.0
        self.trained += 1
        wait(self.config, "new", NEW_RUN)
        return 0, 60.0

    def _judged(self, _: Any, attempt: Any, *__: Any) -> Judgement:
        return Judgement(self.verdicts[attempt.stage], "as scripted", 600, 0.0, -0.001, 0.001)

    def look(self, *asked: str) -> Any:
        self.now += timedelta(hours=1)
        return loop_once(self.config, asked, lambda: self.now)

    @property
    def journal(self) -> Journal:
        return Journal.read(journal_of(self.config.root, self.config.name))

    def kinds(self) -> list[str]:
        return [
            f"{one.kind} {one.told.get('action', one.told.get('outcome', ''))}".strip() for one in self.journal.entries
        ]

    def versions(self) -> list[int]:
        return sorted(int(one.name) for one in base(self.config).iterdir() if one.name.isdecimal())

    def recorded(self) -> list[str]:
        return [one.name for one in open_store(self.config).get_executions_by_type(DECISION)]


@pytest.fixture
def world(config: PipelineConfig, monkeypatch: pytest.MonkeyPatch) -> Callable[..., World]:  # noqa: F811
    return lambda **continuous: World(config, monkeypatch, **continuous)


WHOLE = [
    *("began", "decided run", "trained waits", "published", "decided step", "done step", "decided step", "done step"),
    *("decided promote", "ended promoted"),
]


def test_an_event_becomes_a_model_that_serves(world: Callable[..., World]) -> None:
    here = world(new_span=True)
    done = here.look()
    assert here.kinds() == WHOLE
    assert (done.code, done.attempt.ended, done.attempt.cpu_s) == (0, "promoted", 60.0)
    served = newest_manifest(base(here.config))
    assert served
    assert (served.run_id, rollout.under_way(base(here.config)), len(here.versions())) == (NEW_RUN, None, 2)
    steps = [one.custom_properties["step"].string_value
             for one in open_store(here.config).get_executions_by_type("longhaul.Rollout")]  # fmt: skip
    assert steps == ["start", "step", "step", "promote"]
    assert len(here.recorded()) == len(WHOLE)
    here.look()
    assert (here.kinds(), len(here.recorded())) == (WHOLE, len(WHOLE))  # the event has had its run


def test_a_candidate_begins_in_the_shadow_in_the_instant_in_which_it_appears(world: Callable[..., World]) -> None:
    here = world(new_span=True)
    here.verdicts[0.0] = WAIT
    done = here.look()
    found = rollout.under_way(base(here.config))
    assert found
    assert (found.mode, found.stable, found.version) == ("shadow", here.before, here.versions()[-1])
    assert done.waits == "shadow: as scripted"
    here.verdicts |= {0.0: PASS, 10.0: WAIT}
    assert here.look().waits == "canary 10 %: as scripted"
    found = rollout.under_way(base(here.config))
    assert found
    assert (found.mode, found.share) == ("canary", 10)


def test_what_is_worse_is_taken_back_and_a_gate_said_no(world: Callable[..., World]) -> None:
    here = world(new_span=True)
    here.verdicts[10.0] = ABORT
    digest = newest_manifest(base(here.config)).digest  # type: ignore[union-attr]
    done = here.look()
    assert (done.code, done.attempt.ended) == (EXIT_GATE, "aborted")
    served = newest_manifest(base(here.config))
    assert served
    assert served.digest == digest
    assert here.kinds()[-3:] == ["done step", "decided abort", "ended aborted"]


def test_a_freeze_holds_steps_back_and_lets_a_model_be_taken_back(world: Callable[..., World]) -> None:
    here = world(new_span=True)
    here.verdicts[0.0] = WAIT
    here.look()
    frozen = here.config.continuous.model_copy(update={"freeze": ("monday",)})
    here.config = here.config.model_copy(update={"continuous": frozen})
    here.verdicts[0.0] = PASS
    assert here.look().waits == "shadow: as scripted; freeze: it is monday"
    here.verdicts[0.0] = ABORT
    assert here.look().attempt.ended == "aborted"


def test_a_person_promotes_where_the_policy_says_so_and_is_asked_once(
    world: Callable[..., World], tmp_path: Path
) -> None:
    here = world(new_span=True, approval="before_promote")
    told = tmp_path / "told"
    notify = here.config.notify.model_copy(update={"command": ("/bin/sh", "-c", f"cat >> {told}; echo >> {told}")})
    here.config = here.config.model_copy(update={"notify": notify})
    assert here.look().waits.endswith("`longhaul rollout promote` or `longhaul rollout abort` decides")
    here.look()
    assert [json.loads(line)["event"] for line in told.read_text().splitlines()] == ["asks"]
    assert rollout.under_way(base(here.config))
    levers.promote(here.config, by="Ann")
    assert here.look().attempt.ended == "promoted"
    assert "decided promote" not in here.kinds()


@pytest.mark.parametrize("by", ["continuous", "push"])
def test_a_person_decides_whether_a_model_is_pushed_at_all_and_it_begins_in_the_shadow(
    world: Callable[..., World], by: str
) -> None:
    here = world(new_span=True, approval="before_push" if by == "continuous" else "none")
    if by == "push":
        push_settings = here.config.push.model_copy(update={"approval": "manual"})
        here.config = here.config.model_copy(update={"push": push_settings})
    here.verdicts[0.0] = WAIT
    assert "waits for approval" in here.look().waits
    assert here.versions() == [here.before]
    decide(here.config, NEW_RUN, by="Ann", note="good")
    found = rollout.under_way(base(here.config))
    assert found
    assert (found.mode, found.by) == ("shadow", "Ann")
    assert here.look().waits == "shadow: as scripted"
    assert here.kinds()[-1] == "published"


def test_a_model_that_a_person_rejects_ends_it(world: Callable[..., World]) -> None:
    here = world(new_span=True, approval="before_push")
    here.look()
    decide(here.config, NEW_RUN, by="Ann", note="bad", reject=True)
    assert here.look().attempt.ended == "rejected"


def test_a_run_that_a_server_kept_from_its_end_is_tried_again(world: Callable[..., World]) -> None:
    here = world(new_span=True)
    here.codes = [EXIT_UNAVAILABLE]
    done = here.look()
    assert (done.code, done.attempt.ended) == (EXIT_UNAVAILABLE, "")
    assert here.look().attempt.ended == "promoted"
    assert here.journal.attempts()[0].cpu_s == 61.0


def test_the_first_model_of_all_serves_at_once(
    config: PipelineConfig,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = World(config, monkeypatch, serves=False, new_span=True)
    assert here.look().attempt.ended == "promoted"
    assert "decided step" not in here.kinds()


def test_what_it_would_do_is_said_and_nothing_is_done(world: Callable[..., World]) -> None:
    here = world(cooldown="1d", freeze=("monday",))
    said = explain(here.config, ["x"], lambda: here.now)
    assert ([one.key for one in said.events], said.held) == (["manual:x"], ["freeze: it is monday"])
    assert explain(here.config, (), lambda: here.now).waits == "nothing asks for a run"
    assert explain(here.config, ["x"], lambda: here.now + timedelta(days=1)).waits == "a run would begin"
    assert not journal_of(here.config.root, here.config.name).exists()
    assert (here.trained, here.versions()) == (0, [here.before])


def test_of_two_at_once_the_second_says_so(world: Callable[..., World]) -> None:
    here = world(new_span=True)

    def meanwhile(*_: Any) -> tuple[int, float]:
        with pytest.raises(LockedError, match=r"another loop \(process \d+, since "):
            loop_once(here.config, (), lambda: here.now)
        return here._train(here.config, Path())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop_work, "train", meanwhile)
        assert here.look().attempt.ended == "promoted"


@pytest.mark.slow
@pytest.mark.long
def test_a_kill_at_any_moment_costs_nothing_and_nothing_is_done_twice(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after each thing that is written, the last step of an abort too."""
    from tests.serving.test_rollback import config as made

    moments = 0
    for verdicts, at in (({50.0: PASS}, 0), ({10.0: ABORT}, 10)):  # until the tenth write both are the same
        while True:
            with monkeypatch.context() as patch:
                folder = tmp_path_factory.mktemp("killed")
                here = World(made.__wrapped__(folder), patch, new_span=True)  # type: ignore[attr-defined]
                here.verdicts |= verdicts
                counted = kill_at(patch, here, at)
                try:
                    here.look()
                    was_killed = False
                except Killed:
                    was_killed = True
                counted["at"] = -1
                if was_killed:
                    torn = here.journal.file
                    if torn.exists() and at % 2:  # half a line more, as of a write that did not end
                        with torn.open("ab") as file:
                            file.write(b'{"form": 1, "num')
                    here.look()
                ended = here.journal.attempts()[0].ended
                assert ended == ("promoted" if 50.0 in verdicts and verdicts[50.0] == PASS else "aborted"), at
                assert here.trained == 1, at
                assert len(here.versions()) == (2 if ended == "promoted" else 3), at
                assert len(here.recorded()) == len(set(here.recorded())) == len(here.journal.entries), at
                assert rollout.under_way(base(here.config)) is None
            if not was_killed:
                break
            at += 1
        moments += at
    assert moments > 28


def kill_at(patch: pytest.MonkeyPatch, here: World, moment: int) -> dict[str, int]:
    """Have the process end after so many writes of the journal, runs, versions and changes of a rollout: between two of
    them nothing is written."""
    counted = {"now": 0, "at": moment}

    def killing(function: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            found = function(*arguments, **named)
            point()
            return found

        return call

    def point() -> None:
        if counted["now"] == counted["at"]:
            raise Killed
        counted["now"] += 1

    patch.setattr(Journal, "write", killing(Journal.write))
    patch.setattr(loop_work, "train", killing(here._train))
    patch.setattr("pipeline.commands.approve.publish", killing(publish))
    patch.setattr(rollout, "write", killing(rollout.write))
    patch.setattr(rollout, "end", killing(rollout.end))
    patch.setattr(levers, "serve_again", killing(levers.serve_again))
    return counted
