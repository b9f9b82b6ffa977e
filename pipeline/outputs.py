"""The rule for files that a person names: they go into a folder that is there, and never in place of one."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import ConfigError


def check_output(output: Path | None, option: str = "--output") -> None:
    """Before any work is done; nothing is touched. None, where no file was named, passes.

    Raises:
        ConfigError: the file's folder does not exist, or the file is a folder.
    """
    if output is None:
        return
    if output.is_dir():
        raise ConfigError(f"{option} {output}: {output} is a folder", "name a file in a folder that exists")
    if not output.parent.is_dir():
        raise ConfigError(
            f"{option} {output}: there is no folder {output.parent}", "name a file in a folder that exists"
        )
