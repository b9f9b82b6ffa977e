"""Remembers runs that were refused because of their configuration, where the workspace is known all the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from pipeline.config.loading import REFERENCE
from pipeline.errors import ConfigError
from pipeline.workspace import refused


@contextmanager
def remembered(config: Path | None, workspace: str | None) -> Iterator[None]:
    """Note a configuration that cannot be used in the workspace that the command line or the file names."""
    try:
        yield
    except ConfigError as exc:
        if root := workspace or _workspace_in(config or REFERENCE):
            refused.note(Path(root), exc.what, exc.exit_code)
        raise


def _workspace_in(file: Path) -> str | None:
    """Read it from a file that need not be right otherwise, nor YAML to its end."""
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        found = document.get("workspace", "workspace") if isinstance(document, dict) else None
    except (OSError, UnicodeError, yaml.YAMLError):
        return None
    return found if isinstance(found, str) else None
