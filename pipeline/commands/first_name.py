"""The name of a first pipeline: as a person says, or by its table."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from pipeline.config.pipeline import Name
from pipeline.data.sources.bigquery_address import is_address
from pipeline.errors import ConfigError


def name_from(table: str) -> str:
    """Return the name of a pipeline by its table."""
    name = table.rpartition(".")[2] if is_address(table) else Path(table.partition("?")[0].rstrip("/")).name
    name = name.partition("#")[2] or name if "://" in table else name
    stem = re.split(r"[.*?]", name)[0]
    if "{" in name or not re.search(r"\w", stem):  # a file of each day or month: named by the folder, or what is told
        told = re.sub(r"\{\w+\}|[\W_]+$|^[\W_]+", "", stem)
        folders = [one for one in Path(table.partition("?")[0]).absolute().parts[:-1] if not re.search("[{*]", one)]
        stem = told if re.search(r"[^\W\d_]{2}", told) else folders[-1]
    return _as_name(stem)


def _as_name(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:128].strip("-") or "table"


def checked(name: str) -> str:
    """Return the name, if the configuration may have it."""
    try:
        return TypeAdapter(Name).validate_python(name)
    except ValidationError as exc:
        raise ConfigError(
            f"--name {name!r}: a name has small letters, digits and hyphens, at most 128", f"--name {_as_name(name)}"
        ) from exc
