"""What a step cost and made, on record as custom properties of its execution."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline.config.place import Place
from pipeline.lineage.details import BYTES, PEAK_MEMORY, ROWS
from pipeline.lineage.records import Step
from pipeline.lineage.runs import StepState
from pipeline.lineage.server_store import NO_PATIENCE
from pipeline.runners.local.memory import MemoryMeter
from pipeline.runners.local.record import Handle

_EVENT = metadata_store_pb2.Event


class Meter:
    """Measures the steps of a run while it is entered, and records what each cost."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._memory = MemoryMeter()

    def __enter__(self) -> Self:
        self._memory.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._memory.__exit__()

    def begin(self, node: str) -> None:
        """Learn that a step begins."""
        self._memory.begin(node)

    def end(self, step: Step) -> dict[str, int]:
        """Return what a step cost that has ended; see `record_measures`."""
        peak_bytes = self._memory.end(step.node)
        with Handle(self._place, NO_PATIENCE) as handle:
            return record_measures(handle.store, step, peak_bytes)


def record_measures(store: MetadataStore, step: Step, peak_bytes: int) -> dict[str, int]:
    """Complete the record of a step that has ended.

    Args:
        peak_bytes: of memory; 0 if nobody knows.

    Returns:
        PEAK_MEMORY; ROWS of the examples that it wrote, or else read; BYTES that it wrote. What does not apply, or
        cannot be told, is left out.
    """
    if step.execution_id is None:
        return {}
    (execution,) = store.get_executions_by_id([step.execution_id])
    events = store.get_events_by_execution_ids([execution.id])
    artifacts = {found.id: found for found in store.get_artifacts_by_id([event.artifact_id for event in events])}
    made = [artifacts[event.artifact_id] for event in events if event.type == _EVENT.OUTPUT]
    measures = {ROWS: _rows(made) or _rows(list(artifacts.values()))}
    if step.state is not StepState.CACHED:
        measures[PEAK_MEMORY] = peak_bytes
        measures[BYTES] = sum(_size(Path(artifact.uri)) for artifact in made)
    measures = {name: value for name, value in measures.items() if value}
    for name, value in measures.items():
        execution.custom_properties[name].int_value = value
    store.put_executions([execution])
    return measures


def _rows(artifacts: list[Any]) -> int:
    """Count the rows of ExampleGen's tables among the artifacts."""
    counted = [a.custom_properties[ROWS].string_value for a in artifacts if a.type == "Examples"]
    return sum(sum(json.loads(text).values()) for text in counted if text)


def _size(folder: Path) -> int:
    """Return the size of a folder on this machine; 0 of one that lies elsewhere."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
