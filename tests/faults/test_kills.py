"""SIGKILL at every step, at four moments of each; `longhaul resume` goes on every time."""

from __future__ import annotations

import pytest

from pipeline.lineage.runs import StepState
from tests.faults.place import Place

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
LOOK_UPS = {"SeenSpans", "Champion"}


def test_a_run_that_is_killed_again_and_again_comes_to_the_same_result(place: Place, undisturbed: Place) -> None:
    """One run, resumed after every kill: each step has begun four times and more before it is through."""
    steps = [step.node for step in undisturbed.latest().steps]
    cases = [
        (node, moment)
        for node in steps
        for moment in (("start", "after") if node in LOOK_UPS else ("start", "middle", "end", "after"))
    ]
    for number, (node, moment) in enumerate(cases):
        outcome = place.call("resume" if number else "run", faults=[["kill_at", node, moment]])
        assert outcome.code == -9, (node, moment, outcome.text)
        if number:
            before, _ = cases[number - 1]
            assert "never ended: its process " in outcome.text
            assert f"was killed in {before}" in outcome.text or "between steps" in outcome.text or "," in outcome.text
        killed, *earlier = place.runs()
        assert killed.status == "died"  # which nobody has written down yet
        assert {run.status for run in earlier} <= {"interrupted"}
        assert all(step.state is not StepState.RUNNING for run in earlier for step in run.steps)
        place.check_records()
    outcome = place.call("resume")
    assert outcome.code == 0, outcome.text
    place.check_records()
    assert place.result() == undisturbed.expected
    last, *earlier = place.runs()
    assert len(earlier) == len(cases)
    assert [run.properties["resumes"] for run in [last, *earlier]] == [*(run.run_id for run in earlier), ""]
    # Killed between the push and its record: the next Pusher finds that this model serves, and takes it on record.
    (version,) = place.workspace.glob("serving/toy/[0-9]*")
    assert last.pushed == str(version)
    print(f"{len(cases)} kills survived")
