"""Settings of `notify`: who is told how a run ended."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.config.value_types import Address, EnvironmentVariable
from trainer.settings.base import Section

Ending = Literal[
    "failed", "interrupted", "blocked", "not_blessed", "infra_refused", "waits_for_approval", "complete",
    "alarm", "loop",
]  # fmt: skip


class Notify(Section):
    """Who is told how a run ended. Nothing is sent unless it stands here. See docs/observability.md."""

    webhook: Address = None
    """Address that gets a POST of JSON. It is recorded with every run; if it is secret use `webhook_env`."""
    webhook_env: EnvironmentVariable | None = None
    """Name of an environment variable that holds the address, in the place of `webhook`."""
    command: tuple[str, ...] = ()
    """A program and its arguments. It gets the JSON on standard input."""
    on: Annotated[tuple[Ending, ...], Field(min_length=1)] = (
        *("failed", "interrupted"),
        *("blocked", "not_blessed", "infra_refused", "waits_for_approval", "alarm", "loop"),
    )
    """Which endings are told: the run failed or was interrupted; the data gate blocked it; the model was not blessed,
    or refused by the check before the push, or waits for `longhaul approve`; the run is complete;
    `longhaul watch` opened, escalated or closed an alarm; `longhaul loop` promoted or aborted a model, or waits for a
    person to."""
    heartbeat: Address = None
    """Address of a dead man's switch, which calls someone when a run does not report in time: pinged at `ADDRESS/start`
    when a run begins, `ADDRESS` when it has ended with 0, `ADDRESS/fail` when it has not, `ADDRESS/log` when it has to
    be tried again later, as healthchecks.io has it. If it is secret use `heartbeat_env`."""
    heartbeat_env: EnvironmentVariable | None = None
    """Name of an environment variable that holds that address, in the place of `heartbeat`."""
    timeout_s: Annotated[float, Field(gt=0, le=300)] = 10
    """Seconds that the webhook, the command and each ping may take."""

    @model_validator(mode="after")
    def _one_address(self) -> Notify:
        if self.webhook and self.webhook_env:
            raise ValueError("give webhook or webhook_env, not both")
        if self.heartbeat and self.heartbeat_env:
            raise ValueError("give heartbeat or heartbeat_env, not both")
        return self
