"""Removes what a plan of the garbage collection names, and records who did.

A crash at any moment is safe. Artifacts are first marked in ML Metadata, in one transaction with the execution that
removes them; from then on neither TFX's cache nor its resolvers take them, which ask for live ones. Then the folders
go. Then they count as deleted. What a crash left of marked ones, the next collection removes.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline.lineage.garbage import Plan
from pipeline.lineage.records import NODE

_STATES = metadata_store_pb2.Artifact
_EVENT = metadata_store_pb2.Event
COLLECTION_TYPE = "longhaul.GarbageCollection"
"""Type of the execution whose inputs are what it removed."""


def remove(store: MetadataStore, pipeline: str, plan: Plan) -> int | None:
    """Do what a plan says; the caller holds the workspace's lock, and has held it since the plan was made.

    Returns:
        The id of the execution that records it, None if ML Metadata knew of nothing that went.
    """
    ids = sorted({item.artifact_id for item in plan.items if item.artifact_id is not None})
    artifacts = store.get_artifacts_by_id(ids) if ids else []
    execution = _begin(store, pipeline, artifacts, plan) if artifacts else None
    for item in plan.items:
        _remove(item.path)
    if execution is None:
        return None
    for artifact in artifacts:
        artifact.state = _STATES.DELETED
    store.put_artifacts(artifacts)
    execution.last_known_state = metadata_store_pb2.Execution.COMPLETE
    store.put_executions([execution])
    return int(execution.id)


def _begin(store: MetadataStore, pipeline: str, artifacts: list[Any], plan: Plan) -> Any:
    """Mark the artifacts and record who will remove them, in one transaction."""
    now = datetime.now(UTC)
    kind = metadata_store_pb2.ExecutionType(name=COLLECTION_TYPE)
    execution = metadata_store_pb2.Execution(
        type_id=store.put_execution_type(kind),
        name=f"{pipeline}/{now.isoformat()}",
        last_known_state=metadata_store_pb2.Execution.RUNNING,
    )
    told = {NODE: "GarbageCollection", "pipeline": pipeline, "started": now.isoformat(timespec="seconds")}
    for key, value in told.items():
        execution.custom_properties[key].string_value = value
    execution.custom_properties["bytes"].int_value = plan.size_bytes
    for artifact in artifacts:
        artifact.state = _STATES.MARKED_FOR_DELETION
    path = _EVENT.Path(steps=[_EVENT.Path.Step(key="removed"), _EVENT.Path.Step(index=0)])
    edges = [(0, place, _EVENT(type=_EVENT.INPUT, path=path)) for place in range(len(artifacts))]
    (execution.id,), _, _ = store.put_lineage_subgraph([execution], artifacts, [], edges)
    return execution


def _remove(path: Path) -> None:
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    # A server that watches the folder must not see half a version.
    hidden = path.with_name(f".removing-{path.name}")
    path.rename(hidden)
    shutil.rmtree(hidden)
