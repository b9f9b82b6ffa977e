"""Settings of `beam`: which runner does the data work of a step."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.config.base import IMAGE, Section

_ADDRESS = r"^[A-Za-z0-9.-]+:\d{1,5}$"
BeamRunner = Literal["direct", "flink", "spark", "dataflow"]
BeamOptions = dict[
    Annotated[str, Field(pattern=r"^[a-z][A-Za-z0-9_]*$")], bool | int | float | str | tuple[int | float | str, ...]
]
"""Options of Beam by name; of a list each item is given, `true` is a flag."""


class Portable(Section):
    """A cluster that Beam asks through a job server; one of `job_endpoint` and `job_server_jar` is needed."""

    master: str
    """Flink: host:port of its REST service. Spark: its master, such as spark://host:7077 or local[2]."""
    job_endpoint: Annotated[str, Field(pattern=_ADDRESS)] | None = None
    """host:port of a job server that is there."""
    job_server_jar: str | None = None
    """Beam's job server for the cluster; it is started for the length of a run, which takes Java."""
    worker_pool: Annotated[str, Field(pattern=_ADDRESS)] = "localhost:50000"
    """host:port of the pool that starts Python workers, as those see it who work for the master."""
    parallelism: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Tasks at the same time; the cluster decides when absent."""
    options: BeamOptions = {}

    @model_validator(mode="after")
    def _one_job_server(self) -> Portable:
        if (self.job_endpoint is None) == (self.job_server_jar is None):
            raise ValueError("give job_endpoint or job_server_jar, one of them")
        return self


class Dataflow(Section):
    """Google's service; what is absent is taken from `vertex`."""

    project: str | None = None
    region: str | None = None
    temp: Annotated[str, Field(pattern=r"^gs://[a-z0-9][a-z0-9._-]*(/[^/]+)*$")] | None = None
    """Folder for temporary and staged files; `dataflow` below vertex.root when absent."""
    image: Annotated[str, Field(pattern=IMAGE)] | None = None
    """The container of the workers; vertex.image when absent."""
    setup_file: str | None = None
    """A setup.py that workers of Beam's own image install, in the place of `image`."""
    machine_type: str | None = None
    max_workers: Annotated[int, Field(ge=1, le=4000)] | None = None
    disk_gb: Annotated[int, Field(ge=10)] | None = None
    service_account: str | None = None
    subnetwork: str | None = None
    public_ips: bool = True
    options: BeamOptions = {}

    @model_validator(mode="after")
    def _one_environment(self) -> Dataflow:
        if self.image and self.setup_file:
            raise ValueError("give image or setup_file, not both")
        return self


class BeamStep(Section):
    """What differs for one step."""

    runner: BeamRunner | None = None
    options: BeamOptions = {}
    """Win over those of the runner."""


class BeamSettings(Section):
    """Which Beam runner does the data work of a step."""

    runner: BeamRunner = "direct"
    flink: Portable | None = None
    spark: Portable | None = None
    dataflow: Dataflow = Dataflow()
    steps: dict[str, BeamStep] = {}
    """By step, such as StatisticsGen."""
