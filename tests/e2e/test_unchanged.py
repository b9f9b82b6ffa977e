"""A run in which nothing has changed: on record like one that TFX's cache answered, and within a second."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.config.loading import load
from pipeline.config.pipeline import PipelineConfig
from pipeline.data.sources.table_files import find_files
from pipeline.lineage.process import Process
from pipeline.lineage.runs import RUN_CONTEXT, Run, StepState, find_run
from pipeline.lineage.store import open_store
from pipeline.reports.page_places import page_of, page_path

pytestmark = [pytest.mark.slow, pytest.mark.in_order]

LOADING = "loading TensorFlow"


@pytest.fixture(scope="module")
def config_file(
    small_pipeline: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
    longhaul: Callable[..., Any],
) -> Path:
    """A pipeline of a few columns and months, run once."""
    file = small_pipeline(tmp_path_factory.mktemp("unchanged"), "01", "02", "11")
    outcome = longhaul("run", "--config", file)
    assert outcome.code == 0, outcome.text
    return file


@pytest.fixture(scope="module")
def config(config_file: Path) -> PipelineConfig:
    return load(config_file)


def latest(config: PipelineConfig) -> Run:
    return find_run(open_store(config), config.name, "latest")


def record(config: PipelineConfig, run: Run) -> list[Any]:
    """What ML Metadata holds of a run: per execution its type, properties, contexts but the run's, and events."""
    store = open_store(config)
    context = store.get_context_by_type_and_name(RUN_CONTEXT, run.run_id)
    found = []
    for execution in sorted(store.get_executions_by_context(context.id), key=lambda execution: execution.id):
        events = store.get_events_by_execution_ids([execution.id])
        contexts = {(c.type, c.name) for c in store.get_contexts_by_execution(execution.id) if c.type != RUN_CONTEXT}
        used = sorted((event.type, event.artifact_id, str(event.path)) for event in events)
        found.append((execution.type, str(sorted(execution.properties.items())), sorted(contexts), used))
    return found


def test_it_is_recorded_as_tfx_would_and_needs_no_tensorflow(config_file: Path, config: PipelineConfig) -> None:
    first = latest(config)
    program = (
        "import sys; from pipeline import cli; sys.argv[1:1] = ['run', '--config']\n"
        "try: cli.main()\n"
        "finally: print('heavy:', sorted({'tensorflow', 'apache_beam', 'tfx'} & sys.modules.keys()))"
    )
    command = [sys.executable, "-c", program, str(config_file)]
    again = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    assert again.returncode == 0, again.stderr
    assert "heavy: []" in again.stdout
    assert "Blessed" in again.stdout
    second = latest(config)
    assert second.run_id != first.run_id
    assert second.status == "complete"
    assert {step.state for step in second.steps} == {StepState.CACHED}
    assert [step.node for step in second.steps] == [step.node for step in first.steps]
    assert second.artifacts == first.artifacts
    assert second.verdict == first.verdict
    assert record(config, second) == record(config, first)
    differs = {"process": "", "served": "", "repeats": ""}  # nothing served when the first began
    assert second.properties | differs == first.properties | differs


def test_nothing_is_said_and_no_page_is_drawn_where_all_is_the_same(config_file: Path, config: PipelineConfig) -> None:
    program = (
        "import sys; from pipeline import cli; sys.argv[1:1] = ['run', '--quiet', '--config']\n"
        "try: cli.main()\n"
        "finally: assert 'matplotlib' not in sys.modules"
    )
    pages = []
    for _ in range(3):  # of the first of them a page may have something new to tell: what serves
        done = subprocess.run([sys.executable, "-c", program, str(config_file)], capture_output=True, check=False)
        pages.append(sorted((config.root / "reports").glob("*.html")))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert pages[0] == pages[1] == pages[2]
    run = latest(config)
    assert page_of(config.root, run) == page_path(config.root, run.properties["repeats"])
    assert page_of(config.root, run) in pages[0]


def test_a_table_that_was_only_touched_is_the_same(
    config_file: Path, config: PipelineConfig, longhaul: Callable[..., Any]
) -> None:
    assert longhaul("run", "--config", config_file).code == 0
    for file in find_files(config.data_pattern):
        os.utime(file.path)
    outcome = longhaul("run", "--config", config_file)
    assert (outcome.code, LOADING in outcome.text, "corrected" in outcome.text) == (0, False, False), outcome.text


def test_where_tfx_runs_a_table_that_was_only_touched_is_not_read_again(
    config_file: Path, config: PipelineConfig, longhaul: Callable[..., Any]
) -> None:
    assert longhaul("run", "--config", config_file).code == 0
    before = latest(config)
    for file in find_files(config.data_pattern):
        os.utime(file.path)
    outcome = longhaul("run", "--config", config_file, "--to", "Pusher")
    assert (outcome.code, LOADING in outcome.text) == (0, True), outcome.text
    states = {step.node: step.state for step in latest(config).steps}
    assert (states["TableExampleGen"], states["Trainer"]) == (StepState.CACHED, StepState.CACHED)
    assert latest(config).pushed == before.pushed


def test_tfx_goes_on_from_such_a_run(config_file: Path, config: PipelineConfig, longhaul: Callable[..., Any]) -> None:
    assert longhaul("run", "--config", config_file).code == 0
    repeated = latest(config)
    outcome = longhaul("run", "--config", config_file, "--from", "Evaluator")
    assert outcome.code == 0, outcome.text
    assert latest(config).verdict == repeated.verdict


def test_an_approval_of_the_same_schema_is_told(
    config_file: Path, config: PipelineConfig, longhaul: Callable[..., Any]
) -> None:
    assert longhaul("run", "--config", config_file).code == 0
    before = latest(config).properties
    assert (before["schema_version"], before["schema_review"]) == ("1", "as first seen, not reviewed")
    approval = ("--as-is", "--reviewer", "Ann", "--note", "as it should be")
    assert longhaul("schema", "approve", *approval, "--config", config_file).code == 0
    outcome = longhaul("run", "--config", config_file)
    assert LOADING not in outcome.text
    approved = {"schema_version": "2", "schema_review": "approved by Ann", "repeats": ""}
    assert latest(config).properties == before | approved


def test_what_is_said_of_one_run_is_not_repeated(
    config_file: Path, config: PipelineConfig, longhaul: Callable[..., Any]
) -> None:
    assert longhaul("run", "--config", config_file).code == 0
    store = open_store(config)
    last = store.get_context_by_type_and_name(RUN_CONTEXT, latest(config).run_id)
    for key in ("pinned", "resumes", "process"):
        last.custom_properties[key].string_value = "of the last one"
    store.put_contexts([last])
    outcome = longhaul("run", "--config", config_file.rename(config_file.with_name("moved.yaml")))
    config_file.with_name("moved.yaml").rename(config_file)
    assert LOADING not in outcome.text
    own = latest(config).properties
    assert own["repeats"] == ""  # its page has another file of settings to name
    assert "pinned" not in own
    assert own["resumes"] == ""
    assert own["process"] == Process.current().to_json()
    assert own["config_file"] == str(config_file.with_name("moved.yaml"))


@pytest.mark.long
@pytest.mark.parametrize("change", ["--no-cache", "a table", "an artifact", "the served model", "the schema"])
def test_any_change_is_left_to_tfx(
    config_file: Path, config: PipelineConfig, longhaul: Callable[..., Any], change: str
) -> None:
    assert longhaul("run", "--config", config_file).code == 0
    unchanged = longhaul("run", "--config", config_file)
    assert unchanged.code == 0
    assert LOADING not in unchanged.text
    run = latest(config)
    if change == "a table":
        file = config_file.parent / "table" / "span-11" / "flights.parquet"
        pq.write_table(pq.read_table(file).slice(1), file)
    elif change == "an artifact":
        shutil.rmtree(run.artifacts["InferredSchema"][0].uri)
    elif change == "the served model":
        shutil.rmtree(str(run.pushed))
    elif change == "the schema":
        with config.schema_file.open("a") as schema:
            schema.write("# a note\n")
    outcome = longhaul("run", "--config", config_file, *(["--no-cache"] if change.startswith("--") else []))
    assert LOADING in outcome.text
    if change == "the served model":
        assert latest(config).pushed != run.pushed
