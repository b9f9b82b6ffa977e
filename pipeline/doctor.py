"""Looks over the machine, the installation and the workspace. Each finding has a remedy or is fine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import PipelineConfig
from pipeline.errors import PipelineError

_LOCK = Path(__file__).parent.parent / "requirements" / "lock.txt"
_NEEDED_DISK_GB = 5
_NEEDED_MEMORY_GB = 3


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        remedy: what to do, or "" if all is well.
    """

    what: str
    found: str
    remedy: str = ""


def examine(config: PipelineConfig) -> list[Finding]:
    """All findings, in the order in which problems should be mended."""
    return [*_machine(), *_installation(), *_workspace(config)]


def _machine() -> Iterator[Finding]:
    version = platform.python_version()
    wrong = "" if sys.version_info[:2] == (3, 11) else "use Python 3.11: the native wheels of TFX's parts end there"
    yield Finding("Python", version, wrong)
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    small = (
        ""
        if memory_gb >= _NEEDED_MEMORY_GB
        else f"the flights need {_NEEDED_MEMORY_GB} GB; use a smaller table or a larger machine"
    )
    yield Finding("memory", f"{memory_gb:.0f} GB", small)
    libc, libc_version = platform.libc_ver()
    yield Finding(
        "C library",
        f"{libc} {libc_version}",
        "" if libc == "glibc" else "use a Linux with glibc; the wheels need it",
    )


def _installation() -> Iterator[Finding]:
    if not _LOCK.exists():
        yield Finding("packages", "installed without the lock file", "")
        return
    locked = dict(re.findall(r"^([\w.\-\[\]]+)==([^\s\\;]+)", _LOCK.read_text(), flags=re.MULTILINE))
    drifted = []
    for name, version in locked.items():
        try:
            installed = importlib.metadata.version(name.split("[")[0])
        except importlib.metadata.PackageNotFoundError:
            installed = "missing"
        if installed != version:
            drifted.append(f"{name} {installed} (lock: {version})")
    if drifted:
        yield Finding(
            "packages",
            ", ".join(drifted[:5]) + (" …" if len(drifted) > 5 else ""),
            "`make clean setup` installs the lock again",
        )
    else:
        yield Finding("packages", f"all {len(locked)} as locked")


def _workspace(config: PipelineConfig) -> Iterator[Finding]:
    place = next(folder for folder in (config.root, *config.root.parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=place):  # file modes do not tell all, least of all to root
            remedy = ""
    except OSError as exc:
        remedy = f"{place} cannot be written ({exc.strerror}); choose another with --workspace"
    yield Finding("workspace", str(config.root), remedy)
    free_gb = shutil.disk_usage(place).free / 2**30
    yield Finding(
        "free disk",
        f"{free_gb:.0f} GB",
        "" if free_gb >= _NEEDED_DISK_GB else f"free some: the flights need {_NEEDED_DISK_GB} GB with room to spare",
    )
    yield _metadata(config)


def _metadata(config: PipelineConfig) -> Finding:
    from pipeline.lineage.runs import list_runs
    from pipeline.lineage.store import open_existing_store

    if config.metadata.url is None and not (config.root / "metadata.db").exists():
        return Finding("ML Metadata", "no store yet; the first run makes it")
    try:
        runs = list_runs(open_existing_store(config), config.name)
    except PipelineError as exc:
        return Finding("ML Metadata", exc.what, exc.remedy)
    return Finding("ML Metadata", f"{config.metadata.url or 'SQLite'}, {len(runs)} runs of {config.name}")
