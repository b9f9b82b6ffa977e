"""What the service tells of a job, as the REST resource PipelineJob: its tasks, what they read and made, where the
logs are."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pipeline.runners.vertex.emulator.store import Artifact, Outputs

if TYPE_CHECKING:
    from pipeline.runners.vertex.emulator.job import Task

FILE = "job.json"
"""In the folder of an emulated job."""
_AT_WORK = ("PENDING", "RUNNING")


def task_details(tasks: Iterable[Task]) -> list[dict[str, Any]]:
    """Return them as the service lists them."""
    return [_detail(number, task) for number, task in enumerate(tasks, 1)]


def moment(seconds: float) -> str:
    """Write a time as the service does."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _detail(number: int, task: Task) -> dict[str, Any]:
    moments = {"startTime": task.began} | ({"endTime": task.ended} if task.state not in _AT_WORK else {})
    failed = {"error": {"code": 9, "message": task.error}} if task.state == "FAILED" else {}
    log = {"executorDetail": {"containerDetail": {"mainJob": str(task.log)}}} if task.log else {}
    return {
        "taskId": str(number),
        "taskName": task.name,
        "state": task.state,
        **{key: moment(seconds) for key, seconds in moments.items() if seconds},
        **failed,
        **log,
        "inputs": _listed(task.inputs),
        "outputs": _listed(task.outputs),
    }


def _listed(artifacts: Outputs) -> dict[str, Any]:
    return {key: {"artifacts": [_artifact(one) for one in some]} for key, some in artifacts.items()}


def _artifact(one: Artifact) -> dict[str, Any]:
    return {"name": one.name, "uri": one.uri, "schemaTitle": one.title, "metadata": one.metadata}
