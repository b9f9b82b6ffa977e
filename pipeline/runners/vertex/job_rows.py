"""Writes a job into ML Metadata as a run: once it has ended for good, before that again and again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2

from pipeline.lineage.of_pipeline import pipeline_context
from pipeline.lineage.pushes import PUSHED_MODEL
from pipeline.lineage.records import BEGAN, MADE, NODE, ORDER, SECONDS, STEP_PROPERTIES, event_of
from pipeline.lineage.runs import PLANNED, RUN_CONTEXT, RUN_PROPERTIES, Run, find_run
from pipeline.lineage.schema_versions import record_version, version_of
from pipeline.lineage.summary import summary_properties
from pipeline.reports.personal import why_blocked
from pipeline.runners.vertex.job_record import NOTE, REVIEWER, JobRecord, MadeArtifact, TaskRecord

_EVENT, _EXECUTION = metadata_store_pb2.Event, metadata_store_pb2.Execution
_STATES = {
    "SUCCEEDED": _EXECUTION.COMPLETE,
    "SKIPPED": _EXECUTION.CACHED,
    "FAILED": _EXECUTION.FAILED,
    "CANCELLED": _EXECUTION.CANCELED,
    "CANCELLING": _EXECUTION.CANCELED,
}
_SETTLED = "settled"
"""Custom property of a job that had ended when it was written."""


class JobRows:
    """Jobs in the store of a mirror.

    Args:
        root: the mirror's workspace.
        pipeline: whose jobs they are.
    """

    def __init__(self, store: MetadataStore, root: Path, pipeline: str) -> None:
        self.store, self._root, self._pipeline = store, root, pipeline

    def settled(self) -> set[str]:
        """Return the ids of the jobs that need not be read again."""
        return {context.name for context in self._contexts() if _SETTLED in context.custom_properties}

    def unsettled(self) -> set[str]:
        """Return the ids of the jobs that were at work when they were written."""
        return {context.name for context in self._contexts() if _SETTLED not in context.custom_properties}

    def forget(self, jobs: Iterable[str]) -> None:
        """Close jobs that were at work, and that the service does not know any more."""
        for job in jobs:
            context = self.store.get_context_by_type_and_name(RUN_CONTEXT, job)
            ending = {"status": "interrupted", "reason": "the service does not know it any more", _SETTLED: 1}
            _set(context, ending)
            self.store.put_contexts([context])

    def put(self, job: JobRecord, made_with: Mapping[str, str]) -> None:
        """Write a job as it is now."""
        own = {name: made_with.get(name, "") for name in STEP_PROPERTIES} | {"run_id": job.id}
        places = self._put_artifacts(job)
        executions = [self._execution(job, task, own) for task in job.tasks]
        edges = [edge for number, task in enumerate(job.tasks) for edge in _edges(number, task, executions, places)]
        known = self._events_of(executions)
        edges = [edge for edge in edges if (executions[edge[0]].id, edge[1], edge[2].type) not in known]
        ids = sorted({artifact for _, artifact, _ in edges})
        artifacts = self.store.get_artifacts_by_id(ids) if ids else []
        rows = {artifact.id: place for place, artifact in enumerate(artifacts)}
        contexts = [self._context(job, made_with), pipeline_context(self.store, self._pipeline)]
        self.store.put_lineage_subgraph(
            executions, artifacts, contexts, [(step, rows[one], event) for step, one, event in edges], True
        )
        context = self.store.get_context_by_type_and_name(RUN_CONTEXT, job.id)
        run = self.run(job.id)
        # What it came to so far; read from the artifacts, not from what was written before.
        run.properties.pop("verdict", None)
        _set(context, _ending(run) | summary_properties(self.store, run) | ({_SETTLED: 1} if job.ended else {}))
        self.store.put_contexts([context])

    def folder(self, address: str) -> Path:
        """Return where copies of the files lie that are below an address gs://…."""
        return self._root / "artifacts" / address.removeprefix("gs://")

    def run(self, name: str) -> Run:
        """Return a job as a run, whose artifacts know where their copies are.

        Raises:
            PipelineError: there is no such job.
        """
        run = find_run(self.store, self._pipeline, name)
        for node, made in run.artifacts.items():
            run.artifacts[node] = [
                replace(one, copy=self.folder(one.uri)) if one.uri.startswith("gs://") else one for one in made
            ]
        return run

    def destinations(self) -> set[str]:
        """Return where all versions that are on record were put."""
        return {_text(pushed, "pushed_destination") for pushed in self.store.get_artifacts_by_type(PUSHED_MODEL)}

    def pushed_by(self, version: int) -> str:
        """Return the job that pushed a version; "" if none on record did."""
        found = [
            artifact.id
            for artifact in self.store.get_artifacts_by_type(PUSHED_MODEL)
            if _text(artifact, "pushed_version") == str(version)
        ]
        events = self.store.get_events_by_artifact_ids(found) if found else []
        makers = sorted(event.execution_id for event in events if event.type == _EVENT.OUTPUT)
        return next((_text(one, "run_id") for one in self.store.get_executions_by_id(makers[:1])), "") if makers else ""

    def _contexts(self) -> list[Any]:
        return list(self.store.get_contexts_by_type(RUN_CONTEXT))

    def _put_artifacts(self, job: JobRecord) -> dict[str, int]:
        """Return the ids of all artifacts that the job made or read, by their resource names."""
        seen: dict[str, tuple[MadeArtifact, int]] = {}
        for task in job.tasks:
            made = int((task.began.timestamp() + task.seconds) * 1000)
            for some in (*task.inputs.values(), *task.outputs.values()):
                seen |= {one.name: (one, made) for one in some if one.name not in seen or one.properties}
        known = self._by_external_ids(self.store.get_artifacts_by_external_ids, seen)
        changed = []
        for name, (one, made) in seen.items():
            artifact = known.get(name)
            if artifact is None:
                kind = metadata_store_pb2.ArtifactType(name=one.type)
                artifact = metadata_store_pb2.Artifact(
                    type_id=self.store.put_artifact_type(kind, can_omit_fields=True),
                    uri=one.uri,
                    external_id=name,
                    state=metadata_store_pb2.Artifact.LIVE,
                )
                _set(artifact, {MADE: made})
            _set(artifact, one.properties)
            changed.append(artifact)
        return dict(zip(seen, self.store.put_artifacts(changed), strict=True)) if changed else {}

    def _execution(self, job: JobRecord, task: TaskRecord, own: Mapping[str, str]) -> Any:
        name = f"{job.name}/{task.id}"
        known = self._by_external_ids(self.store.get_executions_by_external_ids, [name])
        execution = known.get(name)
        if execution is None:
            kind = metadata_store_pb2.ExecutionType(name=task.type)
            execution = _EXECUTION(type_id=self.store.put_execution_type(kind, can_omit_fields=True), external_id=name)
        execution.last_known_state = _STATES.get(task.state, _EXECUTION.RUNNING)
        began = {BEGAN: int(task.began.timestamp() * 1000)}
        _set(execution, {**task.parameters, **own} | {NODE: task.name, SECONDS: float(task.seconds)} | began)
        return execution

    def _by_external_ids(self, ask: Any, names: Iterable[str]) -> dict[str, Any]:
        wanted = list(names)
        try:
            return {found.external_id: found for found in ask(wanted)} if wanted else {}
        except mlmd_errors.NotFoundError:  # not one of them
            return {}

    def _events_of(self, executions: list[Any]) -> set[tuple[int, int, int]]:
        ids = [execution.id for execution in executions if execution.id]
        events = self.store.get_events_by_execution_ids(ids) if ids else []
        return {(event.execution_id, event.artifact_id, event.type) for event in events}

    def _context(self, job: JobRecord, made_with: Mapping[str, str]) -> Any:
        context = self.store.get_context_by_type_and_name(RUN_CONTEXT, job.id)
        if context is None:
            kind = metadata_store_pb2.ContextType(name=RUN_CONTEXT)
            context = metadata_store_pb2.Context(type_id=self.store.put_context_type(kind), name=job.id)
        recorded = {name: text for name, text in made_with.items() if name in RUN_PROPERTIES}
        _set(
            context,
            recorded
            | self._schema(job, made_with)
            | {
                "run_id": job.id,
                "pipeline": self._pipeline,
                "status": job.status,
                "reason": job.reason[:2000],
                "started": job.created.isoformat(timespec="seconds"),
                "seconds": float(job.seconds),
                ORDER: job.run_order,
                PLANNED: json.dumps(job.planned),
            },
        )
        return context

    def _schema(self, job: JobRecord, made_with: Mapping[str, str]) -> dict[str, str]:
        """Return which version of the schema guarded the job; a text that is not on record becomes one."""
        texts = (task.parameters.get("schema_text") for task in job.tasks)
        text = next(filter(None, texts), None)
        if not text:
            return {}
        version = version_of(self.store, self._pipeline, text) or record_version(
            self.store,
            self._pipeline,
            text,
            run_id=job.id,
            reviewer=made_with.get(REVIEWER, ""),
            note=made_with.get(NOTE, ""),
        )
        return version.run_properties


def _ending(run: Run) -> dict[str, str]:
    """Return how a job that ended well stands with the data gate: Vertex knows nothing of that."""
    if run.status != "complete" or not run.blocked:
        return {}
    return {"status": "blocked", "reason": why_blocked(run)}


def _edges(
    number: int, task: TaskRecord, executions: list[Any], places: Mapping[str, int]
) -> list[tuple[int, int, Any]]:
    """Return what a task read and made. What it looked up is nobody's making."""
    read, made = (_EVENT.INTERNAL_INPUT, _EVENT.INTERNAL_OUTPUT) if task.looks_up else (_EVENT.INPUT, _EVENT.OUTPUT)
    found = [(read, key, some) for key, some in task.inputs.items()]
    if task.state in ("SUCCEEDED", "SKIPPED"):
        found += [(made, key, some) for key, some in task.outputs.items()]
    edges: dict[tuple[int, int], tuple[int, int, Any]] = {}
    for kind, key, some in found:
        for one in some:  # a condition on an artifact that is read besides is no second reading
            edges.setdefault((places[one.name], kind), (number, places[one.name], event_of(kind, key)))
    return list(edges.values())


def _set(message: Any, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, int) and abs(value) < 1 << 31:  # PostgreSQL's column has no more room
            message.custom_properties[name].int_value = int(value)
        elif isinstance(value, int | float):
            message.custom_properties[name].double_value = float(value)
        elif value is not None:
            message.custom_properties[name].string_value = str(value)


def _text(message: Any, name: str) -> str:
    return str(message.custom_properties[name].string_value) if name in message.custom_properties else ""
