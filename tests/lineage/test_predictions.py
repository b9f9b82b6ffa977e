"""Predictions on record: found from model, table and output; made again by one command; no burden on anything else."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ml_metadata.proto import metadata_store_pb2

from pipeline.commands.on_record import command_of, record
from pipeline.config.loading import load
from pipeline.config.pipeline import PipelineConfig
from pipeline.data.sources.table_files import file_states, find_files
from pipeline.lineage.ancestry import Served, descent
from pipeline.lineage.garbage import plan
from pipeline.lineage.lookup import Lookup
from pipeline.lineage.store import open_store
from pipeline.lineage.tracing import upstream
from pipeline.reports.lineage.answer import answer
from pipeline.serving.chosen_model import ChosenModel


@pytest.fixture
def config(tmp_path: Path) -> PipelineConfig:
    return load(None, workspace=str(tmp_path / "workspace"))


@pytest.fixture
def model(config: PipelineConfig) -> ChosenModel:
    """A pushed version with its record, as Pusher leaves it."""
    folder = config.root / "serving" / config.name / "7"
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_text("weights")
    store = open_store(config)
    pushed = metadata_store_pb2.Artifact(
        type_id=store.put_artifact_type(metadata_store_pb2.ArtifactType(name="PushedModel")),
        uri=str(config.root / "artifacts" / "Pusher" / "pushed_model" / "1"),
        state=metadata_store_pb2.Artifact.LIVE,
    )
    pushed.custom_properties["pushed"].int_value = 1
    pushed.custom_properties["pushed_destination"].string_value = str(folder)
    pushed.custom_properties["pushed_version"].string_value = "7"
    store.put_artifacts([pushed])
    return ChosenModel(folder, "7")


def predicted(config: PipelineConfig, model: ChosenModel, table: Path, output: Path, rows: int = 3) -> str:
    """Write an output and put it on record; why it could not be."""
    table.write_text("a\n1\n") if not table.exists() else None
    output.write_text(f"{table.read_text()} scored by {model.name}")
    files = find_files(str(table))
    command = command_of(config.file, config.root, str(table), output, model, ["id"])
    told: dict[str, Any] = {"rows": str(rows), "met": [{"column": "a"}]}
    return record(config, model, files, file_states(files), output, time.monotonic(), command, told)


def test_a_prediction_is_found_from_its_output_its_table_and_its_model(
    config: PipelineConfig, model: ChosenModel, tmp_path: Path
) -> None:
    table, output = tmp_path / "new.csv", tmp_path / "scored.csv"
    assert predicted(config, model, table, output) == ""
    found = answer(config, str(output))
    assert found.up is not None
    assert {artifact.type for artifact in found.up.artifacts.values()} == {
        "PushedModel",
        "longhaul.Table",
        "longhaul.Predictions",
    }
    assert found.recipe is not None
    assert found.recipe.command == (
        f"longhaul predict {table} --output {output} --model 7 --key id -w {config.root} --force"
    )
    assert found.recipe.is_exact, found.recipe
    for thing in ("served", "model:7", str(table), "new.csv"):
        down = answer(config, thing).down
        assert down is not None
        (made,) = down.predictions
        assert (made.file.uri, made.step.properties["version"]) == (str(output), "7"), thing


def test_what_is_no_longer_as_it_was_is_named(config: PipelineConfig, model: ChosenModel, tmp_path: Path) -> None:
    table, output = tmp_path / "new.csv", tmp_path / "scored.csv"
    predicted(config, model, table, output)
    table.write_text("a\n2\n3\n")
    (model.folder / "saved_model.pb").write_text("others")
    output.rename(moved := tmp_path / "moved.csv")
    found = answer(config, str(moved))
    assert found.subject.title.endswith(f", written to {output}")
    assert found.recipe is not None
    assert {one.what: one.is_same for one in found.recipe.ingredients} == {
        "code": True,
        "packages": True,
        "config": True,
        "schema": True,
        "data": False,
        "model": False,
    }
    moved.rename(output)
    output.write_text("edited")
    assert answer(config, str(output)).subject.title.endswith(", changed since")


def test_one_table_scored_often_is_one_table(config: PipelineConfig, model: ChosenModel, tmp_path: Path) -> None:
    for number in range(3):
        assert predicted(config, model, tmp_path / "new.csv", tmp_path / f"scored-{number}.csv") == ""
    store = open_store(config)
    assert len(store.get_artifacts_by_type("longhaul.Table")) == 1
    (start,) = (artifact.id for artifact in store.get_artifacts_by_type("longhaul.Table"))
    newest = [made.file.uri for made in descent(store, [start], Served((7,))).predictions]
    assert newest == [f"{tmp_path}/scored-{number}.csv" for number in (2, 1, 0)]


def test_a_copy_of_a_model_is_known_by_its_digest(config: PipelineConfig, model: ChosenModel, tmp_path: Path) -> None:
    store = open_store(config)
    (pushed,) = store.get_artifacts_by_type("PushedModel")
    pushed.custom_properties["model_digest"].string_value = model.digest
    store.put_artifacts([pushed])
    (copy := tmp_path / "copy").mkdir()
    (copy / "saved_model.pb").write_text("weights")
    assert predicted(config, ChosenModel(copy, str(copy)), tmp_path / "new.csv", tmp_path / "scored.csv") == ""
    (output,) = store.get_artifacts_by_type("longhaul.Predictions")
    assert pushed.id in upstream(store, [output.id]).artifacts


def test_a_workspace_without_a_store_gets_one(config: PipelineConfig, tmp_path: Path) -> None:
    (folder := tmp_path / "model").mkdir()
    (folder / "saved_model.pb").write_text("weights")
    config.root.mkdir()
    assert predicted(config, ChosenModel(folder, str(folder)), tmp_path / "new.csv", tmp_path / "scored.csv") == ""
    assert answer(config, str(tmp_path / "scored.csv")).recipe is not None


def test_predictions_pin_nothing_and_are_nobodys_to_remove(config: PipelineConfig, model: ChosenModel) -> None:
    """Also where somebody writes them among the artifacts."""
    (inside := config.root / "artifacts" / "mine").mkdir(parents=True)
    assert predicted(config, model, inside / "new.csv", inside / "scored.csv") == ""
    (config.root / "serving" / config.name / "8").mkdir()
    (config.root / "serving" / config.name / "8" / "saved_model.pb").write_text("newer")
    found = plan(open_store(config), config, keep=0, keep_served=1)
    assert [item.kind for item in found.items] == ["served version", "PushedModel"]
    assert found.items[0].path == model.folder


@pytest.fixture
def held(config: PipelineConfig, model: ChosenModel) -> Iterator[None]:
    """Another process writes to the store and does not end."""
    with closing(sqlite3.connect(config.root / "metadata.db", isolation_level=None)) as store:
        store.execute("BEGIN EXCLUSIVE")
        yield


def test_a_store_that_is_held_costs_two_seconds_and_is_said(
    config: PipelineConfig, model: ChosenModel, held: None, tmp_path: Path
) -> None:
    began = time.monotonic()
    said = predicted(config, model, tmp_path / "new.csv", tmp_path / "scored.csv")
    assert "metadata.db cannot be written now: database is locked" in said
    assert time.monotonic() - began < 10


def test_a_run_that_holds_the_lock_of_the_workspace_is_not_waited_for(
    config: PipelineConfig, model: ChosenModel, tmp_path: Path
) -> None:
    from pipeline.workspace.lock import locked

    with locked(config.root):
        said: list[str] = []
        work = threading.Thread(
            target=lambda: said.append(predicted(config, model, tmp_path / "new.csv", tmp_path / "scored.csv"))
        )
        work.start()
        work.join(30)
    assert said == [""]


def test_what_is_asked_finds_the_newest_of_one_place(
    config: PipelineConfig, model: ChosenModel, tmp_path: Path
) -> None:
    for rows in (1, 2):
        predicted(config, model, tmp_path / "new.csv", tmp_path / "scored.csv", rows)
    found = Lookup(open_store(config), config, {}, Served((7,))).find(str(tmp_path / "scored.csv"))
    newest = max(artifact.id for artifact in open_store(config).get_artifacts_by_type("longhaul.Predictions"))
    assert found.ends == (newest,)
