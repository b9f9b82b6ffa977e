"""What it takes to make a run again, and what of it is no longer what it was."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config.number_text import count_text
from pipeline.lineage.artifact_names import MODEL_DIGEST
from pipeline.lineage.predictions import COMMAND, MODEL_FOLDER
from pipeline.lineage.records import ORDER
from pipeline.lineage.runs import Run
from pipeline.lineage.source_files import ReadFile
from trainer.digests import file_digests, model_digest

_NAMED = 3
"""Of what differs, so many are named; the rest is counted."""


@dataclass(frozen=True)
class Present:
    """What a run would be made with now.

    Attributes:
        code_files: digests by path (pipeline.lineage.provenance.Software).
        decisions_digest: of labels that people decided; "" of none, None if they cannot be read.
        config_digest, config: None if the configuration file cannot be read; `why` says so.
        is_reference: whether the configuration is the one used when none is named.
    """

    code_digest: str
    code_files: Mapping[str, str]
    package_versions: Mapping[str, str]
    schema_digest: str | None
    config_digest: str | None
    config: Mapping[str, Any] | None
    decisions_digest: str | None = ""
    is_reference: bool = False
    why: str = ""


@dataclass(frozen=True)
class Ingredient:
    """One thing that a run was made with.

    Attributes:
        what: code, packages, config, schema, labels that people decided, or data.
        recorded: how the run's record names it.
        is_same: whether it is still the same; None if that is not on record.
        remedy: what differs and how to restore it; empty if it is the same.
    """

    what: str
    recorded: str
    is_same: bool | None
    remedy: str = ""


@dataclass(frozen=True)
class Recipe:
    """The command, and what must stand behind it."""

    command: str
    ingredients: tuple[Ingredient, ...]

    @property
    def is_exact(self) -> bool:
        """Whether the command alone makes the run again."""
        return all(ingredient.is_same for ingredient in self.ingredients)


def recipe(run: Run, files: Sequence[ReadFile], present: Present) -> Recipe:
    """How to make a run again.

    Args:
        files: that its table was read from; empty if they are not on record.
        present: what there is now.
    """
    return Recipe(_command(run, present), tuple(_ingredients(run, files, present)))


def prediction_recipe(made_with: Run, files: Sequence[ReadFile], present: Present) -> Recipe:
    """How to make predictions again.

    Args:
        made_with: what is on record of them, as if it were a run's.
        files: of the table that was scored.
    """
    told = made_with.properties
    digest, folder = told[MODEL_DIGEST], Path(told[MODEL_FOLDER])
    is_same = folder.is_dir() and model_digest(file_digests(folder)) == digest
    remedy = "" if is_same else f"{folder} was changed since" if folder.is_dir() else f"{folder} was removed since"
    model = Ingredient("model", f"{told['version']}, digest {digest[:12]}", is_same, remedy)
    return Recipe(made_with.properties[COMMAND], (*_ingredients(made_with, files, present), model))


def _command(run: Run, present: Present) -> str:
    words = ["longhaul", "run"]
    if (file := run.properties.get("config_file")) and not present.is_reference:
        words += ["-c", file]
    if workspace := settings_of(run).get("workspace"):
        words += ["-w", str(workspace)]
    if ORDER in run.properties:
        words += ["--on", "vertex"]
    return shlex.join([*words, "--no-cache"])


def settings_of(run: Run) -> dict[str, Any]:
    """Return the configuration as it was, if it is on record."""
    settings: dict[str, Any] = json.loads(run.properties.get("config", "{}"))
    return settings


def _ingredients(run: Run, files: Sequence[ReadFile], present: Present) -> Iterator[Ingredient]:
    recorded = run.properties
    yield _code(recorded, present)
    versions = json.loads(recorded.get("package_versions", "{}"))
    others = [
        f"{name} {version} (now {present.package_versions.get(name, 'not there')})"
        for name, version in versions.items()
        if present.package_versions.get(name) != version
    ]
    yield Ingredient("packages", f"{len(versions)} versions", _same(versions, not others), _list(others))
    yield _config(run, present)
    yield _schema(recorded, present)
    yield from _decided(run, present)
    yield _data(files)


def _code(recorded: Mapping[str, str], present: Present) -> Ingredient:
    digest, commit = recorded.get("code_digest", ""), recorded.get("git_commit", "")
    name = f"commit {commit[:12]}{' and changes' if commit.endswith('+changes') else ''}" if commit else ""
    shown = ", ".join(filter(None, [name, f"digest {digest[:12]}" if digest else ""])) or "not on record"
    if digest == present.code_digest:
        return Ingredient("code", shown, True)
    if not digest:
        return Ingredient("code", shown, None)
    clean = commit.removesuffix("+changes")
    if not commit:
        remedy = "which commit it was is not on record"
    elif clean != commit:
        remedy = f"`git checkout {clean[:12]}` comes near, but there were changes not committed"
    else:
        remedy = f"`git checkout {clean[:12]}` brings it back"
    before = json.loads(recorded.get("code_files", "{}"))
    others = sorted(path for path, _ in (before.items() ^ present.code_files.items()) if before)
    where = f" in {_list(list(dict.fromkeys(others)))}" if others else ""
    return Ingredient("code", shown, False, f"it has changed since{where}; {remedy}")


def _config(run: Run, present: Present) -> Ingredient:
    digest, file = run.properties.get("config_digest", ""), run.properties.get("config_file", "")
    shown = ", ".join(filter(None, [file, f"digest {digest[:12]}" if digest else "not on record"]))
    if present.config_digest is None:
        return Ingredient("config", shown, False, present.why)
    if digest == present.config_digest:
        return Ingredient("config", shown, True)
    if not (settings := settings_of(run)):
        remedy = "the settings are others now, and what they were is not on record"
        return Ingredient("config", shown, _same(digest, False), remedy if digest else "")
    changed = [
        f"{name} was {json.dumps(before)}, is {json.dumps(now)}"
        for name, before, now in _differences(settings, present.config or {})
        if name != "workspace"  # where things lie makes no other model
    ]
    return Ingredient("config", shown, not changed, _list(changed))  # Longhaul may know more settings, unset, since


def _differences(before: Any, now: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """List the settings that differ, by dotted name."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*before, *now]):
            yield from _differences(before.get(key), now.get(key), f"{name}.{key}".lstrip("."))
    elif before != now and name:
        yield name, before, now


def _schema(recorded: Mapping[str, str], present: Present) -> Ingredient:
    number, digest = recorded.get("schema_version", ""), recorded.get("schema_digest", "")
    version = f"version {number}, " if number else ""
    shown = f"{version}digest {digest[:12]}" if digest else "not on record"
    if digest == present.schema_digest:
        return Ingredient("schema", shown, True)
    now = "the file is gone" if present.schema_digest is None else "the file has changed since"
    remedy = (
        f"{now}; `longhaul schema show --version {number}` prints it as it was" if version else now if digest else ""
    )
    return Ingredient("schema", shown, _same(digest, False), remedy if digest else "")


def _decided(run: Run, present: Present) -> Iterator[Ingredient]:
    """Yield the labels that people decided, of a run that learned from them or would now."""
    if run.ingestion is None:  # predictions
        return
    digest = (run.ingestion.get("label_decisions") or {}).get("digest", "")
    if digest or present.decisions_digest:
        is_same = digest == present.decisions_digest
        remedy = "" if is_same else "data.label_decisions has other decisions now; `label_decisions.csv` beside the"
        shown = f"digest {digest[:12]}" if digest else "none"
        yield Ingredient("labels", shown, is_same, remedy and f"{remedy} run's examples has what it applied")


def _data(files: Sequence[ReadFile]) -> Ingredient:
    states = [(file, file.now) for file in files]
    others = [f"{file.name} {state}" for file, state in states if state in ("changed", "gone")]
    untold = [f"{file.name} is not on this machine" for file, state in states if state == "elsewhere"]
    shown = (
        f"{count_text(len(files), 'file')}, {size(sum(file.bytes for file in files))}"
        if files
        else "files not on record"
    )
    if untold and not others:
        return Ingredient("data", shown, None, _list(untold))
    return Ingredient("data", shown, _same(files, not others), _list(others))


def _same(recorded: Any, is_same: bool) -> bool | None:
    return is_same if recorded else None


def _list(items: Sequence[str]) -> str:
    more = [f"{len(items) - _NAMED} more"] if len(items) > _NAMED else []
    return ", ".join([*items[:_NAMED], *more])


def size(n_bytes: float) -> str:
    """`442 kB`, in powers of 1000."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}" if unit == "bytes" or n_bytes >= 100 else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} TB"
