"""What a table held that the model was not made for: values it does not know, out of range, missing.

Counted a fragment at a time by `pipeline.serving.meter`; put together, ordered and judged here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pipeline.config.data import Data
from pipeline.config.predict import PredictSettings

EXAMPLES = 3
"""Shown of a column and a kind."""


class Kind(StrEnum):
    """How a value is not what the model was made for."""

    UNKNOWN = "unknown"
    OUT_OF_RANGE = "out_of_range"
    MISSING = "missing"
    UNREADABLE = "unreadable"


LIMITED_BY = {
    Kind.UNKNOWN: "predict.max_unknown",
    Kind.OUT_OF_RANGE: "predict.max_out_of_range",
    Kind.MISSING: "predict.max_missing",
    Kind.UNREADABLE: "data.bad_rows_at_most",
}
"""The setting that says how much of each may be."""


@dataclass(frozen=True)
class Example:
    """A value ("" of a missing one) and where it stands first: rows of a file's data count from 1, a header aside."""

    value: str
    row: int
    file: str


@dataclass(frozen=True)
class Met:
    """What was met in a column.

    Attributes:
        rows: in which it was met, `of` so many.
        expected: whether the model was taught what it means: that a value is missing where some may be.
        examples: different values, the first of each.
    """

    column: str
    kind: Kind
    rows: int
    of: int
    expected: bool
    examples: tuple[Example, ...]

    @property
    def share(self) -> float:
        """Of all rows."""
        return self.rows / self.of

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            **{name: value for name, value in vars(self).items() if name != "examples"},
            "share": round(self.share, 6),
            "examples": [vars(example) for example in self.examples],
        }


@dataclass(frozen=True)
class Part:
    """What one fragment of a file held.

    Attributes:
        met: by column and kind the rows, and a few values with their rows in the fragment, from 0.
    """

    file: str
    rows: int
    met: Mapping[str, Mapping[str, tuple[int, Sequence[tuple[str, int]]]]]


def put_together(parts: Iterable[Part], expected_missing: Iterable[str]) -> list[Met]:
    """Return what was met in all parts, the worst first.

    Args:
        parts: in the order of the table.
        expected_missing: columns of which the model was taught that values may be missing.
    """
    before: dict[str, int] = {}
    counts: dict[tuple[str, Kind], int] = {}
    examples: dict[tuple[str, Kind], dict[str, Example]] = {}
    total = 0
    for part in parts:
        for column, kinds in part.met.items():
            for kind, (rows, some) in kinds.items():
                key = column, Kind(kind)
                counts[key] = counts.get(key, 0) + rows
                known = examples.setdefault(key, {})
                for value, row in some:
                    if len(known) < EXAMPLES:
                        known.setdefault(value, Example(value, before.get(part.file, 0) + row + 1, part.file))
        before[part.file] = before.get(part.file, 0) + part.rows
        total += part.rows
    optional = set(expected_missing)
    found = [
        Met(
            column,
            kind,
            rows,
            total,
            kind is Kind.MISSING and column in optional,
            tuple(examples[column, kind].values()),
        )
        for (column, kind), rows in counts.items()
    ]
    return sorted(found, key=lambda met: (met.expected, -met.rows, met.column))


def limits_of(predict: PredictSettings, data: Data, strict: bool) -> dict[Kind, float | None]:
    """Return how much of each kind may be, as shares of the rows; None where it is only counted."""
    if strict:
        return dict.fromkeys(Kind, 0.0)
    return {
        Kind.UNKNOWN: predict.max_unknown,
        Kind.OUT_OF_RANGE: predict.max_out_of_range,
        Kind.MISSING: predict.max_missing,
        Kind.UNREADABLE: data.bad_rows_at_most,
    }


def beyond(found: Iterable[Met], limits: Mapping[Kind, float | None]) -> list[tuple[Met, float]]:
    """Return what is more than its limit, a share of the rows, with that limit; what is expected has none."""
    held = [(met, limits[met.kind]) for met in found if not met.expected]
    return [(met, limit) for met, limit in held if limit is not None and met.share > limit]
