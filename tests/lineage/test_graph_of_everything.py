"""Lineage of every record that a store can hold: of steps in no run, of what was removed, rolled back or imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.lineage import garbage, removal
from pipeline.lineage.archive import export_run
from pipeline.lineage.archive_import import import_run
from pipeline.lineage.pushes import Rollback, record_rollback
from pipeline.lineage.runs import find_run
from pipeline.lineage.schema_versions import record_version
from pipeline.reports.lineage.answer import answer, draw, draw_runs
from pipeline.reports.lineage.page import write_lineage
from pipeline.terminal.lineage import print_answer
from tests.lineage.weeks import Weeks


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Weeks:
    """A year of operation in small, collected at its end."""
    folder = tmp_path_factory.mktemp("everything")
    other = Weeks(folder / "elsewhere")
    other.week(9)
    export_run(other.store, find_run(other.store, "cats", other.run_id(9)), folder / "nine.zip", {})
    weeks = Weeks(folder / "here")
    _roll_back(weeks, pipeline="none has run yet")  # in no context at all
    weeks.week(1, blessed=False)
    weeks.week(2)
    weeks.again(3, of=2)
    record_version(weeks.store, "cats", "# approved\n", run_id=weeks.run_id(3), reviewer="Ann", note="fine")
    weeks.failed(4)
    weeks.week(5, schema="# approved\n")
    _roll_back(weeks, pipeline="cats")
    weeks.killed(6)
    import_run(weeks.store, weeks.config, folder / "nine.zip")
    removed = removal.remove(weeks.store, weeks.config.record_name, garbage.plan(weeks.store, weeks.config, 1, 1))
    assert removed is not None
    return weeks


def _roll_back(weeks: Weeks, pipeline: str) -> None:
    done = Rollback(1005, 1002, 1006, weeks.run_id(2), "Ann", "2026-01-06T00:00:00+00:00", "misses late flights")
    record_rollback(weeks.store, pipeline, done, weeks.config.root / "serving" / "cats", "digest")


def _names(weeks: Weeks) -> list[str]:
    store = weeks.store
    return [
        *(f"artifact:{artifact.id}" for artifact in store.get_artifacts()),
        *(f"step:{step.id}" for step in store.get_executions()),
        *(f"run:{context.name}" for context in store.get_contexts_by_type("pipeline_run")),
        *("latest", "previous", "latest~2", "schema:1", "schema:2", "model:1002", "model:1005", "model:1006"),
    ]


def test_lineage_reads_of_every_record(weeks: Weeks, capsys: pytest.CaptureFixture[str]) -> None:
    kinds = {step.type for step in weeks.store.get_executions()}
    assert {"longhaul.GarbageCollection", "longhaul.Rollback"} <= kinds
    for name in _names(weeks):
        for up, down in ((True, True), (True, False), (False, True)):
            told = answer(weeks.config, name, up=up, down=down)
            print_answer(told, as_json=False)
            print_answer(told, as_json=True)
            assert capsys.readouterr().out


def test_a_page_can_be_drawn_of_every_kind_of_record(weeks: Weeks, tmp_path: Path) -> None:
    drawn: dict[Any, str] = {artifact.type: f"artifact:{artifact.id}" for artifact in weeks.store.get_artifacts()}
    drawn |= {step.type: f"step:{step.id}" for step in weeks.store.get_executions()}
    for name in (*drawn.values(), *_names(weeks)[-8:]):
        assert write_lineage(draw(weeks.config, name), tmp_path / "page.html").stat().st_size > 0
    assert write_lineage(draw_runs(weeks.config, 200), tmp_path / "page.html").stat().st_size > 0


def test_what_was_removed_tells_what_made_it_and_who_removed_it(weeks: Weeks) -> None:
    statistics = weeks.made[1, "ExampleStatistics"]
    assert weeks.state(1, "ExampleStatistics") == "DELETED"
    told = answer(weeks.config, f"artifact:{statistics}")
    assert told.up is not None
    assert told.up.makers[statistics].run_id == weeks.run_id(1)
    assert told.down is not None
    assert "GarbageCollection" in {step.node for step in told.down.graph.steps.values()}


def test_a_step_outside_of_every_run_says_what_it_was(weeks: Weeks) -> None:
    titles = {
        step.type: answer(weeks.config, f"step:{step.id}").subject.title
        for step in weeks.store.get_executions()
        if step.type.startswith("longhaul.")
    }
    assert titles["longhaul.GarbageCollection"].endswith(", GarbageCollection: done")
    assert titles["longhaul.Rollback"].endswith(", Rollback: done")
