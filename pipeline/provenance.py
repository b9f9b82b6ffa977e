"""What a run was made with: digests of code and configuration, versions of packages.

TFX's cache key does not see code behind a dotted path, so these digests go into execution properties:
an edit re-runs the steps that use the code, and nothing before them.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from pathlib import Path

from pipeline.config import PipelineConfig

_ROOT = Path(__file__).parent.parent

INGESTION_CODE = ("pipeline/data", "pipeline/components/example_gen.py")
GUARD_CODE = ("pipeline/guard", "pipeline/data", "pipeline/components/data_gate.py")
TRANSFORM_CODE = ("trainer/features.py", "trainer/preprocessing.py")
TRAINER_CODE = ("trainer",)
ALL_CODE = ("pipeline", "trainer")

_PACKAGES = (
    "tfx",
    "tensorflow",
    "keras",
    "apache-beam",
    "ml-metadata",
    "tensorflow-data-validation",
    "tensorflow-transform",
    "tensorflow-model-analysis",
    "tfx-bsl",
    "pyarrow",
    "numpy",
)


def code_digest(places: tuple[str, ...]) -> str:
    """SHA-256 over the names and contents of the Python files at `places` (files or packages of ours)."""
    digest = hashlib.sha256()
    for place in places:
        path = _ROOT / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(str(file.relative_to(_ROOT)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def config_digest(config: PipelineConfig) -> str:
    """SHA-256 over all settings; the place of the YAML file does not count."""
    return hashlib.sha256(config.model_dump_json(by_alias=True).encode()).hexdigest()


def package_versions() -> dict[str, str]:
    """Versions of what the result depends on."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in _PACKAGES}


def run_properties(run_id: str, config: PipelineConfig) -> dict[str, str]:
    """What ML Metadata records of every run."""
    return {
        "run_id": run_id,
        "pipeline": config.name,
        "config_digest": config_digest(config),
        "code_digest": code_digest(ALL_CODE),
        "package_versions": json.dumps(package_versions()),
    }
