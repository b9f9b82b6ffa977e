"""Tells the versions of a model, below the folder that a server watches, from what others keep there."""

from __future__ import annotations

import re
from pathlib import Path

from trainer.digests import MANIFEST, SAVED_MODEL


def version_number(name: str) -> int | None:
    """Read the name of a version's folder as a push writes it; None of any other name.

    Python's `isdigit` holds for ² and for the digits of every script, and `int` reads 007.
    """
    return int(name) if re.fullmatch(r"[1-9][0-9]{0,18}", name) else None


def versions(base: Path) -> list[int]:
    """List the versions below `base` in rising order; of a folder that is not there, none.

    No version is what has a name that is no plain number (007, 1.5, ²), is a file, or holds neither a SavedModel nor a
    manifest.
    """
    found = ((version_number(folder.name), folder) for folder in base.glob("*"))
    return sorted(
        number
        for number, folder in found
        if number is not None and any((folder / name).is_file() for name in (SAVED_MODEL, MANIFEST))
    )
