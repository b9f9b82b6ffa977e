"""The one folder that a run writes to, and its two locks: one that keeps two runs from sharing it, and a short one for
what serves, so that a rollback waits for no training."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pipeline import files
from pipeline.errors import LockedError, WorkspaceError, cannot_write

FOLDERS = ("artifacts", "serving", "reports", "logs")


@dataclass(frozen=True)
class Wait:
    """How to stand in line for a lock.

    Attributes:
        limit_s: so long at most; None for as long as it takes.
        tell: is told behind whom.
    """

    limit_s: float | None = None
    tell: Callable[[str], None] = lambda _: None

    @property
    def words(self) -> str:
        """The limit, as a sentence has it."""
        return "" if self.limit_s is None else f" at most {self.limit_s:g} s"


AT_ONCE = Wait(0)
BRIEFLY = Wait(10)
"""Who holds the short lock copies a model, at most."""


@contextmanager
def locked(root: Path, wait: Wait = AT_ONCE) -> Iterator[None]:
    """Create the workspace's folders and hold the lock of runs, for hours. It goes with the process, however that ends.

    Raises:
        WorkspaceError: the folder cannot be written or has a name that will not do.
        LockedError: another run holds the lock, for longer than this one waits.
    """
    if magic := sorted({*str(root)} & {*"*?[\\"}):
        raise WorkspaceError(
            f"workspace {root}: TensorFlow and Beam would take {' and '.join(magic)} in its path for a pattern",
            "choose another place with --workspace; tables may lie in folders with such names",
        )
    with _held(root, root / ".lock", wait, "run", "or give this run another --workspace"):
        yield


@contextmanager
def serving_locked(root: Path, wait: Wait = BRIEFLY) -> Iterator[None]:
    """Hold the short lock: whoever changes what serves, or what people say of it, a push of a run among them, is alone.

    Who holds the lock of runs may ask for this one, but not the other way round, except without waiting.

    Raises:
        WorkspaceError: the folder cannot be written.
        LockedError: another process holds the lock, for longer than this one waits.
    """
    with _held(root, root / "serving" / ".lock", wait, "command", "or look what keeps it"):
        yield


@contextmanager
def alone(folder: Path, what: str, wait: Wait) -> Iterator[None]:
    """Hold the lock of a folder that `what` keeps for itself.

    Raises:
        WorkspaceError: the folder cannot be written.
        LockedError: another one holds the lock, for longer than this one waits.
    """
    with _held(folder, folder / ".lock", wait, what, "or stop it"):
        yield


@contextmanager
def pushing(base: str) -> Iterator[None]:
    """Hold the short lock for a push to the folder `base` of versions; what lies in Cloud Storage has none."""
    if "://" in base:
        yield
        return
    serving = Path(base).parent
    with _held(serving.parent, serving / ".lock", Wait(), "command", ""):
        yield


@contextmanager
def _held(root: Path, file: Path, wait: Wait, what: str, otherwise: str) -> Iterator[None]:
    who = ""

    def if_held(lock: int) -> None:
        nonlocal who
        who = f"another {what} ({_described(os.pread(lock, 4096, 0).decode(errors='replace'))}) is at work in {root}"
        if wait.limit_s != 0:
            wait.tell(who)

    with ExitStack() as held:
        try:
            for folder in (root / name for name in FOLDERS) if what == "run" else (file.parent,):
                folder.mkdir(parents=True, exist_ok=True)
            lock = held.enter_context(files.locked(file, if_held, wait.limit_s))
        except OSError as exc:
            if who and isinstance(exc, TimeoutError):
                waited = f"; waited {wait.limit_s:g} s" if wait.limit_s else ""
                remedy = f"wait for it (`--wait` does, `--wait=10m` for so long at most), {otherwise}"
                raise LockedError(f"{who}{waited}", remedy) from None
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
