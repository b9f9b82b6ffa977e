"""A search for hyperparameters that is killed, goes on and is reused; and a warm start on new data."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.lineage.runs import Run
from tests import small
from tests.place import Command, Place, done
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.in_order]

COLUMNS = ("scheduled_departure", "carrier", "humidity_pct", "late")
ROWS = 500
TRIALS = 4


@pytest.fixture(scope="module")
def place(
    flights: Path,
    tmp_path_factory: pytest.TempPathFactory,
    longhaul: Command,
    narrow_schema: Callable[[Path, Collection[str]], Path],
) -> Place:
    folder = tmp_path_factory.mktemp("tuning")
    for month in ("01", "02", "11"):
        (folder / "table" / f"span-{month}").mkdir(parents=True)
        table = pq.read_table(flights / f"span-{month}" / "flights.parquet", columns=list(COLUMNS))
        pq.write_table(table.slice(0, ROWS), folder / "table" / f"span-{month}" / "flights.parquet")
    document = {
        "name": "tuned",
        "data": {"path": f"{folder}/table/span-{{SPAN}}/flights.parquet", "label": "late", "task": "binary"},
        "split": {"by": "hash", "weights": {"train": 2, "eval": 1}},
        "schema": {"file": str(narrow_schema(folder / "schema.pbtxt", COLUMNS))},
        "features": {"exclude": ["scheduled_departure"]},
        "trainer": {
            "hidden_units": [8],
            "members": 2,
            "epochs": 2,
            "batch_size": 64,
            "learning_rate": 1e-3,
            "teacher": "none",
        },
        "evaluation": small.EVALUATION,
        "infra_check": small.INFRA_CHECK,
    }
    return Place(folder, longhaul, document)


SEARCH = {
    "mode": "search",
    "algorithm": "random",
    "trials": TRIALS,
    "space": {"hidden_units": [[4], [8], [16]], "learning_rate": {"from": 1e-3, "to": 1e-2, "scale": "log"}},
}


@pytest.fixture(scope="module")
def tuned(place: Place) -> Run:
    """The run that went on with a search after another one had been killed in its third trial."""
    config = place.write(tuner=SEARCH)
    tuning = place.folder / "workspace" / "tuning"
    program = [sys.executable, "-m", "pipeline.cli", "run", "-c", str(config), "-w", str(place.workspace)]
    with subprocess.Popen(program, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as killed:
        eventually(lambda: killed.poll() is not None or list(tuning.glob("*/trial_2/trial.json")), within_s=600)
        assert killed.poll() is None, killed.stdout and killed.stdout.read().decode()
        killed.send_signal(signal.SIGKILL)
    assert [trial["status"] for trial in trials(place)] == ["COMPLETED", "COMPLETED", "RUNNING"]
    outcome, run = place.run(tuner=SEARCH)
    assert outcome.code == 0, outcome.text
    return run


def log(place: Place, run: Run) -> str:
    return (place.workspace / "logs" / f"{run.run_id}.log").read_text()


def trials(place: Place) -> list[dict[str, Any]]:
    """What the search has on disk, in the trials' order."""
    (folder,) = (place.folder / "workspace" / "tuning").iterdir()
    return [json.loads(path.read_text()) for path in sorted(folder.glob("trial_*/trial.json"))]


def hyperparameters(run: Run) -> dict[str, Any]:
    (model,) = [artifact for artifact in run.artifacts["Trainer"] if artifact.type == "Model"]
    return {
        name.removeprefix("hp."): json.loads(value) for name, value in model.properties.items() if name[:3] == "hp."
    }


def test_a_killed_search_goes_on_with_what_was_finished(place: Place, tuned: Run) -> None:
    said = log(place, tuned)
    assert "2 trials of an earlier start are done" in said
    assert "trial 1 of 4: validation loss" not in said
    assert "trial 2 of 4: validation loss" not in said
    for number in (3, 4):
        assert f"trial {number} of 4: validation loss" in said
    on_disk = trials(place)
    assert [trial["status"] for trial in on_disk] == ["COMPLETED"] * TRIALS
    found = {artifact.type: Path(artifact.uri) for artifact in tuned.artifacts["Tuner"]}
    results = json.loads((found["TunerResults"] / "tuner_results.json").read_text())
    assert {row["trial_id"]: row["score"] for row in results} == {t["trial_id"]: t["score"] for t in on_disk}
    assert [row["score"] for row in results] == sorted(row["score"] for row in results)
    best = json.loads((found["HyperParameters"] / "best_hyperparameters.txt").read_text())["values"]
    used = hyperparameters(tuned)
    assert used["hidden_units"] == json.loads(best["hidden_units"])
    assert used["learning_rate"] == best["learning_rate"]  # to the last digit
    assert used["members"] == 2


def test_the_report_and_the_list_of_runs_tell_of_it(place: Place, tuned: Run) -> None:
    page = (place.folder / "workspace" / "reports" / f"{tuned.run_id}.html").read_text()
    assert "4 trials; the least validation loss is" in page
    listed = place.call("runs", "--json")
    assert listed.code == 0, listed.text
    shown = next(run for run in json.loads(listed.text) if run["run_id"] == tuned.run_id)
    assert shown["hyperparameters"]["learning_rate"] == hyperparameters(tuned)["learning_rate"]


def test_an_unchanged_search_is_not_repeated(place: Place, tuned: Run) -> None:
    outcome, run = place.run(tuner=SEARCH)
    assert outcome.code == 0, outcome.text
    assert done(run) == set()
    assert run.artifacts["Tuner"] == tuned.artifacts["Tuner"]


@pytest.mark.long
def test_a_later_run_reuses_what_was_found(place: Place, tuned: Run) -> None:
    outcome, run = place.run(tuner={"mode": "reuse"}, trainer={"seed": 14})
    assert outcome.code == 0, outcome.text
    assert "Tuner" not in {step.node for step in run.steps}
    assert "Trainer" in done(run)
    used = hyperparameters(run)
    assert used == hyperparameters(tuned) | {"seed": 14}
    page = (place.folder / "workspace" / "reports" / f"{run.run_id}.html").read_text()
    assert "Trained with what the search of an earlier run found best." in page


@pytest.mark.long
def test_without_the_tuner_the_configuration_counts(place: Place, tuned: Run) -> None:
    outcome, run = place.run()
    assert outcome.code == 0, outcome.text
    assert {"Tuner", "LastTuning", "BaseModel"}.isdisjoint(step.node for step in run.steps)
    assert (hyperparameters(run)["hidden_units"], hyperparameters(run)["learning_rate"]) == ([8], 1e-3)


def test_there_must_be_something_to_reuse(place: Place, tmp_path: Path) -> None:
    outcome = place.longhaul(
        "run", "--config", place.write(tuner={"mode": "reuse"}), "--workspace", tmp_path / "elsewhere"
    )
    assert outcome.code == 2
    assert "tuner.mode: 'reuse', but no tuning of pipeline 'tuned' is on record" in outcome.text
    assert "run once with `tuner: {mode: search}`" in outcome.text
    assert "Traceback" not in outcome.text


@pytest.mark.long
def test_a_warm_start_takes_the_model_of_other_data_and_stays_cached(place: Place, tuned: Run) -> None:
    warm = {"warm_start": True}
    few = {"spans": [1, 2]}
    outcome, first = place.run(trainer=warm, data=few)
    assert outcome.code == 0, outcome.text
    assert "training starts from the champion's weights" in log(place, first)  # a model of three months
    outcome, again = place.run(trainer=warm, data=few)
    assert outcome.code == 0, outcome.text
    assert done(again) == set()
    # TFX itself finds the same beginning, not the model that has just been trained.
    shutil.rmtree(next(artifact.uri for artifact in again.artifacts["InferredSchema"]))
    outcome, third = place.run(trainer=warm, data=few)
    assert outcome.code == 0, outcome.text
    assert "Trainer" not in done(third)
    assert base_models(place, third) == base_models(place, first) != []
    # New data: now that model is the beginning.
    outcome, newer = place.run(trainer=warm, data={"spans": [2, 11], "arrival": {"missing": "warn"}})
    assert outcome.code == 0, outcome.text
    (trained,) = [artifact.id for artifact in first.artifacts["Trainer"] if artifact.type == "Model"]
    assert base_models(place, newer) == [trained]


def base_models(place: Place, run: Run) -> list[int]:
    """Ids of the models that the run's Trainer took its weights from."""
    store = place.store
    (trainer,) = [step.execution_id for step in run.steps if step.node == "Trainer"]
    return [
        event.artifact_id
        for event in store.get_events_by_execution_ids([trainer])
        if event.path.steps[0].key == "base_model"
    ]
