"""What a run made of what: steps and artifacts, and how they hang together."""

from __future__ import annotations

from dataclasses import dataclass

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline.lineage.runs import Run


@dataclass(frozen=True)
class Made:
    """An artifact of a run.

    Attributes:
        maker: the step that made it, or reused it.
        users: the steps of the run that read it, in the order in which they began.
    """

    id: int
    type: str
    maker: str
    users: tuple[str, ...]


def made_in(store: MetadataStore, run: Run) -> list[Made]:
    """The artifacts of a run, each once, in the order of the steps that made them."""
    nodes = {step.execution_id: step.node for step in run.steps if step.execution_id is not None}
    users: dict[int, dict[str, None]] = {}
    events = store.get_events_by_execution_ids(list(nodes)) if nodes else []
    for event in sorted(events, key=lambda event: event.execution_id):
        if event.type == metadata_store_pb2.Event.INPUT:
            users.setdefault(event.artifact_id, {})[nodes[event.execution_id]] = None
    return [
        Made(artifact.id, artifact.type, step.node, tuple(users.get(artifact.id, ())))
        for step in run.steps
        for artifact in run.artifacts.get(step.node, [])
    ]
