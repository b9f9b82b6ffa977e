"""Temporary files of a command, ours and those of TensorFlow, Beam and TFX: in one private folder that goes with it.

They may hold rows. Each command that works on rows has a folder of its own below `tmp` of the workspace, or, where that
cannot be written, below `longhaul-UID` of the system's folder for temporary files. It holds a lock in it as long as it
lives, so that whoever comes next can tell, and removes, what a killed one left.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from pipeline.errors import WorkspaceError
from pipeline.files import is_held, locked
from pipeline.workspace.guard import guarded

_LOCK = ".lock"
_PRIVATE = 0o700


@contextmanager
def scratch(root: Path) -> Iterator[Path]:
    """Have this process and those that it starts put their temporary files into a folder of their own, for its owner's
    eyes only; it goes at the end. Removes first what killed commands left. If this process is killed, those that it has
    started end, too.

    Args:
        root: the workspace.

    Raises:
        WorkspaceError: no place for temporary files can be written.
    """
    with ExitStack() as held:
        folder = _new_folder(root, held)
        held.enter_context(guarded(folder))
        before = tempfile.tempdir, os.environ.get("TMPDIR")
        tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
        try:
            yield folder
        finally:
            tempfile.tempdir = before[0]
            if before[1] is None:
                del os.environ["TMPDIR"]
            else:
                os.environ["TMPDIR"] = before[1]
            shutil.rmtree(folder, ignore_errors=True)


def abandoned(root: Path) -> list[Path]:
    """Return the folders whose owner is gone. Nothing is touched."""
    return [folder for base in bases(root) if base.is_dir() for folder in _abandoned(base)]


def sweep(root: Path) -> None:
    """Remove the folders whose owner is gone, as far as that is allowed."""
    for base in bases(root):
        if base.is_dir() and os.access(base, os.W_OK):
            with locked(base / _LOCK):  # a new folder has no lock yet for a moment
                for folder in _abandoned(base):
                    shutil.rmtree(folder, ignore_errors=True)


def bases(root: Path) -> list[Path]:
    """Return where the folders may lie: the first place is taken that can be written."""
    with suppress(FileNotFoundError):  # the system has none that can be written
        return [root / "tmp", Path(tempfile.gettempdir(), f"longhaul-{os.getuid()}")]
    return [root / "tmp"]


def _new_folder(root: Path, held: ExitStack) -> Path:
    problems = []
    for base in bases(root):
        try:
            base.mkdir(mode=_PRIVATE, exist_ok=True)
            found = base.lstat()
            if found.st_uid != os.getuid() or base.is_symlink():  # in a folder where everybody writes
                raise PermissionError(1, "it belongs to another user", str(base))
            sweep(root)
            with locked(base / _LOCK):
                folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=base))  # with mode 0700
                held.enter_context(locked(folder / _LOCK))
            return folder
        except OSError as exc:
            problems.append(f"{base}: {exc.strerror}")
    raise WorkspaceError(
        f"no folder for temporary files can be written: {'; '.join(problems)}",
        "free some space or fix the permissions there, or set TMPDIR to another folder",
    )


def _abandoned(base: Path) -> Iterator[Path]:
    for folder in sorted(base.iterdir()):
        if folder.is_dir() and not folder.is_symlink() and not is_held(folder / _LOCK):
            yield folder
