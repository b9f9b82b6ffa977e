"""The JSON files of a run's artifacts; a damaged one is told, and read as one that is gone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.lineage.artifact_names import INFRA_FILE, SUMMARY_FILE, VERDICT_FILE
from pipeline.lineage.records import Artifact
from trainer.artifact_names import HISTORY_FILE


def read_object(path: Path) -> dict[str, Any] | None:
    """Read an object of JSON; None of a file that is gone or holds none."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def damaged_files(artifacts: Mapping[str, Iterable[Artifact]]) -> list[Path]:
    """Return those files of a run's artifacts, by the node that made them, that are there and cannot be read."""
    names = (VERDICT_FILE, HISTORY_FILE, SUMMARY_FILE, INFRA_FILE)
    found = [one.folder / name for some in artifacts.values() for one in some for name in names]
    return [path for path in found if path.exists() and read_object(path) is None]
