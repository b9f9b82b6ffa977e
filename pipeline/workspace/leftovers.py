"""Files of a workspace that nothing needs: what killed commands left, and what is older than `keep` lets it be."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from pipeline.config.keep import Keep
from pipeline.config.value_types import seconds_of
from pipeline.workspace.scratch import abandoned

_OF_NO_RUN = re.compile(r"predict-[\d-]+\.log|job-server-\w+\.log")
_LOG = re.compile(r"(\d{8}-\d{6}-\d{3})\.(log|jsonl|ending\.json)")
_REPORT = re.compile(r"(\d{8}-\d{6}-\d{3})(-card\.md|-lineage\.html|\.html)")
_BACKUPS = (("backups", re.compile(r"metadata-\d{8}-\d{6}\.db")), (".", re.compile(r"metadata\.db\.\d{8}-\d{6}")))
"""Those that people make, and those that an upgrade made."""
_HALVES = ("artifacts/imported/.incoming-*", "tuning/**/.rows-*")
"""What was being written when its process was killed; `.rows-*` are rows of a search for hyperparameters."""
_WITHOUT_LOCK = tuple(
    f"{folder}.incoming-*" for folder in ("", "backups/", "logs/", "reports/", "watch/*/", "watch/*/given/")
)
"""The same of backups, pages, labels and texts: who writes them may hold no lock. After an hour nobody writes it."""


def temporary_folders(root: Path) -> list[Path]:
    """Return what killed commands left, which may hold rows. Whoever holds the workspace's lock may remove it."""
    halves = [found for pattern in _HALVES for found in sorted(root.glob(pattern))]
    free = [found for pattern in _WITHOUT_LOCK for found in sorted(root.glob(pattern)) if _is_older(found, "1h")]
    return [*abandoned(root), *halves, *free]


def outlived_texts(root: Path, keep: Keep, known: Collection[str], kept: Collection[str]) -> list[tuple[str, Path]]:
    """Return (kind, file) of logs and reports that are older than `keep` lets them be.

    Args:
        known: runs on record; logs of others are strays.
        kept: runs whose logs and reports stay.
    """
    found = []
    for kind, folder, pattern, limit in (
        ("log", "logs", _LOG, keep.logs),
        ("report", "reports", _REPORT, keep.reports),
    ):
        for file in sorted((root / folder).glob("*")):
            run = pattern.fullmatch(file.name)
            if (run and run[1] not in known and kind == "log") or _OF_NO_RUN.fullmatch(file.name):
                until: str | None = keep.stray_logs
            else:
                until = limit if run and run[1] in known and run[1] not in kept else None
            if until is not None and _is_older(file, until):
                found.append((kind, file))
    return found


def outlived_backups(root: Path, keep: Keep, newest: int) -> Iterator[tuple[str, Path]]:
    """Yield (kind, file) of backups that are older than `keep` lets them be, but of the `newest` ones."""
    for folder, pattern in _BACKUPS:
        backups = sorted(file for file in (root / folder).glob("*") if pattern.fullmatch(file.name))
        for file in backups[:-newest]:
            if _is_older(file, keep.backups):
                yield "backup", file


def _is_older(file: Path, duration: str) -> bool:
    until = time.time() - seconds_of(duration)
    return file.is_file() and not file.is_symlink() and file.stat().st_mtime < until
