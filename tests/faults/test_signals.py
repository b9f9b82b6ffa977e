"""Signals that ask a run to end: it ends its step, its records are in order, others are told, and it can be resumed."""

from __future__ import annotations

import os
import signal
import time

import pytest

from pipeline.lineage.runs import StepState
from tests.faults.place import Place
from tests.receiver import listening
from tests.waiting import eventually

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [(signal.SIGINT, 130, "stopped from the keyboard"), (signal.SIGTERM, 143, "stopped by SIGTERM")],
)
def test_a_run_that_is_asked_to_end(place: Place, number: signal.Signals, code: int, words: str) -> None:
    """Ctrl-C, or what a container gets when it is stopped."""
    out = place.folder / "out.txt"
    with listening() as receiver:
        place.write_config(
            observe={"openlineage_url": receiver.address}, notify={"webhook": f"{receiver.address}/people"}
        )
        at_work = place.folder / "at work"
        faults = [["hold", "StatisticsGen", str(at_work), str(place.folder / "never")]]
        process = place.zygote.start(place.argv("run", "--to", "StatisticsGen"), out, faults)
        eventually(at_work.exists)
        began = time.monotonic()
        os.kill(process, number)
        assert place.zygote.end() == code
        assert time.monotonic() - began < 300  # not when the step would have ended
        (told,) = [taken.content for taken in receiver.taken if taken.path == "/people"]
        assert (told["ending"], told["run_id"]) == ("interrupted", place.latest().run_id)
        aborted = [one.content["job"]["name"] for one in receiver.taken if one.content.get("eventType") == "ABORT"]
        assert sorted(aborted) == ["toy", "toy.StatisticsGen"]
    # Nobody listens any more: a warning.
    assert f"longhaul: {words}; `longhaul resume" in out.read_text()
    assert "goes on after the last finished step" in out.read_text()
    assert (place.latest().status, place.latest().reason) == ("interrupted", words)
    assert place.states()["StatisticsGen"] is StepState.INTERRUPTED
    place.check_records()
    outcome = place.call("resume")
    assert outcome.code == 0, outcome.text
    assert "never ended" not in outcome.text
    assert (place.states()["TableExampleGen"], place.states()["StatisticsGen"]) == (StepState.CACHED, StepState.DONE)
    place.check_records()
