"""A configuration that cannot be used: the workspace remembers it, and whoever wants to know of failed runs is told."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.config.loading import REFERENCE
from pipeline.config.notify import Notify
from pipeline.config.salvage import section_in
from pipeline.errors import ConfigError
from pipeline.files import one_spelling
from pipeline.workspace import refused, whom_to_tell


@contextmanager
def remembered(config: Path | None, workspace: str | None) -> Iterator[None]:
    """Note a configuration that cannot be used in the workspace that the command line or the file names, and tell those
    who stand in `notify` of it: in the file, if that section can be read, or else of the last run by this file."""
    try:
        yield
    except ConfigError as exc:
        file = one_spelling(config or REFERENCE)
        named = workspace or section_in(file, "workspace")
        root = one_spelling(named if isinstance(named, str) else "workspace")
        refused.note(root, exc.what, exc.exit_code)
        _tell(file, root, exc)
        raise


def _tell(file: Path, root: Path, error: ConfigError) -> None:
    from pipeline.observe.after_run import tell_of_settings
    from pipeline.terminal.console import console_for

    last: dict[str, Any] = {}
    settings = _notify(section_in(file, "notify"))
    if settings is None:
        last = whom_to_tell.last(root, file)
        settings = _notify(last.get("notify"))
    if settings:
        name = section_in(file, "name") or last.get("name") or file.stem
        tell_of_settings(settings, str(name), root, error, console_for(sys.stderr))


def _notify(section: Any) -> Notify | None:
    try:
        return Notify.model_validate(section)
    except ValidationError:
        return None
