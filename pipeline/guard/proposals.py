"""What would have to change in the curated schema for the data at hand to pass. People decide whether it should.

Only what the data violate, and columns that the schema does not know, are proposed: a rule that is looser than the
data is a decision, not a mistake. Never proposed: to let in NaN, infinity or text in another encoding (the data are
wrong, not the rule), and thresholds of drift and skew (what is found says nothing about what may be).
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Literal, TypeAlias

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from pipeline.data.columns import ColumnType
from pipeline.data.convert import shorten
from pipeline.guard.findings import percent
from trainer.features import is_retired

Statistics: TypeAlias = statistics_pb2.DatasetFeatureStatisticsList
Schema: TypeAlias = schema_pb2.Schema
Edit: TypeAlias = Callable[[Schema], None]
Kind = Literal["new_column", "column_gone", "type", "new_values", "open_domain", "range", "presence", "valency"]

_TYPES = {
    statistics_pb2.FeatureNameStatistics.INT: schema_pb2.INT,
    statistics_pb2.FeatureNameStatistics.FLOAT: schema_pb2.FLOAT,
    statistics_pb2.FeatureNameStatistics.STRING: schema_pb2.BYTES,
    statistics_pb2.FeatureNameStatistics.BYTES: schema_pb2.BYTES,
}
_NOT_TEXT = "__BYTES_VALUE__"  # what TFDV writes for a value that is not UTF-8
_SHOWN = 10


@dataclass(frozen=True)
class Evidence:
    """What a split has to say for a proposal.

    Attributes:
        found: in words.
        rows: how many rows that is; None if statistics do not tell.
        share: of the split's rows.
        examples: values that are found, with their number of rows.
    """

    split: str
    found: str
    rows: int | None = None
    share: float | None = None
    examples: tuple[str, ...] = ()

    def sentence(self) -> str:
        """On one line."""
        rows = "row" if self.rows == 1 else "rows"
        counted = f"{self.rows:,} {rows} ({percent(self.share)}) " if self.rows is not None and self.share else ""
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
        """Changes `schema` in place. Twice is the same as once."""
        self.edit(schema)

    def to_json(self) -> dict[str, Any]:
        """Plain data for a script."""
        return {
            "kind": self.kind,
            "feature": self.feature,
            "change": self.change,
            "evidence": [asdict(evidence) for evidence in self.evidence],
        }


@dataclass(frozen=True)
class _Found:
    """A column in one split."""

    split: str
    rows: int
    column: Any  # FeatureNameStatistics, empty if the split lacks the column

    @property
    def common(self) -> Any:
        kind = self.column.WhichOneof("stats")
        return getattr(self.column, kind).common_stats if kind else statistics_pb2.CommonStatistics()

    @property
    def present(self) -> int:
        return int(self.common.num_non_missing)

    @property
    def share(self) -> float:
        return self.present / self.rows

    def evidence(self, found: str, rows: int | None = None, examples: Sequence[str] = ()) -> Evidence:
        return Evidence(self.split, found, rows, None if rows is None else rows / self.rows, tuple(examples))

    def glimpse(self) -> Evidence:
        """How often there is a value, and a few of them."""
        return self.evidence("with a value", self.present, _glimpse(self.column))


def propose(
    curated: Schema,
    inferred: Schema,
    statistics: Mapping[str, Statistics],
    *,
    column_types: Mapping[str, ColumnType] | None = None,
    environment: str | None = None,
) -> list[Proposal]:
    """All proposals: columns in the schema's order, then new ones in the table's.

    Args:
        inferred: what TFDV makes of the same statistics; describes new columns.
        statistics: by split, of columns without structure; splits without rows say nothing.
        column_types: as ingestion read the columns: statistics know neither booleans nor times.
        environment: columns that the schema does not expect there are not missed.
    """
    splits = {name: split.datasets[0] for name, split in statistics.items() if split.datasets[0].num_examples}
    columns = {split: {_name(column): column for column in dataset.features} for split, dataset in splits.items()}

    def found_of(name: str) -> list[_Found]:
        nothing = statistics_pb2.FeatureNameStatistics()
        return [_Found(s, dataset.num_examples, columns[s].get(name, nothing)) for s, dataset in splits.items()]

    known = {feature.name for feature in curated.feature}
    proposals: list[Proposal] = []
    for feature in curated.feature:
        if splits and not is_retired(feature):
            proposals += _about(curated, feature, found_of(feature.name), environment)
    described = {feature.name: feature for feature in inferred.feature}
    for name in dict.fromkeys(name for split in columns.values() for name in split):
        if name not in known and name in described:
            proposals.append(_new_column(inferred, described[name], found_of(name), (column_types or {}).get(name)))
    return proposals


def _about(curated: Schema, feature: Any, found: list[_Found], environment: str | None) -> Iterator[Proposal]:
    filled = [split for split in found if split.present]
    if not filled:
        if _is_required(feature) and _is_expected(curated, feature, environment):
            yield _gone(feature, found)
        return
    if retyped := _type(curated, feature, filled):
        yield retyped
    elif domain := _domain(curated, feature):
        yield from _values(curated, feature, domain, filled)
    if _is_expected(curated, feature, environment):
        yield from _presence(feature, found)
    yield from _valency(feature, found)


# Columns that come and go


def _new_column(inferred: Schema, described: Any, found: list[_Found], column_type: ColumnType | None) -> Proposal:
    feature = schema_pb2.Feature()
    feature.CopyFrom(described)
    if feature.HasField("shape"):  # one way to say it, as `longhaul init` does
        feature.ClearField("shape")
        _set_value_count(feature, found)
    if column_type is ColumnType.BOOL:
        feature.bool_domain.SetInParent()
    elif column_type is ColumnType.TIMESTAMP:
        feature.time_domain.integer_format = schema_pb2.TimeDomain.UNIX_SECONDS
    domain = _domain(inferred, feature) if feature.domain else None
    kind = (column_type or ColumnType(_type_name(feature.type))).value
    allowed = f", {len(domain.value)} values allowed" if isinstance(domain, schema_pb2.StringDomain) else ""
    needed = "required" if feature.presence.min_fraction == 1.0 else "may be missing"
    return Proposal(
        "new_column",
        feature.name,
        f"add the column: {kind}{allowed}, {needed}",
        tuple(split.glimpse() for split in found if split.column.ByteSize()),
        partial(_add_column, feature=feature, domain=domain),
    )


def _add_column(schema: Schema, feature: Any, domain: Any) -> None:
    if any(other.name == feature.name for other in schema.feature):
        return
    added = schema.feature.add()
    added.CopyFrom(feature)
    if isinstance(domain, schema_pb2.StringDomain):
        added.domain = _share(schema, domain)


def _share(schema: Schema, domain: Any) -> str:
    """The name under which the schema has a domain's values, added if it has not."""
    shared = {other.name: other for kind in ("string", "int", "float") for other in getattr(schema, f"{kind}_domain")}
    name = domain.name
    while name in shared:
        if set(domain.value) <= set(getattr(shared[name], "value", ())):
            return name
        name += "_"
    schema.string_domain.add(name=name, value=sorted(domain.value))
    return name


def _gone(feature: Any, found: list[_Found]) -> Proposal:
    evidence = tuple(
        split.evidence("every value is missing" if split.column.ByteSize() else "no such column") for split in found
    )
    return Proposal(
        "column_gone",
        feature.name,
        "retire the column (lifecycle_stage: DEPRECATED): neither checked nor shown to the model any more",
        evidence,
        partial(_retire, name=feature.name),
    )


def _retire(schema: Schema, name: str) -> None:
    _feature(schema, name).lifecycle_stage = schema_pb2.DEPRECATED


# Types


def _type(curated: Schema, feature: Any, filled: list[_Found]) -> Proposal | None:
    types = [_TYPES[split.column.type] for split in filled if split.column.type in _TYPES]
    # Text holds everything, and fractions hold whole numbers.
    found = next((kind for kind in (schema_pb2.BYTES, schema_pb2.FLOAT, schema_pb2.INT) if kind in types), None)
    if found is None or feature.type == found:
        return None
    rules = feature.WhichOneof("domain_info")
    dropped = f"; {rules} no longer applies and goes" if rules else ""
    was = _type_name(feature.type) if feature.type else "no type"
    return Proposal(
        "type",
        feature.name,
        f"change the type from {was} to {_type_name(found)}{dropped}",
        tuple(split.glimpse() for split in filled),
        partial(_retype, name=feature.name, to=found),
    )


def _retype(schema: Schema, name: str, to: int) -> None:
    feature = _feature(schema, name)
    if feature.type != to:
        feature.type = to
        if rules := feature.WhichOneof("domain_info"):
            feature.ClearField(rules)


# Domains


def _values(curated: Schema, feature: Any, domain: Any, filled: list[_Found]) -> Iterator[Proposal]:
    if isinstance(domain, schema_pb2.StringDomain):
        least = (
            feature.distribution_constraints.min_domain_mass if feature.HasField("distribution_constraints") else 1.0
        )
        yield from _strings(curated, feature, domain, filled, least)
    elif feature.type in (schema_pb2.INT, schema_pb2.FLOAT):
        yield from _range(feature, domain, filled)


def _strings(curated: Schema, feature: Any, domain: Any, filled: list[_Found], least: float) -> Iterator[Proposal]:
    allowed = set(domain.value)
    counts: dict[str, int] = {}
    evidence, all_listed = [], True
    for split in filled:
        buckets = split.column.string_stats.rank_histogram.buckets
        new = {b.label: int(b.sample_count) for b in buckets if b.label not in allowed and b.label != _NOT_TEXT}
        values = sum(b.sample_count for b in buckets) or 1
        if sum(new.values()) / values <= 1 - least + 1e-9:
            continue
        all_listed &= split.column.string_stats.unique <= len(buckets)
        for value, count in new.items():
            counts[value] = counts.get(value, 0) + count
        examples = [f"{shorten(value)} {count:,}" for value, count in _commonest(new)[:_SHOWN]]
        found = "with a new value" if len(new) == 1 else f"with {len(new):,} new values"
        evidence.append(split.evidence(found, sum(new.values()), [*examples, *_more(len(new))]))
    if not counts:
        return
    sharing = [other.name for other in curated.feature if feature.domain and other.domain == feature.domain]
    others = [repr(name) for name in sharing if name != feature.name]
    if not all_listed:
        yield Proposal(
            "open_domain",
            feature.name,
            f"allow any text: more than {len(domain.value) + len(counts):,} different values",
            tuple(evidence),
            partial(_open, name=feature.name),
        )
        return
    names = [shorten(value) for value, _ in _commonest(counts)]
    listed = ", ".join([*names[:_SHOWN], *_more(len(names))])
    also = f" (the domain is also that of {', '.join(others)})" if others else ""
    yield Proposal(
        "new_values",
        feature.name,
        f"allow {len(names):,} more {'value' if len(names) == 1 else 'values'}: {listed}{also}",
        tuple(evidence),
        partial(_widen, name=feature.name, values=tuple(sorted(counts))),
    )


def _commonest(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _more(count: int) -> list[str]:
    return [f"{count - _SHOWN:,} more"] if count > _SHOWN else []


def _widen(schema: Schema, name: str, values: Sequence[str]) -> None:
    """In alphabetical order if the domain is, else at its end."""
    domain = _domain(schema, _feature(schema, name))
    is_sorted = list(domain.value) == sorted(domain.value)
    for value in values:
        if value not in domain.value:
            domain.value.insert(bisect.bisect(domain.value, value) if is_sorted else len(domain.value), value)


def _open(schema: Schema, name: str) -> None:
    """The domain stays if another column uses it."""
    feature = _feature(schema, name)
    shared = feature.domain
    if rules := feature.WhichOneof("domain_info"):
        feature.ClearField(rules)
    feature.ClearField("distribution_constraints")
    if shared and not any(other.domain == shared for other in schema.feature):
        kept = [domain for domain in schema.string_domain if domain.name != shared]
        del schema.string_domain[:]
        schema.string_domain.extend(kept)


def _range(feature: Any, domain: Any, filled: list[_Found]) -> Iterator[Proposal]:
    low, high = _bounds(domain)
    evidence, found_low, found_high = [], low, high
    for split in filled:
        stats = split.column.num_stats
        words = []
        if math.isfinite(stats.min) and stats.min < low:
            found_low = min(found_low, stats.min)
            words.append(f"down to {_number(stats.min)}")
        if math.isfinite(stats.max) and stats.max > high:
            found_high = max(found_high, stats.max)
            words.append(f"up to {_number(stats.max)}")
        if words:
            evidence.append(split.evidence(", ".join(words)))
    if not evidence:
        return
    retyped = ", as numbers instead of a boolean" if isinstance(domain, schema_pb2.BoolDomain) else ""
    yield Proposal(
        "range",
        feature.name,
        f"allow {_interval(found_low, found_high)} instead of {_interval(low, high)}{retyped}",
        tuple(evidence),
        partial(_stretch, name=feature.name, low=found_low, high=found_high),
    )


def _bounds(domain: Any) -> tuple[float, float]:
    if isinstance(domain, schema_pb2.BoolDomain):
        return 0, 1
    if isinstance(domain, schema_pb2.IntDomain | schema_pb2.FloatDomain):
        low = domain.min if domain.HasField("min") else -math.inf
        return low, domain.max if domain.HasField("max") else math.inf
    return -math.inf, math.inf


def _stretch(schema: Schema, name: str, low: float, high: float) -> None:
    feature = _feature(schema, name)
    domain = _domain(schema, feature)
    if isinstance(domain, schema_pb2.BoolDomain):
        domain = feature.int_domain if feature.type == schema_pb2.INT else feature.float_domain
        domain.min, domain.max = (0, 1)
    number = int if isinstance(domain, schema_pb2.IntDomain) else float
    if low < _bounds(domain)[0]:
        domain.min = number(low)
    if high > _bounds(domain)[1]:
        domain.max = number(high)


# Missing values and lists


def _presence(feature: Any, found: list[_Found]) -> Iterator[Proposal]:
    presence = feature.presence
    short = [
        split
        for split in found
        if split.share < presence.min_fraction or (split.present < presence.min_count and presence.min_count)
    ]
    if not short:
        return
    share = min([presence.min_fraction, *(math.floor(split.share * 1000) / 1000 for split in short)])
    count = min([presence.min_count, *(split.present for split in short)])
    fewer = f", in {count:,} at least instead of {presence.min_count:,}" if count < presence.min_count else ""
    yield Proposal(
        "presence",
        feature.name,
        f"require a value in {percent(share)} of the rows instead of {percent(presence.min_fraction)}{fewer}",
        tuple(split.evidence("without a value", split.rows - split.present) for split in short),
        partial(_require_less, name=feature.name, share=share, count=count),
    )


def _require_less(schema: Schema, name: str, share: float, count: int) -> None:
    presence = _feature(schema, name).presence
    if presence.min_fraction > share:
        presence.min_fraction = share
    if presence.min_count > count:
        presence.min_count = count


def _valency(feature: Any, found: list[_Found]) -> Iterator[Proposal]:
    filled = [split for split in found if split.present]
    if feature.HasField("shape"):
        size = math.prod(dim.size for dim in feature.shape.dim)
        wrong = [s for s in found if s.present < s.rows or (_least(s), _most(s)) != (size, size)]
        was = f"{size} in every row"
    elif feature.HasField("value_count"):
        low, high = feature.value_count.min, feature.value_count.max or math.inf
        wrong = [split for split in filled if _least(split) < low or _most(split) > high]
        was = _interval(low, high)
    else:
        return
    if not wrong:
        return
    adjusted = schema_pb2.Feature()
    adjusted.CopyFrom(feature)
    adjusted.ClearField("shape")
    _set_value_count(adjusted, filled)
    now = _interval(adjusted.value_count.min, adjusted.value_count.max or math.inf)
    yield Proposal(
        "valency",
        feature.name,
        f"values in a cell: {now} instead of {was}",
        tuple(
            split.evidence(f"{_interval(_least(split), _most(split))} in a cell that is not empty") for split in wrong
        ),
        partial(_revalue, name=feature.name, count=adjusted.value_count),
    )


def _set_value_count(feature: Any, found: list[_Found]) -> None:
    """Wide enough for what is found and for what was allowed."""
    filled = [split for split in found if split.present]
    bounds = [(_least(split), _most(split)) for split in filled] or [(1, 1)]
    is_bounded = not feature.HasField("value_count") or feature.value_count.HasField("max")
    was = feature.value_count
    low = min([pair[0] for pair in bounds] + ([was.min] if was.HasField("min") else []))
    high = max([pair[1] for pair in bounds] + ([was.max] if was.HasField("max") else []))
    feature.value_count.min = low
    if is_bounded:
        feature.value_count.max = high


def _revalue(schema: Schema, name: str, count: Any) -> None:
    feature = _feature(schema, name)
    feature.ClearField("shape")
    feature.value_count.CopyFrom(count)


def _least(split: _Found) -> int:
    return int(split.common.min_num_values)


def _most(split: _Found) -> int:
    return int(split.common.max_num_values)


# Reading schemas and statistics


def _name(column: Any) -> str:
    return str(column.path.step[0] if column.path.step else column.name)


def _feature(schema: Schema, name: str) -> Any:
    return next(feature for feature in schema.feature if feature.name == name)


def _domain(schema: Schema, feature: Any) -> Any:
    """The message that bounds a column's values, its own or a shared one, or None."""
    rules = feature.WhichOneof("domain_info")
    if rules != "domain":
        return getattr(feature, rules) if rules else None
    shared = (*schema.string_domain, *schema.int_domain, *schema.float_domain)
    return next((domain for domain in shared if domain.name == feature.domain), None)


def _is_required(feature: Any) -> bool:
    return bool(feature.presence.min_fraction > 0 or feature.presence.min_count > 0)


def _is_expected(schema: Schema, feature: Any, environment: str | None) -> bool:
    """As TFDV has it: without an environment every column is."""
    if environment is None:
        return True
    there = (*schema.default_environment, *feature.in_environment)
    return environment in there and environment not in feature.not_in_environment


def _type_name(kind: int) -> str:
    return {schema_pb2.INT: "int", schema_pb2.FLOAT: "float", schema_pb2.BYTES: "string"}.get(kind, "struct")


def _glimpse(column: Any) -> list[str]:
    """A few values of a column, or its range."""
    if column.HasField("num_stats"):
        stats = column.num_stats
        return [f"from {_number(stats.min)} to {_number(stats.max)}"] if stats.common_stats.num_non_missing else []
    return [shorten(value.value) for value in column.string_stats.top_values[:3]]


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.7g}"


def _interval(low: float, high: float) -> str:
    if low == high:
        return _number(low)
    if low == -math.inf:
        return f"at most {_number(high)}"
    return f"at least {_number(low)}" if high == math.inf else f"{_number(low)} to {_number(high)}"
