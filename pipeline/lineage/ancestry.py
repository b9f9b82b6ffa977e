"""Which models came of something, and which of them people rely on."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ml_metadata import MetadataStore

from pipeline.lineage.graph import ArtifactRecord, Graph, StepRecord, artifact_record
from pipeline.lineage.judgements import JUDGEMENT
from pipeline.lineage.predictions import PREDICTIONS, TABLE
from pipeline.lineage.source_files import FILES, ReadFile, from_property
from pipeline.lineage.tracing import downstream, ways_to
from pipeline.lineage.version_folders import version_number
from pipeline.lineage.watching import WINDOW

MODEL, PUSHED_MODEL, EXAMPLES = "Model", "PushedModel", "Examples"
"""TFX's types of artifacts."""


@dataclass(frozen=True)
class Served:
    """The versions of a pipeline's model that lie where a server looks for them, and the one that serves: the highest
    unless a rollout tries that."""

    versions: tuple[int, ...] = ()
    stable: int | None = None

    @property
    def now(self) -> str:
        """What serves; empty if nothing does."""
        return str(self.stable or max(self.versions, default=""))

    def state_of(self, version: str) -> str:
        """Return 'served', 'kept' (an older version that is still there) or 'removed'."""
        if version_number(version) not in self.versions:
            return "removed"
        return "served" if version == self.now else "kept"


@dataclass(frozen=True)
class Push:
    """A model became a version.

    Attributes:
        step: Pusher, or Rollback where an earlier version was put back.
        run_id: the run that pushed it, or that had pushed the earlier version.
        state: see `Served.state_of`.
    """

    artifact: int
    version: str
    step: str
    run_id: str
    state: str


@dataclass(frozen=True)
class ModelMade:
    """A model that came of something.

    Attributes:
        state: see pipeline.lineage.graph.ArtifactRecord.
        run_id: the run that trained it.
        starts: artifacts of those asked about that it came of.
    """

    id: int
    uri: str
    state: str
    run_id: str
    starts: tuple[int, ...]
    pushes: tuple[Push, ...]

    @property
    def is_served(self) -> bool:
        """Whether a server takes it now."""
        return any(push.state == "served" for push in self.pushes)


@dataclass(frozen=True)
class PredictionsMade:
    """Predictions, or a judgement outside of a run, or a window that `watch` judged, that came of something: the file,
    and the step that wrote it."""

    file: ArtifactRecord
    step: StepRecord


@dataclass(frozen=True)
class Descent:
    """What came of some artifacts.

    Attributes:
        models, predictions, judgements: the newest first.
        windows: of requests, the newest verdict of each; the newest first.
        graph: the ways to them (see ways_to); where there are none, whatever else came of the artifacts.
    """

    models: list[ModelMade] = field(default_factory=list)
    graph: Graph = field(default_factory=Graph)
    predictions: list[PredictionsMade] = field(default_factory=list)
    judgements: list[PredictionsMade] = field(default_factory=list)
    windows: list[PredictionsMade] = field(default_factory=list)


def descent(store: MetadataStore, starts: Collection[int], served: Served) -> Descent:
    """Return the models that were trained with any of these artifacts, or are among them; and what was predicted of
    the artifacts, or by those models."""
    kinds = (MODEL, PUSHED_MODEL, PREDICTIONS, JUDGEMENT, WINDOW)
    ends = [artifact_record(artifact) for kind in kinds for artifact in store.get_artifacts_by_type(kind)]
    graph = ways_to(store, starts, {end.id: end for end in ends})
    models = [artifact for artifact in graph.artifacts.values() if artifact.type == MODEL]
    predictions, judgements, verdicts = (
        [
            PredictionsMade(artifact, graph.makers[number])
            for number, artifact in sorted(graph.artifacts.items(), reverse=True)
            if artifact.type == kind and number in graph.makers
        ]
        for kind in (PREDICTIONS, JUDGEMENT, WINDOW)
    )
    if not models and not predictions and not judgements and not verdicts:
        return Descent([], downstream(store, starts))
    made = [
        ModelMade(
            model.id,
            model.uri,
            model.state,
            graph.makers[model.id].run_id if model.id in graph.makers else "",
            tuple(sorted(graph.ancestors({model.id}, by_first=True).intersection(starts))),
            tuple(_pushes(graph, model.id, served)),
        )
        for model in models
    ]
    windows: dict[tuple[str, str], PredictionsMade] = {}
    for verdict in verdicts:
        windows.setdefault((verdict.step.properties["version"], verdict.step.properties["window"]), verdict)
    ordered = sorted(windows.values(), key=lambda one: str(one.step.properties["window"]), reverse=True)
    return Descent(sorted(made, key=lambda model: model.id, reverse=True), graph, predictions, judgements, ordered)


def _pushes(graph: Graph, artifact: int, served: Served) -> Iterator[Push]:
    """Yield pushes of a model, and then of what was pushed: a rollback pushes it again."""
    for read in graph.readers.get(artifact, ()):
        for made in graph.outputs.get(read.step, ()):
            pushed, step = graph.artifacts.get(made.artifact), graph.makers.get(made.artifact)
            if pushed is None or step is None or step.id != read.step:  # that one is cached, and repeats the push
                continue
            if pushed.type == PUSHED_MODEL and pushed.properties.get("pushed") == 1:
                version = str(pushed.properties.get("pushed_version", ""))
                yield Push(pushed.id, version, step.node, step.run_id, served.state_of(version))
                yield from _pushes(graph, pushed.id, served)


@dataclass(frozen=True)
class FileRead:
    """A file, and the Examples that were made of it as it was then, or the tables that were scored with it."""

    file: ReadFile
    examples: tuple[int, ...]


def list_files(store: MetadataStore) -> list[FileRead]:
    """Return every file that any Examples were made of, or that was scored, once for each state that it was in, as they
    were first read."""
    tables: dict[str, list[int]] = {}  # many runs read the same files
    for artifact in (*store.get_artifacts_by_type(EXAMPLES), *store.get_artifacts_by_type(TABLE)):
        if FILES in artifact.custom_properties:
            tables.setdefault(artifact.custom_properties[FILES].string_value, []).append(artifact.id)
    found: dict[ReadFile, list[int]] = {}
    for value, examples in tables.items():
        for file in from_property(value):
            found.setdefault(file, []).extend(examples)
    return [FileRead(file, tuple(examples)) for file, examples in found.items()]


def files_of(artifact: ArtifactRecord) -> list[ReadFile]:
    """Return the files that Examples were made of; none of any other artifact."""
    return from_property(str(artifact.properties.get(FILES, "")))


def pushed_models(store: MetadataStore) -> list[ArtifactRecord]:
    """Return all that Pusher made, also where there was nothing to push."""
    return [artifact_record(artifact) for artifact in store.get_artifacts_by_type(PUSHED_MODEL)]


def serving_folder(artifact: ArtifactRecord) -> Path:
    """Return where a pushed model was put."""
    return Path(str(artifact.properties.get("pushed_destination", "")))
