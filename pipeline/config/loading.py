"""Loads a configuration: reads its YAML file, checks it whole, and explains what is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from pipeline.config.pipeline import PipelineConfig
from pipeline.config.yaml_file import parse_yaml_file, read_yaml
from pipeline.errors import ConfigError, PipelineError
from pipeline.files import one_spelling
from trainer.settings.base import Section

_MAY_HOLD_SECRETS = ("metadata.url", "observe.openlineage_url", "notify.webhook", "notify.webhook_env")
_NO_SECTION = ("model_type", "model_attributes_type", "dict_type")
"""pydantic's names for what is wrong with a section that is no mapping."""
_OF_LISTS = "must be a list, in square brackets or with a line `- …` for each item"

REFERENCE = Path(__file__).parents[1] / "flights" / "config.yaml"
"""The configuration used when none is named: the 2013 New York flights."""


def load(path: Path | None = None, **overrides: str | None) -> PipelineConfig:
    """Read and check a configuration.

    Args:
        path: the YAML file; the flights reference when None.
        overrides: top-level values that win over the file (the command line's `--workspace`).

    Raises:
        ConfigError: the file is missing, not YAML, or breaks a rule.
    """
    path = path or REFERENCE
    try:
        document = read_yaml(path)
    except FileNotFoundError as exc:
        raise ConfigError(
            f"{path}: no such configuration file", "`longhaul init TABLE --label COLUMN` writes one"
        ) from exc
    if not isinstance(document, dict):
        found = {type(None): "it is empty", list: "it is a list"}.get(type(document), "it is plain text")
        raise ConfigError(
            f"{path}: expected sections (`name:`, `data:`, `split:` and so on), but {found}",
            "`longhaul init TABLE --label COLUMN` writes a file to start from",
        )
    document.update({key: value for key, value in overrides.items() if value is not None})
    try:
        config = PipelineConfig.model_validate(document)
    except ValidationError as exc:
        broken = {one["loc"] for one in exc.errors()}
        given = [f"--{key}" for key, value in overrides.items() if value is not None and (key,) in broken]
        remedy = f"correct {given[0] if given else 'the field'}; docs/configuration.md lists all of them"
        raise ConfigError(explain(path, exc), remedy) from exc
    config.came_from(path)
    return config


def options_of(root: Path, config_file: Path | None) -> Iterator[str]:
    """Yield `-c` and `-w` for commands, where they are needed in any folder."""
    if config_file and config_file != REFERENCE.absolute():
        yield from ("-c", str(config_file))
    said = ""
    with suppress(PipelineError, OSError):
        said = load(config_file).workspace
    if one_spelling(said) != root or not said.startswith(("/", "~")):
        yield from ("-w", str(root))


def check_edited(text: str, file: Path) -> PipelineConfig:
    """Check a configuration file as it would be after an edit.

    Raises:
        ConfigError: it would break a rule.
    """
    try:
        config = PipelineConfig.model_validate(parse_yaml_file(text, file))
    except ValidationError as exc:
        raise ConfigError(explain(file, exc), "correct the field first") from exc
    config.came_from(file)
    return config


def explain(
    path: Path, error: ValidationError, known: Callable[[tuple[int | str, ...]], list[str]] | None = None
) -> str:
    """Return one line per broken rule: field, rule, received.

    Args:
        known: the keys that may stand at a place in the file; those of the configuration when None.
    """
    known = known or _field_names
    lines = []
    for problem in error.errors():
        where = ".".join(str(part) for part in problem["loc"] if part not in ("time", "hash", "group")) or "the file"
        if problem["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(problem["loc"][-1]), known(problem["loc"][:-1]), n=1)
            lines.append(f"{where}: unknown key" + (f"; did you mean {near[0]!r}?" if near else ""))
        elif problem["type"].startswith("union_tag"):
            lines.append(f"{where}.by: must be 'time', 'hash' or 'group' (received: {problem['input'].get('by')!r})")
        elif problem["type"] in _NO_SECTION and problem["input"] is None:
            lines.append(f"{where}: nothing stands under it; take the line out, or write its settings below, indented")
        elif problem["type"] in _NO_SECTION:
            kind = "a list" if isinstance(problem["input"], list) else "one value"
            lines.append(f"{where}: must hold settings (`key: value`), not {kind} (received: {problem['input']!r})")
        else:
            # A rule about a whole section says itself what it is about; an address may hold a password.
            shown = not isinstance(problem["input"], dict) and where not in _MAY_HOLD_SECRETS
            received = f" (received: {problem['input']!r})" if shown else ""
            said = _OF_LISTS if problem["type"] in ("tuple_type", "list_type") else problem["msg"]
            lines.append(f"{where}: {said.removeprefix('Value error, ')}{received}")
    return f"{path}: " + "\n  ".join(lines)


def _field_names(location: tuple[int | str, ...]) -> list[str]:
    sections: list[type[Section]] = [PipelineConfig]
    for part in location:
        # A list's index, a mapping's key and the kind of a union are no fields: what holds them goes on.
        fields = [
            field for section in sections for name, field in section.model_fields.items() if part in (name, field.alias)
        ]
        if fields:
            sections = [section for field in fields for section in sections_in(field.annotation)]
    return [field.alias or name for section in sections for name, field in section.model_fields.items()]


def sections_in(annotation: Any) -> Iterator[type[Section]]:
    """Yield the models that a field's type names, however it wraps them."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for inner in get_args(annotation):
        yield from sections_in(inner)
