"""The file of `longhaul replay`: which policies are tried on the past, and how the past is cut."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from pipeline.config.continuous import Continuous
from pipeline.config.loading import explain
from pipeline.config.value_types import Duration
from pipeline.config.yaml_file import read_yaml
from pipeline.errors import ConfigError
from trainer.settings.base import Section, Share


class Policy(Continuous):
    """One policy: triggers and guards as in the section `continuous`. How a model is rolled out is not replayed."""

    drift: Share | None = None
    """Train when this share of the columns has moved away from what the model was trained on, by a distance of Jensen
    and Shannon of more than 0.1: a rule of common tools, to compare with."""


class ReplayFile(Section):
    """What is replayed."""

    policies: Annotated[dict[str, Policy], Field(min_length=1)]
    """By name."""
    tick: Literal["day", "week", "month"] = "week"
    """How often a policy looks, and the shortest time between two models."""
    labels_after: Duration = "7d"
    """How long labels take."""
    window: Annotated[str, Field(pattern=r"^(all|last [1-9]\d*)$")] = "all"
    """Rows that a model is trained on: all, or those of the last so many ticks."""
    rounds: Annotated[int, Field(ge=1, le=5000)] = 100
    """Of boosting: how many trees a model has."""
    one_row_in: Annotated[int, Field(ge=1)] = 1
    """Replay every so many-th row only, in the order of time: a year of days is many models."""


def read_policies(file: Path) -> ReplayFile:
    """Read and check a file of policies.

    Raises:
        ConfigError: it is missing, not YAML, or breaks a rule.
    """
    try:
        document = read_yaml(file)
    except FileNotFoundError as exc:
        raise ConfigError(f"--policy {file}: there is no such file", "examples/year/policies.yaml is one") from exc
    if not isinstance(document, dict):
        raise ConfigError(f"{file}: expected `policies:` with a policy by name", "examples/year/policies.yaml is one")
    try:
        return ReplayFile.model_validate(document)
    except ValidationError as exc:
        known = [*Policy.model_fields, *ReplayFile.model_fields]
        said = explain(file, exc, lambda _: known)
        raise ConfigError(said, "correct the field; docs/operate/replay.md lists them") from exc
