"""A run as OpenLineage events, of the official client's classes: what any catalogue that reads the standard can show.

The run is one job, each step another whose parent it is. Artifacts are datasets, named by where they lie, so that
runs that share one are linked (https://openlineage.io/docs/spec/naming). The same run always gives the same events.
"""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ml_metadata import MetadataStore
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, RunEvent, RunState
from openlineage.client.event_v2 import Run as OpenLineageRun
from openlineage.client.facet_v2 import (
    DatasetFacet,
    JobFacet,
    RunFacet,
    dataset_version_dataset,
    datasource_dataset,
    error_message_run,
    job_type_job,
    output_statistics_output_dataset,
    parent_run,
    processing_engine_run,
    schema_dataset,
    tags_run,
)
from openlineage.client.uuid import generate_static_uuid

from pipeline.lineage.details import StepDetails, read_details
from pipeline.lineage.records import Artifact
from pipeline.lineage.runs import Run, StepState

NAMESPACE = "longhaul"
"""Of jobs; datasets have those of the standard."""

_ENDS = {
    StepState.DONE: RunState.COMPLETE,
    StepState.CACHED: RunState.COMPLETE,
    StepState.FAILED: RunState.FAIL,
    StepState.INTERRUPTED: RunState.ABORT,
}
_RUN_ENDS = {"complete": RunState.COMPLETE, "failed": RunState.FAIL, "running": None}
"""Any other end, blocked by a gate for one, is an ABORT."""


def events(store: MetadataStore, run: Run) -> list[RunEvent]:
    """Return the events of a whole run (find_run) in the order of time; of a step still at work, its start alone."""
    details = read_details(store, run)
    ids = [one.step.execution_id for one in details if one.step.execution_id is not None]
    executions = store.get_executions_by_id(ids) if ids else []
    began = {execution.id: _time(execution.create_time_since_epoch) for execution in executions}
    writer = _Writer(run)
    steps = [*chain(*(writer.step(one, began[one.step.execution_id]) for one in details))]
    steps.sort(key=lambda event: (event.eventTime, event.eventType is not RunState.START))
    return [writer.start(), *steps, *writer.end()]


class _Writer:
    """Makes the events of one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._producer = f"urn:longhaul:{importlib.metadata.version('longhaul')}"
        self._began = datetime.fromisoformat(run.started) if run.started else datetime.fromtimestamp(0, UTC)
        self._last = self._began
        self._id = self._uuid(self._began, "")

    def start(self) -> RunEvent:
        """Return the start of the run."""
        return self._event(RunState.START, self._began, self._id, self._job(self._run.pipeline, "DAG"), {})

    def end(self) -> Iterator[RunEvent]:
        """Yield the end of the run, if it has ended."""
        if end := _RUN_ENDS.get(self._run.status, RunState.ABORT):
            ended = max(self._began + timedelta(seconds=self._run.seconds), self._last)
            yield self._event(end, ended, self._id, self._job(self._run.pipeline, "DAG"), self._error(end))

    def step(self, details: StepDetails, began: datetime) -> Iterator[RunEvent]:
        """Start and end of a step."""
        job = self._job(f"{self._run.pipeline}.{details.step.node}", "TASK")
        run_id = self._uuid(began, str(details.step.execution_id))
        facets: dict[str, RunFacet] = {
            "parent": parent_run.ParentRunFacet(
                run=parent_run.Run(runId=self._id),
                job=parent_run.Job(namespace=NAMESPACE, name=self._run.pipeline),
                producer=self._producer,
            )
        }
        said = {"cached_from": details.cached_from, "skipped": details.step.outcome.reason}
        if tags := [tags_run.TagsRunFacetFields(name, text, "LONGHAUL") for name, text in said.items() if text]:
            facets["tags"] = tags_run.TagsRunFacet(tags=tags, producer=self._producer)
        inputs = [self._input(artifact) for artifact in _each(details.inputs)]
        if source := details.properties.get("input_base"):
            inputs.append(InputDataset(*dataset_name(str(source)), facets=self._source(str(source))))
        yield self._event(RunState.START, began, run_id, job, facets, inputs)
        end = _ENDS.get(details.step.state)
        if end:
            outputs = [self._output(artifact) for artifact in _each(details.outputs)]
            ended = began + timedelta(seconds=details.step.seconds)
            self._last = max(self._last, ended)
            yield self._event(end, ended, run_id, job, facets | self._error(end), inputs, outputs)

    def _event(
        self,
        state: RunState,
        moment: datetime,
        run_id: str,
        job: Job,
        facets: dict[str, RunFacet],
        inputs: list[InputDataset] | None = None,
        outputs: list[OutputDataset] | None = None,
    ) -> RunEvent:
        engine = processing_engine_run.ProcessingEngineRunFacet(
            version=importlib.metadata.version("tfx"), name="TFX", producer=self._producer
        )
        return RunEvent(
            eventType=state,
            eventTime=moment.isoformat(timespec="milliseconds"),
            run=OpenLineageRun(runId=run_id, facets={"processing_engine": engine, **facets}),
            job=job,
            inputs=inputs or [],
            outputs=outputs or [],
            producer=self._producer,
        )

    def _uuid(self, moment: datetime, what: str) -> str:
        return str(generate_static_uuid(moment, f"{self._run.pipeline}/{self._run.run_id}/{what}".encode()))

    def _job(self, name: str, kind: str) -> Job:
        facet: JobFacet = job_type_job.JobTypeJobFacet(
            processingType="BATCH", integration="LONGHAUL", jobType=kind, producer=self._producer
        )
        return Job(namespace=NAMESPACE, name=name, facets={"jobType": facet})

    def _error(self, end: RunState) -> dict[str, RunFacet]:
        if end is RunState.COMPLETE or not self._run.reason:
            return {}
        return {
            "errorMessage": error_message_run.ErrorMessageRunFacet(
                message=self._run.reason, programmingLanguage="PYTHON", producer=self._producer
            )
        }

    def _input(self, artifact: Artifact) -> InputDataset:
        return InputDataset(*dataset_name(artifact.uri), facets=self._facets(artifact))

    def _output(self, artifact: Artifact) -> OutputDataset:
        files, size = _files_and_bytes(artifact.uri)
        rows = sum(self._ingestion(artifact).get("rows", {}).values()) or None
        statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
            rowCount=rows, size=size, fileCount=files, producer=self._producer
        )
        known = {"outputStatistics": statistics} if files or rows else {}
        return OutputDataset(*dataset_name(artifact.uri), facets=self._facets(artifact), outputFacets={**known})

    def _facets(self, artifact: Artifact) -> dict[str, DatasetFacet]:
        facets = self._source(artifact.uri, artifact.type)
        facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(
            datasetVersion=str(artifact.id), producer=self._producer
        )
        if columns := self._ingestion(artifact).get("columns"):
            fields = [schema_dataset.SchemaDatasetFacetFields(name, kind) for name, kind in columns.items()]
            facets["schema"] = schema_dataset.SchemaDatasetFacet(fields=fields, producer=self._producer)
        return facets

    def _source(self, uri: str, kind: str = "table") -> dict[str, DatasetFacet]:
        address = uri if "://" in uri else f"file://{uri}"
        return {
            "dataSource": datasource_dataset.DatasourceDatasetFacet(name=kind, uri=address, producer=self._producer)
        }

    def _ingestion(self, artifact: Artifact) -> dict[str, Any]:
        return (self._run.ingestion or {}) if artifact.type == "Examples" else {}


def dataset_name(uri: str) -> tuple[str, str]:
    """Return namespace and name that the standard gives a file or folder."""
    parts = urlsplit(uri)
    return (f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/")) if parts.netloc else ("file", uri)


def _each(artifacts: dict[str, list[Artifact]]) -> Iterable[Artifact]:
    return {artifact.id: artifact for artifact in chain(*artifacts.values())}.values()


def _files_and_bytes(uri: str) -> tuple[int | None, int | None]:
    """Count a folder on this machine; None of one that is gone or elsewhere."""
    if not os.path.isdir(uri):  # noqa: PTH112 (an address is no path)
        return None, None
    sizes = [path.stat().st_size for path in Path(uri).rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
