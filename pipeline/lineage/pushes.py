"""Rollbacks and approvals in ML Metadata: which version was published, in place of which, by whom and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline.lineage.artifact_names import APPROVAL
from pipeline.lineage.of_pipeline import artifacts_of
from pipeline.lineage.records import NODE, event_of
from pipeline.lineage.runs import RUN_CONTEXT

APPROVAL_TYPE = "longhaul.Approval"
"""Type of the execution that a decision is: its input is the PushedModel that waited."""
ROLLBACK_TYPE = "longhaul.Rollback"
"""Type of the execution: from the PushedModel of the earlier version to that of the new one."""
ROLLOUT_TYPE = "longhaul.Rollout"
"""Type of the execution that a step of a rollout is: its inputs are the PushedModels of both versions."""
PUSHED_MODEL = "PushedModel"
_INPUT, _OUTPUT = metadata_store_pb2.Event.INPUT, metadata_store_pb2.Event.OUTPUT


@dataclass(frozen=True)
class Rollback:
    """What was done.

    Attributes:
        from_version: what served before; to_version: what serves again, as new_version (None if it was a rehearsal).
        run_id: the run that pushed that model first.
        time: ISO 8601, UTC.
        forced_over: why the model does not accept the schema of that day, which --force overruled; else empty.
    """

    from_version: int
    to_version: int
    new_version: int | None
    run_id: str
    by: str
    time: str
    note: str
    forced_over: str = ""


@dataclass(frozen=True)
class Approval:
    """What a person decided about a model that waited.

    Attributes:
        run_id: the run that asked.
        decision: approved or rejected.
        time: ISO 8601, UTC; so is `until`, empty if the approval holds for ever.
        forced_over: what stood in the way, which --force overruled; else empty.
        version: as which the model was published; 0 of one that was rejected.
    """

    run_id: str
    decision: str
    by: str
    time: str
    note: str
    until: str = ""
    forced_over: str = ""
    version: int = 0


def record_approval(store: MetadataStore, pipeline: str, done: Approval, pushed: Any, base: Path) -> int:
    """Record a decision in the pipeline's context; return the execution's id. The PushedModel that waited, which the
    run and those that repeat it share, becomes what an automatic push would have put there.

    Args:
        pushed: that PushedModel; base: the folder of the versions.
    """
    properties = pushed.custom_properties
    properties[APPROVAL].string_value = done.decision
    if done.version:
        properties["pushed"].int_value = 1
        properties["pushed_destination"].string_value = f"{base}/{done.version}"
        properties["pushed_version"].string_value = str(done.version)
        properties.pop("not_pushed", None)
    else:
        properties["not_pushed"].string_value = f"{done.decision} by {done.by} on {done.time}: {done.note}"
    if done.version:  # before what says that all is on record
        for run in store.get_contexts_by_artifact(pushed.id):
            if run.type == RUN_CONTEXT and "pushed_version" in run.custom_properties:
                run.custom_properties["pushed_version"].string_value = str(done.version)
                store.put_contexts([run])
    execution = metadata_store_pb2.Execution(
        type_id=store.put_execution_type(metadata_store_pb2.ExecutionType(name=APPROVAL_TYPE)),
        last_known_state=metadata_store_pb2.Execution.COMPLETE,
    )
    for key, value in {**asdict(done), NODE: "Approval"}.items():
        execution.custom_properties[key].string_value = str(value)
    context = store.get_context_by_type_and_name("pipeline", pipeline)
    event = event_of(_INPUT, "pushed_model")
    execution_id, _, _ = store.put_execution(execution, [(pushed, event)], [context] if context else [])
    return int(execution_id)


def record_rollback(store: MetadataStore, pipeline: str, done: Rollback, base: Path | str, digest: str) -> int:
    """Record it in the pipeline's context; return the execution's id.

    Args:
        base: the folder of the versions, or its address gs://….
        digest: of the model that serves again.
    """
    of_all = store.get_artifacts_by_type(PUSHED_MODEL)  # imported ones belong to no pipeline; its own count first
    known = {_destination(one): one for one in (*of_all, *artifacts_of(store, pipeline, PUSHED_MODEL))}
    earlier = known.get(f"{base}/{done.to_version}")
    pushed = metadata_store_pb2.Artifact(
        type_id=earlier.type_id if earlier else _pushed_model_type(store),
        uri=f"{base}/{done.new_version}",
        state=metadata_store_pb2.Artifact.LIVE,
    )
    pushed.custom_properties["pushed"].int_value = 1
    pushed.custom_properties["pushed_destination"].string_value = f"{base}/{done.new_version}"
    pushed.custom_properties["pushed_version"].string_value = str(done.new_version)
    pushed.custom_properties["model_digest"].string_value = digest
    kind = metadata_store_pb2.ExecutionType(name=ROLLBACK_TYPE)
    execution = metadata_store_pb2.Execution(
        type_id=store.put_execution_type(kind), last_known_state=metadata_store_pb2.Execution.COMPLETE
    )
    for key, value in asdict(done).items():
        execution.custom_properties[key].string_value = str(value)
    context = store.get_context_by_type_and_name("pipeline", pipeline)
    used: list[tuple[Any, Any]] = [(earlier, event_of(_INPUT, "earlier"))] if earlier else []
    execution_id, _, _ = store.put_execution(
        execution, [*used, (pushed, event_of(_OUTPUT, "pushed_model"))], [context] if context else []
    )
    return int(execution_id)


def is_recorded(store: MetadataStore, pipeline: str, version: str) -> bool:
    """Return whether a version, by its folder, is on record as pushed."""
    return any(_destination(one) == version for one in artifacts_of(store, pipeline, PUSHED_MODEL))


def record_rollout(store: MetadataStore, pipeline: str, step: str, what: Any, base: Path | str) -> int:
    """Record a step of a rollout in the pipeline's context; return the execution's id.

    Args:
        step: start, step, promote or abort.
        what: the Rollout of pipeline.serving.rollout.
        base: the folder of the versions.
    """
    kind = metadata_store_pb2.ExecutionType(name=ROLLOUT_TYPE)
    execution = metadata_store_pb2.Execution(
        type_id=store.put_execution_type(kind), last_known_state=metadata_store_pb2.Execution.COMPLETE
    )
    for key, value in {**asdict(what), "step": step, NODE: "Rollout"}.items():
        execution.custom_properties[key].string_value = str(value)
    known = {_destination(one): one for one in store.get_artifacts_by_type(PUSHED_MODEL)}
    used = [
        (known[address], event_of(_INPUT, name))
        for name, address in (("candidate", f"{base}/{what.version}"), ("stable", f"{base}/{what.stable}"))
        if address in known
    ]
    context = store.get_context_by_type_and_name("pipeline", pipeline)
    execution_id, _, _ = store.put_execution(execution, used, [context] if context else [])
    return int(execution_id)


def rollout_is_recorded(store: MetadataStore, what: Any) -> bool:
    """Return whether a step of a rollout is on record already."""
    return bool(_steps(store, asdict(what)))


def rollout_was_begun(store: MetadataStore, what: Any) -> bool:
    """Return whether a step of the same rollout is on record, which has not ended since."""
    steps = _steps(store, {name: getattr(what, name) for name in ("version", "stable", "newest")})
    return bool(steps) and not steps[-1].custom_properties["ending"].string_value


def _steps(store: MetadataStore, wanted: Mapping[str, Any]) -> list[Any]:
    """Return the steps of rollouts on record that have these properties, in order."""
    return [
        one
        for one in sorted(store.get_executions_by_type(ROLLOUT_TYPE), key=lambda one: one.id)
        if all(one.custom_properties[key].string_value == str(value) for key, value in wanted.items())
    ]


def _destination(artifact: Any) -> str:
    return str(artifact.custom_properties["pushed_destination"].string_value)


def _pushed_model_type(store: MetadataStore) -> int:
    return int(store.put_artifact_type(metadata_store_pb2.ArtifactType(name=PUSHED_MODEL)))
