"""Settings of `serve`: what is written down of requests, and how a pushed version begins."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.value_types import Duration
from trainer.settings.base import Section


class RequestLogSettings(Section):
    """Which requests are written down, for how long, and where else."""

    sample: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of the requests, 0 to 1. Errors are always logged."""
    keep: Duration = "30d"
    """How long the files of the log stay."""
    destination: Annotated[str, Field(pattern=r"^gs://[a-z0-9][a-z0-9._-]*(/[^/]+)*$")] | None = None
    """`gs://bucket/folder`, which gets a copy of each file when its hour is over."""


class RolloutSettings(Section):
    """How a version that is pushed begins, where another one answers."""

    canary: Annotated[float, Field(ge=0, le=100)] = 0
    """Percent of the requests that it answers at first; with 0 it answers to the log only, in the shadow."""
    key: str = ""
    """The column whose values meet one version; the request's id when empty."""


class ServingSettings(Section):
    """How `longhaul serve` writes down what it was asked and what it answered, and how a pushed version begins. See
    docs/serving.md."""

    log: RequestLogSettings | None = RequestLogSettings()
    """The log of requests, in the folder `requests` of the workspace; none with `log: null`."""
    redact: list[str] = []
    """Columns that the log must not show: text is hashed, so that equal values stay equal, and numbers are left out."""
    redact_by: Literal["hash", "leave_out"] = "hash"
    """With `leave_out`, text is left out as well."""
    rollout: RolloutSettings | None = None
    """A pushed version is tried beside the one that answers, until `longhaul rollout promote` or `abort`. When absent,
    it answers everything at once. See docs/serving.md#try-a-version-first."""
