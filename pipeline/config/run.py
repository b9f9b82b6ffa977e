"""Settings of `run`: what a run does about failures that may pass, and how long it may take."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.config.value_types import Duration
from trainer.settings.base import Section


class RunSettings(Section):
    """What a run does about failures that may pass by themselves: of the network, a server, a disk far away; and how
    long it may take. See docs/robustness.md."""

    retries: Annotated[int, Field(ge=0, le=100)] = 2
    """How often a step that failed is tried again. Every try is on record."""
    backoff_s: Annotated[float, Field(ge=0, le=3600)] = 5.0
    """Seconds before the second try. The pause doubles before each further one."""
    timeout: Duration | None = None
    """How long a run on this machine may take, such as `6h`. Then it is stopped, with exit code 124; `longhaul resume`
    goes on. Waiting for data or for another run does not count."""
    step_timeout: Duration | dict[str, Duration] | None = None
    """How long each step may take, or by step: `{Trainer: 4h, default: 30m}`."""

    def limit_of(self, step: str) -> str | None:
        """Return how long a step may take; None for as long as it wants."""
        if not isinstance(self.step_timeout, dict):
            return self.step_timeout
        return self.step_timeout.get(step, self.step_timeout.get("default"))
