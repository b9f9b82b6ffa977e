"""Columns whose values no page shows: pages are mailed and printed, far from whoever may read the table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.guard.findings import NOT_SHOWN, DataVerdict
from pipeline.lineage.runs import Run
from pipeline.reports.artifacts import Column, recorded

_ABOUT_A_PERSON = frozenset(
    [
        *("name", "surname", "forename", "firstname", "lastname", "fullname", "birthday", "birthdate", "dob"),
        *("email", "mail", "phone", "telephone", "mobile", "fax", "address", "street", "iban", "ssn", "passport", "ip"),
    ]
)
"""Words of a column's name. The model reads no such column, or a person has decided that it may."""


def unshown(config: Mapping[str, Any], columns: Sequence[str]) -> frozenset[str]:
    """Return the columns of `serving.redact`, and those that the model does not read and that name or reach a person.

    Args:
        config: of the run, as it is on record.
        columns: of the table.
    """
    excluded = set((config.get("features") or {}).get("exclude") or ())
    return frozenset((config.get("serving") or {}).get("redact") or ()) | {
        name for name in columns if name in excluded and is_about_a_person(name)
    }


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
    return found


def _row(row: Mapping[str, Any], hidden: frozenset[str]) -> dict[str, Any]:
    key = {name: value for name, value in row.get("key", {}).items() if name not in hidden}
    parts = [one | {"value": NOT_SHOWN} if one["feature"] in hidden else one for one in row["parts"]]
    return {**row, "key": key, "parts": parts}


def columns_without_values(columns: list[Column] | None, hidden: frozenset[str]) -> list[Column] | None:
    """Return columns, hidden ones without their commonest values and their ends, each of which is a row's."""
    return columns and [_column(one) if one.name in hidden else one for one in columns]


def _column(column: Column) -> Column:
    splits = {name: replace(one, top=[], low=None, high=None) for name, one in column.splits.items()}
    return replace(column, splits=splits)
