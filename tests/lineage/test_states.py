"""What came of a step: one mark and word for each way it can end, told by what it put out."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.lineage.records import Artifact, Step
from pipeline.lineage.runs import Run
from pipeline.lineage.states import LOOKS, Outcome, StepState, outcome_of

DONE, CACHED, SKIPPED, BLOCKED = StepState.DONE, StepState.CACHED, StepState.SKIPPED, StepState.BLOCKED


def came_of(state: StepState, kind: str = "Model", **properties: Any) -> str:
    return outcome_of(state, [Artifact(kind, "/x", properties)]).words


def test_every_state_has_a_mark_of_its_own() -> None:
    assert set(LOOKS) == set(StepState)
    assert len({mark for mark, _ in LOOKS.values()}) == len(StepState)
    assert [state for state in StepState if LOOKS[state][0] == "✓"] == [DONE]


@pytest.mark.parametrize("state", [DONE, CACHED])
def test_a_step_that_had_nothing_to_do_was_skipped_cached_or_not(state: StepState) -> None:
    assert came_of(state, "InfraBlessing", checked=0, blessed=0, skipped="not blessed") == "skipped: not blessed"
    assert came_of(state, "PushedModel", pushed=0, skipped="not fit to serve") == "skipped: not fit to serve"


@pytest.mark.parametrize("state", [DONE, CACHED])
def test_what_older_longhauls_left_is_understood(state: StepState) -> None:
    assert came_of(state, "InfraBlessing", checked=0, blessed=0) == "skipped: not blessed"
    assert came_of(state, "PushedModel", pushed=0) == "skipped: not blessed, or not fit to serve"
    assert came_of(state, "PushedModel", pushed=0, not_pushed="it was rolled back") == "skipped: it was rolled back"


@pytest.mark.parametrize("state", [DONE, CACHED])
def test_a_gate_that_said_no_blocked_the_run(state: StepState) -> None:
    assert came_of(state, "longhaul.DataVerdict", blessed=0) == "blocked"
    assert came_of(state, "longhaul.DataVerdict", blessed=1) == state.value


def test_a_model_that_serves_already_was_not_pushed() -> None:
    assert came_of(DONE, "PushedModel", pushed=1, served_already="2026-11-28T14:00:00+00:00") == (
        "skipped: the model serves already"
    )


def test_what_did_something_is_what_it_was() -> None:
    assert came_of(DONE, "PushedModel", pushed=1) == "done"
    assert came_of(CACHED, "InfraBlessing", checked=1, blessed=0) == "cached"
    assert came_of(StepState.FAILED, "PushedModel", pushed=0) == "failed"  # it died before it could say anything
    assert outcome_of(DONE, []) == Outcome(DONE)


def test_steps_that_were_planned_and_never_began() -> None:
    run = Run(
        *("r", "p", "failed", "", 1.0, "why"),
        properties={"planned": '["DataGate", "Transform", "Trainer"]'},
        steps=[Step("DataGate", DONE, 1.0, 1)],
    )
    assert [(step.node, step.outcome.words) for step in run.not_reached] == [
        ("Transform", "not reached"),
        ("Trainer", "not reached"),
    ]
    assert Run("r", "p", "running", "", 1.0, "", dict(run.properties)).not_reached == []
    assert Run("r", "p", "failed", "", 1.0, "", {}).not_reached == []  # an older record has no plan
