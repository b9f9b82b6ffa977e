"""Files of artifacts and of the served model that were cut off, changed or removed; and a model that serves already."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from pipeline.lineage.runs import StepState
from pipeline.lineage.version_folders import versions
from pipeline.serving.versions import damage
from tests.faults.place import Place
from tests.zygote import Zygote

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(900)]
CACHED, DONE = StepState.CACHED, StepState.DONE


@pytest.fixture(scope="module")
def whole(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("whole"), zygote)
    outcome = place.call("run")
    assert outcome.code == 0, outcome.text
    return place


def base(place: Place) -> Path:
    return place.workspace / "serving" / "toy"


def test_a_model_that_serves_is_not_pushed_again(whole: Place) -> None:
    before = versions(base(whole))
    for command in (["run", "--from", "Pusher", "--no-cache"], ["run", "--from", "InfraCheck"], ["run"]):
        outcome = whole.call(*command)
        assert outcome.code == 0, outcome.text
        assert versions(base(whole)) == before
    outcome = whole.call("run", "--from", "Pusher", "--no-cache")
    assert f"{before[-1]}; it served already, so nothing was pushed" in outcome.text
    assert whole.latest().pushed == str(base(whole) / str(before[-1]))


def test_a_damaged_served_model_is_said_and_replaced(whole: Place) -> None:
    assert whole.call("run").code == 0
    (served,) = versions(base(whole))
    os.truncate(base(whole) / str(served) / "saved_model.pb", 1000)
    said = f"version {served} is damaged: saved_model.pb was changed"
    asked = whole.call("predict", str(whole.folder / "table.csv"), "-o", str(whole.folder / "p.csv"))
    assert (asked.code, said in asked.text) == (2, True), asked.text
    found = json.loads(whole.call("versions", "--json").text)
    assert [version["damage"] for version in found] == [["saved_model.pb was changed"]]
    outcome = whole.call("run")
    assert outcome.code == 0, outcome.text
    assert f"version {served}, which serves, is damaged: saved_model.pb was changed" in outcome.text
    first, second = versions(base(whole))
    assert first == served
    assert damage(base(whole) / str(second)) == []
    assert whole.states()["Trainer"] is CACHED
    assert whole.latest().pushed == str(base(whole) / str(second))
    shutil.rmtree(base(whole) / str(first))


def test_an_unchanged_run_makes_a_damaged_output_again(whole: Place) -> None:
    assert whole.call("run").code == 0
    unchanged = whole.call("run")
    assert (unchanged.code, "loading" in unchanged.text) == (0, False), unchanged.text
    (artifact,) = whole.latest().artifacts["StatisticsGen"]
    file = max((path for path in Path(artifact.uri).rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    file.write_bytes(bytes(file.stat().st_size))  # as long as before
    outcome = whole.call("run", "--from", "DataGate")
    assert outcome.code == 2
    assert f"--from DataGate: what StatisticsGen made is damaged: {artifact.uri}" in outcome.text
    outcome = whole.call("run")
    assert outcome.code == 0, outcome.text
    assert f"{artifact.uri} is damaged" in outcome.text
    states = whole.states()
    assert (states["TableExampleGen"], states["StatisticsGen"]) == (CACHED, DONE)
