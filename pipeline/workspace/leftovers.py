"""Files of a workspace that belong to no run on record, and how long they stay."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from pipeline.workspace.scratch import abandoned

KEPT_DAYS = 30
"""So long stay logs of predictions, logs of runs that were refused, and backups."""
_OF_NO_RUN = re.compile(r"predict-[\d-]+\.log|job-server-\w+\.log")
_OF_A_RUN = re.compile(r"(\d{8}-\d{6}-\d{3})\.(log|jsonl)")
_BACKUP = re.compile(r"metadata-\d{8}-\d{6}\.db")
_HALVES = ("artifacts/imported/.incoming-*", "backups/.incoming-*", "tuning/**/.rows-*")
"""What was being written when its process was killed; `.rows-*` are rows of a search for hyperparameters."""


def temporary_folders(root: Path) -> list[Path]:
    """Return what killed commands left, which may hold rows. Whoever holds the workspace's lock may remove it."""
    return [*abandoned(root), *(found for pattern in _HALVES for found in sorted(root.glob(pattern)))]


def outlived_files(root: Path, known_runs: Collection[str], keep: int) -> Iterator[tuple[str, Path]]:
    """Yield (kind, file) of old logs of no run on record, and of old backups but the newest `keep`."""
    until = time.time() - KEPT_DAYS * 86_400
    for file in sorted((root / "logs").glob("*")):
        run = _OF_A_RUN.fullmatch(file.name)
        if (_OF_NO_RUN.fullmatch(file.name) or (run and run[1] not in known_runs)) and _is_older(file, until):
            yield "log", file
    backups = sorted(file for file in (root / "backups").glob("*") if _BACKUP.fullmatch(file.name))
    for file in backups[:-keep]:
        if _is_older(file, until):
            yield "backup", file


def _is_older(file: Path, until: float) -> bool:
    return file.is_file() and not file.is_symlink() and file.stat().st_mtime < until
