"""Jobs and schedules on Vertex AI Pipelines, through Google's client of the service.

The client's own convenience, `aiplatform.PipelineJob.submit`, first looks for the bucket and its owner, which takes a
minute where it may not ask the Resource Manager. Here the service is called directly, and the bucket looked for once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from google.api_core import exceptions
from google.auth import default as default_credentials
from google.auth.credentials import AnonymousCredentials
from google.cloud.aiplatform_v1 import types
from google.cloud.aiplatform_v1.services.pipeline_service import PipelineServiceClient
from google.cloud.aiplatform_v1.services.schedule_service import ScheduleServiceClient
from google.cloud.storage import Client
from google.protobuf import json_format

from pipeline.config.vertex import Vertex
from pipeline.errors import JobError, TimeLimitError
from pipeline.runners.vertex.refusals import refusals

_TIMEOUT_S = 30
_BUCKET_TIMEOUT_S = 3
_POLL_S = 5.0


class Service:
    """Vertex AI Pipelines in one project and region.

    Raises:
        JobError: from every method, whatever the service or the network says no with.
    """

    def __init__(self, vertex: Vertex) -> None:
        self._vertex = vertex
        self._parent = f"projects/{vertex.project}/locations/{vertex.region}"
        with refusals(f"project {vertex.project}"):
            endpoint = vertex.endpoint or f"https://{vertex.region}-aiplatform.googleapis.com"
            # A token is never sent unencrypted.
            self._credentials = AnonymousCredentials() if endpoint.startswith("http://") else default_credentials()[0]
            options = {"api_endpoint": endpoint}
            self._jobs = PipelineServiceClient(credentials=self._credentials, transport="rest", client_options=options)
            self._schedules = ScheduleServiceClient(
                credentials=self._credentials, transport="rest", client_options=options
            )

    def submit(self, job: dict[str, Any], job_id: str) -> types.PipelineJob:
        """Create the job; the service then runs it."""
        with refusals(f"job {job_id}"):
            return self._jobs.create_pipeline_job(
                parent=self._parent,
                pipeline_job=_message(types.PipelineJob, job),
                pipeline_job_id=job_id,
                timeout=_TIMEOUT_S,
            )

    def job(self, name: str) -> types.PipelineJob:
        """Return a job by its resource name, or by its id alone."""
        name = name if "/" in name else f"{self._parent}/pipelineJobs/{name}"
        with refusals(f"job {name}"):
            return self._jobs.get_pipeline_job(name=name, timeout=_TIMEOUT_S)

    def follow(
        self, name: str, on_change: Callable[[types.PipelineTaskDetail], None], limit_s: float | None = None
    ) -> types.PipelineJob:
        """Wait for a job's end; tell of every task whose state changes.

        Raises:
            TimeLimitError: it is still at work after so long.
        """
        began = time.monotonic()
        known: dict[int, Any] = {}
        while True:
            job = self.job(name)
            for task in job.job_detail.task_details:
                if known.get(task.task_id) != task.state:
                    known[task.task_id] = task.state
                    on_change(task)
            if job.end_time:
                return job
            if limit_s is not None and time.monotonic() > began + limit_s:
                raise TimeLimitError(f"job {name} is still at work after {limit_s:g} s", "wait longer, or look again")
            time.sleep(_POLL_S)

    def create_schedule(self, job: dict[str, Any], name: str, cron: str, at_most: int | None) -> types.Schedule:
        """Have the job run whenever `cron` says so, one at a time; `at_most` so many times."""
        schedule = types.Schedule(
            display_name=name,
            cron=cron,
            max_concurrent_run_count=1,
            max_run_count=at_most,
            create_pipeline_job_request=types.CreatePipelineJobRequest(
                parent=self._parent, pipeline_job=_message(types.PipelineJob, job)
            ),
        )
        with refusals(f"schedule {name!r}"):
            return self._schedules.create_schedule(parent=self._parent, schedule=schedule, timeout=_TIMEOUT_S)

    def list_schedules(self, name: str) -> list[types.Schedule]:
        """List those of one pipeline, the newest first."""
        with refusals(f"schedules of {name}"):
            request = {"parent": self._parent, "filter": f'display_name="{name}"', "order_by": "create_time desc"}
            return list(self._schedules.list_schedules(request=request, timeout=_TIMEOUT_S))

    def change_schedule(self, what: str, schedule_id: str) -> None:
        """Change a schedule; `what` is pause, resume or delete."""
        name = schedule_id if "/" in schedule_id else f"{self._parent}/schedules/{schedule_id}"
        with refusals(f"schedule {schedule_id}"):
            if what == "delete":
                self._schedules.delete_schedule(name=name, timeout=_TIMEOUT_S).result(timeout=_TIMEOUT_S)
            else:
                getattr(self._schedules, f"{what}_schedule")(name=name, timeout=_TIMEOUT_S)

    def look_for_bucket(self) -> None:
        """Refuse where a job would be accepted, and fail in its first step."""
        bucket = self._vertex.root.removeprefix("gs://").partition("/")[0]
        with refusals(f"bucket {bucket}"):
            try:
                client = Client(self._vertex.project, credentials=self._credentials)
                client.get_bucket(bucket, timeout=_BUCKET_TIMEOUT_S, retry=None)
            except exceptions.NotFound as exc:
                raise JobError(
                    f"vertex.root: there is no bucket {bucket}",
                    f"`gcloud storage buckets create gs://{bucket} --location {self._vertex.region}` makes it",
                ) from exc
            except exceptions.Forbidden:
                pass  # the steps may read what the caller may not look at


def _message(kind: Any, plain: dict[str, Any]) -> Any:
    return kind(json_format.ParseDict(plain, kind.pb()()))
