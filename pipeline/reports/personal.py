"""Columns whose values no page shows: pages are mailed and printed, far from whoever may read the table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.guard.findings import NOT_SHOWN, DataVerdict
from pipeline.lineage.artifact_names import EXPLANATION_FILE
from pipeline.lineage.runs import Run
from pipeline.reports.artifacts import Artifacts, Column, recorded
from trainer.expressions import ExpressionError
from trainer.parsing import in_order, names_in

_ABOUT_A_PERSON = frozenset(
    [
        *("name", "surname", "forename", "firstname", "lastname", "fullname", "birthday", "birthdate", "dob"),
        *("email", "mail", "phone", "telephone", "mobile", "fax", "address", "street", "iban", "ssn", "passport", "ip"),
    ]
)
"""Words of a column's name. The model reads no such column, or a person has decided that it may."""


def unshown(config: Mapping[str, Any], columns: Sequence[str]) -> frozenset[str]:
    """Return the columns of `serving.redact`, the features derived from them, and the columns that the model does not
    read and that name or reach a person.

    Args:
        config: of the run, as it is on record.
        columns: of the table.
    """
    excluded = set((config.get("features") or {}).get("exclude") or ())
    about_people = {name for name in columns if name in excluded and is_about_a_person(name)}
    return frozenset(_redacted(config)) | unshown_derived(config) | about_people


def unshown_derived(config: Mapping[str, Any]) -> frozenset[str]:
    """Return the features that are derived from columns of `serving.redact`, over other derived features too."""
    hidden, derive = _redacted(config), (config.get("features") or {}).get("derive") or {}
    if not hidden:
        return frozenset()
    try:
        trees = in_order(derive)
    except ExpressionError:  # of another Longhaul: what it reads is not known
        return frozenset(derive)
    for name, tree in trees.items():  # each stands behind those that it names
        if not hidden.isdisjoint(read for read, _ in names_in(tree)):
            hidden.add(name)
    return frozenset(hidden & trees.keys())


def _redacted(config: Mapping[str, Any]) -> set[str]:
    return set((config.get("serving") or {}).get("redact") or ())


def shown_columns(run: Run, artifacts: Artifacts, types: dict[str, str]) -> list[Column] | None:
    """Return statistics of the columns of a run, with no value of a hidden one.

    Args:
        types: column types as ingestion read them.
    """
    return columns_without_values(artifacts.columns(types), unshown(recorded(run.properties), [*types]))


def shown_explanation(run: Run, artifacts: Artifacts, types: Mapping[str, str]) -> dict[str, Any] | None:
    """Return what explains the model of a run, with no value of a hidden column."""
    found = artifacts.json("ModelEvaluation", EXPLANATION_FILE)
    return without_values(found, unshown(recorded(run.properties), [*types]))


def shown_verdict(run: Run, verdict: DataVerdict) -> DataVerdict:
    """Return what the gate said, with no value of a feature derived from redacted columns: no cell of the table holds
    it, so nobody can correct it. Values of columns are told, for people to correct."""
    hidden = unshown_derived(recorded(run.properties))
    found = tuple(one.without_values() if one.feature in hidden else one for one in verdict.findings)
    return replace(verdict, findings=found)


def why_blocked(run: Run) -> str:
    """Return why the data gate stopped a run, with no value of a hidden column: records are sent to people and
    catalogues; only the page of the run tells what to correct."""
    verdict = DataVerdict.from_json(run.data_verdict) if run.data_verdict else DataVerdict()
    columns = [finding.feature for finding in verdict.blocking if finding.feature]
    return verdict.reason(unshown(recorded(run.properties), columns))


def is_about_a_person(column: str) -> bool:
    """Tell by the column's name: `email`, `LastName`, `phone_2`."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column)
    words = re.findall(r"[a-z]+", apart.lower())
    return any(word in _ABOUT_A_PERSON for word in (*words, "".join(words)))


def without_values(explanation: dict[str, Any] | None, hidden: frozenset[str]) -> dict[str, Any] | None:
    """Return what explains a model, with no value of a hidden column in single rows, slices and effects."""
    if not explanation or not hidden:
        return explanation
    found = dict(explanation)
    if examples := explanation.get("examples"):
        found["examples"] = examples | {"rows": [_row(row, hidden) for row in examples["rows"]]}
    if weak := explanation.get("weak"):
        found["weak"] = weak | {"slices": [one for one in weak["slices"] if not hidden & {*one.get("columns", ())}]}
    if effects := explanation.get("effects"):
        found["effects"] = effects | {"features": [one for one in effects["features"] if one["name"] not in hidden]}
    if directions := explanation.get("directions"):
        found["directions"] = directions | {"features": [_direction(one, hidden) for one in directions["features"]]}
    return found


def _direction(one: Mapping[str, Any], hidden: frozenset[str]) -> Mapping[str, Any]:
    """Keep how far a hidden feature moves predictions; which of its values do is not told."""
    return {**one, "more": None, "less": None} if one["name"] in hidden else one


def _row(row: Mapping[str, Any], hidden: frozenset[str]) -> dict[str, Any]:
    key = {name: value for name, value in row.get("key", {}).items() if name not in hidden}
    parts = [one | {"value": NOT_SHOWN} if one["feature"] in hidden else one for one in row["parts"]]
    return {**row, "key": key, "parts": parts}


def columns_without_values(columns: list[Column] | None, hidden: frozenset[str]) -> list[Column] | None:
    """Return columns; hidden ones lose their commonest values, ends and median: each is the value of some row."""
    return columns and [without_ends(one) if one.name in hidden else one for one in columns]


def without_ends(column: Column) -> Column:
    """Return a column with its shape, on a scale from 0 to 1, and no single value."""
    edges = [edge for one in column.splits.values() for low, high, _ in one.bars for edge in (low, high)]
    first, span = min(edges, default=0.0), (max(edges, default=1.0) - min(edges, default=0.0)) or 1.0
    splits = {
        name: replace(
            one,
            top=[],
            low=None,
            median=None,
            high=None,
            bars=[((low - first) / span, (high - first) / span, part) for low, high, part in one.bars],
        )
        for name, one in column.splits.items()
    }
    return replace(column, splits=splits)
