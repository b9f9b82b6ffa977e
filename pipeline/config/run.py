"""Settings of `run`: what a run does about failures that may pass."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trainer.settings.base import Section


class RunSettings(Section):
    """What a run does about failures that may pass by themselves: of the network, a server, a disk far away. See
    docs/robustness.md."""

    retries: Annotated[int, Field(ge=0, le=100)] = 2
    """How often a step that failed is tried again. Every try is on record."""
    backoff_s: Annotated[float, Field(ge=0, le=3600)] = 5.0
    """Seconds before the second try. The pause doubles before each further one."""
