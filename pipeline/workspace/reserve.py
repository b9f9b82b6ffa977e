"""Room on the workspace's disk that is kept for what must work when it is full: `gc` and `rollback` write records
before they can free anything or serve another model, and a run that found no room writes how it ended."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_FILE = ".reserve"
_BYTES = 8 << 20
_SHARE = 10
"""A small disk is not filled with it: it is at most one in so many of the bytes that are free."""
_LEAST = 64 << 10
"""Less than this helps nobody."""


def keep(root: Path) -> None:
    """Lay the room aside, or more of it where there is more room by now. What fails here is no reason to stop."""
    with suppress(OSError):
        _lay_aside(root, min(_BYTES, shutil.disk_usage(root).free // _SHARE))


@contextmanager
def spent(root: Path) -> Iterator[None]:
    """Give the room back while the disk is full, and lay aside again what is left of it, or more if there is more."""
    given = 0
    if root.is_dir() and shutil.disk_usage(root).free < _BYTES:
        with suppress(OSError):
            given = (root / _FILE).stat().st_size
            (root / _FILE).unlink()
    try:
        yield
    finally:
        if root.is_dir():
            keep(root)
            _lay_aside(root, min(given, shutil.disk_usage(root).free // 8 * 7))


def _lay_aside(root: Path, size: int) -> None:
    file = root / _FILE
    if size < _LEAST or (file.exists() and file.stat().st_size >= size):
        return
    with suppress(OSError):
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)
        finally:
            os.close(descriptor)
