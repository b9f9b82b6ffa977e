"""What ML Metadata leaves in a real store when the disk is full in the middle of a write."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import ml_metadata
from ml_metadata.proto import metadata_store_pb2

from pipeline.lineage.half_written import remove_half_written


def store_in(database: Path) -> ml_metadata.MetadataStore:
    connection = metadata_store_pb2.ConnectionConfig()
    connection.sqlite.filename_uri = str(database)
    connection.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    return ml_metadata.MetadataStore(connection)


def one_execution(store: ml_metadata.MetadataStore, contexts: list[str]) -> int:
    """An execution with a property, an input and contexts of these names."""
    step = store.put_execution_type(metadata_store_pb2.ExecutionType(name="step"))
    run = store.put_context_type(metadata_store_pb2.ContextType(name="run"))
    execution = metadata_store_pb2.Execution(type_id=step)
    execution.custom_properties["node"].string_value = "StatisticsGen"
    rows = store.put_artifact_type(metadata_store_pb2.ArtifactType(name="rows"))
    event = metadata_store_pb2.Event(type=metadata_store_pb2.Event.INPUT)
    number, _, _ = store.put_execution(
        execution,
        [(metadata_store_pb2.Artifact(type_id=rows), event)],
        [metadata_store_pb2.Context(type_id=run, name=name) for name in contexts],
    )
    return int(number)


def everything(database: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(database)) as rows:
        tables = [name for (name,) in rows.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: rows.execute(f"SELECT * FROM {table}").fetchall() for table in tables}


def test_a_whole_store_is_left_as_it_is(tmp_path: Path) -> None:
    database = tmp_path / "metadata.db"
    one_execution(store_in(database), ["first", "second"])
    before = everything(database)
    assert remove_half_written(database) == 0
    assert everything(database) == before


def test_the_next_execution_does_not_belong_to_the_run_that_was_cut_short(tmp_path: Path) -> None:
    database = tmp_path / "metadata.db"
    store = store_in(database)
    one_execution(store, ["first"])
    before = everything(database)
    lost = one_execution(store, ["second"])
    # As SQLite and ML Metadata leave it: the execution is taken back, its number too, the rows after it stay.
    with closing(sqlite3.connect(database)) as rows, rows:
        rows.execute("DELETE FROM Execution WHERE id = ?", (lost,))
        rows.execute("UPDATE sqlite_sequence SET seq = seq - 1 WHERE name = 'Execution'")
    assert remove_half_written(database) == 3  # its context, its property and its input
    assert everything(database)["ExecutionProperty"] == before["ExecutionProperty"]
    assert one_execution(store, ["third"]) == lost
    assert [context.name for context in store.get_contexts_by_execution(lost)] == ["third"]
