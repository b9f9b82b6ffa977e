"""Settings of `beam`: which runner does the data work of a step."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.config.value_types import IMAGE
from trainer.settings.base import Section

_ADDRESS = r"^[A-Za-z0-9.-]+:\d{1,5}$"
BeamRunner = Literal["direct", "flink", "spark", "dataflow"]
BeamOptions = dict[
    Annotated[str, Field(pattern=r"^[a-z][A-Za-z0-9_]*$")], bool | int | float | str | tuple[int | float | str, ...]
]
"""Options of Beam by name; of a list each item is given, `true` is a flag."""


class Portable(Section):
    """A cluster that Beam reaches through a job server. It needs either `job_endpoint` or `job_server_jar`."""

    master: str
    """Address of the cluster. Flink: host:port of its REST service. Spark: `spark://host:7077`, or `local[2]` for two
    cores of this machine."""
    job_endpoint: Annotated[str, Field(pattern=_ADDRESS)] | None = None
    """host:port of a job server that runs already."""
    job_server_jar: str | None = None
    """Path of Beam's job server for the cluster, a .jar file. Each run starts it and stops it at its end. This needs
    Java."""
    worker_pool: Annotated[str, Field(pattern=_ADDRESS)] = "localhost:50000"
    """host:port of the pool that starts Python workers, as the machines of the cluster see it."""
    parallelism: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Tasks at the same time. The cluster decides when absent."""
    options: BeamOptions = {}
    """Further pipeline options of Beam, by name. A list gives an option once for each of its items; `true` is a
    flag."""

    @model_validator(mode="after")
    def _one_job_server(self) -> Portable:
        if (self.job_endpoint is None) == (self.job_server_jar is None):
            raise ValueError("give job_endpoint or job_server_jar, one of them")
        return self


class Dataflow(Section):
    """Google's service Dataflow. What is absent is taken from `vertex`."""

    project: str | None = None
    """Id of the project that pays. `vertex.project` when absent."""
    region: str | None = None
    """Where the workers run, such as `us-central1`. `vertex.region` when absent."""
    temp: Annotated[str, Field(pattern=r"^gs://[a-z0-9][a-z0-9._-]*(/[^/]+)*$")] | None = None
    """`gs://bucket/folder` for temporary and staged files. The folder `dataflow` in `vertex.root` when absent."""
    image: Annotated[str, Field(pattern=IMAGE)] | None = None
    """Container image of the workers. `vertex.image` when absent."""
    setup_file: str | None = None
    """Path of a setup.py that workers of Beam's own image install. Give this or `image`, not both."""
    machine_type: str | None = None
    """Machine type of the workers, such as `n2-standard-4`. Dataflow decides when absent."""
    max_workers: Annotated[int, Field(ge=1, le=4000)] | None = None
    """Workers at the same time, at most. Dataflow decides when absent."""
    disk_gb: Annotated[int, Field(ge=10)] | None = None
    """Disk of each worker in GB. Dataflow decides when absent."""
    service_account: str | None = None
    """E-mail address of the account that the workers run as. `vertex.service_account` when absent."""
    subnetwork: str | None = None
    """Subnetwork of the workers, such as `regions/us-central1/subnetworks/NAME`. The default network when absent."""
    public_ips: bool = True
    """Whether workers have public IP addresses."""
    options: BeamOptions = {}
    """Further pipeline options of Beam, by name, as for `flink`."""

    @model_validator(mode="after")
    def _one_environment(self) -> Dataflow:
        if self.image and self.setup_file:
            raise ValueError("give image or setup_file, not both")
        return self


class BeamStep(Section):
    """What differs for one step."""

    runner: BeamRunner | None = None
    """The runner of this step. `beam.runner` when absent."""
    options: BeamOptions = {}
    """Pipeline options of Beam for this step. They win over those of the runner."""


class BeamSettings(Section):
    """Which Beam runner does the data work. See docs/beam.md."""

    runner: BeamRunner = "direct"
    """The runner: `direct` is the process of the run. The option `--beam` wins over it."""
    flink: Portable | None = None
    """The Flink cluster."""
    spark: Portable | None = None
    """The Spark cluster."""
    dataflow: Dataflow = Dataflow()
    """Google's service Dataflow."""
    steps: dict[str, BeamStep] = {}
    """Runner and options of single steps, by name: `TableExampleGen`, `StatisticsGen`, `Transform` or `Evaluator`."""
