"""The one folder that a run writes to, and the lock that keeps two runs from sharing it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ml_metadata import errors as mlmd_errors

from pipeline.errors import DiskFullError, PipelineError, WorkspaceError, tells_of_full_disk
from pipeline.lineage.store import without_sql

FOLDERS = ("artifacts", "serving", "reports", "logs")


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Creates the workspace's folders and holds its lock. The lock goes with the process, however that ends.

    Raises:
        WorkspaceError: the folder cannot be written, or another run holds the lock.
    """
    try:
        for folder in FOLDERS:
            (root / folder).mkdir(parents=True, exist_ok=True)
        lock = os.open(root / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as exc:
        if tells_of_full_disk(str(exc)):
            raise DiskFullError(root) from exc
        raise WorkspaceError(
            f"workspace {root} cannot be written: {exc.strerror}",
            "choose another with --workspace, or mend its permissions",
        ) from exc
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            holder = os.pread(lock, 64, 0).decode().strip() or "unknown"
            raise WorkspaceError(
                f"another run (process {holder}) is at work in {root}",
                "wait for it, or give this run another --workspace",
            ) from exc
        os.truncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(lock)


@contextmanager
def translated_errors(root: Path) -> Iterator[None]:
    """Turns a full disk and a failing metadata store, however deep they were met, into messages."""
    try:
        yield
    except PipelineError:
        raise
    except Exception as exc:
        # One error leads to the next; Beam hands on the text of an error only, SQLite has its own words.
        story = "\n".join(map(str, causes(exc)))
        if tells_of_full_disk(story):
            raise DiskFullError(root) from exc
        if isinstance(exc, mlmd_errors.StatusError):
            raise WorkspaceError(
                f"ML Metadata failed: {without_sql(str(exc))}", "`longhaul doctor` checks the store"
            ) from exc
        raise


def causes(exc: BaseException | None) -> Iterator[BaseException]:
    """An error, what it came of, and so on."""
    while exc:
        yield exc
        exc = exc.__cause__ or exc.__context__
