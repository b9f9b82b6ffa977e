"""Settings of `run`: what a run does about failures that may pass."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.config.base import Section


class RunSettings(Section):
    """What a run does about failures that may pass by themselves: of the network, a server, a disk far away."""

    retries: Annotated[int, Field(ge=0, le=100)] = 2
    """Further tries of a step; every try is on record."""
    backoff_s: Annotated[float, Field(ge=0, le=3600)] = 5.0
    """Seconds before the first of them; before each other twice as long."""
