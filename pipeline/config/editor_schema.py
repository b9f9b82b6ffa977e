"""The JSON schema of a configuration, for editors. `make reference` writes it from the docstrings of the settings."""

from __future__ import annotations

from pathlib import Path

from pipeline.files import write_whole

SCHEMA = Path(__file__).with_name("longhaul.schema.json")
"""Its name is also that of the file which `longhaul init` writes beside a configuration."""


def write_editor_schema(path: Path) -> None:
    """Copy the schema to `path`, over an older one.

    Raises:
        WorkspaceError: it cannot be written there.
    """
    write_whole(SCHEMA.read_text(encoding="utf-8"), path, "schema for editors", "name a file that can be written")
