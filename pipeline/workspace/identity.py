"""What tells a workspace from others, wherever it lies."""

from __future__ import annotations

import uuid
from pathlib import Path

from pipeline.files import is_same_file, write_whole

_FILE = ".workspace"


def own_id(root: Path) -> str:
    """Return the workspace's number, which goes with it when it is moved; made by whoever holds its lock."""
    return read_id(root) or new_id(root)


def read_id(root: Path) -> str:
    """Return the number; "" where there is none, or no text."""
    try:
        return (root / _FILE).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def new_id(root: Path) -> str:
    """Give the workspace a number of its own, and return it."""
    number = uuid.uuid4().hex
    write_whole(number, root / _FILE, "file", "choose another workspace with --workspace, or fix its permissions")
    return number


def workspace_id(root: Path) -> str:
    """Tell this workspace from others whose runs are on record in the same store: number and place."""
    return f"{own_id(root)} {root}"


def is_copy_of(root: Path, before: Path, number: str) -> bool:
    """Return whether the workspace with that number still lies where it lay `before`, beside the one at `root`."""
    return bool(number) and read_id(before) == number and not is_same_file(root, before)
