"""Whom the last run of each configuration file told how it ended: a file of the workspace remembers it, for the day on
which nobody can read the section `notify`. ML Metadata may be on a server, and that may be away."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.config.notify import Notify
from pipeline.files import incoming

_FILE = ".notify.json"


def remember(root: Path, file: Path | None, name: str, settings: Notify) -> None:
    """Note the settings of a run that begins, readable to its user alone: addresses may be secrets. What fails here is
    no reason to stop.

    Args:
        name: of the pipeline.
    """
    known = _known(root)
    told = {"name": name, "notify": settings.model_dump(mode="json")}
    if file is None or known.get(str(file)) == told:
        return
    with suppress(OSError), incoming(root / _FILE) as hidden:
        hidden.touch(0o600)
        hidden.write_text(json.dumps(known | {str(file): told}))


def last(root: Path, file: Path) -> dict[str, Any]:
    """Return `name` and `notify` of the last run by a file; nothing where no run by it is known."""
    found = _known(root).get(str(file))
    return found if isinstance(found, dict) else {}


def _known(root: Path) -> dict[str, Any]:
    try:
        known = json.loads((root / _FILE).read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
