"""`longhaul rejudge`: any pushed model on any labelled rows without a run, as Evaluator would judge it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.lineage.judgements import REJUDGE
from pipeline.lineage.runs import Run
from tests.faults.place import CONFIG, SCHEMA
from tests.place import Command, Place

pytestmark = [pytest.mark.slow, pytest.mark.long]


def write_span(folder: Path, span: int, flipped: bool = False) -> None:
    answers = ("yes", "no") if flipped else ("no", "yes")
    lines = ["day,color,size,answer"]
    for i in range(300):
        row = [f"2024-0{span}-{1 + i % 28:02}", ("red", "green", "blue")[i % 3], (i * 37 + span) % 101 / 10]
        lines.append(",".join(map(str, [*row, answers[i * 37 % 101 > 50]])))
    (folder / f"span-{span}").mkdir()
    (folder / f"span-{span}" / "table.csv").write_text("\n".join([*lines, ""]))


@pytest.fixture
def place(longhaul: Command, tmp_path: Path) -> Place:
    """Two runs on spans 1 and 2, of which the second judges; two versions."""
    (tmp_path / "toy.pbtxt").write_text(SCHEMA)
    for span in (1, 2):
        write_span(tmp_path, span)
    document: dict[str, Any] = copy.deepcopy(CONFIG)
    document["data"]["path"] = "span-{SPAN}/table.csv"
    document["split"] = {"by": "time", "column": "day", "eval": "last 1 span"}
    document["evaluation"]["slices"] = [["color"]]
    document["evaluation"]["thresholds"] = {"auc": {"at_least": 0.0, "may_lose": 1.0}, "log_loss": {"at_most": 9.0}}
    return Place(tmp_path, longhaul, document)


def runs(place: Place) -> list[Run]:
    found = []
    for seed in (1, 2):
        outcome, run = place.run(trainer={"seed": seed})
        assert outcome.code == 0, outcome.text
        found.append(run)
    return found


def test_a_model_is_judged_without_a_run_as_in_one(place: Place) -> None:
    first, second = runs(place)
    before = len(place.runs())

    # On the rows that judged it the figures are those of its run, slices and intervals included.
    outcome = place.call("rejudge", "served", "--span", "2", "--json")
    assert outcome.code == 0, outcome.text
    told = json.loads(outcome.text)
    (model,) = told["models"]
    verdict = second.verdict
    assert verdict
    assert model["name"] == str(place.versions[-1])
    assert model["metrics"] == pytest.approx(verdict["metrics"], abs=1e-6)
    assert {key: tuple(value) for key, value in model["intervals"].items()} == {
        key: pytest.approx(value, abs=1e-5) for key, value in verdict["intervals"].items()
    }
    assert {one["slice"]["color"]: one["metrics"]["auc"] for one in model["slices"]} == pytest.approx(
        {one["slice"]["color"]: one["metrics"]["auc"] for one in verdict["slices"]}, abs=1e-6
    )
    assert model["has_seen"] == [2]

    # On a span that no run has read, by all names, side by side, on the same rows.
    write_span(place.folder, 3, flipped=True)
    outcome = place.call("rejudge", "--all", "--span", "3")
    assert outcome.code == 0, outcome.text
    said = " ".join(outcome.text.split())
    assert "span 3 300 rows with a label, the same for all" in said
    assert all(run.run_id in said for run in (first, second))
    assert f"● {place.versions[-1]}" in said
    assert "has read these rows" not in said
    digest = model["digest"][:10]
    for name in (str(place.versions[-1]), "latest", digest, place.serving / str(place.versions[-1])):
        again = json.loads(
            place.call("rejudge", str(name), "--table", place.folder / "span-3" / "table.csv", "--json").text
        )
        assert [one["digest"] for one in again["models"]] == [model["digest"]], name
    assert len(place.runs()) == before

    # A threshold that it does not hold: exit code 1.
    place.write(evaluation={"thresholds": {"auc": {"at_least": 0.9}}})
    worse = place.call("rejudge", "served", "--span", "3")
    assert worse.code == 1, worse.text
    assert "needs at least 0.9" in worse.text

    # On record, and found from the model.
    executions = place.store.get_executions_by_type(REJUDGE)
    assert len(executions) == 1 + 2 + 4 + 1
    lineage = place.call("lineage", f"model:{place.versions[-1]}", "--down")
    assert lineage.code == 0, lineage.text
    assert f"model {place.versions[-1]} on span 3: " in " ".join(lineage.text.split())
    down = json.loads(place.call("lineage", f"model:{place.versions[-1]}", "--down", "--json").text)["down"]
    assert len(down["judgements"]) == 7
    assert all(Path(one["uri"]).is_file() for one in down["judgements"])

    # What cannot be.
    for arguments, code, words in (
        (["served", "--span", "9"], 66, "span 9 is not there"),
        (["served", "--span", "soon"], 2, "--span: a span is a number"),
        (["served"], 2, "no rows are named"),
        (["--span", "3"], 2, "no model is named"),
        (["7", "--span", "3"], 2, "neither a version nor a folder"),
        (["served", "--span", "3", "--table", "x.csv"], 2, "--span and --table both name rows"),
    ):
        refused = place.call("rejudge", *arguments)
        assert (refused.code, words in refused.text) == (code, True), refused.text
