"""A folder that looks like a SavedModel, and its manifest: a push does not look inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.serving.versions import Manifest
from trainer.digests import file_digests


def a_model(folder: Path, content: bytes = b"weights") -> Path:
    for name in ("saved_model.pb", "fingerprint.pb", "variables/variables.data-00000-of-00001", "assets/words"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode() + content)
    return folder


def a_manifest(model: Path, **changes: Any) -> Manifest:
    values: dict[str, Any] = {
        "pipeline": "flights",
        "run_id": "20260101-000000-000",
        "pushed": "2026-01-01T00:00:00+00:00",
        "pushed_by": "ann@desk",
        "artifacts": {"model": 3, "evaluation": 4},
        "spans": (1, 2),
        "schema_digest": "d" * 64,
        "inputs": {"carrier": "bytes", "distance_miles": "float"},
        "task": "binary",
        "classes": ("0", "1"),
        "metrics": {"auc": 0.7, "example_count": 10.0},
        "files": file_digests(model),
    }
    return Manifest(**values | changes)
