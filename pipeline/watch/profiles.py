"""What is kept of the rows of an hour: counts, not rows. Profiles of hours add up to those of windows."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import TypeAdapter
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.config.number_text import as_meant

Array = npt.NDArray[Any]

BINS = 24
"""Of a column: 20 between quantiles of the reference or its most frequent values, others; the last of missing ones."""
OTHER, MISSING = BINS - 2, BINS - 1
SCORE_BINS = 200
MOST_BINNED = 50_000
"""Rows of a file's hour that are put into bins, evenly chosen; what breaks the schema is counted in all rows."""
LOW, HIGH, UNKNOWN, NOT_FINITE, WRONG_TYPE = range(5)
"""Columns of `Profile.broken`: how a value breaks the schema."""


@dataclass(frozen=True)
class ColumnSpec:
    """How values of one column are counted.

    Attributes:
        edges: of a number, ascending; values: of text, the most frequent first.
        least, greatest, known: what the schema allows; None for everything.
        present: the least share of the rows that must have a value.
        unlisted: the share of the rows whose value need not be among the known ones.
    """

    name: str
    is_number: bool
    edges: tuple[float, ...] = ()
    values: tuple[str, ...] = ()
    least: float | None = None
    greatest: float | None = None
    known: tuple[str, ...] | None = None
    present: float = 0.0
    unlisted: float = 0.0


@dataclass(frozen=True)
class Spec:
    """How rows of one model version are counted.

    Attributes:
        task: binary, multiclass or regression; classes of a classification.
        score_edges: of its scores, ascending.
        segment_columns, segments: see pipeline.watch.segments.
    """

    task: str
    classes: tuple[str, ...]
    score_edges: tuple[float, ...]
    columns: tuple[ColumnSpec, ...]
    segment_columns: tuple[str, ...] = ()
    segments: tuple[int, ...] = ()

    def to_json(self) -> str:
        """Return JSON text."""
        return json.dumps(asdict(self))

    def with_bins_of(self, other: Spec) -> Spec:
        """Return the same rules with another's bins, so that profiles by both can be compared."""
        bins = {(one.name, one.is_number): (one.edges, one.values) for one in other.columns}
        columns = [
            replace(one, edges=found[0], values=found[1]) if (found := bins.get((one.name, one.is_number))) else one
            for one in self.columns
        ]
        return replace(self, columns=tuple(columns))

    @classmethod
    def from_json(cls, text: str) -> Spec:
        """Read what `to_json` wrote."""
        return TypeAdapter(cls).validate_json(text)


@dataclass
class Profile:
    """Counts over rows.

    Attributes:
        rows, errors: requests that were answered, and that were not.
        late: rows whose time lies in the future of whoever reads the log, or before the year 2000.
        binned, distinct: rows that were put into bins, and how many different ones there are among them.
        scored: rows that there are scores of.
        bins: (columns, BINS), broken: (columns, 5), missing: (columns,) rows of each kind.
        scores: (SCORE_BINS,) of the first output; total: the sum of those.
    """

    bins: Array
    broken: Array
    missing: Array
    scores: Array = field(default_factory=lambda: np.zeros(SCORE_BINS, np.int64))
    rows: int = 0
    errors: int = 0
    late: int = 0
    binned: int = 0
    distinct: int = 0
    scored: int = 0
    total: float = 0.0

    @classmethod
    def empty(cls, columns: int) -> Profile:
        """Return the profile of no rows."""
        bins, broken = np.zeros((columns, BINS), np.int64), np.zeros((columns, 5), np.int64)
        return cls(bins, broken, np.zeros(columns, np.int64))

    def __add__(self, other: Profile) -> Profile:
        return Profile(**{name: getattr(self, name) + getattr(other, name) for name in vars(self)})

    @property
    def missing_share(self) -> Array:
        """Of the rows, by column."""
        return np.asarray(self.missing / max(self.rows, 1))

    def to_bytes(self) -> bytes:
        """Return a few kilobytes."""
        file = io.BytesIO()  # compressed as a whole and little: a log of many columns has a profile for each hour
        numbers = np.array([self.rows, self.errors, self.late, self.binned, self.distinct, self.scored])
        small = {name: _small(getattr(self, name)) for name in ("bins", "broken", "missing", "scores")}
        np.savez(file, numbers=numbers, total=np.array(self.total), **small)
        return zlib.compress(file.getvalue(), 1)

    @classmethod
    def from_bytes(cls, data: bytes) -> Profile:
        """Read what `to_bytes` wrote, now or before it compressed the whole."""
        with np.load(io.BytesIO(data if data[:2] == b"PK" else zlib.decompress(data))) as found:
            arrays = {name: found[name].astype(np.int64) for name in ("bins", "broken", "missing", "scores")}
            rows, errors, late, binned, distinct, scored = (int(one) for one in found["numbers"])
            return cls(
                **arrays, rows=rows, errors=errors, late=late, binned=binned, distinct=distinct, scored=scored,
                total=float(found["total"]),
            )  # fmt: skip


def _small(counts: Array) -> Array:
    return counts.astype(np.uint32) if counts.max(initial=0) < 2**32 else counts


def spec_of(
    features: Sequence[tuple[str, bool]],
    table: pa.Table,
    schema: schema_pb2.Schema | None,
    task: str,
    classes: Sequence[str],
    scores: Array,
) -> Spec:
    """Choose bins by the rows of a reference and rules by the schema.

    Args:
        features: names, and whether they are numbers; scores: (rows,) of the first output.
    """
    rules = {feature.name: feature for feature in schema.feature} if schema else {}
    domains = {domain.name: tuple(domain.value) for domain in schema.string_domain} if schema else {}
    columns = []
    for name, is_number in features:
        rule = _rules(rules[name], domains) if name in rules else {}
        column = table.column(name).combine_chunks() if name in table.schema.names else pa.nulls(0)
        if is_number:
            values = numbers_of(column)
            values = values[np.isfinite(values)]
            edges = np.unique(np.quantile(values, np.linspace(0, 1, 22)[1:-1])) if len(values) else np.zeros(0)
            columns.append(ColumnSpec(name, True, tuple(edges.tolist()), **rule))
        else:
            counts = pc.value_counts(column.drop_null().cast(pa.string())).to_pylist() if len(column) else []
            counts.sort(key=lambda one: (-one["counts"], one["values"]))
            columns.append(ColumnSpec(name, False, (), tuple(one["values"] for one in counts[:20]), **rule))
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, SCORE_BINS + 1)[1:-1])) if len(scores) else np.zeros(0)
    return Spec(task, tuple(classes), tuple(edges.tolist()), tuple(columns))


def _rules(feature: Any, domains: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    rule: dict[str, Any] = {"present": feature.presence.min_fraction}
    for kind in ("int_domain", "float_domain"):
        if feature.HasField(kind):
            domain = getattr(feature, kind)
            # A schema keeps 0.1 in four bytes.
            rule["least"] = float(min(domain.min, as_meant(domain.min))) if domain.HasField("min") else None
            rule["greatest"] = float(max(domain.max, as_meant(domain.max))) if domain.HasField("max") else None
    if feature.HasField("string_domain"):
        rule["known"] = tuple(feature.string_domain.value)
    elif feature.HasField("domain"):
        rule["known"] = domains.get(feature.domain)
    if rule.get("known") is not None and feature.HasField("distribution_constraints"):
        rule["unlisted"] = 1 - feature.distribution_constraints.min_domain_mass
    return rule


def numbers_of(column: pa.Array) -> Array:
    """Return a column as floats; NaN where a value is missing."""
    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("s"), safe=False).cast(pa.int64())
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), float)
