"""What changes between a crash and `longhaul resume`, or behind the store's back."""

from __future__ import annotations

import shutil

import pytest

from pipeline.lineage.runs import StepState
from tests.faults.place import Place

pytestmark = [pytest.mark.slow, pytest.mark.long]
CACHED, DONE = StepState.CACHED, StepState.DONE


def crash(place: Place, node: str, *arguments: str) -> None:
    assert place.call("run", *arguments, faults=[["kill_at", node, "start"]]).code == -9


def test_a_changed_setting_runs_again_what_it_concerns(place: Place) -> None:
    crash(place, "Trainer", "--to", "Trainer")
    place.write_config(trainer={"epochs": 2})
    outcome = place.call("resume")
    assert outcome.code == 0, outcome.text
    assert "Changed   since then: the settings in 'trainer'" in outcome.text
    states = place.states()
    assert {states[node] for node in ("CuratedSchema", "TableExampleGen", "StatisticsGen", "Transform")} == {CACHED}
    assert states["Trainer"] is DONE
    killed = place.runs()[1]
    assert (killed.status, place.latest().properties["resumes"]) == ("interrupted", killed.run_id)
    place.check_records()

    # The data, and it was a run from some step on: what that took from an earlier run is out of date.
    crash(place, "Trainer", "--from", "Trainer", "--to", "Trainer")
    place.write_table(310)
    outcome = place.call("resume")
    assert outcome.code == 2
    assert "began at Trainer with the results of an earlier run, and something has changed since: the data" in (
        outcome.text
    )
    outcome = place.call("run", "--to", "DataGate")
    assert outcome.code == 0, outcome.text
    assert {place.states()[node] for node in ("TableExampleGen", "StatisticsGen", "DataGate")} == {DONE}
    assert (place.latest().ingestion or {})["rows"] != (killed.ingestion or {})["rows"]
    outcome = place.call("resume")
    assert (outcome.code, "there is nothing to resume: run" in outcome.text) == (2, True)

    # What ended at the gate goes on behind it: what Transform looks up is looked up anew. A later step is too far.
    outcome = place.call("run", "--from", "Trainer")
    assert outcome.code == 2, outcome.text
    assert "did not get through SeenSpans, Transform" in outcome.text
    outcome = place.call("run", "--from", "Transform", "--to", "Transform")
    assert outcome.code == 0, outcome.text
    assert place.states()["Transform"] is DONE


def test_outputs_that_somebody_deleted_are_made_again(place: Place, undisturbed: Place) -> None:
    crash(place, "Trainer")
    (statistics,) = place.workspace.glob("artifacts/StatisticsGen/statistics/*")
    shutil.rmtree(statistics)
    outcome = place.call("resume")
    assert outcome.code == 0, outcome.text
    states = place.states()
    assert (states["TableExampleGen"], states["StatisticsGen"], states["DataGate"]) == (CACHED, DONE, DONE)
    assert place.result() == undisturbed.expected

    (model,) = place.workspace.glob("artifacts/Trainer/model/*")
    shutil.rmtree(model)
    outcome = place.call("run", "--from", "Evaluator")
    assert outcome.code == 2, outcome.text
    assert f"what Trainer made is gone: {model}" in outcome.text
    outcome = place.call("run")
    assert outcome.code == 0, outcome.text
    assert place.states()["Trainer"] is DONE
    assert place.result() == undisturbed.expected
