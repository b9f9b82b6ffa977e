"""Settings of `observe`: who learns of every run."""

from __future__ import annotations

from pipeline.config.value_types import Address, EnvironmentVariable
from trainer.settings.base import Section


class Observe(Section):
    """Who learns of every run. Nothing is sent unless it stands here. See docs/observability.md."""

    openlineage_url: Address = None
    """Address of a catalogue that reads OpenLineage, such as `https://marquez.example.com`. It gets the events at the
    end of a run."""
    openlineage_key_env: EnvironmentVariable = "OPENLINEAGE_API_KEY"
    """Name of the environment variable that holds the API key of the catalogue, if it wants one."""
