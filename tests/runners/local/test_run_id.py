"""A run's id sorts after those of all runs before it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import ml_metadata
from ml_metadata.proto import metadata_store_pb2

from pipeline.lineage.runs import RUN_CONTEXT
from pipeline.runners.local.run_id import new_run_id


def store_with(path: Path, *names: str) -> ml_metadata.MetadataStore:
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(path / "metadata.db")
    config.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    store = ml_metadata.MetadataStore(config)
    kind = store.put_context_type(metadata_store_pb2.ContextType(name=RUN_CONTEXT))
    store.put_contexts([metadata_store_pb2.Context(type_id=kind, name=name) for name in names])
    return store


def test_it_is_the_time(tmp_path: Path) -> None:
    before = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    for store in (store_with(tmp_path), store_with(tmp_path, "20200101-000000-000", "not one of ours")):
        found = new_run_id(store)
        assert before <= found[:15] <= datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        assert len(found) == 19


def test_it_is_later_than_a_run_on_record_when_the_clock_was_set_back(tmp_path: Path) -> None:
    store = store_with(tmp_path, "29991231-235959-999", "20200101-000000-000")
    assert new_run_id(store) == "30000101-000000-000"
