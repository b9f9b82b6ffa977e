"""What Vertex AI Pipelines tells of a job (the REST resource PipelineJob), read into what a run is.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.pipelineJobs
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from urllib.parse import quote

from pipeline.lineage.records import RESOLVER

MADE_WITH = "longhaul-made-with"
"""Label of a job: names the record of what it was made with, ROOT/records/NAME.json."""
REVIEWER, NOTE = "schema_reviewer", "schema_note"
"""In that record: who approved the schema, and why."""
_STATUS = {
    "PIPELINE_STATE_SUCCEEDED": "complete",
    "PIPELINE_STATE_FAILED": "failed",
    "PIPELINE_STATE_CANCELLED": "interrupted",
}
"""Of jobs that ended; any other is at work, or is going to be."""
_WAITING = {
    "PIPELINE_STATE_QUEUED": "it waits for its turn",
    "PIPELINE_STATE_PENDING": "it waits for a machine",
    "PIPELINE_STATE_CANCELLING": "it is being cancelled",
    "PIPELINE_STATE_PAUSED": "it is paused",
}
_STARTS = {"SUCCEEDED", "SKIPPED", "FAILED", "CANCELLED", "CANCELLING", "RUNNING"}
"""States of tasks that began; the others are pending, or were not triggered."""


@dataclass(frozen=True)
class MadeArtifact:
    """An artifact: `name` is its resource name, `type` TFX's or ours, as in ML Metadata of a run on this machine."""

    name: str
    type: str
    uri: str
    properties: Mapping[str, Any]


Artifacts = Mapping[str, tuple[MadeArtifact, ...]]
"""By the name under which a task knows them."""


@dataclass(frozen=True)
class TaskRecord:
    """A task that began.

    Attributes:
        type: as ML Metadata of a run on this machine would have it.
        state: Vertex's own.
        log: where its log is; "" where nobody says.
        parameters: what it was told, by name.
    """

    id: str
    name: str
    type: str
    state: str
    began: datetime
    seconds: float
    error: str = ""
    log: str = ""
    inputs: Artifacts = field(default_factory=dict)
    outputs: Artifacts = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def looks_up(self) -> bool:
        """Whether it finds what an earlier job made, and makes nothing."""
        return self.type == RESOLVER


@dataclass(frozen=True)
class JobRecord:
    """A job.

    Attributes:
        id: the last part of `name`, which is its resource name.
        status: complete, failed, interrupted or running.
        reason: why it did not end well, or why it does not go on.
        planned: the steps that do work, in the order in which they were defined.
        tasks: those that began, in the order in which they did.
    """

    id: str
    name: str
    pipeline: str
    status: str
    reason: str
    created: datetime
    seconds: float
    labels: Mapping[str, str]
    planned: tuple[str, ...]
    tasks: tuple[TaskRecord, ...]

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.status != "running"

    @property
    def run_order(self) -> str:
        """Text that sorts among the ids of runs on this machine."""
        return self.created.strftime("%Y%m%d-%H%M%S-%f")[:-3]

    @property
    def failed(self) -> tuple[TaskRecord, ...]:
        """The tasks for which it failed."""
        return tuple(task for task in self.tasks if task.state == "FAILED")


def read_job(resource: Mapping[str, Any], now: datetime | None = None) -> JobRecord:
    """Read what the service tells of a job. What it leaves out is taken for empty: it may come from elsewhere."""
    now = now or datetime.now(UTC)
    spec = resource.get("pipelineSpec", {})
    defined = spec.get("root", {}).get("dag", {}).get("tasks", {})
    executors = {name: _executor(spec, task) for name, task in defined.items()}
    created = _moment(resource.get("createTime") or resource.get("startTime")) or now
    ended = _moment(resource.get("endTime"))
    state = resource.get("state", "")
    status = _STATUS.get(state, "running")
    values = resource.get("runtimeConfig", {}).get("parameterValues", {})
    latest: dict[str, TaskRecord] = {}
    for detail in resource.get("jobDetail", {}).get("taskDetails", []):
        name = detail.get("taskName", "")
        if name in defined and detail.get("state") in _STARTS:
            task = _task(detail, defined[name], executors[name], values, now)
            if name not in latest or latest[name].began <= task.began:
                latest[name] = task
    tasks = tuple(sorted(latest.values(), key=lambda task: (task.began, list(defined).index(task.name))))
    return JobRecord(
        id=resource["name"].rpartition("/")[2],
        name=resource["name"],
        pipeline=spec.get("pipelineInfo", {}).get("name") or resource.get("displayName", ""),
        status=status,
        reason=_reason(status, state, resource.get("error", {}).get("message", ""), tasks),
        created=created,
        seconds=((ended or now) - created).total_seconds(),
        labels=resource.get("labels", {}),
        planned=tuple(name for name in defined if "container" in executors[name]),
        tasks=tasks,
    )


def _executor(spec: Mapping[str, Any], task: Mapping[str, Any]) -> Mapping[str, Any]:
    component = spec.get("components", {}).get(task.get("componentRef", {}).get("name", ""), {})
    found: Mapping[str, Any] = spec.get("deploymentSpec", {}).get("executors", {}).get(component.get("executorLabel"))
    return found or {}


def _task(
    detail: Mapping[str, Any],
    defined: Mapping[str, Any],
    executor: Mapping[str, Any],
    values: Mapping[str, Any],
    now: datetime,
) -> TaskRecord:
    began = _moment(detail.get("startTime") or detail.get("createTime")) or now
    ended = _moment(detail.get("endTime")) or now
    return TaskRecord(
        id=str(detail.get("taskId", detail["taskName"])),
        name=detail["taskName"],
        type=_type(detail["taskName"], executor),
        state=detail["state"],
        began=began,
        seconds=max(0.0, (ended - began).total_seconds()),
        error=detail.get("error", {}).get("message", ""),
        log=detail.get("executorDetail", {}).get("containerDetail", {}).get("mainJob", ""),
        inputs=_artifacts(detail.get("inputs", {})),
        outputs=_artifacts(detail.get("outputs", {})),
        parameters={
            key: source["runtimeValue"]["constant"]
            if "runtimeValue" in source
            else values.get(source.get("componentInputParameter", ""))
            for key, source in defined.get("inputs", {}).get("parameters", {}).items()
        },
    )


def _type(name: str, executor: Mapping[str, Any]) -> str:
    """Return the class of the step, as TFX records it: that of our components is called as the step is."""
    if "resolver" in executor:
        return RESOLVER
    arguments = executor.get("container", {}).get("args", [])
    given = [after for before, after in pairwise(arguments) if before == "--executor_class_path"]
    module = given[0].rpartition(".")[0] if given else ""
    return f"{module}.{name}" if module.startswith("pipeline.components.") else name


def _artifacts(listed: Mapping[str, Any]) -> dict[str, tuple[MadeArtifact, ...]]:
    return {key: tuple(_artifact(one) for one in some.get("artifacts", [])) for key, some in listed.items()}


def _artifact(one: Mapping[str, Any]) -> MadeArtifact:
    kind = one.get("schemaTitle", "").removeprefix("tfx.")
    properties = {key: _plain(value) for key, value in (one.get("metadata") or {}).items()}
    return MadeArtifact(one["name"], kind or "Artifact", one.get("uri", ""), properties)


def _plain(value: Any) -> Any:
    """Write whole numbers as such: the service knows floats only."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return json.dumps(value) if isinstance(value, dict | list) else value


def _reason(status: str, state: str, error: str, tasks: tuple[TaskRecord, ...]) -> str:
    failed = [f"{task.name} failed: {task.error}" for task in tasks if task.state == "FAILED"]
    if status == "failed":
        return "; ".join(failed) or error or "the service does not say why"
    if status == "interrupted":
        return "; ".join([f"it was cancelled{f': {error}' if error else ''}", *failed])
    return _WAITING.get(state, "") if status == "running" else ""


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def log_address(task: TaskRecord, project: str) -> str:
    """Return where a person reads the task's log: a file of this machine, or a page of Cloud Logging."""
    if not task.log.startswith("projects/"):
        return task.log
    query = f'resource.type="ml_job" resource.labels.job_id="{task.log.rpartition("/")[2]}"'
    return f"https://console.cloud.google.com/logs/query;query={quote(query)}?project={project}"


def made_with_address(root: str, name: str) -> str:
    """Return where the record lies of what jobs were made with."""
    return f"{root}/records/{name}.json"
