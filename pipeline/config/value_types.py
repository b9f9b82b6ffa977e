"""Kinds of values that stand in more than one section."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

IMAGE = r"^[a-z0-9]+([.-][a-z0-9]+)*(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+(:\w[\w.-]{0,127})?(@sha256:[0-9a-f]{64})?$"
"""host/path:tag or host/path@sha256:digest."""


def _without_secrets(address: str | None) -> str | None:
    """Return an address that may stand in a file, and be recorded with every run."""
    if address is None:
        return None
    try:
        parts = urlsplit(address)
    except ValueError as exc:
        raise ValueError("must look like https://host/path") from exc
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must look like https://host/path")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user or a password; what is secret belongs in an environment variable")
    return address


Address = Annotated[str | None, AfterValidator(_without_secrets)]

EnvironmentVariable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
