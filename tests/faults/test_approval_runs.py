"""Runs under `push.approval: manual`: a model waits, an unchanged run does not ask again, a decision holds."""

from __future__ import annotations

import pytest

from pipeline.lineage.runs import StepState
from tests.faults.place import Place

pytestmark = [pytest.mark.slow, pytest.mark.long]
BY = ("--by", "Ann Lee", "--note", "fine")


def test_a_model_waits_and_a_decision_holds(place: Place) -> None:
    news = place.folder / "news.jsonl"
    place.write_config(
        push={"approval": "manual"}, notify={"command": ["sh", "-c", f"cat >> '{news}'; echo >> '{news}'"]}
    )
    first = place.call("run")
    assert first.code == 0, first.text
    assert "Not pushed waits for approval: `longhaul approve" in first.text
    assert not place.serving.exists() or place.versions == []
    again = place.call("run")
    assert (again.code, "loading" in again.text) == (0, False), again.text
    assert news.read_text().count('"waits_for_approval"') == 1  # nobody is asked twice

    assert place.call("approve", "latest", *BY).code == 0
    (version,) = place.versions
    unchanged = place.call("run")
    assert (unchanged.code, "loading" in unchanged.text) == (0, False), unchanged.text
    assert place.latest().pushed == str(place.serving / str(version))
    assert "waits" not in place.call("runs").text
    lineage = place.call("lineage", "served")
    assert lineage.code == 0, lineage.text
    assert place.runs()[-1].run_id in lineage.text

    # Another model is rejected, and judged anew under other thresholds it stays away.
    place.write_config(trainer={"seed": 7})
    assert "waits for approval" in place.call("run").text
    assert place.call("gc", "--keep", "1", "--apply").code == 0
    assert place.call("approve", "latest", "--reject", *BY).code == 0
    place.write_config(evaluation={"min_rows": 7})
    outcome = place.call("run")
    assert outcome.code == 0, outcome.text
    assert "Not pushed rejected by Ann Lee" in outcome.text
    assert place.states()["Pusher"] == StepState.DONE
    assert place.versions == [version]
