"""Follows what was made of what, upwards and downwards.

Every function asks the store a fixed number of questions per level, however many steps or artifacts there are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline.lineage.graph import ASIDE, ArtifactRecord, Graph, Link, StepRecord, artifact_record, grouped
from pipeline.lineage.records import BEGAN, NODE, SECONDS, STATES, read_properties
from pipeline.lineage.runs import RUN_CONTEXT, StepState, run_of

_MADE = {metadata_store_pb2.Event.OUTPUT, metadata_store_pb2.Event.DECLARED_OUTPUT}
_LINKS = _MADE | {metadata_store_pb2.Event.INPUT, metadata_store_pb2.Event.DECLARED_INPUT}


def run_graph(store: MetadataStore, run_ids: Collection[str]) -> Graph:
    """Return all that some runs did: their steps but for look-ups, and what those made, reused and read."""
    contexts = [context for context in store.get_contexts_by_type(RUN_CONTEXT) if context.name in set(run_ids)]
    executions, runs = [], {}
    for context in contexts:
        for execution in store.get_executions_by_context(context.id):
            executions.append(execution)
            runs[execution.id] = context.name
    links = _links_of_steps(store, runs)
    artifacts = {link.artifact for link in links}
    made = {link.artifact for link in links if link.is_output}
    first = {link.artifact: link.step for link in reversed(_makers(store, made))}
    elsewhere = sorted(set(first.values()) - set(runs))
    origins = {step.id: step.run_id for step in _steps(store, elsewhere).values()} | runs
    linked = {link.step for link in links}
    steps = [execution for execution in executions if execution.id in linked or not _looks_up(execution.type)]
    return Graph(
        {execution.id: _step(execution, runs[execution.id]) for execution in steps},
        _artifacts(store, artifacts),
        links,
        {artifact: origins[step] for artifact, step in first.items()},
    )


def step_graph(store: MetadataStore, step: int) -> Graph:
    """Return one step with what it made, reused and read; also one outside of any run, such as a rollback. Empty if
    there is no such step, or if it is a look-up."""
    steps = {number: found for number, found in _steps(store, [step]).items() if not _looks_up(found.type)}
    links = _links_of_steps(store, steps)
    return Graph(steps, _artifacts(store, {link.artifact for link in links}), links)


def upstream(store: MetadataStore, artifacts: Iterable[int]) -> Graph:
    """Return what made these artifacts: the steps that first did, what those read, and so on to the data."""
    links: list[Link] = []
    frontier, followed, steps = set(artifacts), set[int](), set[int]()
    while frontier:
        followed |= frontier
        makers: dict[int, Link] = {}
        for link in _makers(store, frontier):
            makers.setdefault(link.artifact, link)
        links += makers.values()
        new = {link.step for link in makers.values()} - steps
        steps |= new
        read = (
            [link for link in links_of(store.get_events_by_execution_ids(list(new))) if not link.is_output]
            if new
            else []
        )
        links += read
        frontier = {link.artifact for link in read if link.role not in ASIDE} - followed
    shown = {link.artifact for link in links} | followed
    aside = {link.artifact: link.step for link in reversed(_makers(store, shown - followed))}
    read_too = _steps(store, steps.union(aside.values()))
    return Graph(
        {number: step for number, step in read_too.items() if number in steps},
        _artifacts(store, shown),
        links,
        {artifact: read_too[step].run_id for artifact, step in aside.items()},
    )


def downstream(store: MetadataStore, artifacts: Collection[int]) -> Graph:
    """Return what was made with these artifacts, whole."""
    links = _links_down(store, artifacts)
    linked = {link.artifact for link in links}
    return Graph(_steps(store, {link.step for link in links}), _artifacts(store, linked.union(artifacts)), links)


def ways_to(store: MetadataStore, artifacts: Collection[int], ends: Mapping[int, ArtifactRecord]) -> Graph:
    """Return, of what was made with `artifacts`, the ways to any of `ends`: those reached, the steps that made them,
    and all links between."""
    links = _leading_to(set(ends), _links_down(store, artifacts))
    reached = {link.artifact for link in links if link.is_output}.union(artifacts).intersection(ends)
    makers = {link.step for link in links if link.is_output and link.artifact in reached}
    return Graph(_steps(store, makers), {number: ends[number] for number in reached}, links)


def _links_down(store: MetadataStore, artifacts: Collection[int]) -> list[Link]:
    links: list[Link] = []
    frontier, followed, steps = set(artifacts), set[int](), set[int]()
    while frontier:
        followed |= frontier
        used = links_of(store.get_events_by_artifact_ids(list(frontier)))
        read = [link for link in used if not link.is_output and link.role not in ASIDE]
        new = {link.step for link in read} - steps
        steps |= new
        made = [link for link in _links_of_steps(store, new) if link.is_output]
        links += [*read, *made]
        frontier = {link.artifact for link in made} - followed
    return links


def _leading_to(ends: set[int], links: list[Link]) -> list[Link]:
    makers = grouped((link.artifact, link) for link in links if link.is_output)
    readers = grouped((link.step, link) for link in links if not link.is_output)
    kept: dict[Link, None] = {}
    waiting, seen = list(ends), set(ends)
    while waiting:
        for made in makers.get(waiting.pop(), ()):
            kept[made] = None
            for read in readers.get(made.step, ()):
                kept[read] = None
                if read.artifact not in seen:
                    seen.add(read.artifact)
                    waiting.append(read.artifact)
    return list(kept)


def _makers(store: MetadataStore, artifacts: Collection[int]) -> list[Link]:
    """Return who made or reused the artifacts, the first one first."""
    links = links_of(store.get_events_by_artifact_ids(list(artifacts))) if artifacts else []
    return sorted((link for link in links if link.is_output), key=lambda link: link.step)


def _links_of_steps(store: MetadataStore, steps: Collection[int]) -> list[Link]:
    return links_of(store.get_events_by_execution_ids(list(steps))) if steps else []


def links_of(events: Iterable[Any]) -> list[Link]:
    """Return whether it is no look-up; look-ups (of the champion, of what Transform learned) read and make nothing."""
    return [
        Link(event.execution_id, event.artifact_id, event.path.steps[0].key if event.path.steps else "", kind in _MADE)
        for event in events
        if (kind := event.type) in _LINKS
    ]


def _steps(store: MetadataStore, ids: Collection[int]) -> dict[int, StepRecord]:
    found = {}
    for execution in store.get_executions_by_id(list(ids)) if ids else []:
        # A step that a partial run takes from an earlier one bears no name of its run.
        marked = "run_id" in execution.custom_properties
        run_id = execution.custom_properties["run_id"].string_value if marked else run_of(store, execution.id)
        found[execution.id] = _step(execution, run_id)
    return found


def _step(execution: Any, run_id: str) -> StepRecord:
    properties = read_properties(execution)
    return StepRecord(
        execution.id,
        str(properties.get(NODE) or execution.type.rpartition(".")[2]),
        execution.type,
        run_id,
        STATES.get(execution.last_known_state, StepState.RUNNING),
        float(properties.get(SECONDS, 0.0)),
        int(properties.pop(BEGAN, execution.create_time_since_epoch)),
        properties,
    )


def _looks_up(step_type: str) -> bool:
    return step_type.endswith(".Resolver")


def _artifacts(store: MetadataStore, ids: Collection[int]) -> dict[int, ArtifactRecord]:
    return {
        artifact.id: artifact_record(artifact) for artifact in (store.get_artifacts_by_id(list(ids)) if ids else [])
    }
