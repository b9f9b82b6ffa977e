"""Settings of `metadata`: where ML Metadata keeps its records."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from pipeline.config.value_types import Duration
from trainer.settings.base import Section


class Metadata(Section):
    """Where ML Metadata keeps its records."""

    url: str | None = None
    """A database server: `postgresql://user@host:port/database` or `mysql://user@host:port/database`. A SQLite file in
    the workspace when absent."""
    namespace: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")
    """Keeps environments apart that share a database, such as `dev` and `prod`: a pipeline of the same name in another
    namespace has other runs, another champion, caches and versions of the schema of its own. Small letters, digits and
    hyphens."""
    password_env: str = "LONGHAUL_METADATA_PASSWORD"
    """Name of the environment variable that holds the password. A password never stands in a file."""
    wait: Duration = "10m"
    """How long a run that is at work waits for a server that is away, from one success to the next. The pauses between
    tries grow to ten seconds."""

    @field_validator("url")
    @classmethod
    def _known_and_without_password(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not re.match(r"^(postgresql|mysql)://[^/@]+@[^/]+/\w+$", value):
            raise ValueError("must look like postgresql://user@host:port/database or mysql://user@host:port/database")
        if ":" in value.split("//")[1].split("@")[0]:
            raise ValueError("must not hold a password; put it in the environment variable that password_env names")
        return value
