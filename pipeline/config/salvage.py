"""Reads single sections out of a configuration file that cannot be used as a whole."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from pipeline.config.yaml_file import parse_yaml


def section_in(file: Path, name: str) -> Any:
    """Return what stands under a key at the top of a file; None if that cannot be read. The rest need not be right, nor
    YAML."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return None
    own = re.search(rf"^{re.escape(name)}:.*\n?(?:(?:[ \t#].*)?\n|[ \t].*$)*", text, re.MULTILINE)
    for part in (text, own[0] if own else ""):
        try:
            document = parse_yaml(part)
        except (yaml.YAMLError, RecursionError):
            continue
        if isinstance(document, dict):
            return document.get(name)
    return None
