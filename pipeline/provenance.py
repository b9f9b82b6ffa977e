"""What a run was made with: digests of code and configuration, versions of packages.

TFX's cache key does not see code behind a dotted path, so these digests go into execution properties:
an edit re-runs the steps that use the code, and nothing before them.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import subprocess
from pathlib import Path

from pipeline.config import PipelineConfig

_ROOT = Path(__file__).parent.parent

INGESTION_CODE = ("pipeline/data", "pipeline/components/example_gen.py", "pipeline/lineage/source_files.py")
GUARD_CODE = ("pipeline/guard", "pipeline/data", "pipeline/components/data_gate.py")
TRANSFORM_CODE = ("trainer/features.py", "trainer/preprocessing.py")
TUNER_CODE = (
    *("trainer/tune.py", "trainer/fitting.py", "trainer/model.py", "trainer/batches.py", "trainer/reading.py"),
    *("trainer/hyperparameters.py", *TRANSFORM_CODE),
)
TRAINER_CODE = ("trainer",)
INFRA_CODE = ("pipeline/infra", "pipeline/components/infra_check.py")
SCORING_CODE = ("pipeline/data", "pipeline/components/scoring.py")
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


def code_files(places: tuple[str, ...]) -> dict[str, str]:
    """The first eight digits of each file's SHA-256, for telling later which files changed."""
    return {
        str(file.relative_to(_ROOT)): hashlib.sha256(file.read_bytes()).hexdigest()[:8]
        for place in places
        for file in sorted((_ROOT / place).rglob("*.py"))
    }


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
        "git_commit": git_commit(),
        "config_file": str(config.file or ""),
        "config": config.model_dump_json(by_alias=True),
        "code_files": json.dumps(code_files(ALL_CODE)),
    }


def git_commit() -> str:
    """The commit that the code was checked out from, with '+changes' if it differs; empty outside a checkout."""
    if not (_ROOT / ".git").exists():  # an installed copy may lie in a checkout of something else
        return ""
    ask = ["git", "-C", str(_ROOT), "describe", "--always", "--exclude=*", "--abbrev=40", "--dirty=+changes"]
    try:
        return subprocess.run(ask, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):  # no git here, or not one that trusts this folder
        return ""
