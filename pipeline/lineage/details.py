"""One run in every detail: what each step read, made and cost, and which run a cached one was taken from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline.config.spans import spans_text
from pipeline.lineage.records import Artifact, Step, read_artifact, read_properties
from pipeline.lineage.runs import Run, StepState

_EVENT = metadata_store_pb2.Event
_INPUTS = (_EVENT.INPUT, _EVENT.DECLARED_INPUT, _EVENT.INTERNAL_INPUT)
_OUTPUTS = (_EVENT.OUTPUT, _EVENT.DECLARED_OUTPUT, _EVENT.INTERNAL_OUTPUT)

PEAK_MEMORY, ROWS, BYTES = "peak_rss_bytes", "rows", "bytes"
"""Custom properties of executions: what a step cost, where that was measured."""


@dataclass(frozen=True)
class StepDetails:
    """One step.

    Attributes:
        inputs, outputs: artifacts by the name under which the step knows them; what a look-up found is its output.
        properties: of the execution, as plain data.
        cached_from: the run that really did the work of a cached step, or "".
    """

    step: Step
    inputs: dict[str, list[Artifact]] = field(default_factory=dict)
    outputs: dict[str, list[Artifact]] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    cached_from: str = ""


def rows_by_split(ingestion: Mapping[str, Any]) -> list[str]:
    """Return a text for each split with its rows and spans: `train 900 (spans 1 to 9)`, `eval 90 (span 10)`.

    Args:
        ingestion: ExampleGen's summary (`Run.ingestion`).
    """
    spans = ingestion.get("split_spans", {})  # of a table without spans there are none; older runs do not tell
    return [
        f"{name} {count:,}"
        + (f" (span{'s' * (len(spans[name]) > 1)} {spans_text(spans[name])})" if name in spans else "")
        for name, count in ingestion["rows"].items()
    ]


def read_details(store: MetadataStore, run: Run) -> list[StepDetails]:
    """Return the steps of a whole run (find_run), in the order in which they began."""
    ids = [step.execution_id for step in run.steps if step.execution_id is not None]
    if not ids:
        return []
    executions = {execution.id: execution for execution in store.get_executions_by_id(ids)}
    events = sorted(store.get_events_by_execution_ids(ids), key=_order)
    artifacts = {
        artifact.id: read_artifact(artifact)
        for artifact in store.get_artifacts_by_id(sorted({event.artifact_id for event in events}))
    }
    found = {step.execution_id: StepDetails(step) for step in run.steps}
    for event in events:
        details = found[event.execution_id]
        side = details.inputs if event.type in _INPUTS else details.outputs if event.type in _OUTPUTS else {}
        key = event.path.steps[0].key if event.path.steps else ""
        side.setdefault(key, []).append(artifacts[event.artifact_id])
    makers = _makers(store, list(found.values()))
    return [
        StepDetails(
            details.step,
            details.inputs,
            details.outputs,
            read_properties(executions[number]) if number in executions else {},
            makers.get(number, ""),
        )
        for number, details in found.items()
    ]


def _makers(store: MetadataStore, details: list[StepDetails]) -> Mapping[int | None, str]:
    """Return the run that first made what a cached step put out, by the step's execution."""
    first = {
        one.step.execution_id: next(iter(one.outputs.values()))[0].id
        for one in details
        if one.step.state is StepState.CACHED and one.outputs
    }
    if not first:
        return {}
    makers: dict[int, int] = {}
    for event in store.get_events_by_artifact_ids(sorted(set(first.values()))):
        if event.type == _EVENT.OUTPUT:
            makers[event.artifact_id] = min(event.execution_id, makers.get(event.artifact_id, event.execution_id))
    runs = {
        execution.id: str(read_properties(execution).get("run_id", ""))
        for execution in (store.get_executions_by_id(sorted(set(makers.values()))) if makers else [])
    }
    return {execution: runs.get(makers.get(artifact, -1), "") for execution, artifact in first.items()}


def _order(event: Any) -> tuple[int, str, int, int]:
    steps = event.path.steps
    return event.execution_id, steps[0].key if steps else "", steps[1].index if len(steps) > 1 else 0, event.artifact_id
