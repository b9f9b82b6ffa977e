"""Records that move from the workspace's file to a server: nothing is lost, and no number changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.commands.move_records import move_records
from pipeline.config.loading import load
from pipeline.errors import ConfigError, LockedError, WorkspaceError
from pipeline.lineage.copied_store import copy_records, undo_copy
from pipeline.lineage.garbage import plan
from pipeline.lineage.runs import find_run, list_runs
from pipeline.lineage.store import open_store
from pipeline.runners.local.recovery import writing
from pipeline.workspace.lock import locked
from tests.e2e.servers import PASSWORD, PostgreSQL, postgresql
from tests.lineage.weeks import Weeks, cats, cats_document

ODD = '{"path": "C:\\\\cats", "name": "O\'Malley 🐈"}' + "x" * 70_000


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with postgresql() as server:
        yield server


def everything(store: Any) -> dict[str, Any]:
    """What a store holds, but for its types' numbers and the times when it was written."""
    said: dict[str, Any] = {}
    for kind in ("artifacts", "executions", "contexts"):
        for one in getattr(store, f"get_{kind}")():
            for field in ("type_id", "create_time_since_epoch", "last_update_time_since_epoch"):
                one.ClearField(field)
            one.custom_properties.pop("before_copy", None)
            said[f"{kind} {one.id}"] = one.SerializeToString(deterministic=True)
    for context in store.get_contexts():
        said[f"in {context.id}"] = (
            sorted(one.id for one in store.get_artifacts_by_context(context.id)),
            sorted(one.id for one in store.get_executions_by_context(context.id)),
        )
    executions = [one.id for one in store.get_executions()]
    said["events"] = sorted(str(event) for event in store.get_events_by_execution_ids(executions))
    return said


def inputs_of_cache_keys(store: Any) -> list[bytes]:
    """What TFX's cache digests of artifacts."""
    found = sorted(store.get_artifacts(), key=lambda one: one.id)
    for one in found:
        undo_copy(one)
    return [one.SerializeToString(deterministic=True) for one in found]


def a_year(folder: Path) -> Weeks:
    weeks = Weeks(folder)
    weeks.week(1, properties={"config": ODD})
    weeks.week(2, blessed=False)
    weeks.again(3, of=2)
    weeks.failed(4)
    (execution,) = weeks.store.get_executions_by_id([1])
    execution.custom_properties["peak_rss_bytes"].int_value = 5_000_000_001  # beyond 32 bits
    weeks.store.put_executions([execution])
    (artifact,) = weeks.store.get_artifacts_by_id([1])
    artifact.custom_properties["path"].string_value = ODD
    artifact.custom_properties["auc"].double_value = 0.1 + 0.2
    artifact.custom_properties["bytes"].int_value = 5_000_000_001
    weeks.store.put_artifacts([artifact])
    return weeks


def test_a_file_is_copied_whole(tmp_path: Path) -> None:
    weeks = a_year(tmp_path / "here")
    there = cats(tmp_path / "there")
    there.root.mkdir()
    target = open_store(there)
    copy_records(weeks.store, target)
    assert everything(target) == everything(weeks.store)
    assert inputs_of_cache_keys(target) == inputs_of_cache_keys(weeks.store)
    with pytest.raises(WorkspaceError, match="holds records already"):
        copy_records(weeks.store, target)


@pytest.mark.parametrize(
    ("url", "said"),
    [("db.example.org", "must look like postgresql"), ("postgresql://ann:pw@db/x", "must not hold a password")],
)
def test_an_address_that_will_not_do(tmp_path: Path, url: str, said: str) -> None:
    file = tmp_path / "cats.yaml"
    file.write_text(text := yaml.safe_dump(cats_document(a_year(tmp_path / "here").config.root)))
    with pytest.raises(ConfigError, match=said):
        move_records(file, None, url)
    assert file.read_text() == text


@pytest.mark.extra
@pytest.mark.slow
def test_records_move_to_postgresql(tmp_path: Path, server: PostgreSQL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGHAUL_METADATA_PASSWORD", PASSWORD)
    server.call("psql", "-h", "127.0.0.1", "-p", server.port, "-U", "longhaul", "-d", "postgres",
                "-c", "CREATE DATABASE lineage")  # fmt: skip
    weeks = a_year(tmp_path / "here")
    file = tmp_path / "cats.yaml"
    file.write_text("# ours\n" + yaml.safe_dump(cats_document(weeks.config.root)))
    with writing(load(file)):  # notes where the workspace lies
        pass
    before, planned = everything(weeks.store), plan(weeks.store, weeks.config, 1)
    keys = inputs_of_cache_keys(weeks.store)
    with locked(weeks.config.root), pytest.raises(LockedError):
        move_records(file, None, server.url)
    done = move_records(file, None, server.url)
    assert done.file.exists()
    assert not (weeks.config.root / "metadata.db").exists()
    assert file.read_text().startswith("# ours\n")
    config = load(file)
    assert config.metadata.url == server.url
    store = open_store(config)
    assert everything(store) == before
    assert inputs_of_cache_keys(store) == keys
    assert find_run(store, "cats", weeks.run_id(1)).properties["config"] == ODD
    assert [run.run_id for run in list_runs(store, "cats")] == [weeks.run_id(n) for n in (4, 3, 2, 1)]
    assert plan(store, config, 1) == planned
    with pytest.raises(ConfigError, match="on a server already"):
        move_records(file, None, server.url)
