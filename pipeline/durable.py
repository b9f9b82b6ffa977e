"""Files that survive a power cut."""

from __future__ import annotations

import os
from pathlib import Path


def flush_to_disk(folder: Path) -> None:
    """Has the system write out a folder with all that is in it; else a power cut could leave empty files behind what is
    on record as done."""
    for path in [folder, *folder.rglob("*")]:
        flush_file(path)


def flush_file(path: Path) -> None:
    """The same of one file, or of a folder's list of names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
