"""What would have to change in the curated schema for the data at hand to pass. People decide whether it should.

Only what the data violate, and columns that the schema does not know, are proposed: a rule that is looser than the
data is a decision, not a mistake. Never proposed: to let in NaN, infinity or text in another encoding (the data are
wrong, not the rule), and thresholds of drift and skew (what is found says nothing about what may be).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from pipeline.contract.proposal import Found, Proposal, Schema, domain_of, feature_of, interval_text, type_name
from pipeline.contract.value_proposals import type_proposal, value_proposals
from pipeline.data.columns import ColumnType
from pipeline.data.statistics_files import Statistics
from pipeline.guard.findings import percent
from trainer.features import is_retired


def propose(
    curated: Schema,
    inferred: Schema,
    statistics: Mapping[str, Statistics],
    *,
    column_types: Mapping[str, ColumnType] | None = None,
    environment: str | None = None,
) -> list[Proposal]:
    """Return all proposals: columns in the schema's order, then new ones in the table's.

    Args:
        inferred: what TFDV makes of the same statistics; describes new columns.
        statistics: by split, of columns without structure; splits without rows say nothing.
        column_types: as ingestion read the columns: statistics know neither booleans nor times.
        environment: columns that the schema does not expect there are not missed.
    """
    splits = {name: split.datasets[0] for name, split in statistics.items() if split.datasets[0].num_examples}
    columns = {split: {_name(column): column for column in dataset.features} for split, dataset in splits.items()}

    def found_of(name: str) -> list[Found]:
        nothing = statistics_pb2.FeatureNameStatistics()
        return [Found(s, dataset.num_examples, columns[s].get(name, nothing)) for s, dataset in splits.items()]

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


def _about(curated: Schema, feature: Any, found: list[Found], environment: str | None) -> Iterator[Proposal]:
    filled = [split for split in found if split.present]
    if not filled:
        if _is_required(feature) and _is_expected(curated, feature, environment):
            yield _gone(feature, found)
        return
    if retyped := type_proposal(feature, filled):
        yield retyped
    elif domain := domain_of(curated, feature):
        yield from value_proposals(curated, feature, domain, filled)
    if _is_expected(curated, feature, environment):
        yield from _presence(feature, found)
    yield from _valency(feature, found)


# Columns that come and go


def _new_column(inferred: Schema, described: Any, found: list[Found], column_type: ColumnType | None) -> Proposal:
    feature = schema_pb2.Feature()
    feature.CopyFrom(described)
    if feature.HasField("shape"):  # one way to say it, as `longhaul init` does
        feature.ClearField("shape")
        _set_value_count(feature, found)
    if column_type is ColumnType.BOOL:
        feature.bool_domain.SetInParent()
    elif column_type is ColumnType.TIMESTAMP:
        feature.time_domain.integer_format = schema_pb2.TimeDomain.UNIX_SECONDS
    domain = domain_of(inferred, feature) if feature.domain else None
    kind = (column_type or ColumnType(type_name(feature.type))).value
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
    """Return the name under which the schema has a domain's values, added if it has not."""
    shared = {other.name: other for kind in ("string", "int", "float") for other in getattr(schema, f"{kind}_domain")}
    name = domain.name
    while name in shared:
        if set(domain.value) <= set(getattr(shared[name], "value", ())):
            return name
        name += "_"
    schema.string_domain.add(name=name, value=sorted(domain.value))
    return name


def _gone(feature: Any, found: list[Found]) -> Proposal:
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
    feature_of(schema, name).lifecycle_stage = schema_pb2.DEPRECATED


# Missing values and lists


def _presence(feature: Any, found: list[Found]) -> Iterator[Proposal]:
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
    presence = feature_of(schema, name).presence
    if presence.min_fraction > share:
        presence.min_fraction = share
    if presence.min_count > count:
        presence.min_count = count


def _valency(feature: Any, found: list[Found]) -> Iterator[Proposal]:
    filled = [split for split in found if split.present]
    if feature.HasField("shape"):
        size = math.prod(dim.size for dim in feature.shape.dim)
        wrong = [s for s in found if s.present < s.rows or (_least(s), _most(s)) != (size, size)]
        was = f"{size} in every row"
    elif feature.HasField("value_count"):
        low, high = feature.value_count.min, feature.value_count.max or math.inf
        wrong = [split for split in filled if _least(split) < low or _most(split) > high]
        was = interval_text(low, high)
    else:
        return
    if not wrong:
        return
    adjusted = schema_pb2.Feature()
    adjusted.CopyFrom(feature)
    adjusted.ClearField("shape")
    _set_value_count(adjusted, filled)
    now = interval_text(adjusted.value_count.min, adjusted.value_count.max or math.inf)
    yield Proposal(
        "valency",
        feature.name,
        f"values in a cell: {now} instead of {was}",
        tuple(
            split.evidence(f"{interval_text(_least(split), _most(split))} in a cell that is not empty")
            for split in wrong
        ),
        partial(_revalue, name=feature.name, count=adjusted.value_count),
    )


def _set_value_count(feature: Any, found: list[Found]) -> None:
    """Make it wide enough for what is found and for what was allowed."""
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
    feature = feature_of(schema, name)
    feature.ClearField("shape")
    feature.value_count.CopyFrom(count)


def _least(split: Found) -> int:
    return int(split.common.min_num_values)


def _most(split: Found) -> int:
    return int(split.common.max_num_values)


# Reading schemas and statistics


def _name(column: Any) -> str:
    return str(column.path.step[0] if column.path.step else column.name)


def _is_required(feature: Any) -> bool:
    return bool(feature.presence.min_fraction > 0 or feature.presence.min_count > 0)


def _is_expected(schema: Schema, feature: Any, environment: str | None) -> bool:
    """Tell what TFDV expects: without an environment every column is."""
    if environment is None:
        return True
    there = (*schema.default_environment, *feature.in_environment)
    return environment in there and environment not in feature.not_in_environment
