"""One proposal about a curated schema and its evidence; and what proposals read of schemas and statistics."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from pipeline.config.number_text import bound_text, count_text
from pipeline.data.convert import shorten
from pipeline.guard.findings import percent

Schema: TypeAlias = schema_pb2.Schema
Edit: TypeAlias = Callable[[Schema], None]
Kind = Literal["new_column", "column_gone", "type", "new_values", "open_domain", "range", "presence", "valency"]


@dataclass(frozen=True)
class Evidence:
    """What a split has to say for a proposal.

    Attributes:
        found: in words.
        rows: how many rows that is; None if statistics do not tell.
        bound: "at least " or "about " where statistics do not list all values, or only estimate them.
        share: of the split's rows.
        examples: values that are found, with their number of rows.
    """

    split: str
    found: str
    rows: int | None = None
    share: float | None = None
    examples: tuple[str, ...] = ()
    bound: str = ""

    def sentence(self) -> str:
        """Say it on one line."""
        is_counted = self.rows is not None and self.share
        counted = (
            f"{self.bound}{count_text(self.rows or 0, 'row')} ({percent(self.share or 0.0)}) " if is_counted else ""
        )
        return f"{self.split}: {counted}{self.found}" + (f": {', '.join(self.examples)}" if self.examples else "")


@dataclass(frozen=True)
class Proposal:
    """One change to one column's rules.

    Attributes:
        change: what would change, in words.
    """

    kind: Kind
    feature: str
    change: str
    evidence: tuple[Evidence, ...]
    edit: Edit = field(repr=False, compare=False)

    def apply(self, schema: Schema) -> None:
        """Change `schema` in place. Twice is the same as once."""
        self.edit(schema)

    def to_json(self) -> dict[str, Any]:
        """Return plain data for a script."""
        return {
            "kind": self.kind,
            "feature": self.feature,
            "change": self.change,
            "evidence": [asdict(evidence) for evidence in self.evidence],
        }


@dataclass(frozen=True)
class Found:
    """A column in one split."""

    split: str
    rows: int
    column: Any  # FeatureNameStatistics, empty if the split lacks the column

    @property
    def common(self) -> Any:
        """CommonStatistics."""
        kind = self.column.WhichOneof("stats")
        return getattr(self.column, kind).common_stats if kind else statistics_pb2.CommonStatistics()

    @property
    def present(self) -> int:
        """Rows with a value."""
        return int(self.common.num_non_missing)

    @property
    def share(self) -> float:
        """Of the split's rows."""
        return self.present / self.rows

    def evidence(self, found: str, rows: int | None = None, examples: Sequence[str] = (), bound: str = "") -> Evidence:
        """See `Evidence`; the share follows from the rows."""
        return Evidence(self.split, found, rows, None if rows is None else rows / self.rows, tuple(examples), bound)

    def glimpse(self) -> Evidence:
        """Return how often there is a value, and a few of them."""
        return self.evidence("with a value", self.present, _glimpse(self.column))


def feature_of(schema: Schema, name: str) -> Any:
    """Return the rules of a column that the schema has."""
    return next(feature for feature in schema.feature if feature.name == name)


def domain_of(schema: Schema, feature: Any) -> Any:
    """Return the message that bounds a column's values, its own or a shared one, or None."""
    rules = feature.WhichOneof("domain_info")
    if rules != "domain":
        return getattr(feature, rules) if rules else None
    shared = (*schema.string_domain, *schema.int_domain, *schema.float_domain)
    return next((domain for domain in shared if domain.name == feature.domain), None)


def widen(schema: Schema, name: str, values: Sequence[str]) -> None:
    """Add values to a column's list: in alphabetical order if it is, else at its end."""
    domain = domain_of(schema, feature_of(schema, name))
    is_sorted = list(domain.value) == sorted(domain.value)
    for value in values:
        if value not in domain.value:
            domain.value.insert(bisect.bisect(domain.value, value) if is_sorted else len(domain.value), value)


def type_name(kind: int) -> str:
    """Return a schema's type in words."""
    return {schema_pb2.INT: "int", schema_pb2.FLOAT: "float", schema_pb2.BYTES: "string"}.get(kind, "struct")


def interval_text(low: float, high: float) -> str:
    """Return a range with both bounds; infinite ones are none."""
    if low == high:
        return bound_text(low)
    if low == -math.inf:
        return f"at most {bound_text(high)}"
    return f"at least {bound_text(low)}" if high == math.inf else f"{bound_text(low)} to {bound_text(high)}"


def _glimpse(column: Any) -> list[str]:
    """Say a few values of a column, or its range."""
    if column.HasField("num_stats"):
        stats = column.num_stats
        return (
            [f"from {bound_text(stats.min)} to {bound_text(stats.max)}"] if stats.common_stats.num_non_missing else []
        )
    return [shorten(value.value) for value in column.string_stats.top_values[:3]]
