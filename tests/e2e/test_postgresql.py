"""ML Metadata on a real PostgreSQL server: runs, caching, lineage commands, secrecy, and what a failure says."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ml_metadata
import pytest
import yaml
from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2
from sklearn.datasets import load_wine

from pipeline.commands.init import write_first_files
from pipeline.commands.loop_look import look, newest_run
from pipeline.commands.loop_run import run_since
from pipeline.commands.plan import make_plan
from pipeline.commands.run import run_pipeline
from pipeline.config.loading import load
from pipeline.config.pipeline import PipelineConfig
from pipeline.lineage.runs import StepState, find_run, list_runs
from pipeline.lineage.schema_versions import StatisticsSource, find_version, record_version
from pipeline.lineage.store import connection_config, open_store
from tests import small
from tests.e2e.servers import PASSWORD, PostgreSQL, postgresql
from tests.lineage.weeks import cats
from tests.place import uri

pytestmark = [pytest.mark.extra, pytest.mark.slow, pytest.mark.in_order]

Longhaul = Callable[..., Any]
PASSWORD_ENV = "LINEAGE_PASSWORD"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with postgresql() as server:
        yield server


@pytest.fixture(scope="module")
def config_file(server: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wine table, its lineage on the server."""
    folder = tmp_path_factory.mktemp("wine")
    load_wine(as_frame=True).frame.to_csv(folder / "wine.csv", index=False)
    write_first_files(str(folder / "wine.csv"), "target", "wine", folder, force=False)
    file = folder / "wine.yaml"
    document = yaml.safe_load(file.read_text())
    document["workspace"] = str(folder / "workspace")
    document["trainer"] |= small.TRAINER
    document["infra_check"] = small.INFRA_CHECK
    document["evaluation"]["thresholds"] = {"accuracy": {"at_least": 0.0}}
    document["metadata"] = {
        "url": server.url,
        "password_env": PASSWORD_ENV,
    }
    file.write_text(yaml.safe_dump(document))
    return file


@pytest.fixture
def config(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> PipelineConfig:
    monkeypatch.setenv(PASSWORD_ENV, PASSWORD)
    return load(config_file)


@pytest.fixture
def blessed_run(config: PipelineConfig) -> str:
    """The id of a finished run; made once."""
    runs = list_runs(open_store(config), config.name)
    if not runs:
        assert run_pipeline(config, from_node=None, to_node=None, use_cache=True)
        runs = list_runs(open_store(config), config.name)
    return runs[-1].run_id


def test_a_run_is_recorded_on_the_server_and_nowhere_else(config: PipelineConfig, blessed_run: str) -> None:
    run = find_run(open_store(config), "wine", blessed_run)
    assert run.status == "complete"
    assert {step.state for step in run.steps} == {StepState.DONE}
    assert run.verdict
    assert run.verdict["blessed"]
    assert Path(run.pushed or "", "saved_model.pb").is_file()
    assert not (config.root / "metadata.db").exists()


def test_a_second_run_is_cached(
    longhaul: Longhaul, config_file: Path, config: PipelineConfig, blessed_run: str
) -> None:
    again = longhaul("run", "--config", config_file)
    assert again.code == 0, again.text
    run = find_run(open_store(config), "wine", "latest")
    assert run.run_id > blessed_run
    assert {step.state for step in run.steps} == {StepState.CACHED}
    assert PASSWORD not in again.text


def test_loop_and_plan_know_the_runs_on_the_server(config: PipelineConfig, blessed_run: str) -> None:
    newest = list_runs(open_store(config), "wine")[0].run_id
    assert newest >= blessed_run
    assert newest_run(config) == newest
    seen = look(config, [], datetime.now(UTC), writes=False).seen
    assert seen.last_run is not None
    assert seen.new_spans == ()
    found = run_since(config, "")
    assert found is not None
    assert found.run_id == newest
    assert make_plan(config).since == newest


def test_a_run_names_the_schema_that_guarded_it(config: PipelineConfig, blessed_run: str) -> None:
    run = find_run(open_store(config), "wine", blessed_run)
    assert (run.properties["schema_version"], run.properties["schema_review"]) == ("1", "as first seen, not reviewed")
    first = find_version(open_store(config), "wine", 1)
    assert (first.text, first.digest) == (config.schema_file.read_text(), run.properties["schema_digest"])


def test_a_version_of_the_schema_keeps_every_character(config: PipelineConfig) -> None:
    text = "feature { name: \"back\\\\slash \\n $1 'quoted' ñ🚚 %s\" }  # why\n" + "# 5,000 lines of it\n" * 5000
    sources = (StatisticsSource(7, "/statistics/7"),)
    version = record_version(
        open_store(config), "texts", text, run_id="r", reviewer="O'Neil \\ Söhne", note='"so"', statistics=sources
    )
    assert find_version(open_store(config), "texts", 1) == version
    assert (version.text, version.reviewer, version.note) == (text, "O'Neil \\ Söhne", '"so"')
    assert record_version(open_store(config), "texts", text, run_id="r").number == 2


def test_the_records_of_others_on_the_server_are_left_alone(
    longhaul: Longhaul, config_file: Path, config: PipelineConfig, blessed_run: str
) -> None:
    store = open_store(config)
    (ours,) = store.get_artifacts_by_type("PushedModel")
    theirs = metadata_store_pb2.Artifact(type_id=ours.type_id, state=metadata_store_pb2.Artifact.LIVE)
    theirs.custom_properties["pushed_destination"].string_value = "/another/machine/serving/wine/1"
    (number,) = store.put_artifacts([theirs])
    assert longhaul("run", "--config", config_file).code == 0
    (found,) = store.get_artifacts_by_id([number])
    assert found.state == metadata_store_pb2.Artifact.LIVE


def test_runs_and_show_read_the_server(longhaul: Longhaul, config_file: Path, config: None, blessed_run: str) -> None:
    runs = longhaul("runs", "--config", config_file)
    show = longhaul("show", blessed_run, "--config", config_file)
    assert (runs.code, show.code) == (0, 0)
    assert blessed_run in runs.text
    assert "Blessed" in show.text
    assert "postgresql_metadata_source" not in runs.text + show.text  # the C++ below would announce its connections
    assert PASSWORD not in runs.text + show.text


def test_the_password_is_written_nowhere(config: PipelineConfig, server: PostgreSQL, blessed_run: str) -> None:
    recorded = server.dump()
    assert blessed_run in recorded
    assert PASSWORD not in recorded
    assert list((config.root / "logs").iterdir())
    for path in config.root.rglob("*"):
        assert path.is_dir() or PASSWORD.encode() not in path.read_bytes(), path


def test_a_backslash_is_kept(config: PipelineConfig) -> None:
    text = 'C:\\new "table\'s", \\\\ and \\'
    artifact_type = metadata_store_pb2.ArtifactType(name="Text", properties={"text": metadata_store_pb2.STRING})
    store = open_store(config)
    artifact = metadata_store_pb2.Artifact(type_id=store.put_artifact_type(artifact_type), uri=text, name=text)
    artifact.properties["text"].string_value = artifact.custom_properties["text"].string_value = text
    (number,) = store.put_artifacts([artifact])
    assert artifact.uri == text  # what the caller holds is not touched
    (found,) = store.get_artifacts_by_id([number])
    assert (found.uri, found.name) == (text, text)
    assert found.properties["text"].string_value == found.custom_properties["text"].string_value == text
    assert [same.id for same in store.get_artifacts_by_uri(text)] == [number]
    # When this stops failing, open_store needs no store of its own for PostgreSQL.
    with pytest.raises(mlmd_errors.StatusError, match="syntax error"):
        ml_metadata.MetadataStore(connection_config(config.metadata, config.root)).get_artifacts_by_uri(text)


def test_a_long_property_is_kept(config: PipelineConfig) -> None:
    """Digests cannot be made shorter; ML Metadata's indexes on PostgreSQL take 2,704 bytes."""
    text = "".join(hashlib.sha256(str(n).encode()).hexdigest() for n in range(200)) + "🚚" * 900
    store = open_store(config)
    kind = metadata_store_pb2.ContextType(name="Long", properties={"text": metadata_store_pb2.STRING})
    context = metadata_store_pb2.Context(type_id=store.put_context_type(kind), name="long")
    context.properties["text"].string_value = "short"
    context.custom_properties["other"].string_value = text
    (context.id,) = store.put_contexts([context])
    assert store.get_contexts_by_id([context.id])[0].custom_properties == context.custom_properties
    context.properties["text"].string_value = text
    context.custom_properties["other"].string_value = text[:1000]  # its later pieces must go
    store.put_contexts([context])
    (found,) = store.get_contexts_by_type("Long")
    assert found.properties["text"].string_value == text
    assert found.custom_properties == context.custom_properties
    # When this stops failing, pipeline.lineage.long_strings is not needed any more.
    context.name, context.custom_properties["other"].string_value = "longer", text
    context.ClearField("id")
    with pytest.raises(mlmd_errors.StatusError, match="index row"):
        ml_metadata.MetadataStore(connection_config(config.metadata, config.root)).put_contexts([context])


def test_a_wrong_password_is_one_clear_message(
    longhaul: Longhaul, config_file: Path, config: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD_ENV, "wr0ng")
    run = longhaul("run", "--config", config_file)
    assert run.code == 2
    assert 'password authentication failed for user "longhaul"' in run.text
    assert f"Remedy: check that the server runs and that ${PASSWORD_ENV} holds the password" in run.text
    assert "loading" not in run.text  # found out before TensorFlow is
    assert "Traceback" not in run.text
    assert "wr0ng" not in run.text


def test_a_stopped_server_is_one_clear_message(
    longhaul: Longhaul, config_file: Path, config: PipelineConfig, server: PostgreSQL, blessed_run: str
) -> None:
    server.stop()
    try:
        run = longhaul("run", "--config", config_file)
        doctor = longhaul("doctor", "--config", config_file)
    finally:
        server.start()
    assert (run.code, doctor.code) == (69, 2)
    for outcome in (run, doctor):
        assert f"ML Metadata at {config.metadata.url} cannot be opened: PostgreSQL error: could not" in outcome.text
        assert "Remedy: check that the server runs" in outcome.text
        assert "Traceback" not in outcome.text
    assert find_run(open_store(config), "wine", blessed_run).status == "complete"


@pytest.mark.long
def test_two_environments_on_one_server_know_nothing_of_each_other(
    longhaul: Longhaul, config_file: Path, config: PipelineConfig, blessed_run: str
) -> None:
    before = [run.run_id for run in list_runs(open_store(config), config.record_name)]
    document = yaml.safe_load(config_file.read_text())
    document["metadata"]["namespace"] = "prod"
    document["workspace"] = str(config_file.with_name("prod"))
    prod_file = config_file.with_name("prod.yaml")
    prod_file.write_text(yaml.safe_dump(document))
    outcome = longhaul("run", "--config", prod_file)
    assert outcome.code == 0, outcome.text
    prod = load(prod_file)
    store = open_store(prod)
    run = find_run(store, prod.record_name, "latest")
    assert {step.state for step in run.steps} == {StepState.DONE}  # no cache
    assert run.verdict
    assert not run.verdict.get("champion_name")
    assert str(run.pushed).startswith(str(prod.root))
    assert [one.run_id for one in list_runs(store, prod.record_name)] == [run.run_id]
    assert [one.run_id for one in list_runs(store, config.record_name)] == before
    for words, known, unknown in (
        (("--config", config_file), blessed_run, run.run_id),
        (("--config", prod_file), run.run_id, blessed_run),
    ):
        assert longhaul("show", known, *words).code == 0
        assert longhaul("show", unknown, *words).code == 2
        lineage = longhaul("lineage", "served", "--json", *words)
        assert lineage.code == 0, lineage.text
        assert unknown not in lineage.text
    again = longhaul("run", "--config", prod_file)
    assert again.code == 0, again.text
    assert {step.state for step in find_run(store, prod.record_name, "latest").steps} == {StepState.CACHED}


# A server that is away for a while, and others that come at the same moment


def test_a_server_that_is_away_for_a_while_costs_no_step(
    longhaul: Longhaul, config_file: Path, config: PipelineConfig, server: PostgreSQL, blessed_run: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    executors = _stop_in(monkeypatch, "Trainer", server, again_after_s=8)
    outcome = longhaul("run", "--no-cache", "--from", "Trainer", "--to", "Trainer", "--config", config_file)
    assert outcome.code == 0, outcome.text
    assert executors.count("Trainer") == 1  # nothing was trained twice
    assert "ML Metadata: " in outcome.text
    assert "once more in" in outcome.text
    run = find_run(open_store(config), "wine", "latest")
    assert run.status == "complete"
    assert [step.state for step in run.steps if step.node == "Trainer"] == [StepState.DONE]
    events = (config.root / "logs" / f"{run.run_id}.jsonl").read_text()
    assert '"event": "retrying"' in events


def test_a_server_that_does_not_come_back_ends_the_run_with_true_words(
    longhaul: Longhaul, config_file: Path, config: PipelineConfig, server: PostgreSQL, blessed_run: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    document = yaml.safe_load(config_file.read_text())
    document["metadata"]["wait"] = "2s"
    impatient = config_file.with_name("impatient.yaml")
    impatient.write_text(yaml.safe_dump(document))
    with monkeypatch.context() as patch:
        executors = _stop_in(patch, "Trainer", server, again_after_s=None)
        outcome = longhaul("run", "--no-cache", "--from", "Trainer", "--to", "Trainer", "--config", impatient)
    server.start()
    assert outcome.code == 69, outcome.text
    assert "could not connect to server" in outcome.text
    assert "What Trainer made is kept" in outcome.text
    assert executors.count("Trainer") == 1
    closed = longhaul("pin", blessed_run, "--config", config_file)
    assert "ended in Trainer unrecorded: " in closed.text
    assert "what Trainer made is on record now" in closed.text
    assert not list((config.root / "logs").glob("made-*"))
    assert "was killed" not in closed.text
    run = find_run(open_store(config), "wine", "latest")
    assert run.status == "failed"
    assert "could not connect to server" in run.reason
    assert run.seconds > 0
    (made,) = (step for step in run.steps if step.node == "Trainer")
    assert made.state is StepState.DONE
    resumed = longhaul("resume", "--config", config_file)
    assert resumed.code == 0, resumed.text
    again = find_run(open_store(config), "wine", "latest")
    assert [step.state for step in again.steps if step.node == "Trainer"] == [StepState.CACHED]
    assert uri(again, "Trainer", "Model") == uri(run, "Trainer", "Model")


def _stop_in(monkeypatch: pytest.MonkeyPatch, node: str, server: PostgreSQL, again_after_s: float | None) -> list[str]:
    """Stops the server while the step is at work; returns the steps that work, as they come."""
    from pipeline.runners.local.launch import _Launcher

    begun: list[str] = []
    original = _Launcher._run_executor

    def run_executor(self: Any, info: Any) -> Any:
        begun.append(self._pipeline_node.node_info.id)
        if begun[-1] == node and begun.count(node) == 1:
            result = original(self, info)
            server.stop()
            if again_after_s is not None:
                threading.Timer(again_after_s, server.start).start()
            return result
        return original(self, info)

    monkeypatch.setattr(_Launcher, "_run_executor", run_executor)
    return begun


def _create_types(url: str, turn: Any) -> None:
    os.environ[PASSWORD_ENV] = PASSWORD
    store = open_store(cats(Path("/nowhere"), metadata={"url": url, "password_env": PASSWORD_ENV}))
    for number in range(30):
        turn.wait()
        store.put_context_type(metadata_store_pb2.ContextType(name=f"context {number}"))
        store.put_artifact_type(metadata_store_pb2.ArtifactType(name=f"artifact {number}"))
        store.put_execution_type(metadata_store_pb2.ExecutionType(name=f"execution {number}"))


def test_clients_that_come_at_the_same_moment_create_every_type_once(config: PipelineConfig) -> None:
    spawn = multiprocessing.get_context("spawn")
    turn = spawn.Barrier(4)
    clients = [spawn.Process(target=_create_types, args=(config.metadata.url, turn)) for _ in range(4)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert [client.exitcode for client in clients] == [0] * 4
    store = open_store(config)
    for kinds in (store.get_context_types(), store.get_artifact_types(), store.get_execution_types()):
        names = [kind.name for kind in kinds]
        assert len(names) == len(set(names))
    kind = metadata_store_pb2.ContextType(name="context 0", properties={"more": metadata_store_pb2.INT})
    store.put_context_type(kind, can_add_fields=True)  # as a later TFX may
    assert store.get_context_type("context 0").properties["more"] == metadata_store_pb2.INT


def test_runs_of_a_type_that_was_created_twice_are_listed(config: PipelineConfig, server: PostgreSQL) -> None:
    store = open_store(config)
    kind = store.put_context_type(metadata_store_pb2.ContextType(name="pipeline_run"))
    insert = "insert into type (name, type_kind) values ('pipeline_run', 2) returning id"
    answer = server.call(
        *("psql", "-h", "127.0.0.1", "-p", server.port, "-U", "longhaul", "-t", "-A", "-c", insert, "lineage")
    )
    second = int(answer.split()[0])
    for number, type_id in ((1, kind), (2, second)):
        context = metadata_store_pb2.Context(type_id=type_id, name=f"2020010{number}-000000-000")
        context.custom_properties["pipeline"].string_value = "twice"
        context.custom_properties["status"].string_value = "complete"
        store.put_contexts([context])
    assert [run.run_id[:8] for run in list_runs(store, "twice")] == ["20200102", "20200101"]
    assert find_run(store, "twice", "20200102-000000-000").status == "complete"
