"""Runs read back from a real, small store on SQLite."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ml_metadata
import pytest
from ml_metadata.proto import metadata_store_pb2

from pipeline.errors import PipelineError, WorkspaceError
from pipeline.lineage.records import RESOLVER, Artifact, Step
from pipeline.lineage.run_files import damaged_files
from pipeline.lineage.runs import RUN_CONTEXT, RunsById, StepState, find_run, list_runs
from pipeline.lineage.store import open_existing_store, open_store
from pipeline.lineage.summary import list_summaries
from pipeline.runners.local.recovery import close_dead_runs, leave_ending
from tests.lineage.weeks import Weeks, cats

STATES = metadata_store_pb2.Execution


class Writer:
    """Writes what the runner and TFX would."""

    def __init__(self, store: ml_metadata.MetadataStore) -> None:
        self.store = store
        self.context_type = store.put_context_type(metadata_store_pb2.ContextType(name=RUN_CONTEXT))

    def run(self, run_id: str, **properties: str | float) -> int:
        context = metadata_store_pb2.Context(type_id=self.context_type, name=run_id)
        _set(context, properties)
        return int(self.store.put_contexts([context])[0])

    def step(
        self, run: int, node: str, state: Any, seconds: float = 0.0, node_property: bool = True, kind_name: str = ""
    ) -> int:
        kind = metadata_store_pb2.ExecutionType(name=kind_name or f"pipeline.components.x.{node}")
        execution = STATES(type_id=self.store.put_execution_type(kind), last_known_state=state)
        _set(execution, {"node": node, "seconds": seconds} if node_property else {})
        (number,) = self.store.put_executions([execution])
        self.store.put_attributions_and_associations(
            [], [metadata_store_pb2.Association(context_id=run, execution_id=number)]
        )
        return int(number)

    def artifact(self, execution: int, kind: str, uri: Path, **properties: str | int) -> int:
        artifact_type = self.store.put_artifact_type(metadata_store_pb2.ArtifactType(name=kind))
        artifact = metadata_store_pb2.Artifact(type_id=artifact_type, uri=str(uri))
        _set(artifact, properties)
        (number,) = self.store.put_artifacts([artifact])
        self.event(execution, number, metadata_store_pb2.Event.OUTPUT)
        return int(number)

    def event(self, execution: int, artifact: int, kind: Any) -> None:
        self.store.put_events([metadata_store_pb2.Event(execution_id=execution, artifact_id=artifact, type=kind)])


def _set(record: Any, properties: dict[str, Any]) -> None:
    for key, value in properties.items():
        field = {str: "string_value", float: "double_value", int: "int_value"}[type(value)]
        setattr(record.custom_properties[key], field, value)


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(open_store(cats(tmp_path)))


def test_runs_come_newest_first_and_only_of_the_pipeline_asked_for(writer: Writer) -> None:
    writer.run("20260102-000000-000", pipeline="cats", status="complete", started="2026-01-02", seconds=61.5)
    writer.run("20260103-000000-000", pipeline="cats", status="failed", reason="the disk is full", seconds=2.0)
    writer.run("20260101-000000-000", pipeline="cats", status="running")
    writer.run("20260104-000000-000", pipeline="dogs", status="complete")
    found = list_runs(writer.store, "cats")
    assert [(run.run_id, run.status, run.seconds, run.reason) for run in found] == [
        ("20260103-000000-000", "failed", 2.0, "the disk is full"),
        ("20260102-000000-000", "complete", 61.5, ""),
        ("20260101-000000-000", "running", 0.0, ""),
    ]
    assert found[1].started == "2026-01-02"
    assert list_runs(writer.store, "birds") == []


def test_runs_by_id_are_those_of_the_list(writer: Writer) -> None:
    for day, pipeline in ((2, "cats"), (3, "cats"), (1, "cats"), (4, "dogs")):
        writer.run(f"2026010{day}-000000-000", pipeline=pipeline, imported="elsewhere" if day == 3 else "")
    runs = RunsById(writer.store, "cats")
    assert runs["20260102-000000-000"].run_id == "20260102-000000-000"
    assert "20260104-000000-000" not in runs  # another pipeline's
    assert "nobody" not in runs
    assert list(runs) == ["20260103-000000-000", "20260102-000000-000", "20260101-000000-000"]
    assert list(runs.values()) == list_runs(writer.store, "cats", with_imported=True)
    assert len(RunsById(writer.store, "birds")) == 0


def test_a_run_has_its_steps_in_order_with_states(writer: Writer) -> None:
    other = writer.run("other", pipeline="cats")
    run = writer.run("r1", pipeline="cats", config_digest="c0ffee", code_digest="f00d", package_versions="{}")
    numbers = [
        writer.step(run, "Cached", STATES.CACHED, 0.25),
        writer.step(other, "Elsewhere", STATES.COMPLETE),
        writer.step(run, "Done", STATES.COMPLETE, 7.5),
        writer.step(run, "Stopped", STATES.CANCELED),
        writer.step(run, "Failed", STATES.FAILED),
        writer.step(run, "Working", STATES.RUNNING, node_property=False),  # its type's name stands in
    ]
    del numbers[1]
    found = find_run(writer.store, "cats", "r1")
    assert found.steps == [
        Step("Cached", StepState.CACHED, 0.25, numbers[0]),
        Step("Done", StepState.DONE, 7.5, numbers[1]),
        Step("Stopped", StepState.INTERRUPTED, 0.0, numbers[2]),
        Step("Failed", StepState.FAILED, 0.0, numbers[3]),
        Step("Working", StepState.RUNNING, 0.0, numbers[4]),
    ]
    assert found.properties == {"config_digest": "c0ffee", "code_digest": "f00d", "package_versions": "{}"}


def test_outputs_belong_to_the_step_that_made_or_reused_them(writer: Writer, tmp_path: Path) -> None:
    first, second = writer.run("r1", pipeline="cats"), writer.run("r2", pipeline="cats")
    model = writer.artifact(writer.step(first, "Trainer", STATES.COMPLETE), "Model", tmp_path / "model", rows=9)
    writer.event(writer.step(second, "Trainer", STATES.CACHED), model, metadata_store_pb2.Event.OUTPUT)
    writer.event(writer.step(second, "Evaluator", STATES.COMPLETE), model, metadata_store_pb2.Event.INPUT)
    expected = {"Trainer": [Artifact("Model", str(tmp_path / "model"), {"rows": 9})]}
    assert find_run(writer.store, "cats", "r1").artifacts == expected
    assert find_run(writer.store, "cats", "r2").artifacts == expected


def test_what_a_resolver_puts_out_again_belongs_to_its_maker_whichever_comes_first(
    writer: Writer, tmp_path: Path
) -> None:
    """TFX takes the steps before a partial run from an earlier one in no order."""
    run = writer.run("r1", pipeline="cats")
    look_up = writer.step(run, "SeenSpans", STATES.CACHED, kind_name=RESOLVER)
    maker = writer.step(run, "TableExampleGen", STATES.CACHED)
    examples = writer.artifact(maker, "Examples", tmp_path)
    writer.event(look_up, examples, metadata_store_pb2.Event.OUTPUT)
    assert find_run(writer.store, "cats", "r1").artifacts.keys() == {"TableExampleGen"}


def test_properties_of_any_kind_become_plain_data(writer: Writer, tmp_path: Path) -> None:
    """As TFX keeps lists: what holds them can be printed as JSON."""
    number = writer.artifact(writer.step(writer.run("r1"), "Trainer", STATES.COMPLETE), "Model", tmp_path)
    (artifact,) = writer.store.get_artifacts_by_id([number])
    artifact.custom_properties["spans"].struct_value.update({"__value__": [1, 2]})
    writer.store.put_artifacts([artifact])
    ((found,),) = find_run(writer.store, "cats", "r1").artifacts.values()
    assert found.properties == {"spans": {"__value__": [1.0, 2.0]}}
    assert found.id == number


def test_verdict_ingestion_and_push_are_read_from_their_artifacts(writer: Writer, tmp_path: Path) -> None:
    run = writer.run("r1", pipeline="cats")
    for folder, file, content in (("e", "verdict.json", {"blessed": True}), ("x", "ingestion.json", {"rows": {}})):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / file).write_text(json.dumps(content))
    evaluator = writer.step(run, "Evaluator", STATES.COMPLETE)
    writer.artifact(evaluator, "ModelBlessing", tmp_path / "x")
    writer.artifact(evaluator, "ModelEvaluation", tmp_path / "e")
    writer.artifact(writer.step(run, "TableExampleGen", STATES.COMPLETE), "Examples", tmp_path / "x")
    pusher = writer.step(run, "Pusher", STATES.COMPLETE)
    writer.artifact(pusher, "PushedModel", tmp_path, pushed=1, pushed_destination="/serving/cats/7")
    found = find_run(writer.store, "cats", "r1")
    assert found.verdict == {"blessed": True}
    assert found.ingestion == {"rows": {}}
    assert found.pushed == "/serving/cats/7"


@pytest.mark.parametrize("content", [b"", b'{"a": 1, "b', b"[1, 2]", b"null", b"\xff\xfe"])
def test_a_damaged_file_is_told_and_read_as_one_that_is_gone(writer: Writer, tmp_path: Path, content: bytes) -> None:
    run = writer.run("r1", pipeline="cats")
    made = {
        "Evaluator": ("ModelEvaluation", "verdict.json"), "DataGate": ("longhaul.DataVerdict", "verdict.json"),
        "Trainer": ("ModelRun", "history.json"), "TableExampleGen": ("Examples", "ingestion.json"),
        "InfraCheck": ("InfraBlessing", "infra.json"),
    }  # fmt: skip
    for node, (kind, file) in made.items():
        (tmp_path / node).mkdir()
        (tmp_path / node / file).write_bytes(content)
        writer.artifact(writer.step(run, node, STATES.COMPLETE), kind, tmp_path / node)
    found = find_run(writer.store, "cats", "r1")
    assert [found.verdict, found.data_verdict, found.history, found.ingestion, found.infra_verdict] == [None] * 5
    assert {path.parent.name for path in damaged_files(found.artifacts)} == set(made)


def test_the_data_gate_said_no_even_if_its_file_is_gone(writer: Writer, tmp_path: Path) -> None:
    run = writer.run("r1", pipeline="cats")
    (tmp_path / "g").mkdir()
    (tmp_path / "g" / "verdict.json").write_text('{"blocked": true}')
    gate = writer.step(run, "DataGate", STATES.COMPLETE)
    writer.artifact(gate, "longhaul.DataVerdict", tmp_path / "g", blessed=0)
    found = find_run(writer.store, "cats", "r1")
    assert (found.blocked, found.data_verdict) == (True, {"blocked": True})
    (tmp_path / "g" / "verdict.json").unlink()
    assert (found.blocked, found.data_verdict) == (True, None)


def test_what_a_run_did_not_reach_is_absent(writer: Writer, tmp_path: Path) -> None:
    run = writer.run("r1", pipeline="cats")
    writer.artifact(writer.step(run, "Evaluator", STATES.COMPLETE), "ModelEvaluation", tmp_path / "cleared away")
    writer.artifact(writer.step(run, "Pusher", STATES.COMPLETE), "PushedModel", tmp_path, pushed=0)
    found = find_run(writer.store, "cats", "r1")
    assert (found.verdict, found.ingestion, found.pushed) == (None, None, None)
    assert (found.blocked, found.data_verdict) == (False, None)


def test_the_latest_run_needs_no_id(writer: Writer) -> None:
    with pytest.raises(PipelineError, match="pipeline 'cats' has no runs yet"):
        find_run(writer.store, "cats", "latest")
    for run_id in ("20260101-000000-000", "20260102-000000-000"):
        writer.run(run_id, pipeline="cats")
    writer.run("20260103-000000-000", pipeline="dogs")
    assert find_run(writer.store, "cats", "latest").run_id == "20260102-000000-000"


def test_a_wrong_id_comes_with_the_nearest(writer: Writer) -> None:
    writer.run("20260101-000000-000", pipeline="cats")
    with pytest.raises(PipelineError) as caught:
        find_run(writer.store, "cats", "20260101-000000-001")
    assert str(caught.value) == ("there is no run '20260101-000000-001'\n  Remedy: did you mean 20260101-000000-000?")
    with pytest.raises(PipelineError) as caught:
        find_run(writer.store, "cats", "x")
    assert caught.value.remedy == "`longhaul runs` lists them"


def test_looking_creates_no_store(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="nothing has run in workspace"):
        open_existing_store(cats(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_a_damaged_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "metadata.db").write_bytes(b"not a database" * 100)
    with pytest.raises(WorkspaceError) as caught:
        open_existing_store(cats(tmp_path))
    assert f"{tmp_path}/metadata.db cannot be opened: " in caught.value.what
    assert "file is not a database" in caught.value.what
    assert "move a damaged file away" in caught.value.remedy


def test_a_killed_run_tells_how_long_it_took_and_what_it_had_read(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path / "workspace")
    run_id = weeks.killed(1)
    (weeks.path(1, "Examples") / "ingestion.json").write_text('{"rows": {"train": 80}, "spans": [1, 2]}')
    context = weeks.store.get_context_by_type_and_name("pipeline_run", run_id)
    steps = weeks.store.get_executions_by_context(context.id)
    lasted = (max(one.last_update_time_since_epoch for one in steps) - context.create_time_since_epoch) / 1000
    assert lasted > 0
    (died,) = list_summaries(weeks.store, "cats")
    assert (died.run.status, died.run.seconds, died.summary.spans) == ("died", lasted, (1, 2))
    close_dead_runs(weeks.config.metadata, weeks.config.root, weeks.store)
    (closed,) = list_summaries(weeks.store, "cats")
    assert (closed.run.status, closed.run.seconds, closed.summary.spans) == ("interrupted", lasted, (1, 2))
    assert closed.run.properties["spans"] == "[1, 2]"  # on record, so that a thousand runs need no file


def test_a_run_that_could_not_record_its_end_is_closed_with_its_own_words(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path / "workspace")
    run_id = weeks.killed(1)
    leave_ending(weeks.config.root, run_id, {"status": "failed", "reason": "the metadata server was away"})
    (said,) = close_dead_runs(weeks.config.metadata, weeks.config.root, weeks.store)
    assert said.startswith(f"run {run_id} ended in Trainer unrecorded: the metadata server was away")
    run = find_run(weeks.store, "cats", run_id)
    assert (run.status, run.reason) == ("failed", "the metadata server was away")
