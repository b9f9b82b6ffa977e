"""Room on the workspace's disk that is kept for the commands that must work when it is full: `gc` and `rollback` write
records before they can free anything or serve another model."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_FILE = ".reserve"
_BYTES = 8 << 20
_ONLY_IF_FREE = 10 * _BYTES
"""A small disk is not filled with it."""


def keep(root: Path) -> None:
    """Lay the room aside, unless it is already, or there is little left. What fails here is no reason to stop."""
    with suppress(OSError):
        file = root / _FILE
        if file.exists() or shutil.disk_usage(root).free < _ONLY_IF_FREE:
            return
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, _BYTES)
        finally:
            os.close(descriptor)


@contextmanager
def spent(root: Path) -> Iterator[None]:
    """Give the room back while the disk is full, and lay it aside again when there is enough."""
    if root.is_dir() and shutil.disk_usage(root).free < _BYTES:
        with suppress(OSError):
            (root / _FILE).unlink()
    try:
        yield
    finally:
        if root.is_dir():
            keep(root)
