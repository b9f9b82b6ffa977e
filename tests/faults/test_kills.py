"""SIGKILL in every step, and at four moments of those of each kind; `longhaul resume` goes on every time."""

from __future__ import annotations

import re

import pytest

from pipeline.lineage.runs import StepState
from tests.faults.place import Place
from tests.place import Outcome

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(1200)]
MOMENTS = ("start", "middle", "end", "after")
LOOK_UPS = {"SeenSpans", "Champion"}
AT_ALL_MOMENTS = {"StatisticsGen", "Trainer", "Pusher"}
"""One of each kind: TFX's own executor on Beam, ours without Beam, and one that writes outside its outputs. All are
launched and recorded by the same code; each of the others is killed at one moment, in turn, and
in the long tests at the others."""


def cases(steps: list[str], is_rest: bool) -> list[tuple[str, str]]:
    """Steps and moments, in the order in which a run comes to them; or all those that are left out."""
    found, turn = list[tuple[str, str]](), 0
    for node in steps:
        moments = ("start", "after") if node in LOOK_UPS else MOMENTS
        chosen = MOMENTS if node in AT_ALL_MOMENTS else (moments[turn % len(moments)],)
        turn += node not in AT_ALL_MOMENTS
        found += [(node, moment) for moment in moments if (moment in chosen) != is_rest]
    return found


def killed_in(outcome: Outcome) -> set[str]:
    """The steps in which a run was killed, as the next one says."""
    said = re.search(r"never ended: its process .*? without a word (?:in ([\w, ]+?)|between steps), or ", outcome.text)
    assert said, outcome.text
    return set((said[1] or "").split(", ")) - {""}


@pytest.mark.parametrize("is_rest", [False, pytest.param(True, marks=pytest.mark.long)], ids=["usual", "rest"])
def test_a_run_that_is_killed_again_and_again_comes_to_the_same_result(
    place: Place, undisturbed: Place, is_rest: bool
) -> None:
    """One run, resumed after every kill."""
    kills = cases([step.node for step in undisturbed.latest().steps], is_rest)
    for number, (node, moment) in enumerate(kills):
        outcome = place.call("resume" if number else "run", faults=[["kill_at", node, moment]])
        assert outcome.code == -9, (node, moment, outcome.text)
        if number:
            before, moment_before = kills[number - 1]
            on_record = moment_before != "after" and before not in LOOK_UPS  # which begin and end in one
            assert (before in killed_in(outcome)) == on_record, outcome.text
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
    assert len(earlier) == len(kills)
    assert [run.properties["resumes"] for run in [last, *earlier]] == [*(run.run_id for run in earlier), ""]
    # Killed between the push and its record: the next Pusher finds that this model serves, and takes it on record.
    (version,) = place.workspace.glob("serving/toy/[0-9]*")
    assert last.pushed == str(version)
    print(f"{len(kills)} kills survived")
