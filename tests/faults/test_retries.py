"""Failures that pass by themselves are tried again; every try is on record, and none is in the way."""

from __future__ import annotations

import errno

import pytest

from pipeline.lineage.runs import StepState
from tests.faults.place import Place

pytestmark = [pytest.mark.slow, pytest.mark.long]
TIMED_OUT = ["OSError", errno.ETIMEDOUT, "Connection timed out"]


def tries(place: Place, node: str) -> list[StepState]:
    return [step.state for step in place.latest().steps if step.node == node]


def test_a_step_is_tried_again_and_what_follows_takes_the_try_that_succeeded(place: Place) -> None:
    outcome = place.call("run", "--to", "DataGate", faults=[["fail_first", "StatisticsGen", 2, *TIMED_OUT]])
    assert outcome.code == 0, outcome.text
    assert outcome.text.count("once more in") == 2
    assert "StatisticsGen: TimeoutError: [Errno 110] Connection timed out; once more in 0.2 s" in outcome.text
    assert tries(place, "StatisticsGen") == [StepState.FAILED, StepState.FAILED, StepState.DONE]
    place.check_records()

    # Another run that goes on from there takes that one try.
    outcome = place.call("run", "--from", "ExampleValidator", "--to", "ExampleValidator")
    assert outcome.code == 0, outcome.text
    assert tries(place, "StatisticsGen") == [StepState.CACHED]


def test_a_run_that_repeats_the_last_one_does_not_repeat_its_failures(undisturbed: Place) -> None:
    undisturbed.write_config(run={"backoff_s": 0.11})  # which changes no result, but TFX is asked
    faults = [["run_without_cache", "InferredSchema"], ["fail_first", "InferredSchema", 1, *TIMED_OUT]]
    assert undisturbed.call("run", faults=faults).code == 0
    assert tries(undisturbed, "InferredSchema") == [StepState.FAILED, StepState.DONE]
    outcome = undisturbed.call("run")
    assert outcome.code == 0, outcome.text
    assert "loading" not in outcome.text
    assert tries(undisturbed, "InferredSchema") == [StepState.CACHED]
    assert undisturbed.result() == undisturbed.expected


def test_what_does_not_pass_ends_the_run_and_resume_goes_on(place: Place) -> None:
    outcome = place.call("run", "--to", "DataGate", faults=[["fail_first", "DataGate", 9, *TIMED_OUT]])
    assert outcome.code == 69, outcome.text
    assert "DataGate failed 3 times: TimeoutError: [Errno 110] Connection timed out" in outcome.text
    assert tries(place, "DataGate") == [StepState.FAILED] * 3
    assert place.latest().status == "failed"
    outcome = place.call("resume")
    assert outcome.code == 0, outcome.text
    assert "it stopped at DataGate" in outcome.text
    assert tries(place, "DataGate") == [StepState.DONE]
    assert tries(place, "StatisticsGen") == [StepState.CACHED]
    assert place.latest().properties["to_node"] == "DataGate"
    assert "Trainer" not in place.states()


@pytest.mark.parametrize(
    ("error", "code"), [(["DataError", "the table is odd", "mend it"], 2), (["RuntimeError", "a bug"], 70)]
)
def test_other_failures_get_one_try(place: Place, error: list[str], code: int) -> None:
    outcome = place.call("run", "--to", "StatisticsGen", faults=[["fail_first", "StatisticsGen", 9, *error]])
    assert outcome.code == code
    assert tries(place, "StatisticsGen") == [StepState.FAILED]
    place.check_records()
