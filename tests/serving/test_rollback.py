"""`longhaul versions` and `longhaul rollback`: what serves, what is recorded, what is refused; no TensorFlow."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ml_metadata.proto import metadata_store_pb2
from rich.console import Console

from pipeline.commands import rollback
from pipeline.commands.housekeeping import collect_garbage
from pipeline.commands.rollback import list_versions, roll_back
from pipeline.commands.run import warn_of_damage
from pipeline.config.loading import load
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.push import Push
from pipeline.errors import LockedError, PipelineError, WorkspaceError
from pipeline.lineage.pushes import ROLLBACK_TYPE
from pipeline.lineage.store import open_store
from pipeline.lineage.version_folders import versions
from pipeline.serving.publish import publish, withdrawn_now
from pipeline.serving.versions import is_settled, newest_manifest, pushed_as, read_manifest
from pipeline.workspace.lock import Wait
from tests.serving.models import a_manifest, a_model
from tests.workspace.test_lock import other_run

SCHEMA = """
feature { name: "carrier" type: BYTES presence { min_fraction: 1.0 } }
feature { name: "distance_miles" type: FLOAT presence { min_fraction: 1.0 } }
feature { name: "late" type: INT presence { min_fraction: 1.0 } }
"""


@pytest.fixture
def config(tmp_path: Path) -> PipelineConfig:
    (tmp_path / "schema.pbtxt").write_text(SCHEMA)
    document = {
        "name": "flights",
        "workspace": str(tmp_path / "workspace"),
        "data": {"path": "table.csv", "label": "late", "task": "binary"},
        "split": {"by": "hash"},
        "schema": {"file": "schema.pbtxt"},
        "evaluation": {"thresholds": {"auc": {"at_least": 0.5}}},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(document))
    return load(tmp_path / "config.yaml")


def base(config: PipelineConfig) -> Path:
    return config.root / "serving" / config.name


def push(config: PipelineConfig, name: str, **changes: Any) -> int:
    """As a run does, with its record; returns the version."""
    model = a_model(config.root / "models" / name, name.encode())
    manifest = a_manifest(model, run_id=f"run-{name}", withdrawn=withdrawn_now(base(config)), **changes)
    version = publish(model, base(config), manifest, Push()).version
    store = open_store(config)
    pushed = metadata_store_pb2.Artifact(
        type_id=store.put_artifact_type(metadata_store_pb2.ArtifactType(name="PushedModel")),
        uri=str(config.root / "artifacts" / name),
    )
    pushed.custom_properties["pushed_destination"].string_value = str(base(config) / str(version))
    pushed.custom_properties["model_digest"].string_value = manifest.digest
    store.put_artifacts([pushed])
    return version


@pytest.fixture
def pushed(config: PipelineConfig) -> list[int]:
    return [push(config, name) for name in ("good", "better", "bad")]


def states(config: PipelineConfig) -> list[tuple[int, str]]:
    return [(version.number, version.state) for version in list_versions(config.serving_folder)]


def weights(config: PipelineConfig) -> bytes:
    """What a server would serve."""
    served = list_versions(config.serving_folder)[0]
    return Path(served.path, "variables", "variables.data-00000-of-00001").read_bytes()


def test_the_model_before_serves_again_under_a_new_number(config: PipelineConfig, pushed: list[int]) -> None:
    good, better, bad = pushed
    assert states(config) == [(bad, "served"), (better, "earlier"), (good, "earlier")]
    done = roll_back(config, None, "late flights missed", dry_run=False)
    assert done.new_version
    assert (done.from_version, done.to_version, done.run_id, done.note) == (
        bad,
        better,
        "run-better",
        "late flights missed",
    )
    assert done.new_version > bad
    assert states(config) == [
        (done.new_version, "served"), (bad, "withdrawn"), (better, "earlier"), (good, "earlier"),
    ]  # fmt: skip
    assert weights(config).endswith(b"better")
    assert pushed_as(base(config)) == str(better)
    found, earlier, left = (read_manifest(base(config) / str(n)) for n in (done.new_version, better, bad))
    assert found
    assert earlier
    assert left
    assert found == replace(
        earlier, version=done.new_version, pushed=found.pushed, pushed_by=found.pushed_by, copy_of=better,
        replaces=bad, note="late flights missed", withdrawn=(left.digest,),
    )  # fmt: skip


def test_again_and_again_and_forward(config: PipelineConfig, pushed: list[int]) -> None:
    good, better, bad = pushed
    roll_back(config, None, "", dry_run=False)
    second = roll_back(config, None, "", dry_run=False)
    assert second.to_version == good  # not the one that was just left
    assert weights(config).endswith(b"good")
    assert [state for _, state in states(config)] == ["served", "withdrawn", "withdrawn", "withdrawn", "earlier"]
    with pytest.raises(PipelineError, match="there is no model before version"):
        roll_back(config, None, "", dry_run=False)
    assert pushed_as(base(config)) == str(good)
    forward = roll_back(config, bad, "it was not the model", dry_run=False)
    assert weights(config).endswith(b"bad")
    served = newest_manifest(base(config))
    assert served
    assert served.digest not in served.withdrawn
    assert forward.to_version == bad
    assert better


def test_a_run_pushes_neither_what_serves_nor_what_was_rolled_back(config: PipelineConfig, pushed: list[int]) -> None:
    _, better, bad = pushed
    digest = {number: getattr(read_manifest(base(config) / str(number)), "digest") for number in (better, bad)}  # noqa: B009
    assert not is_settled(base(config) / str(better), digest[better])
    roll_back(config, None, "", dry_run=False)
    assert is_settled(base(config) / str(better), digest[better])  # it serves, as a copy
    assert is_settled(base(config) / str(bad), digest[bad])
    push(config, "newer")
    assert not is_settled(base(config) / str(better), digest[better])
    assert is_settled(base(config) / str(bad), digest[bad])  # a newer model does not pardon it
    roll_back(config, bad, "", dry_run=False)
    push(config, "newest")
    assert not is_settled(base(config) / str(bad), digest[bad])


def test_two_people_at_once_do_not_go_back_twice(
    config: PipelineConfig, pushed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = rollback.noting  # type: ignore[attr-defined]

    def overtaken(*arguments: Any) -> Any:
        monkeypatch.setattr(rollback, "noting", waiting)
        roll_back(config, None, "Ann was quicker", dry_run=False)
        return waiting(*arguments)

    monkeypatch.setattr(rollback, "noting", overtaken)
    with pytest.raises(WorkspaceError, match=r"has come to serve since this command began.*nothing was changed"):
        roll_back(config, None, "Bob saw it, too", dry_run=False)
    assert versions(config.serving_folder)[:-1] == pushed
    monkeypatch.setattr(rollback, "noting", overtaken)
    roll_back(config, pushed[2], "whoever names a version means it", dry_run=False)
    assert len(versions(config.serving_folder)) == len(pushed) + 3


def test_it_is_on_record(config: PipelineConfig, pushed: list[int]) -> None:
    store = open_store(config)
    kind = store.put_context_type(metadata_store_pb2.ContextType(name="pipeline"))
    (context,) = store.put_contexts([metadata_store_pb2.Context(type_id=kind, name="flights")])
    done = roll_back(config, None, "why not", dry_run=False)
    (execution,) = store.get_executions_by_context(context)
    assert execution.type == ROLLBACK_TYPE
    values = {key: value.string_value for key, value in execution.custom_properties.items()}
    assert values == {
        "from_version": str(pushed[2]), "to_version": str(pushed[1]), "new_version": str(done.new_version),
        "run_id": "run-better", "by": done.by, "time": done.time, "note": "why not", "forced_over": "",
    }  # fmt: skip
    events = {event.type: event.artifact_id for event in store.get_events_by_execution_ids([execution.id])}
    where = {
        kind: store.get_artifacts_by_id([number])[0].custom_properties["pushed_destination"].string_value
        for kind, number in events.items()
    }
    assert where == {
        metadata_store_pb2.Event.INPUT: str(base(config) / str(pushed[1])),
        metadata_store_pb2.Event.OUTPUT: str(base(config) / str(done.new_version)),
    }


def test_a_rehearsal_changes_nothing(config: PipelineConfig, pushed: list[int]) -> None:
    before = states(config)
    done = roll_back(config, None, "", dry_run=True)
    assert (done.new_version, done.to_version) == (None, pushed[1])
    assert states(config) == before
    assert ROLLBACK_TYPE not in [kind.name for kind in open_store(config).get_execution_types()]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (
            'name: "carrier"', 'name: "airline"',
            "it needs 'carrier', which is no feature any more; it does not know 'airline'",
        ),
        ("type: FLOAT", "type: INT", "it takes 'distance_miles' as float, not as int"),
        ('feature { name: "late"', 'feature { name: "rain" type: INT } feature { name: "late"',
         "it does not know 'rain'"),
    ],
)  # fmt: skip
def test_a_model_that_does_not_fit_the_schema_stays_away(
    config: PipelineConfig, pushed: list[int], old: str, new: str, why: str
) -> None:
    config.schema_file.write_text(SCHEMA.replace(old, new))
    before = states(config)
    with pytest.raises(PipelineError) as refused:
        roll_back(config, None, "", dry_run=False)
    assert refused.value.what == f"version {pushed[1]} does not accept the current schema: {why}"
    assert "run run-better" in refused.value.remedy
    assert states(config) == before


def test_a_person_may_overrule_the_schema_and_says_why(config: PipelineConfig, pushed: list[int]) -> None:
    config.schema_file.write_text(SCHEMA.replace('name: "carrier"', 'name: "airline"'))
    with pytest.raises(PipelineError, match="--force without a reason") as refused:
        roll_back(config, None, " ", dry_run=False, force=True)
    assert "--reason" in refused.value.remedy
    assert states(config)[0] == (pushed[2], "served")
    done = roll_back(config, None, "the new schema was the mistake", dry_run=False, force=True)
    assert weights(config).endswith(b"better")
    assert done.forced_over == "it needs 'carrier', which is no feature any more; it does not know 'airline'"
    (execution,) = open_store(config).get_executions_by_type(ROLLBACK_TYPE)
    assert execution.custom_properties["forced_over"].string_value == done.forced_over
    assert execution.custom_properties["note"].string_value == "the new schema was the mistake"
    config.schema_file.write_text("this is no schema")  # the worst case
    assert str(config.schema_file) in roll_back(config, pushed[2], "as bad", dry_run=False, force=True).forced_over
    assert weights(config).endswith(b"bad")
    (base(config) / str(pushed[0]) / "saved_model.pb").write_bytes(b"damaged")
    with pytest.raises(PipelineError, match="is damaged"):  # which no reason overrules
        roll_back(config, pushed[0], "why", dry_run=False, force=True)


def test_it_waits_for_no_run_and_closes_no_record_of_it(config: PipelineConfig, pushed: list[int]) -> None:
    roll_back(config, None, "", dry_run=False)  # which imports what it needs
    with other_run(config.root):
        began = time.monotonic()
        done = roll_back(config, pushed[2], "", dry_run=False)
        assert time.monotonic() - began < 1
        assert done.new_version == list_versions(config.serving_folder)[0].number
        with pytest.raises(LockedError, match="another run"):
            collect_garbage(config, 1, None, apply=True)
    with other_run(config.root, "serving_locked"), pytest.raises(LockedError, match="another command") as caught:
        roll_back(config, None, "", dry_run=False, wait=Wait(0.2))
    assert caught.value.what.endswith("waited 0.2 s")


def test_a_model_of_another_task_stays_away(config: PipelineConfig) -> None:
    push(config, "old", task="multiclass", classes=("a", "b", "c"))
    push(config, "new")
    with pytest.raises(PipelineError, match=r"it predicts multiclass \(a, b, c\), not binary \(0, 1\)"):
        roll_back(config, None, "", dry_run=False)


def test_a_damaged_version_stays_away(config: PipelineConfig, pushed: list[int]) -> None:
    (base(config) / str(pushed[1]) / "saved_model.pb").write_bytes(b"damaged")
    said = rf"version {pushed[1]} is damaged: saved_model\.pb was changed; nothing was changed"
    with pytest.raises(PipelineError, match=said):
        roll_back(config, None, "", dry_run=False)
    assert states(config)[0] == (pushed[2], "served")
    damages = [version.damage for version in list_versions(config.serving_folder)]
    assert damages == [(), ("saved_model.pb was changed",), ()]


def test_a_damaged_copy_that_serves_is_replaced_by_the_version_that_it_copied(
    config: PipelineConfig, pushed: list[int]
) -> None:
    copy = roll_back(config, None, "", dry_run=False).new_version
    (base(config) / str(copy) / "saved_model.pb").unlink()
    warn_of_damage(config.serving_folder, Console(file=(said := io.StringIO()), width=500))
    assert f"version {copy}, which serves, is damaged: saved_model.pb is missing" in said.getvalue()
    assert not is_settled(base(config) / str(pushed[1]), getattr(newest_manifest(base(config)), "digest"))  # noqa: B009
    again = roll_back(config, pushed[1], "", dry_run=False).new_version
    assert list_versions(config.serving_folder)[0].damage == ()
    assert states(config)[:2] == [(again, "served"), (copy, "earlier")]


def test_what_others_keep_there_is_no_version(config: PipelineConfig, pushed: list[int]) -> None:
    for name in ("007", "123abc", "1.5", "²", "٣", ".tmp", "9"):
        (base(config) / name).mkdir()
    (base(config) / "8").write_text("a file")
    assert [number for number, _ in states(config)] == pushed[::-1]
    roll_back(config, None, "", dry_run=False)
    assert states(config)[1:] == [(pushed[2], "withdrawn"), (pushed[1], "earlier"), (pushed[0], "earlier")]


def test_what_cannot_be_is_refused(config: PipelineConfig) -> None:
    with pytest.raises(PipelineError, match="nothing has run in workspace"):
        roll_back(config, None, "", dry_run=False)
    only = push(config, "only")
    with pytest.raises(PipelineError, match=f"there is no model before version {only} to go back to"):
        roll_back(config, None, "", dry_run=False)
    with pytest.raises(PipelineError, match=r"--to 7: there is no such version"):
        roll_back(config, 7, "", dry_run=False)
    with pytest.raises(PipelineError, match="that model is what is served"):
        roll_back(config, only, "", dry_run=False)
    a_model(base(config) / "5")
    with pytest.raises(PipelineError, match="version 5 has no manifest"):
        roll_back(config, 5, "", dry_run=False)


def test_the_command_line_is_quick_and_speaks_json(config: PipelineConfig, pushed: list[int]) -> None:
    program = (
        "import sys; from pipeline import cli\n"
        "try: cli.main()\n"
        "finally: print(sorted({'tensorflow', 'apache_beam', 'tfx'} & sys.modules.keys()), file=sys.stderr)"
    )

    def call(*arguments: str) -> Any:
        command = [sys.executable, "-c", program, *arguments, "--config", str(config._base / "config.yaml"), "--json"]
        ended = subprocess.run(command, capture_output=True, text=True, check=True)
        assert ended.stderr == "[]\n"
        return json.loads(ended.stdout)

    done = call("rollback", "--note", "bad")
    assert (done["from_version"], done["to_version"], done["note"]) == (pushed[2], pushed[1], "bad")
    known = call("versions")
    assert [version["state"] for version in known] == ["served", "withdrawn", "earlier", "earlier"]
    assert known[0]["manifest"]["copy_of"] == pushed[1]
