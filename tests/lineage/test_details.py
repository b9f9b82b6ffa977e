"""One run in every detail."""

from __future__ import annotations

from pathlib import Path

from ml_metadata.proto import metadata_store_pb2

from pipeline.lineage.details import read_details
from pipeline.lineage.runs import StepState, find_run
from tests.lineage.weeks import Weeks


def test_each_step_tells_what_it_read_and_made(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path)
    weeks.week(1)
    weeks.week(2)
    details = {one.step.node: one for one in read_details(weeks.store, find_run(weeks.store, "cats", "latest"))}
    evaluator = details["Evaluator"]
    assert {key: [one.id for one in found] for key, found in evaluator.inputs.items()} == {
        "examples": [weeks.made[2, "Examples"]],
        "model": [weeks.made[2, "Model"]],
        "baseline_model": [weeks.made[1, "Model"]],
    }
    assert {key: [one.type for one in found] for key, found in evaluator.outputs.items()} == {
        "blessing": ["ModelBlessing"],
        "evaluation": ["ModelEvaluation"],
    }
    assert (evaluator.cached_from, evaluator.properties["node"]) == ("", "Evaluator")
    assert details["TableExampleGen"].inputs == {}


def test_a_cached_step_names_the_run_that_did_the_work(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path)
    weeks.week(1)
    weeks.again(2, of=1)
    weeks.again(3, of=2)
    details = read_details(weeks.store, find_run(weeks.store, "cats", "latest"))
    assert {one.step.state for one in details} == {StepState.CACHED}
    assert {one.cached_from for one in details} == {weeks.run_id(1)}


def test_what_a_step_cost_is_told_where_it_was_measured(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path)
    weeks.week(1)
    run = find_run(weeks.store, "cats", "latest")
    (trainer,) = weeks.store.get_executions_by_id([step.execution_id for step in run.steps if step.node == "Trainer"])
    trainer.custom_properties["peak_rss_bytes"].int_value = 2_000_000_000
    weeks.store.put_executions([trainer])
    details = {one.step.node: one for one in read_details(weeks.store, run)}
    assert details["Trainer"].properties["peak_rss_bytes"] == 2_000_000_000
    assert "peak_rss_bytes" not in details["Evaluator"].properties


def test_a_run_that_was_killed_before_its_first_step(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path)
    kind = weeks.store.put_context_type(metadata_store_pb2.ContextType(name="pipeline_run"))
    context = metadata_store_pb2.Context(type_id=kind, name="20260101-000000-000")
    context.custom_properties["pipeline"].string_value = "cats"
    weeks.store.put_contexts([context])
    assert read_details(weeks.store, find_run(weeks.store, "cats", "latest")) == []
