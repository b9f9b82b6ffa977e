"""SIGKILL at every moment of every step; `longhaul resume` goes on every time."""

from __future__ import annotations

import re

import pytest

from pipeline.lineage.runs import StepState, list_runs
from tests.faults.place import Place
from tests.place import Outcome

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(1200)]
MOMENTS = ("start", "middle", "end", "after")
LOOK_UPS = {"SeenSpans", "Champion"}


def cases(steps: list[str]) -> list[tuple[str, str]]:
    """Steps and moments, in the order in which a run comes to them."""
    return [(node, moment) for node in steps for moment in (("start", "after") if node in LOOK_UPS else MOMENTS)]


def killed_in(outcome: Outcome) -> set[str]:
    """The steps in which a run was killed, as the next one says."""
    said = re.search(r"never ended: its process .*? without a word (?:in ([\w, ]+?)|between steps), or ", outcome.text)
    assert said, outcome.text
    return set((said[1] or "").split(", ")) - {""}


def test_a_run_that_is_killed_again_and_again_comes_to_the_same_result(place: Place, undisturbed: Place) -> None:
    """One run, resumed after every kill."""
    kills = cases([step.node for step in undisturbed.latest().steps])
    for number, (node, moment) in enumerate(kills):
        outcome = place.call("resume" if number else "run", faults=[["kill_at", node, moment]])
        assert outcome.code == -9, (node, moment, outcome.text)
        if number:
            before, moment_before = kills[number - 1]
            on_record = moment_before != "after" and before not in LOOK_UPS  # which begin and end in one
            assert (before in killed_in(outcome)) == on_record, outcome.text
        statuses = [run.status for run in list_runs(place.store, place.name)]
        assert statuses == ["died", *["interrupted"] * number]  # the newest one's end is not recorded yet
        place.check_records()
    outcome = place.call("resume")
    assert outcome.code == 0, outcome.text
    place.check_records()
    assert place.result() == undisturbed.expected
    last, *earlier = place.runs()
    assert len(earlier) == len(kills)
    assert all(step.state is not StepState.RUNNING for run in earlier for step in run.steps)
    assert [run.properties["resumes"] for run in [last, *earlier]] == [*(run.run_id for run in earlier), ""]
    # Killed between the push and its record: the next Pusher finds that this model serves, and takes it on record.
    (version,) = place.workspace.glob("serving/toy/[0-9]*")
    assert last.pushed == str(version)
    print(f"{len(kills)} kills survived")
