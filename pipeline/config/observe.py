"""Settings of `observe`: who learns of every run."""

from __future__ import annotations

from pipeline.config.base import Address, EnvironmentVariable, Section


class Observe(Section):
    """Who learns of every run."""

    openlineage_url: Address = None
    """A catalogue that reads OpenLineage, such as `https://marquez.example.com`; gets the events at a run's end."""
    openlineage_key_env: EnvironmentVariable = "OPENLINEAGE_API_KEY"
    """The environment variable that holds the catalogue's API key, if it wants one."""
