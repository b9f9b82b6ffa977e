"""What the configuration names outside this machine: servers that must listen, clouds that want credentials."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.config.model_settings import ModelSettings
from pipeline.config.observe import Observe
from pipeline.doctor.finding import Finding

_LONGEST_S = 2.0
_PORTS = {"postgresql": 5432, "mysql": 3306, "http": 80, "https": 443}
_MACHINE = Path("/sys/class/dmi/id/product_name")
_KEY_FILE = "GOOGLE_APPLICATION_CREDENTIALS"
_IN_GOOGLES_CLOUD = "Google Compute Engine"
"""Machines there get credentials from the metadata server of theirs."""


def look(settings: ModelSettings, observe: Observe) -> Iterator[Finding]:
    """Yield nothing, unless the configuration names something."""
    named = {"metadata.url": settings.metadata.url, "observe.openlineage_url": observe.openlineage_url}
    for field, address in named.items():
        if address:
            yield _listens(field, address)
    if clouds := _clouds(settings):
        yield _credentials(clouds)


def _listens(field: str, address: str) -> Finding:
    """Return whether something listens there; nothing is said to it."""
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    try:
        socket.create_connection((host, port), _LONGEST_S).close()
    except OSError as exc:
        return Finding(
            field,
            f"{host}:{port} cannot be reached ({exc.strerror or exc})",
            f"start the server, let the network through, or correct {field}",
        )
    return Finding(field, f"{host}:{port} listens")


def _clouds(settings: ModelSettings) -> list[str]:
    """Return the fields that name a place in Google's cloud."""
    named = {
        "vertex": settings.vertex is not None,
        "push.destination": settings.push.destination is not None,
        "data.path": settings.data.path.startswith(("gs://", "bigquery://")),
        "data.serving": (settings.data.serving or "").startswith(("gs://", "bigquery://")),
    }
    return [field for field, is_named in named.items() if is_named]


def _credentials(fields: list[str]) -> Finding:
    """Return whether there is a file of credentials; what it holds is not looked at."""
    what = "credentials"
    if name := os.environ.get(_KEY_FILE):
        if os.access(name, os.R_OK) and Path(name).is_file():
            return Finding(what, f"the file that {_KEY_FILE} names is there")
        return Finding(what, f"{_KEY_FILE} names {name}, which cannot be read", "correct it, or unset it")
    folder = Path(os.environ.get("CLOUDSDK_CONFIG", Path.home() / ".config" / "gcloud"))
    if (folder / "application_default_credentials.json").is_file():
        return Finding(what, f"application default credentials in {folder}")
    if _MACHINE.exists() and _MACHINE.read_text().strip() == _IN_GOOGLES_CLOUD:
        return Finding(what, "those of this machine in Google's cloud")
    return Finding(
        what,
        f"none for Google's cloud, which {', '.join(fields)} needs",
        f"`gcloud auth application-default login`, or let {_KEY_FILE} name the file of a service account",
    )
