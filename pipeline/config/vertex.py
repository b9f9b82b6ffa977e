"""Settings of `vertex`: the same pipeline as a job on Vertex AI Pipelines."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.config.value_types import IMAGE
from trainer.settings.base import Section

_REMOTE_OR_ABSOLUTE = r"^(bigquery://|(gs:/)?/)[^/]"


class VertexStep(Section):
    """The container of one step on Vertex AI Pipelines. Vertex decides what is absent."""

    cpu: Annotated[float, Field(gt=0)] | None = None
    """Processor cores, at most."""
    memory_gb: Annotated[float, Field(gt=0)] | None = None
    """Memory in GB, at most."""
    accelerator: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]+$")] | None = None
    """A type of accelerator that Vertex has in the region, such as `NVIDIA_TESLA_T4`."""
    accelerators: Annotated[int, Field(ge=1, le=16)] = 1
    """How many accelerators, if `accelerator` names a type."""
    cache: bool = True
    """Whether the result of an earlier execution with the same inputs is taken."""
    retries: Annotated[int, Field(ge=0, le=10)] = 0
    """How often the step is tried again, whatever the failure was."""


class Vertex(Section):
    """The same pipeline as a job on Vertex AI Pipelines. See docs/vertex.md."""

    project: Annotated[str, Field(pattern=r"^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$")]
    """Id of the project that pays."""
    region: Annotated[str, Field(pattern=r"^[a-z]+-[a-z]+\d+$")]
    """Where the job runs, such as `us-central1`."""
    root: Annotated[str, Field(pattern=r"^gs://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9](/[^/]+)*$")]
    """`gs://bucket/folder`. Artifacts go to its folder `artifacts`, models to `serving/NAME`."""
    image: Annotated[str, Field(pattern=IMAGE)]
    """Container image of every step, `host/path:tag`. It holds this code and what it needs."""
    service_account: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    """E-mail address of the account that the steps run as. Compute Engine's default account when absent."""
    endpoint: Annotated[str, Field(pattern=r"^https?://[^/\s]+$")] | None = None
    """Address of the service, if it is a private one. `REGION-aiplatform.googleapis.com` when absent."""
    network: Annotated[str, Field(pattern=r"^projects/\d+/global/networks/[^/]+$")] | None = None
    """A network to peer with, `projects/NUMBER/global/networks/NAME`."""
    labels: dict[
        Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")], Annotated[str, Field(pattern=r"^[a-z0-9_-]{0,63}$")]
    ] = {}
    """Labels of the job. They appear on the bill."""
    data: Annotated[str, Field(pattern=_REMOTE_OR_ABSOLUTE)] | None = None
    """Takes the place of `data.path`: `gs://…`, `bigquery://…`, or a path inside the image."""
    serving: Annotated[str, Field(pattern=_REMOTE_OR_ABSOLUTE)] | None = None
    """Takes the place of `data.serving`."""
    steps: dict[str, VertexStep] = {}
    """Containers of single steps, by name, such as `Trainer`. The others take the defaults."""
