"""Reads what ML Metadata recorded of steps and artifacts, as plain data. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from ml_metadata import MetadataStore
from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2

from pipeline.lineage.states import Outcome, StepState, outcome_of

RESOLVER = "tfx.dsl.components.common.resolver.Resolver"
"""TFX's type of nodes that look something up: the verdict tells what they found."""
NODE, SECONDS, SERVED = "node", "seconds", "served"
REPEATS = "repeats"
"""Property of a run in which nothing had changed: the first of which the same is to tell, whose page is its page."""
BEGAN, MADE = "began", "made"
"""Custom properties of what is on record of a job elsewhere: when a step began and when an artifact was made, in
milliseconds since 1970."""
ORDER = "order"
"""Property of a job elsewhere, whose id does not tell when it began: a text that sorts among the ids of runs."""
STEP_PROPERTIES = (NODE, "run_id", "config_digest", "code_digest", "package_versions")
"""Custom properties of every execution."""

STATES = {
    metadata_store_pb2.Execution.COMPLETE: StepState.DONE,
    metadata_store_pb2.Execution.CACHED: StepState.CACHED,
    metadata_store_pb2.Execution.FAILED: StepState.FAILED,
    metadata_store_pb2.Execution.CANCELED: StepState.INTERRUPTED,
    metadata_store_pb2.Execution.RUNNING: StepState.RUNNING,
}


@dataclass(frozen=True)
class Step:
    """One node of a run.

    Attributes:
        state: as ML Metadata has it.
        is_resolver: puts out again what another node made.
        told: what came of it where that is another thing: it was skipped, or said no.
    """

    node: str
    state: StepState
    seconds: float
    execution_id: int | None
    is_resolver: bool = False
    told: Outcome | None = None

    @property
    def outcome(self) -> Outcome:
        """What came of it, for a person to read."""
        return self.told or Outcome(self.state)


@dataclass(frozen=True)
class Artifact:
    """One output of a run.

    Attributes:
        state: live, deleted (by `longhaul gc`; the record stays), abandoned and so on.
        copy: of what lies elsewhere, where this machine has a copy.
    """

    type: str
    uri: str
    properties: dict[str, Any]
    id: int = field(default=0, compare=False)
    state: str = field(default="live", compare=False)
    copy: Path | None = field(default=None, compare=False)

    @property
    def folder(self) -> Path:
        """Where its files are on this machine."""
        return self.copy or Path(self.uri)

    @property
    def place(self) -> str:
        """Where it is, as people are told: relative to the workspace that it lies in, or its whole address."""
        _, found, within = self.uri.rpartition("/artifacts/")
        return f"artifacts/{within}" if found and "://" not in self.uri else self.uri


def told(step: Step, outputs: Iterable[Artifact]) -> Step:
    """Return the step with what came of it, by what it put out."""
    outcome = outcome_of(step.state, outputs)
    return step if step.is_resolver or outcome == Outcome(step.state) else replace(step, told=outcome)


def seconds_on_record(context: metadata_store_pb2.Context, executions: Iterable[metadata_store_pb2.Execution]) -> float:
    """Return how long a run took by what is on record of one that did not say so: until the last that a step put
    there."""
    last = max((one.last_update_time_since_epoch for one in executions), default=0)
    return max(0.0, (last - context.create_time_since_epoch) / 1000)


def read_artifact(record: metadata_store_pb2.Artifact) -> Artifact:
    """Return ML Metadata's record as plain data."""
    state = str(metadata_store_pb2.Artifact.State.Name(record.state)).lower()
    return Artifact(record.type, record.uri, read_properties(record), record.id, state)


def read_properties(record: Any) -> dict[str, Any]:
    """Return the properties of an artifact, an execution or a context, custom ones too, as plain data."""
    return {key: plain_value(value) for key, value in (*record.properties.items(), *record.custom_properties.items())}


def read_steps(store: MetadataStore, context_id: int) -> list[Step]:
    """Return the executions of a run in the order in which they began."""
    return [
        Step(
            node=execution.custom_properties[NODE].string_value or _node(store, execution),
            state=STATES.get(execution.last_known_state, StepState.RUNNING),
            seconds=execution.custom_properties[SECONDS].double_value,
            execution_id=execution.id,
            is_resolver=execution.type == RESOLVER,
        )
        for execution in sorted(store.get_executions_by_context(context_id), key=lambda e: e.id)
    ]


def _node(store: MetadataStore, execution: metadata_store_pb2.Execution) -> str:
    """Read TFX's own context of the node: a step that a partial run takes from an earlier one is not ours to mark."""
    for context in contexts_of(store, execution.id):
        if context.type == "node":
            return str(context.name.partition(".")[2])
    return str(execution.type.rsplit(".", 1)[-1])


def contexts_of(store: MetadataStore, execution_id: int) -> list[metadata_store_pb2.Context]:
    """Return the contexts of an execution. A garbage collection, and a rollback before the first run, have none: ML
    Metadata makes an error of that."""
    try:
        return list(store.get_contexts_by_execution(execution_id))
    except mlmd_errors.NotFoundError:
        return []


def plain_value(value: metadata_store_pb2.Value) -> Any:
    """Return a property as plain data."""
    kind = value.WhichOneof("value")
    if kind in ("struct_value", "proto_value"):  # TFX keeps lists and messages so; a report wants plain data
        return json_format.MessageToDict(getattr(value, kind))
    return getattr(value, kind) if kind else None


def event_of(kind: Any, name: str) -> metadata_store_pb2.Event:
    """Make the event that ties an artifact to an execution, which knows it by that name."""
    event = metadata_store_pb2.Event(type=kind)
    event.path.steps.add().key = name
    event.path.steps.add().index = 0
    return event


def text_of(record: Any, name: str) -> str:
    """Read a custom property, or nothing. Merely asking the map for it would put an empty value there."""
    return record.custom_properties[name].string_value if name in record.custom_properties else ""
