"""Steps and artifacts as ML Metadata links them; pipeline.lineage.tracing reads them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline.lineage.records import MADE, read_properties
from pipeline.lineage.runs import Run
from pipeline.lineage.states import Outcome, StepState, outcome_of

COMPARED = (
    *("baseline_model", "baseline_blessing", "baseline_examples"),
    *("reference_models", "reference_blessings"),
)
ASIDE = (*COMPARED, "analyzer_cache")
"""Inputs that do not make the output what it is: the champion that a model is compared with, and what an earlier run
learned of the same files (pipeline.components.analyzer_cache takes nothing from others). Shown, but not followed."""

_ARTIFACT_STATES = {
    metadata_store_pb2.Artifact.PENDING: "pending",
    metadata_store_pb2.Artifact.MARKED_FOR_DELETION: "deleted",
    metadata_store_pb2.Artifact.DELETED: "deleted",
    metadata_store_pb2.Artifact.ABANDONED: "abandoned",
}


@dataclass(frozen=True)
class StepRecord:
    """One execution.

    Attributes:
        began: milliseconds since 1970.
        properties: those of TFX and ours, as plain data.
    """

    id: int
    node: str
    type: str
    run_id: str
    state: StepState
    seconds: float
    began: int
    properties: dict[str, Any]


@dataclass(frozen=True)
class ArtifactRecord:
    """One artifact. `made` is in milliseconds since 1970; `recorded_state` is live, pending, deleted or abandoned."""

    id: int
    type: str
    uri: str
    recorded_state: str
    made: int
    properties: dict[str, Any]

    @property
    def label(self) -> str:
        """Type and number: `Model 11`."""
        return f"{self.type.rpartition('.')[2]} {self.id}"

    @property
    def state(self) -> str:
        """As recorded, or 'gone' if its folder is not there although nobody recorded a removal."""
        if self.recorded_state == "live" and "://" not in self.uri and not Path(self.uri).exists():
            return "gone"
        return self.recorded_state


class Link(NamedTuple):
    """A step made (`is_output`) or read an artifact, in the role that TFX calls its key."""

    step: int
    artifact: int
    role: str
    is_output: bool


@dataclass(frozen=True)
class Graph:
    """Steps and artifacts by id, and how they hang together.

    Attributes:
        origins: for artifacts that are not made in the graph, or made again, the run that first made them.
    """

    steps: dict[int, StepRecord] = field(default_factory=dict)
    artifacts: dict[int, ArtifactRecord] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    origins: dict[int, str] = field(default_factory=dict)

    def __or__(self, other: Graph) -> Graph:
        return Graph(
            self.steps | other.steps,
            self.artifacts | other.artifacts,
            list(dict.fromkeys([*self.links, *other.links])),
            self.origins | other.origins,
        )

    def outcome(self, step: StepRecord) -> Outcome:
        """Return what came of a step, by what it put out."""
        put = [
            self.artifacts[link.artifact] for link in self.outputs.get(step.id, ()) if link.artifact in self.artifacts
        ]
        return outcome_of(step.state, put)

    @cached_property
    def inputs(self) -> dict[int, list[Link]]:
        """What each step read."""
        return grouped((link.step, link) for link in self.links if not link.is_output)

    @cached_property
    def outputs(self) -> dict[int, list[Link]]:
        """What each step made or reused."""
        return grouped((link.step, link) for link in self.links if link.is_output)

    @cached_property
    def readers(self) -> dict[int, list[Link]]:
        """Who read each artifact."""
        return grouped((link.artifact, link) for link in self.links if not link.is_output)

    @cached_property
    def makings(self) -> dict[int, list[Link]]:
        """Who made or reused each artifact."""
        return grouped((link.artifact, link) for link in self.links if link.is_output)

    def ancestors(self, artifacts: Iterable[int], *, by_first: bool = False) -> set[int]:
        """Return the artifacts themselves, and whatever they came of.

        Args:
            by_first: only by the step that first made each, not by those that reused it.
        """
        seen: set[int] = set()
        waiting = list(artifacts)
        while waiting:
            if (number := waiting.pop()) not in seen:
                seen.add(number)
                steps = [link.step for link in self.makings.get(number, ())]
                for step in sorted(steps)[:1] if by_first else steps:
                    waiting += [link.artifact for link in self.inputs.get(step, ())]
        return seen

    @cached_property
    def first(self) -> dict[int, int]:
        """The step that first made each artifact; later ones reuse it."""
        return {artifact: min(link.step for link in links) for artifact, links in self.makings.items()}

    @cached_property
    def makers(self) -> dict[int, StepRecord]:
        """The same, as far as the step was read."""
        return {artifact: self.steps[step] for artifact, step in self.first.items() if step in self.steps}


def artifact_record(artifact: Any) -> ArtifactRecord:
    """Read ML Metadata's message."""
    properties = read_properties(artifact)
    return ArtifactRecord(
        artifact.id,
        artifact.type,
        artifact.uri,
        _ARTIFACT_STATES.get(artifact.state, "live"),
        int(properties.pop(MADE, artifact.create_time_since_epoch)),
        properties,
    )


def grouped(pairs: Iterable[tuple[int, Link]]) -> dict[int, list[Link]]:
    """Return the links of each step, or of each artifact."""
    groups: dict[int, list[Link]] = {}
    for key, link in pairs:
        groups.setdefault(key, []).append(link)
    return groups


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
    """Return the artifacts of a run, each once, in the order of the steps that made them."""
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
