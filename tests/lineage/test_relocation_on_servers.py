"""The same with the records on a PostgreSQL or MariaDB server, where others have theirs, too."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ml_metadata.proto import metadata_store_pb2

from bench.many_runs import fill
from pipeline.config.loading import load
from pipeline.config.metadata import Metadata
from pipeline.config.pipeline import PipelineConfig
from pipeline.errors import ConfigError, PipelineError
from pipeline.lineage.of_pipeline import artifacts_of
from pipeline.lineage.relocation import first_names, settle
from pipeline.lineage.runs import find_run, list_runs
from pipeline.lineage.server_relocation import UPDATED
from pipeline.lineage.store import open_store
from tests.e2e.servers import PASSWORD, mariadb, postgresql

pytestmark = [pytest.mark.extra, pytest.mark.slow]


@pytest.fixture(scope="module", params=[postgresql, mariadb])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with request.param() as server:
        if hasattr(server, "call"):
            server.call("psql", "-h", "127.0.0.1", "-p", server.port, "-U", "longhaul", "-d", "postgres",
                        "-c", "DROP DATABASE IF EXISTS lineage", "-c", "CREATE DATABASE lineage")  # fmt: skip
        yield server.url


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGHAUL_METADATA_PASSWORD", PASSWORD)


def at(root: Path, url: str, namespace: str) -> PipelineConfig:
    root.mkdir(parents=True, exist_ok=True)
    return load(workspace=str(root)).model_copy(update={"metadata": Metadata(url=url, namespace=namespace)})


def uris(config: PipelineConfig) -> list[str]:
    return [one.uri for one in artifacts_of(open_store(config), config.record_name, "Examples")]


def attributed(config: PipelineConfig) -> None:
    """As TFX does, which `fill` leaves out: artifacts and executions belong to the pipeline."""
    store = open_store(config)
    pipeline = store.get_context_by_type_and_name("pipeline", config.record_name)
    for run in list_runs(store, config.record_name):
        context = store.get_context_by_type_and_name("pipeline_run", run.run_id)
        store.put_attributions_and_associations(
            [
                metadata_store_pb2.Attribution(context_id=pipeline.id, artifact_id=one.id)
                for one in store.get_artifacts_by_context(context.id)
            ],
            [],
        )


def test_environments_on_one_server_are_kept_apart_and_move_alone(url: str, tmp_path: Path) -> None:
    dev, prod = (at(tmp_path / name / "ws", url, name) for name in ("dev", "prod"))
    fill(dev, 2)
    shared: Any = open_store(dev)
    for config in (dev, prod):
        assert settle(config, open_store(config)) is None
    assert (len(list_runs(shared, "dev/flights")), list_runs(shared, "prod/flights"), list_runs(shared, "flights")) == (
        *(2, []),
        [],
    )
    with pytest.raises(PipelineError, match="there is no run"):
        find_run(shared, prod.record_name, list_runs(shared, dev.record_name)[0].run_id)
    attributed(dev)
    before = uris(dev)
    times = {one.id: one.last_update_time_since_epoch for one in shared.get_artifacts()}

    # In production another workspace lies at the same place, on another machine.
    moved = at(dev.root.rename(tmp_path / "moved"), url, "dev")
    planned = settle(moved, open_store(moved), dry_run=True)
    assert planned
    assert uris(moved) == before
    done = settle(moved, open_store(moved))
    assert done
    assert (done.before, done.artifacts, done.copied) == (str(dev.root), planned.artifacts, False)
    assert uris(moved) == [uri.replace(str(dev.root), str(moved.root)) for uri in before] != before
    assert settle(moved, open_store(moved)) is None
    assert first_names(open_store(moved), moved.record_name)(f"{moved.root}/a") == f"{dev.root}/a"
    for one in artifacts_of(shared, moved.record_name, "Examples"):
        assert one.custom_properties[UPDATED].string_value == str(times[one.id])

    shutil.copytree(moved.root, tmp_path / "copy")
    copy = at(tmp_path / "copy", url, "dev")
    with pytest.raises(ConfigError, match="is a copy of the workspace") as refused:
        settle(copy, open_store(copy))
    assert "namespace: dev" in refused.value.remedy
    assert settle(at(tmp_path / "copy", url, "copy"), open_store(copy)) is None
    assert "relocate --take-over" in refused.value.remedy
    planned = settle(copy, open_store(copy), dry_run=True, take_over=True)
    assert planned
    assert planned.before == str(moved.root)
    assert uris(moved)[0].startswith(str(moved.root))
    taken = settle(copy, open_store(copy), take_over=True)
    assert taken
    assert (taken.before, taken.artifacts, taken.copied) == (str(moved.root), planned.artifacts, True)
    assert uris(copy) == [uri.replace(str(dev.root), str(copy.root)) for uri in before]
    assert settle(copy, open_store(copy)) is None
    assert first_names(open_store(copy), copy.record_name)(f"{copy.root}/a") == f"{dev.root}/a"
    original = settle(moved, open_store(moved))  # may not take them back by itself
    assert original
    assert f"the workspace {copy.root} has a pipeline 'dev/flights' on this server, too" in original.sentence()
    back = settle(moved, open_store(moved), take_over=True)
    assert back
    assert uris(moved)[0].startswith(str(moved.root))

    other = at(tmp_path / "other", url, "dev")
    said = settle(other, open_store(other))
    assert said
    assert "has a pipeline 'dev/flights' on this server, too" in said.sentence()
    assert "namespace" in said.sentence()
    assert settle(moved, open_store(moved)) is None
