"""Settings of `notify`: who is told how a run ended."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.config.base import Address, EnvironmentVariable, Section

Ending = Literal["failed", "interrupted", "blocked", "not_blessed", "infra_refused", "complete"]


class Notify(Section):
    """Who is told how a run ended; what they are sent is in docs/observability.md."""

    webhook: Address = None
    """Gets a POST of JSON."""
    webhook_env: EnvironmentVariable | None = None
    """The environment variable that holds the webhook's address, where that is secret."""
    command: tuple[str, ...] = ()
    """A program and its arguments; gets the JSON on standard input."""
    on: Annotated[tuple[Ending, ...], Field(min_length=1)] = (
        *("failed", "interrupted"),
        *("blocked", "not_blessed", "infra_refused"),
    )
    """Which endings are told."""
    timeout_s: Annotated[float, Field(gt=0, le=300)] = 10
    """For webhook and command each."""

    @model_validator(mode="after")
    def _one_address(self) -> Notify:
        if self.webhook and self.webhook_env:
            raise ValueError("give webhook or webhook_env, not both")
        return self
