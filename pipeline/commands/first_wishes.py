"""What a person said of a table when `longhaul init` wrote its files: kept beside them, and said again by `--again`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.config.data import UNLABELLED_AT_MOST
from pipeline.config.loading import load
from pipeline.config.reading import Reading
from pipeline.config.yaml_file import parse_yaml
from pipeline.contract.first_reading import Wishes

_KEPT = ("drop", "keep", "types", "settings", "values")
"""Wishes of a person that the configuration does not show to be theirs."""


def as_before(config: Path, last: Path, label: str | None, wishes: Wishes) -> tuple[str, Wishes]:
    """Return label and wishes as they were said before, and as the configuration has them where people corrected what
    was found; what is said now wins.

    Args:
        last: what `init` wrote last as `config`.
    """
    data = load(config).data
    before = parse_yaml(last.read_text())["data"] if last.exists() else {}
    said = _read(last)
    were = {name: Reading.model_validate(one) for name, one in before.get("columns", {}).items()}
    own = {
        name: one
        for name, one in data.columns.items()
        if one not in (were.get(name), Reading()) and name not in wishes.types
    }
    found = set(before.get("drop", ()) if before else data.drop) - set(said.drop)
    drop = [name for name in data.drop if name not in found]
    named = {*data.drop, *said.drop, *said.keep, *said.types, *said.values}
    return label or data.label, replace(
        wishes,
        drop=_all(wishes.drop, [name for name in drop if name not in wishes.keep]),
        keep=_all(wishes.keep, [name for name in said.keep if name not in wishes.drop]),
        types={**said.types, **wishes.types},
        settings={
            **{name: one for name, one in said.settings.items() if name not in wishes.types},
            **wishes.settings,
        },
        missing=_all(data.missing, wishes.missing),
        values=_all(said.values, wishes.values),
        format={**data.format.written(), **wishes.format},
        readings=own,
        task=wishes.task or (data.task if before.get("task", data.task) != data.task else None),
        bad_rows_at_most=data.bad_rows_at_most if data.bad_rows == "set_aside" else wishes.bad_rows_at_most,
        unlabelled_at_most=(
            data.unlabelled_at_most if wishes.unlabelled_at_most == UNLABELLED_AT_MOST else wishes.unlabelled_at_most
        ),
        forgiven=frozenset(named - {*wishes.drop, *wishes.keep, *wishes.types, *wishes.values}),
    )


def keep(last: Path, wishes: Wishes) -> None:
    """Write down what a person said, beside what `init` wrote last as the configuration."""
    said = {key: value for key in _KEPT if (value := getattr(wishes, key))}
    _record(last).unlink(missing_ok=True)
    if said:
        _record(last).write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _record(last: Path) -> Path:
    return last.with_suffix(".wishes.json")


def _read(last: Path) -> Wishes:
    if not _record(last).exists():
        return Wishes()
    said: Mapping[str, Any] = json.loads(_record(last).read_text(encoding="utf-8"))
    return Wishes(
        drop=tuple(said.get("drop", ())),
        keep=tuple(said.get("keep", ())),
        types=said.get("types", {}),
        settings=said.get("settings", {}),
        values=tuple(said.get("values", ())),
    )


def _all(*lists: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for names in lists for one in names))
