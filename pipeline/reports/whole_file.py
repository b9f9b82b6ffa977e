"""A report's file, which is there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.errors import DiskFullError, WorkspaceError, tells_of_full_disk


def write_whole(text: str, path: Path, what: str, remedy: str) -> Path:
    """Writes `text` to `path` by way of a hidden file beside it, and returns `path`.

    Args:
        what: of what kind the file is, for the message.

    Raises:
        WorkspaceError: it cannot be written there.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_text(text, encoding="utf-8", errors="replace")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as exc:
        if tells_of_full_disk(str(exc)):
            raise DiskFullError(path.parent) from exc
        raise WorkspaceError(f"the {what} {path} cannot be written: {exc.strerror}", remedy) from exc
    return path
