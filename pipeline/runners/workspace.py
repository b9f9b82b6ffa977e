"""The one folder that a run writes to, and the lock that keeps two runs from sharing it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import WorkspaceError

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
