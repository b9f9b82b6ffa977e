"""What blesses a model and what does not, in real runs: a worse challenger, a bad slice, what is left to read."""

from __future__ import annotations

import csv
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.lineage.runs import Run, find_run
from pipeline.lineage.store import open_store
from pipeline.reports.page import collect, render
from pipeline.reports.page_places import page_path
from tests import small
from tests.place import Command, Place

pytestmark = [pytest.mark.slow, pytest.mark.in_order]

CITIES = {"Bonn": 0, "Köln": 0, "Ulm": 1, "Rom": 2}
"""The answer can be told in the first two, is chance in the third, and always the same in the fourth."""
TASKS = {"answer": "binary", "size": "multiclass", "price": "regression"}


def write_table(path: Path, rows: int = 1_600) -> None:
    draw = random.Random(5)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["city", "weight", "noise", *TASKS])
        for _ in range(rows):
            city, weight, noise = draw.choice(list(CITIES)), draw.random() * 6, draw.random()
            answer = {0: weight + draw.gauss(0, 0.5) > 3, 1: draw.random() < 0.5, 2: False}[CITIES[city]]
            size = ("small", "middle", "large")[min(int(weight / 2), 2)]
            price = weight + draw.gauss(0, 0.3)
            writer.writerow([city, f"{weight:.3f}", f"{noise:.3f}", "yes" if answer else "no", size, f"{price:.2f}"])


@pytest.fixture(scope="module")
def desks(longhaul: Command, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Place]:
    folder = tmp_path_factory.mktemp("judgement")
    write_table(folder / "table.csv")

    def desk(label: str) -> Place:
        config = folder / f"{label}.yaml"
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            said = longhaul("init", "table.csv", "--label", label, "--name", label)
            assert said.code == 0, said.text
        document = yaml.safe_load(config.read_text())
        document["data"]["path"] = str(folder / "table.csv")
        document["features"]["exclude"] = [other for other in TASKS if other != label]
        document["trainer"] |= {
            "hidden_units": [16],
            "epochs": 15,
            "batch_size": 64,
            "learning_rate": 0.01,
            "teacher": "none",
        }
        document["infra_check"] = small.INFRA_CHECK
        document["evaluation"] = {"slices": [["city"]], "thresholds": document["evaluation"]["thresholds"]}
        document["evaluation"]["explain"] = {"permutation_rows": 300, "repeats": 2, "rows": 4}
        return Place(folder, longhaul, document, workspace=folder / label)

    return desk


@pytest.fixture(scope="module")
def desk(desks: Callable[[str], Place]) -> Place:
    return desks("answer")


RULES: dict[str, Any] = {
    "auc": {"at_least": 0.6, "may_lose": 0.05, "slices": {"city=Bonn": {"at_least": 0.8, "min_rows": 10}}}
}


@pytest.fixture(scope="module")
def first(desk: Place) -> Run:
    outcome, run = desk.run(evaluation={"thresholds": RULES, "min_rows": 10})
    assert outcome.code == 0, outcome.text
    assert "no champion yet: judged by absolute thresholds only" in outcome.text
    return run


def files(run: Run) -> dict[str, Any]:
    (evaluation,) = [found for found in run.artifacts["Evaluator"] if found.type == "ModelEvaluation"]
    return {name: json.loads(Path(evaluation.uri, f"{name}.json").read_text()) for name in ("curves", "explanation")}


def test_what_an_evaluation_leaves(first: Run) -> None:
    verdict = first.verdict
    assert verdict
    assert verdict["blessed"]
    assert (verdict["champion"], verdict["failures"]) == (None, [])
    low, high = verdict["intervals"]["auc"]
    assert low < verdict["metrics"]["auc"] < high
    of_city = {entry["slice"]["city"]: entry for entry in verdict["slices"]}
    assert of_city["Rom"]["undefined"] == dict.fromkeys(
        ("auc", "auc_precision_recall", "calibration"), "one class only"
    )
    assert "auc" not in of_city["Rom"]["metrics"]
    assert 0 <= of_city["Rom"]["metrics"]["expected_calibration_error"] <= 1

    found = files(first)
    assert found["curves"]["challenger"].keys() >= {"roc", "precision_recall", "thresholds", "calibration"}
    assert found["explanation"]["problems"] == []
    importance = found["explanation"]["importance"]
    assert (importance["metric"], importance["rows"], importance["repeats"]) == ("log_loss", 300, 2)
    drops = {feature["name"]: feature["drop"] for feature in importance["features"]}
    assert drops.keys() == {"city", "weight", "noise"}
    assert min(drops["city"], drops["weight"]) > 0.05 > drops["noise"]
    rows = found["explanation"]["examples"]["rows"]
    assert {row["kind"] for row in rows[:2]} == {"false positive", "false negative"}
    assert [row["kind"] for row in rows[2:]] == ["ordinary"] * 2
    for row in rows:
        assert row["output"] == "yes"
        assert abs(row["gap"]) < 0.05
        parts = sum(part["part"] for part in row["parts"]) + row["others"] + row["gap"]
        assert row["typical"] + parts == pytest.approx(row["prediction"], abs=1e-6)
        assert {part["feature"] for part in row["parts"]} == drops.keys()
    assert rows[0]["truth"] != ("yes" if rows[0]["prediction"] > 0.5 else "no")


def test_a_reader_gets_it_all_in_one_page_and_a_card(desk: Place, first: Run, tmp_path: Path) -> None:
    settings = desk.config
    html = page_path(settings.root, first.run_id).read_text()
    for words in ("one class only", "Decision thresholds", "weight", "Single rows", "95% interval", "Model card"):
        assert words in html
    assert "Not computed" not in html.split('id="anomalies"')[0]
    for name in ("card.md", "card.html"):
        said = desk.call("card", first.run_id, "--output", tmp_path / name)
        assert said.code == 0, said.text
        assert "Quantitative analysis" in (tmp_path / name).read_text()


def test_one_bad_slice_alone_blocks(desk: Place, first: Run) -> None:
    rules = {"auc": RULES["auc"] | {"slices": {"city": {"at_least": 0.65}, "city=Paris": {"at_least": 0.9}}}}
    outcome, run = desk.run("--from", "Evaluator", evaluation={"thresholds": rules, "min_rows": 10})
    assert outcome.code == 1
    assert run.verdict
    assert [failure.partition(" is ")[0] for failure in run.verdict["failures"]] == ["auc on city=Ulm"]
    assert set(run.verdict["notes"]) >= {
        "auc on city=Rom is not judged: it cannot be computed (one class only)",
        "auc on city=Paris is not judged: there are no such rows",
    }
    assert run.pushed is None
    assert [entry["failed"] for entry in run.verdict["slices"]] == [[], [], [], ["auc"]]


def test_a_slice_too_small_to_judge_and_a_gap(desk: Place, first: Run) -> None:
    rules = {"auc": {"at_least": 0.6, "slices": {"city": {"at_least": 0.65, "min_rows": 100_000}}}}
    outcome, run = desk.run("--from", "Evaluator", evaluation={"thresholds": rules})
    assert outcome.code == 0, outcome.text
    assert run.verdict
    assert any(note.endswith("is not judged: fewer than 100,000 rows") for note in run.verdict["notes"])

    change = {"thresholds": {"auc": {"at_least": 0.6}}, "gaps": {"auc": {"city": 0.1}}, "min_rows": 10}
    outcome, run = desk.run("--from", "Evaluator", evaluation=change)
    assert outcome.code == 1
    assert run.verdict
    (failure,) = run.verdict["failures"]
    assert failure.startswith("auc by city lies ")
    assert "on city=Ulm" in failure


# The last of this pipeline: those above judge the model of the latest run again.


@pytest.mark.long
def test_a_deliberately_worse_challenger_is_not_blessed(desk: Place, first: Run) -> None:
    outcome, run = desk.run(
        evaluation={"thresholds": {"auc": {"may_lose": 0.05}}},
        trainer={"hidden_units": [1], "epochs": 1, "learning_rate": 1e-6},
    )
    assert outcome.code == 1
    assert run.verdict
    assert first.verdict
    now, before = run.verdict["metrics"]["auc"], first.verdict["metrics"]["auc"]
    settings = desk.config
    champion = run.verdict["champion_name"].removeprefix("champion run ")  # the run that blessed it last
    assert find_run(open_store(settings), settings.name, champion).verdict["metrics"]["auc"] == before
    assert run.verdict["failures"] == [
        f"auc is {now:.4f}, champion run {champion} had {before:.4f}: {before - now:.4f} worse, 0.05 is allowed"
    ]
    assert run.verdict["failures"][0] in outcome.text
    assert run.pushed is None
    low, high = run.verdict["differences"]["auc"]
    assert low < now - before < high < 0
    assert outcome.text.index("Not blessed") < outcome.text.index("Metric ")
    assert f"champion run {champion}" in render(collect(run))


@pytest.mark.long
@pytest.mark.parametrize(("label", "section"), [("size", "Confusion"), ("price", "Residuals")])
def test_several_classes_and_a_number(desks: Callable[[str], Place], label: str, section: str) -> None:
    desk = desks(label)
    outcome, run = desk.run()
    assert run.verdict, outcome.text
    assert outcome.code == 0, outcome.text
    metric = {"size": "accuracy", "price": "rmse"}[label]
    low, high = run.verdict["intervals"][metric]
    assert low <= run.verdict["metrics"][metric] <= high  # all rows may be right
    found = files(run)
    assert found["explanation"]["problems"] == []
    assert found["explanation"]["importance"]["features"][0]["name"] == "weight"
    rows = found["explanation"]["examples"]["rows"]
    # An integral by steps is near, not equal; a price is no probability between 0 and 1.
    assert max(abs(row["gap"]) for row in rows) < {"size": 0.05, "price": 0.1}[label]
    # A single row may have the weight of the typical one, so that its weight says nothing: all rows together.
    pushed = Counter[str]()
    for part in (part for row in rows for part in row["parts"]):
        pushed[part["feature"]] += abs(part["part"])
    assert pushed["weight"] > 2 * pushed["noise"]
    html = page_path(desk.config.root, run.run_id).read_text()
    assert f'aria-label="{section}"' in html
