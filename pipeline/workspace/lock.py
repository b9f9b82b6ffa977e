"""The one folder that a run writes to, and the lock that keeps two runs from sharing it."""

from __future__ import annotations

import json
import os
import shlex
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from pipeline import files
from pipeline.errors import LockedError, WorkspaceError, cannot_write

FOLDERS = ("artifacts", "serving", "reports", "logs")
_ID_FILE = ".workspace"


@contextmanager
def locked(root: Path, wait: Callable[[str], None] | None = None) -> Iterator[None]:
    """Create the workspace's folders and hold its lock. The lock goes with the process, however that ends.

    Args:
        wait: stand in line, and tell this function behind whom; when None, a lock that another holds is an error.

    Raises:
        WorkspaceError: the folder cannot be written or has a name that will not do, or another run holds the lock.
    """
    if magic := sorted({*str(root)} & {*"*?[\\"}):
        raise WorkspaceError(
            f"workspace {root}: TensorFlow and Beam would take {' and '.join(magic)} in its path for a pattern",
            "choose another place with --workspace; tables may lie in folders with such names",
        )

    def if_held(lock: int) -> None:
        holder = _described(os.pread(lock, 4096, 0).decode(errors="replace"))
        if wait is None:
            raise LockedError(
                f"another run ({holder}) is at work in {root}",
                "wait for it (`longhaul run --wait` does), or give this run another --workspace",
            )
        wait(f"another run ({holder}) is at work in {root}")

    with ExitStack() as held:
        try:
            for folder in FOLDERS:
                (root / folder).mkdir(parents=True, exist_ok=True)
            lock = held.enter_context(files.locked(root / ".lock", if_held))
        except OSError as exc:
            problem = f"workspace {root} cannot be written: {exc.strerror}"
            raise cannot_write(root, exc, problem, "choose another with --workspace, or fix its permissions") from exc
        os.truncate(lock, 0)
        us = {
            "pid": os.getpid(),
            "since": datetime.now().astimezone().isoformat(timespec="seconds"),
            "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        }
        os.pwrite(lock, json.dumps(us).encode(), 0)
        yield


def _described(holder: str) -> str:
    """Return what the holder of the lock wrote into it, in words."""
    try:
        written = json.loads(holder)
        return f"process {written['pid']}, since {written['since']}: {written['command']}"
    except (ValueError, TypeError, KeyError):
        return "process unknown"


def workspace_id(root: Path) -> str:
    """Tell this workspace from others whose runs are on record in the same store; made by whoever holds the lock."""
    file = root / _ID_FILE
    if not file.exists():
        file.write_text(uuid.uuid4().hex)
    return f"{file.read_text()} {root}"  # a copy of a workspace is another workspace
