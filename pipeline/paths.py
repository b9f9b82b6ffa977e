"""One spelling for each place: what is recorded is compared later, from another folder or through a link."""

from __future__ import annotations

import os
from pathlib import Path


def one_spelling(path: str | Path, base: str | Path = "") -> Path:
    """Resolves `~`, `.`, `..`, doubled slashes and links; what is not there yet keeps its name.

    Args:
        base: where a relative path begins; the current folder when empty.
    """
    return Path(os.path.realpath(Path(base, os.path.expanduser(path))))  # noqa: PTH111 (Path's own fails on `~nobody`)


def is_same_file(one: str | Path, other: str | Path) -> bool:
    """Whether both names lead to one file or folder that is there, by whatever links."""
    try:
        return os.path.samefile(one, other)  # noqa: PTH121
    except OSError:
        return False


def is_local(uri: str) -> bool:
    """Whether a recorded address is a path, and not one of Cloud Storage or of nothing."""
    return bool(uri) and "://" not in uri
