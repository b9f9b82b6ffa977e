"""`longhaul approve`: what waits, what a decision does and records, what stands in its way; no TensorFlow."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ml_metadata.proto import metadata_store_pb2
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.commands.approve import decide
from pipeline.commands.rollback import list_versions, roll_back
from pipeline.config.loading import load
from pipeline.config.pipeline import PipelineConfig
from pipeline.errors import ConfigError, PipelineError
from pipeline.lineage.pushes import APPROVAL_TYPE, ROLLOUT_TYPE
from pipeline.lineage.runs import RUN_CONTEXT, find_run
from pipeline.lineage.store import open_store
from pipeline.serving.approvals import ask, request_of, waiting
from pipeline.serving.rollout import under_way
from pipeline.serving.versions import newest_manifest
from tests.serving.killed import killed_at
from tests.serving.models import a_manifest, a_model
from tests.serving.test_rollback import SCHEMA, base, config, push  # noqa: F401 (config is a fixture)
from tests.workspace.test_lock import other_run

RUN, BY = "20260101-000000-001", {"by": "Ann Lee", "note": "looked at the slices"}


def wait(config: PipelineConfig, name: str = "new", run_id: str = RUN, **changes: Any) -> str:  # noqa: F811
    """As a run under `push.approval: manual` does, with its record; the model's digest."""
    model = a_model(config.root / "models" / name, name.encode())
    manifest = a_manifest(model, run_id=run_id)
    served = newest_manifest(base(config))
    against = changes.pop("judged_against", served.digest if served else "")
    request = ask(base(config), manifest, model, against, changes.pop("lapses_s", None))
    store = open_store(config)
    kind = store.put_context_type(metadata_store_pb2.ContextType(name=RUN_CONTEXT))
    run = metadata_store_pb2.Context(type_id=kind, name=run_id)
    for key, value in {"pipeline": config.name, "status": "complete", "verdict": "blessed", "spans": "[]", "rows": "{}",
                       "metrics": "{}", "hyperparameters": "{}", "pushed_version": ""}.items():  # fmt: skip
        run.custom_properties[key].string_value = value
    pushed = metadata_store_pb2.Artifact(
        type_id=store.put_artifact_type(metadata_store_pb2.ArtifactType(name="PushedModel")), uri="somewhere"
    )
    pushed.custom_properties["pushed"].int_value = 0
    for key, value in (("model_digest", manifest.digest), ("approval", request.state), ("not_pushed", request.words)):
        pushed.custom_properties[key].string_value = value
    step = metadata_store_pb2.Execution(
        type_id=store.put_execution_type(metadata_store_pb2.ExecutionType(name="Pusher")),
        last_known_state=metadata_store_pb2.Execution.COMPLETE,
    )
    step.custom_properties["node"].string_value = "Pusher"
    store.put_execution(step, [(pushed, metadata_store_pb2.Event(type=metadata_store_pb2.Event.OUTPUT))], [run])
    return manifest.digest


def test_an_approved_model_serves_and_all_is_on_record(
    config: PipelineConfig,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = push(config, "before")
    digest = wait(config)
    assert [request.run_id for request in waiting(base(config))] == [RUN]
    assert list_versions(config.serving_folder)[0].number == before  # it waits
    decided = "2026-01-02T03:04:05+00:00"
    monkeypatch.setattr("pipeline.commands.approve.now", lambda: decided)
    with other_run(config.root):  # a run at work is no reason to wait
        done = decide(config, "latest", expires="90d", **BY)
    request = request_of(base(config), digest)
    assert request
    assert done.time == request.time == decided
    served = newest_manifest(base(config))
    assert served
    assert (served.version, served.digest, served.approved_by, served.note) == (done.version, digest, *BY.values())
    assert served.approved_until == done.until > datetime.now(UTC).isoformat()
    assert waiting(base(config)) == []
    run = find_run(open_store(config), config.name, RUN)
    assert (run.pushed, run.not_pushed) == (f"{base(config)}/{done.version}", None)
    assert run.properties["pushed_version"] == str(done.version)
    (execution,) = open_store(config).get_executions_by_type(APPROVAL_TYPE)
    told = {key: value.string_value for key, value in execution.custom_properties.items()}
    assert (told["by"], told["note"], told["run_id"], told["decision"]) == (*BY.values(), RUN, "approved")
    with pytest.raises(ConfigError, match=r"does not wait: it was approved by Ann Lee on .* as version"):
        decide(config, RUN, **BY)
    roll_back(config, None, "no", dry_run=False)  # as any other version
    assert [version.state for version in list_versions(config.serving_folder)] == ["served", "withdrawn", "earlier"]


def test_a_version_is_tried_first_where_the_configuration_says_so(config: PipelineConfig) -> None:  # noqa: F811
    assert config.file
    config.file.write_text(f"{config.file.read_text()}\nserving: {{rollout: {{canary: 10, key: carrier}}}}\n")
    before = push(config, "before")
    wait(config)
    done = decide(load(config.file), RUN, **BY)
    trying = under_way(base(config))
    assert trying
    assert (trying.version, trying.stable, trying.share, trying.by) == (done.version, before, 10, "Ann Lee")
    (step,) = open_store(config).get_executions_by_type(ROLLOUT_TYPE)
    assert step.custom_properties["note"].string_value == BY["note"]
    of_run = f"Rollout canary of version {done.version} beside"
    for command, said in (("runs", "◐ is tried beside it"), ("show", of_run)):
        outcome = CliRunner().invoke(app, [command, "-c", str(config.file)], env={"COLUMNS": "200"})
        assert said in " ".join(outcome.output.split())


def test_a_rejected_model_stays_away_and_is_not_asked_about_again(config: PipelineConfig) -> None:  # noqa: F811
    digest = wait(config)
    done = decide(config, RUN, reject=True, **BY)
    assert (done.version, list_versions(config.serving_folder)) == (0, [])
    run = find_run(open_store(config), config.name, RUN)
    assert run.not_pushed == f"rejected by Ann Lee on {done.time}: looked at the slices"
    again = wait(config, run_id="20260101-000000-002")  # the same model, of a run without cache
    assert again == digest
    assert waiting(base(config)) == []
    found = request_of(base(config), digest)
    assert found
    assert (found.state, found.by) == ("rejected", "Ann Lee")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"lapses_s": -1}, "nobody approved it until"),
        ({"judged_against": "another"}, "it was judged against another model than version"),
        ({}, "it does not accept the current schema: it needs 'carrier'"),
    ],
)
def test_what_has_changed_since_is_said_and_can_be_overruled(
    config: PipelineConfig,  # noqa: F811
    change: dict[str, Any],
    why: str,
) -> None:
    before = push(config, "before")
    wait(config, **change)
    if not change:
        config.schema_file.write_text(SCHEMA.replace('name: "carrier"', 'name: "airline"'))
    with pytest.raises(ConfigError, match=f"the model of run {RUN} is not pushed: {why}") as refused:
        decide(config, RUN, **BY)
    assert "--force" in refused.value.remedy
    assert list_versions(config.serving_folder)[0].number == before
    done = decide(config, RUN, force=True, **BY)
    assert done.forced_over.startswith(why)
    assert list_versions(config.serving_folder)[0].number == done.version


def test_what_cannot_be_is_refused(config: PipelineConfig) -> None:  # noqa: F811
    with pytest.raises(PipelineError, match="nothing has run in workspace"):
        decide(config, RUN, **BY)
    wait(config)
    for wrong, said in (({"by": " "}, "--by and --note"), ({"note": ""}, "--by and --note"), ({"expires": "1y"}, "1y")):
        with pytest.raises(ConfigError, match=said):
            decide(config, RUN, **{**BY, **wrong})
    with pytest.raises(PipelineError, match="there is no run"):
        decide(config, "20260101-000000-009", **BY)
    (config.root / "models" / "new" / "saved_model.pb").write_bytes(b"changed since it was judged")
    with pytest.raises(PipelineError, match="is not the one that was checked"):
        decide(config, RUN, **BY)
    assert [request.state for request in waiting(base(config))] == ["waiting"]
    assert list_versions(config.serving_folder) == []


def test_it_is_listed_where_people_look(config: PipelineConfig) -> None:  # noqa: F811
    wait(config)
    options = ["-c", str(config.file)]

    def said(*arguments: str) -> str:
        outcome = CliRunner().invoke(app, [*arguments, *options], env={"COLUMNS": "200"})
        assert outcome.exit_code == 0, outcome.output
        return " ".join(outcome.output.split())

    assert f"Waiting run {RUN}" in said("versions")
    assert f'`longhaul approve {RUN} --by NAME --note "TEXT" -c ' in said("versions")
    assert '"state": "waiting"' in said("versions", "--json")
    assert "waits for approval" in said("runs")
    assert '"waits": true' in said("runs", "--json")
    assert "Not pushed waits for approval" in said("show", RUN)
    approved = said("approve", RUN, "--by", "Ann [Lee]", "--note", "ok", "--expires", "1d")
    assert "approved by Ann [Lee] until" in approved
    assert "approved by Ann [Lee] until" in said("versions")
    served = base(config) / str(list_versions(config.serving_folder)[0].number) / "assets.extra" / "manifest.json"
    past = (datetime.now(UTC) - timedelta(days=1)).isoformat(timespec="seconds")
    manifest = newest_manifest(base(config))
    assert manifest
    served.write_text(served.read_text().replace(manifest.approved_until, past))
    assert f"which has run out on {past}" in said("versions")
    assert Path(served).exists()


@pytest.mark.parametrize("reject", [False, True])
def test_one_that_is_killed_is_brought_to_its_end_by_the_same_command(
    config: PipelineConfig,  # noqa: F811
    tmp_path: Path,
    reject: bool,
) -> None:
    """Before each change of the store, and where the request is written last."""
    push(config, "before")
    digest = wait(config)
    shutil.copytree(config.root, before := tmp_path / "before")
    kills = 0
    while killed_at(kills, lambda: decide(config, RUN, reject=reject, **BY), changes=("store", "os.rename")):
        published = len(list_versions(config.serving_folder))
        request = request_of(base(config), digest)
        assert request
        if request.state == "waiting":
            done = decide(config, RUN, reject=reject, **BY)
            assert done.by == BY["by"]
            assert len(list_versions(config.serving_folder)) == max(published, 1 if reject else 2)
        assert waiting(base(config)) == []
        (_,) = open_store(config).get_executions_by_type(APPROVAL_TYPE)
        run = find_run(open_store(config), config.name, RUN)
        assert run.properties["pushed_version"] == (
            "" if reject else str(list_versions(config.serving_folder)[0].number)
        )
        assert bool(run.not_pushed) == reject
        shutil.rmtree(config.root)
        shutil.copytree(before, config.root)
        kills += 1
    assert kills > 2


def test_a_model_that_is_approved_once_more_is_on_record_once_more(config: PipelineConfig) -> None:  # noqa: F811
    """Another run asked, and a person names the first one that made the model."""
    wait(config)
    decide(config, RUN, **BY)
    push(config, "another")
    wait(config, run_id="20260102-000000-001")
    done = decide(config, RUN, **BY)
    recorded = open_store(config).get_executions_by_type(APPROVAL_TYPE)
    assert [one.custom_properties["version"].string_value for one in recorded][-1] == str(done.version)
    assert len(recorded) == 2
