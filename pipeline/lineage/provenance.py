"""What a run was made with: digests of code and configuration, versions of packages.

TFX's cache key holds no code. So a digest of the code that a step uses is one of its execution properties: an edit runs
the steps again that use the code, and nothing before them.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.config.pipeline import PipelineConfig
from pipeline.lineage import import_closure

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


@dataclass(frozen=True)
class Software:
    """The code and the packages that something is made with.

    Attributes:
        code_digest: SHA-256 over the names and contents of all Python files of ours.
        code_files: the first eight digits of each file's SHA-256, for telling later which files changed.
        package_versions: of what the result depends on.
    """

    code_digest: str
    code_files: Mapping[str, str]
    package_versions: Mapping[str, str]


def present_software() -> Software:
    """Look at what there is now."""
    digests = {file: import_closure.file_digest(file) for file in import_closure.all_files()}
    return Software(
        code_digest=import_closure.digest_of(digests),
        code_files={file: digest[:8] for file, digest in digests.items()},
        package_versions=package_versions(),
    )


def package_versions() -> dict[str, str]:
    """Return the versions of what the result depends on."""
    return {"python": platform.python_version()} | {name: _version(name) for name in _PACKAGES}


@functools.cache
def _version(package: str) -> str:
    """Return a package's version, read once: a package that is installed later is not imported here."""
    return importlib.metadata.version(package)


def step_code_digest(component: Any) -> str:
    """SHA-256 over the files of ours that a component of TFX uses; empty if it is all TFX's own."""
    modules = step_modules(component)
    return import_closure.digest(import_closure.closure(modules)) if modules else ""


def step_modules(component: Any) -> set[str]:
    """List the modules of ours that a component begins with: those of its classes, and those that its execution
    properties name, such as `run_fn`."""
    classes = (type(component), component.executor_spec.executor_class, component.driver_class)
    ours = {found.__module__ for found in classes if import_closure.module_file(found.__module__)}
    texts = [value for value in component.exec_properties.values() if isinstance(value, str)]
    return ours.union(*(import_closure.modules_in(text) for text in texts))


def config_digest(config: PipelineConfig) -> str:
    """SHA-256 over all settings; the places of the YAML file and of the workspace do not count."""
    return hashlib.sha256(config.model_dump_json(by_alias=True, exclude={"workspace"}).encode()).hexdigest()


def run_properties(run_id: str, config: PipelineConfig, software: Software) -> dict[str, str]:
    """Give what ML Metadata records of every run."""
    return {
        "run_id": run_id,
        "pipeline": config.record_name,
        "config_digest": config_digest(config),
        "code_digest": software.code_digest,
        "package_versions": json.dumps(software.package_versions),
        "git_commit": git_commit(),
        "config_file": str(config.file or ""),
        "config": config.model_dump_json(by_alias=True),
        "code_files": json.dumps(software.code_files),
    }


def git_commit() -> str:
    """Name the commit that the code was checked out from, with '+changes' if it differs; empty outside a checkout."""
    if not (import_closure.ROOT / ".git").exists():  # an installed copy may lie in a checkout of something else
        return ""
    ask = [
        "git",
        "-C",
        str(import_closure.ROOT),
        "describe",
        "--always",
        "--exclude=*",
        "--abbrev=40",
        "--dirty=+changes",
    ]
    try:
        return subprocess.run(ask, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):  # no git here, or not one that trusts this folder
        return ""
