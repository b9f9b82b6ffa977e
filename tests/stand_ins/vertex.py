"""Vertex AI Pipelines and a bucket's address, as much of their REST API as Longhaul uses, on the loopback interface.

Jobs really run: the emulator executes them. What the service checks before it takes a job is checked here as well.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from pipeline.errors import JobError
from pipeline.runners.vertex.emulator.job import EmulatedJob
from pipeline.runners.vertex.emulator.process import Launch
from pipeline.runners.vertex.emulator.record import moment
from tests.serving.fake_cloud import FakeCloud, add_storage
from tests.stand_ins.bucket_folders import Generations, Objects
from tests.stand_ins.server import listening

_PARENT = "projects/{project}/locations/{region}"


@dataclass
class StandIn:
    """What the service holds.

    Attributes:
        folder: the emulator's.
        refuse_with: status and message with which the next request is refused.
        missing_images: containers of these images do not start.
    """

    folder: Path
    launch: Launch
    url: str = ""
    buckets: set[str] = field(default_factory=lambda: {"my-bucket"})
    refuse_with: tuple[int, str] | None = None
    missing_images: set[str] = field(default_factory=set)
    most_on_a_page: int = 100
    asked: list[str] = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    schedules: dict[str, dict[str, Any]] = field(default_factory=dict)
    emulated: dict[str, EmulatedJob] = field(default_factory=dict)
    threads: list[threading.Thread] = field(default_factory=list)
    storage: FakeCloud = field(init=False)

    def __post_init__(self) -> None:
        """The buckets are folders of the emulator's."""
        objects = Objects(self.folder / "buckets")
        self.storage = FakeCloud("", self.buckets, objects, Generations(objects))

    def begin(self, parent: str, job: dict[str, Any], job_id: str) -> dict[str, Any]:
        """Takes a job and runs it.

        Raises:
            JobError: the service would not take it.
        """
        root = job.get("runtimeConfig", {}).get("gcsOutputDirectory", "")
        if not root.startswith("gs://"):
            raise JobError(f"runtimeConfig.gcsOutputDirectory {root!r} is not a Cloud Storage path")
        if not re.fullmatch(r"[a-z][-a-z0-9]{0,127}", job_id):
            raise JobError(f"pipelineJobId {job_id!r} must match [a-z][-a-z0-9]{{0,127}}")
        name = f"{parent}/pipelineJobs/{job_id}"
        emulated = EmulatedJob(job, job_id, self.folder, self._launch(job), project=parent.split("/")[1])
        self.jobs[name] = job | {"name": name, "createTime": _now(), "state": "PIPELINE_STATE_PENDING"}
        self.emulated[name] = emulated
        self.threads.append(threading.Thread(target=self._run, args=(name, emulated), daemon=True))
        self.threads[-1].start()
        return self.jobs[name]

    def fire(self, name: str) -> None:
        """What the service does when a schedule's time has come."""
        schedule = self.schedules[name]
        request = schedule["createPipelineJobRequest"]
        if schedule["state"] == "ACTIVE":
            schedule["startedRunCount"] = str(int(schedule.get("startedRunCount", "0")) + 1)
            self.begin(request["parent"], request["pipelineJob"], f"scheduled-{len(self.jobs)}")

    def show(self, name: str) -> dict[str, Any]:
        """A job as the service tells of it."""
        return self.emulated[name].resource() | self.jobs[name] if name in self.emulated else self.jobs[name]

    def plant(self, job: dict[str, Any]) -> None:
        """Puts a job on record that ran some time: a REST resource, whole."""
        self.jobs[job["name"]] = job

    def _run(self, name: str, emulated: EmulatedJob) -> None:
        self.jobs[name]["state"] = "PIPELINE_STATE_RUNNING"
        try:
            emulated.run()
        finally:  # whoever follows the job waits for this
            self.jobs[name] |= {"state": f"PIPELINE_STATE_{emulated.state}", "endTime": _now()}

    def _launch(self, job: dict[str, Any]) -> Launch:
        images = {
            executor["container"]["image"]
            for executor in job["pipelineSpec"]["deploymentSpec"]["executors"].values()
            if "container" in executor
        }
        if missing := images & self.missing_images:

            def fail(command: Any, log: Path, is_cancelled: Any) -> int:
                raise JobError(f"The image {min(missing)!r} could not be pulled: manifest not found.")

            return fail
        return self.launch


def _now() -> str:
    return moment(time.time())


@contextmanager
def serving(folder: Path, launch: Launch) -> Iterator[StandIn]:
    """Starts the service."""
    stand_in = StandIn(folder, launch)
    with listening(_app(stand_in)) as stand_in.url:
        stand_in.storage.url = stand_in.url
        try:
            yield stand_in
        finally:
            for emulated in stand_in.emulated.values():
                emulated.cancel()
            for job in stand_in.threads:
                job.join()


def _refusal(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": {"code": status, "message": message}}, status_code=status)


def _app(stand_in: StandIn) -> FastAPI:
    app = FastAPI()
    parent, jobs, schedules = _PARENT, f"/v1/{_PARENT}/pipelineJobs", f"/v1/{_PARENT}/schedules"

    @app.middleware("http")
    async def refuse(request: Request, go_on: Any) -> Any:
        stand_in.asked.append(request.url.path)
        if stand_in.refuse_with and request.url.path.startswith("/v1/"):
            return _refusal(*stand_in.refuse_with)
        return await go_on(request)

    add_storage(app, stand_in.storage)

    @app.get("/storage/v1/b/{bucket}")
    def bucket(bucket: str) -> Any:
        return {"name": bucket} if bucket in stand_in.buckets else _refusal(404, "The specified bucket does not exist.")

    @app.post(jobs)
    async def create_job(request: Request, project: str, region: str, pipelineJobId: str) -> Any:  # noqa: N803
        where = parent.format(project=project, region=region)
        if f"{where}/pipelineJobs/{pipelineJobId}" in stand_in.jobs:
            return _refusal(409, f"The PipelineJob {pipelineJobId!r} already exists.")
        try:
            return stand_in.begin(where, await request.json(), pipelineJobId)
        except JobError as problem:
            return _refusal(400, problem.what)

    @app.get(jobs)
    def list_jobs(filter: str = "", pageSize: int = 100, pageToken: str = "0") -> Any:  # noqa: A002, N803
        wanted = re.fullmatch(r'display_name="(.*)"', filter)
        assert wanted, filter
        shown = [stand_in.show(name) for name in stand_in.jobs]
        found = [job for job in shown if job["displayName"] == wanted[1]]
        found.sort(key=lambda job: str(job["createTime"]), reverse=True)
        first, end = int(pageToken), int(pageToken) + min(pageSize, stand_in.most_on_a_page)
        return {"pipelineJobs": found[first:end]} | ({"nextPageToken": str(end)} if end < len(found) else {})

    @app.get(jobs + "/{job}")
    def get_job(project: str, region: str, job: str) -> Any:
        name = f"{parent.format(project=project, region=region)}/pipelineJobs/{job}"
        return stand_in.show(name) if name in stand_in.jobs else _refusal(404, f"{name} was not found")

    @app.post(schedules)
    async def create_schedule(request: Request, project: str, region: str) -> Any:
        where = parent.format(project=project, region=region)
        name = f"{where}/schedules/{len(stand_in.schedules) + 1}"
        made = {"name": name, "state": "ACTIVE", "createTime": _now(), "nextRunTime": _now()}
        stand_in.schedules[name] = await request.json() | made
        return stand_in.schedules[name]

    @app.get(schedules)
    def list_schedules() -> Any:
        return {"schedules": list(reversed(stand_in.schedules.values()))}

    @app.post(schedules + "/{schedule}:{change}")
    def change(project: str, region: str, schedule: str, change: str) -> Any:
        name = f"{parent.format(project=project, region=region)}/schedules/{schedule}"
        if name not in stand_in.schedules:
            return _refusal(404, f"{name} was not found")
        stand_in.schedules[name]["state"] = {"pause": "PAUSED", "resume": "ACTIVE"}[change]
        return {}

    @app.delete(schedules + "/{schedule}")
    def delete(project: str, region: str, schedule: str) -> Any:
        name = f"{parent.format(project=project, region=region)}/schedules/{schedule}"
        if name not in stand_in.schedules:
            return _refusal(404, f"{name} was not found")
        del stand_in.schedules[name]
        empty = {"@type": "type.googleapis.com/google.protobuf.Empty"}
        return {"name": f"{name}/operations/1", "done": True, "response": empty}

    return app
