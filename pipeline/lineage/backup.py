"""A copy of ML Metadata that is whole, also while a run writes to it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.config.place import Place
from pipeline.errors import ConfigError, WorkspaceError, cannot_write, nothing_has_run
from pipeline.files import flush_file, incoming, is_same_file
from pipeline.lineage.damage import check_not_emptied

_PAGES_AT_ONCE = 1000
"""After so many a run may write again; SQLite then copies what it changed once more."""


def back_up(place: Place, output: Path) -> None:
    """Copy the workspace's store by SQLite's online backup, check the copy, and put it at `output`.

    Raises:
        ConfigError: the store is a server's, which has tools of its own; or `output` is the store itself.
        WorkspaceError: there is no store yet, it is damaged, or the copy cannot be written.
    """
    if place.metadata.url is not None:
        raise ConfigError(
            "the metadata are on a server", f"back them up with its own tool: {_dump_command(place.metadata.url)}"
        )
    source = place.root / "metadata.db"
    if not source.exists():
        raise nothing_has_run(place.root, has_jobs=place.orchestrator == "vertex")
    if is_same_file(source, output):
        raise ConfigError(f"--output {output}: that is the store itself", "name another file")
    check_not_emptied(place.root)
    try:
        with incoming(output) as hidden:
            with (
                closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as store,
                closing(sqlite3.connect(hidden)) as copy,
            ):
                store.backup(copy, pages=_PAGES_AT_ONCE)
                (found,) = copy.execute("PRAGMA integrity_check").fetchone()
                if found != "ok":
                    raise WorkspaceError(f"{source} is damaged: {found}", "restore an earlier backup (docs/runs.md)")
            flush_file(hidden)
    except (OSError, sqlite3.Error) as exc:
        raise cannot_write(
            *(output.parent, exc),
            f"{source} cannot be copied to {output}: {getattr(exc, 'strerror', None) or exc}",
            "name another file with --output; `longhaul doctor` checks workspace and store",
        ) from exc


def kept_copy(place: Place) -> Path:
    """Copy the workspace's store to `backups`, under a name that is free, and return the copy's path.

    Raises:
        WorkspaceError: see `back_up`.
    """
    target = free_name(place.root)
    back_up(place, target)
    return target


def free_name(root: Path) -> Path:
    """Return where in `backups` the store may be put now."""
    now = datetime.now(UTC)
    while (target := root / "backups" / f"metadata-{now:%Y%m%d-%H%M%S}.db").exists():
        now += timedelta(seconds=1)
    return target


def _dump_command(address: str) -> str:
    url = urlsplit(address)
    database = url.path.removeprefix("/")
    if url.scheme == "postgresql":
        return f"`pg_dump --host={url.hostname} --port={url.port or 5432} --username={url.username} {database}`"
    return (
        f"`mysqldump --single-transaction --host={url.hostname} --port={url.port or 3306} "
        f"--user={url.username} -p {database}`"
    )
