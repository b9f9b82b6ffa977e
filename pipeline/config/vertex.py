"""Settings of `vertex`: the same pipeline as a job on Vertex AI Pipelines."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.config.base import IMAGE, Section

_REMOTE_OR_ABSOLUTE = r"^(bigquery://|(gs:/)?/)[^/]"


class VertexStep(Section):
    """The container of one step on Vertex AI Pipelines; Vertex decides what is absent."""

    cpu: Annotated[float, Field(gt=0)] | None = None
    """Cores at most."""
    memory_gb: Annotated[float, Field(gt=0)] | None = None
    accelerator: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]+$")] | None = None
    """A type that Vertex has in the region, such as NVIDIA_TESLA_T4."""
    accelerators: Annotated[int, Field(ge=1, le=16)] = 1
    cache: bool = True
    """Whether an earlier execution with the same inputs is taken instead."""
    retries: Annotated[int, Field(ge=0, le=10)] = 0
    """Further tries, whatever the failure was."""


class Vertex(Section):
    """The same pipeline as a job on Vertex AI Pipelines."""

    project: Annotated[str, Field(pattern=r"^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$")]
    region: Annotated[str, Field(pattern=r"^[a-z]+-[a-z]+\d+$")]
    root: Annotated[str, Field(pattern=r"^gs://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9](/[^/]+)*$")]
    """`gs://bucket/folder`: artifacts go to `artifacts` below it, models to `serving/NAME`."""
    image: Annotated[str, Field(pattern=IMAGE)]
    """The container of every step; it holds this code, the trainer's and what both need."""
    service_account: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    """As whom the steps work; Compute Engine's default account when absent."""
    endpoint: Annotated[str, Field(pattern=r"^https?://[^/\s]+$")] | None = None
    """Where the service is, such as a private endpoint; REGION-aiplatform.googleapis.com when absent."""
    network: Annotated[str, Field(pattern=r"^projects/\d+/global/networks/[^/]+$")] | None = None
    """A network to peer with: projects/NUMBER/global/networks/NAME."""
    labels: dict[
        Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")], Annotated[str, Field(pattern=r"^[a-z0-9_-]{0,63}$")]
    ] = {}
    """Of the job; they appear on the bill."""
    data: Annotated[str, Field(pattern=_REMOTE_OR_ABSOLUTE)] | None = None
    """Takes the place of `data.path`: an address gs://… or bigquery://…, or a path inside the image."""
    serving: Annotated[str, Field(pattern=_REMOTE_OR_ABSOLUTE)] | None = None
    """Takes the place of `data.serving`."""
    steps: dict[str, VertexStep] = {}
    """By step, such as Trainer; steps that are not named take the defaults."""
