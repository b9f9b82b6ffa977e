"""Says that a workspace's own store is damaged, and what helps."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import WorkspaceError


def check_not_emptied(root: Path) -> None:
    """Refuse a store without a byte beside artifacts, as a full disk or a copy that broke off leaves it.

    ML Metadata would take it for a new one, whose first steps get the numbers of folders that are there.

    Raises:
        WorkspaceError: it is such a store.
    """
    file = root / "metadata.db"
    if file.is_file() and not file.stat().st_size and any((root / "artifacts").glob("*/*")):
        raise WorkspaceError(
            f"ML Metadata at {file} is empty, though `artifacts` holds what runs made", remedy_of_damage(root)
        )


def remedy_of_damage(root: Path) -> str:
    """Name the newest backup, if there is one; else how to begin anew."""
    backups = sorted((root / "backups").glob("metadata-*.db"))
    if backups:
        return f"restore a backup (docs/runs.md#backup); the newest is {backups[-1]}"
    return (
        "check the file's permissions and the disk; move a damaged file away, and the folder `artifacts` with it, "
        "to start lineage anew"
    )
