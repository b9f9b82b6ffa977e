"""Reads a policy: what is wrong with the file is told by key."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ValidationError

from pipeline.config.loading import explain
from pipeline.config.yaml_file import parse_yaml_file, read_yaml_text
from pipeline.errors import ConfigError
from pipeline.guard.policy import Change, FeatureChange, FeaturePolicy, Policy


def read_policy(file: Path | None) -> Policy:
    """Read the policy in a file; the defaults without one.

    Raises:
        ConfigError: the file is missing, is not YAML, or breaks a rule.
    """
    return parse_policy(read_policy_text(file), file)


def read_policy_text(file: Path | None) -> str:
    """Read the file; "" without one.

    Raises:
        ConfigError: it is missing or not UTF-8.
    """
    if file is None:
        return ""
    try:
        return read_yaml_text(file)
    except FileNotFoundError as exc:
        raise ConfigError(
            f"schema.policy: {file} does not exist", "correct the path; without the setting the defaults hold"
        ) from exc


def parse_policy(text: str, file: Path | None) -> Policy:
    """Parse the text of a policy's file.

    Raises:
        ConfigError: it is not YAML, or breaks a rule.
    """
    if file is None:
        return Policy()
    document = parse_yaml_file(text, file)
    if document is None:  # all of it is comment
        return Policy()
    if not isinstance(document, dict):
        raise ConfigError(f"{file}: expected keys such as severity and features", "docs/gate.md lists all of them")
    try:
        return Policy.model_validate(document)
    except ValidationError as exc:
        raise ConfigError(explain(file, exc, _field_names), "correct it; docs/gate.md lists all fields") from exc


def _field_names(location: tuple[int | str, ...]) -> list[str]:
    """Return the keys that may stand at a place in the file."""
    models: dict[int, type[BaseModel]] = {0: Policy, 1: Change, 2: FeaturePolicy, 3: FeatureChange}
    return list(models[len(location)].model_fields)
