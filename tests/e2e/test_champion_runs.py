"""What a model is compared with, run after run: nothing yet, itself, one that knew the rows, one that predicts
something else and lies in the serving folder only."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import tensorflow_model_analysis as tfma

from pipeline.lineage.runs import Run
from pipeline.serving.versions import newest
from tests.faults.place import CONFIG, SCHEMA
from tests.place import Command, Place

pytestmark = [pytest.mark.slow, pytest.mark.long]

NEW = 'feature { name: "new" type: INT presence { min_count: 1 } }\n'
ID = 'feature { name: "id" type: INT presence { min_count: 1 } }\n'


def write_table(folder: Path, *columns: str, answers: tuple[str, ...] = ("no", "yes")) -> None:
    """300 rows; `columns` are those beside the toy's."""
    lines = [",".join(["id", "day", "color", "size", "answer", *columns])]
    for i in range(300):
        answer = answers[i * 37 % 101 * len(answers) // 101]
        row = [i, f"2024-01-{1 + i % 28:02}", ("red", "green", "blue")[i % 3], i * 37 % 101 / 10, answer]
        lines.append(",".join(map(str, [*row, *(i % 5 for _ in columns)])))
    (folder / "table.csv").write_text("\n".join([*lines, ""]))
    (folder / "toy.pbtxt").write_text(ID + SCHEMA + NEW * len(columns))


def good_run(place: Place, **sections: Any) -> tuple[str, Run]:
    """What was said, in one line, and the run."""
    outcome, run = place.run(**sections)
    assert outcome.code == 0, outcome.text
    return " ".join(outcome.text.split()), run


def ids(run: Run, split: str) -> set[int]:
    (examples,) = [found for found in run.artifacts["TableExampleGen"] if found.type == "Examples"]
    return set(pq.read_table(Path(examples.uri, f"Split-{split}"))["id"].to_pylist())


def test_what_a_model_is_compared_with(longhaul: Command, tmp_path: Path) -> None:
    features = CONFIG["features"] | {"exclude": ["day", "id"]}
    place = Place(tmp_path, longhaul, CONFIG | {"features": features})
    write_table(tmp_path)
    said, first = good_run(place)
    assert "no champion yet: judged by absolute thresholds only" in said

    said, _ = good_run(place)  # all of it cached, the verdict too
    assert f"this model is the champion itself: it serves as version {newest(place.serving)}" in said
    assert "no champion yet" not in said
    pages = (tmp_path / "workspace" / "reports").glob("2*.html")
    assert "this model is the champion itself" in max(pages).read_text()

    write_table(tmp_path, "new")  # the whole row tells the split: with a column more, rows move
    champion = newest(place.serving)
    said, second = good_run(place)
    assert f"compared with champion run {first.run_id}, which serves as version {champion}" in said
    both = len(ids(first, "train") & ids(second, "eval"))
    assert 0 < both < len(ids(second, "eval"))
    assert second.verdict
    assert second.verdict["seen"] == {"seen": both}
    assert f"{both} of {len(ids(second, 'eval'))} rows that judge champion run {first.run_id} were in its train" in said

    rules = {"thresholds": {"auc": {"may_lose": 1.0}}, "against": "best of last 2"}
    said, third = good_run(place, evaluation=rules, trainer={"seed": 14})
    assert third.verdict
    assert third.verdict["champion_name"] == f"champion run {second.run_id}"
    (evaluation,) = [found for found in third.artifacts["Evaluator"] if found.type == "ModelEvaluation"]
    (earlier,) = [found.id for found in first.artifacts["Trainer"] if found.type == "Model"]
    recorded = tfma.load_eval_result(f"{evaluation.uri}/reference-{earlier}").get_metrics_for_slice()
    before = {name: value["doubleValue"] for name, value in recorded.items()}
    assert before["example_count"] == third.verdict["metrics"]["example_count"]  # measured now, on these rows
    best = third.verdict["bounds"]["auc"]
    assert best["value"] == max(before["auc"], third.verdict["champion"]["auc"])
    assert best["model"] in (f"champion run {second.run_id}", f"the model of run {first.run_id}")

    # Another store, as on a new machine: what serves lies in the serving folder alone.
    shutil.rmtree(tmp_path / "workspace" / "artifacts")
    (tmp_path / "workspace" / "metadata.db").unlink()
    champion = newest(place.serving)
    write_table(tmp_path, "new", answers=("no", "maybe", "yes"))
    accuracy = {"thresholds": {"accuracy": {"at_least": 0.0}}}
    said, last = good_run(place, evaluation=accuracy, data={"task": "multiclass", "classes": ["no", "maybe", "yes"]})
    why = "its task is binary, not multiclass"
    aside = f"champion run {third.run_id}, which serves as version {champion}: {why}"
    assert f"the champion is set aside: {aside}; judged by absolute thresholds only" in said
    assert last.verdict
    assert last.verdict["set_aside"] == {"name": f"champion run {third.run_id}", "why": why}
    assert (last.verdict["champion"], last.verdict["blessed"]) == (None, True)
    assert newest(place.serving) != champion
    assert aside in " ".join(place.call("show").text.split())
