"""A run that reaches a limit of time leaves a workspace that is whole, and `resume` goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.lineage.runs import StepState
from tests.faults.place import Place

pytestmark = [pytest.mark.slow, pytest.mark.long]


def test_a_step_that_hangs_is_stopped_and_resume_goes_on(place: Place, tmp_path: Path) -> None:
    place.write_config(run={"step_timeout": {"DataGate": "2s"}})
    hangs = [["hold", "DataGate", str(tmp_path / "at work"), str(tmp_path / "go on")]]
    outcome = place.call("run", "--to", "DataGate", faults=hangs)
    assert outcome.code == 124, outcome.text
    assert (
        "longhaul: DataGate took longer than run.step_timeout allows (2s)\n  Remedy: `longhaul resume" in outcome.text
    )
    assert "Traceback" not in outcome.text
    assert "Report" in outcome.text
    run = place.latest()
    assert (run.status, run.reason) == ("interrupted", "DataGate took longer than run.step_timeout allows (2s)")
    assert place.states()["DataGate"] == StepState.INTERRUPTED
    place.check_records()
    outcome = place.call("resume")
    assert outcome.code == 0, outcome.text
    assert place.states()["StatisticsGen"] == StepState.CACHED
    assert place.states()["DataGate"] == StepState.DONE
    place.write_config(run={"step_timeout": {"Datagate": "2s"}})
    outcome = place.call("run", "--to", "DataGate", "--no-cache")
    assert (outcome.code, "there is no step 'Datagate'" in outcome.text) == (2, True), outcome.text
