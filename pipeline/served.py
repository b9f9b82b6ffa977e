"""The versions of a model that lie where a server looks for them."""

from __future__ import annotations

from pathlib import Path


def versions(base: Path) -> list[int]:
    """In rising order; of a folder that is not there, none."""
    return sorted(int(folder.name) for folder in base.glob("*") if folder.name.isdigit())


def is_newest(version: Path) -> bool:
    """Whether the pushed model at `version` is the one that a server takes."""
    return version.is_dir() and [int(version.name)] == versions(version.parent)[-1:]
