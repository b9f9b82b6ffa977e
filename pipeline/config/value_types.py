"""Kinds of values that stand in more than one section."""

from __future__ import annotations

import re
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

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
Duration = Annotated[str, Field(pattern=r"^[1-9]\d*[smhd]$")]
"""So many seconds, minutes, hours or days: `90s`, `10m`, `6h`, `2d`."""


def seconds_of(duration: str) -> int:
    """Return how many seconds a duration is.

    Raises:
        ValueError: it is none.
    """
    found = re.fullmatch(r"([1-9]\d*)([smhd])", duration)
    if found is None:
        raise ValueError(f"{duration!r} is no duration; write 90s, 10m, 6h or 2d")
    return int(found[1]) * _UNITS_S[found[2]]


def _on_this_machine(path: str) -> str:
    """Return a path; an address would become a folder `gs:` where one stands."""
    if "://" in path:
        raise ValueError("must be a path on this machine, as /mnt/longhaul, not an address")
    return path


LocalPath = Annotated[str, AfterValidator(_on_this_machine)]


def as_text(value: object) -> str:
    """Return as text what YAML read as a number.

    Raises:
        ValueError: it is nothing, a list or a mapping; no table holds such a text.
    """
    if value is None:
        raise ValueError('nothing stands for no text; if the word is meant, quote it: "null"')
    if not isinstance(value, str | int | float):
        raise ValueError("must hold texts, not lists or mappings")
    return str(value)


def as_written(value: object) -> str:
    """Return the same of a text that stands so in tables.

    Raises:
        ValueError: as `as_text`; or it has a fraction, and YAML keeps not how it was written: -9.90 is -9.9.
    """
    if isinstance(value, float):
        raise ValueError("a number with a fraction may be written in more than one way; quote it as the table has it")
    return as_text(value)


EnvironmentVariable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
