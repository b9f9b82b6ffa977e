"""Verdicts of `longhaul watch` in ML Metadata: a window of requests, what it was about, and what was said of it.

An execution `longhaul.Watch` reads the model (its PushedModel) and makes a `longhaul.Window`: a JSON file. A window
that is judged anew, as labels come, is a new one. They belong to the pipeline and to no run, as predictions do. What is
older than `watch.keep` is forgotten in a workspace's own store; ML Metadata itself deletes nothing.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline.errors import cannot_write
from pipeline.files import write_whole
from pipeline.lineage.of_pipeline import artifacts_of, pipeline_context
from pipeline.lineage.records import NODE, event_of, text_of

WATCH, WINDOW = "longhaul.Watch", "longhaul.Window"
"""Types of the execution and of its output."""


def record_verdicts(
    store: MetadataStore, pipeline: str, verdicts: Sequence[Mapping[str, Any]], folder: Path, served: Path
) -> None:
    """Write each verdict to a file of its own and record it, tied to the model that it is about.

    Args:
        folder: for the files; served: the folder of the versions.
    """
    watch = store.put_execution_type(metadata_store_pb2.ExecutionType(name=WATCH))
    window = store.put_artifact_type(metadata_store_pb2.ArtifactType(name=WINDOW))
    context = pipeline_context(store, pipeline)
    for verdict in verdicts:
        file = folder / f"{_file_name(verdict['version'])}-{verdict['window']}.json"
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(json.dumps(verdict, indent=1), file, "verdict", "fix its permissions")
        execution = metadata_store_pb2.Execution(type_id=watch, last_known_state=metadata_store_pb2.Execution.COMPLETE)
        made = metadata_store_pb2.Artifact(type_id=window, uri=str(file), state=metadata_store_pb2.Artifact.LIVE)
        said = {
            "window": verdict["name"],
            "version": verdict["version"],
            "model_run": verdict["run_id"],
            "rows": str(verdict["rows"]),
            "valid": str(verdict["valid"]),
            "harmful": str(verdict["harmful"]),
            "spans": json.dumps(verdict["spans"]),
            "harm": json.dumps(verdict["harm"]),
            "metrics": json.dumps(verdict["realized"]["metrics"]),
        } | ({"unknown": verdict["unknown"]} if "unknown" in verdict else {})
        for record in (execution, made):
            for name, text in said.items():
                record.custom_properties[name].string_value = text
        execution.custom_properties[NODE].string_value = "Watch"
        execution.custom_properties["run_id"].string_value = ""
        model = pushed_to(store, pipeline, served, verdict["version"])
        events = [
            *((one, event_of(metadata_store_pb2.Event.INPUT, "model")) for one in model[:1]),
            (made, event_of(metadata_store_pb2.Event.OUTPUT, "window")),
        ]
        store.put_execution(execution, events, [context])


def is_number(version: str) -> bool:
    """Return whether this names a version's folder. A log may say anything, also ../../x, which names a place."""
    return re.fullmatch("[0-9]{1,19}", version) is not None


def _file_name(version: str) -> str:
    return version if is_number(version) else sha256(version.encode()).hexdigest()[:16] if version else "none"


def pushed_to(store: MetadataStore, pipeline: str, served: Path, version: str) -> list[Any]:
    """List the models that a pipeline pushed as a version, which may be removed since, and the workspace moved."""
    pushed = artifacts_of(store, pipeline, "PushedModel")
    return [one for one in pushed if Path(text_of(one, "pushed_destination")).parts[-2:] == (served.name, version)]


_OLD = """SELECT Execution.id FROM Execution JOIN Type ON Execution.type_id = Type.id
JOIN Association ON Association.execution_id = Execution.id JOIN Context ON Association.context_id = Context.id
WHERE Type.name = ? AND Context.name = ? AND Execution.create_time_since_epoch < ?"""
_MADE = f"SELECT artifact_id FROM Event WHERE execution_id IN old AND type = {metadata_store_pb2.Event.OUTPUT}"
_ROWS = (
    ("EventPath", "event_id IN (SELECT id FROM Event WHERE execution_id IN old)"),
    ("Event", "execution_id IN old"),
    *((table, "artifact_id IN made") for table in ("ArtifactProperty", "Attribution")),
    *((table, "execution_id IN old") for table in ("ExecutionProperty", "Association")),
    *(("Artifact", "id IN made"), ("Execution", "id IN old")),
)


def forget_windows(database: Path, pipeline: str, before: datetime) -> int:
    """Delete what a workspace's own store knows of windows that were judged before a time; return how many there were.

    Raises:
        WorkspaceError: the store cannot be written.
    """
    try:
        with closing(sqlite3.connect(database, timeout=60)) as store, store:
            old = int(before.timestamp() * 1000)
            store.execute(f"CREATE TEMP TABLE old AS {_OLD}", (WATCH, pipeline, old))
            store.execute(f"CREATE TEMP TABLE made AS {_MADE}")
            for table, chosen in _ROWS:
                deleted = store.execute(f"DELETE FROM {table} WHERE {chosen}").rowcount
            return deleted
    except sqlite3.Error as exc:
        what = f"ML Metadata at {database} cannot be written: {exc}"
        raise cannot_write(database.parent, exc, what, "check the file's permissions and the disk") from exc
