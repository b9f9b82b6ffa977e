"""What would have to change in a column's rules for its values to pass: its type, and its domain."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from pipeline.config.number_text import bound_text
from pipeline.contract.proposal import (
    Found,
    Proposal,
    Schema,
    domain_of,
    feature_of,
    interval_text,
    type_name,
    widen,
)
from pipeline.data.convert import shorten
from pipeline.data.long_texts import in_statistics, is_shortened
from pipeline.guard.column_statistics import Column

_TYPES = {
    statistics_pb2.FeatureNameStatistics.INT: schema_pb2.INT,
    statistics_pb2.FeatureNameStatistics.FLOAT: schema_pb2.FLOAT,
    statistics_pb2.FeatureNameStatistics.STRING: schema_pb2.BYTES,
    statistics_pb2.FeatureNameStatistics.BYTES: schema_pb2.BYTES,
}
_NOT_TEXT = "__BYTES_VALUE__"  # what TFDV writes for a value that is not UTF-8
_SHOWN = 10


# Types


def type_proposal(feature: Any, filled: list[Found]) -> Proposal | None:
    """Propose another type if the column's does not hold what is found. `filled`: the splits with a value."""
    types = [_TYPES[split.column.type] for split in filled if split.column.type in _TYPES]
    # Text holds everything, and fractions hold whole numbers.
    found = next((kind for kind in (schema_pb2.BYTES, schema_pb2.FLOAT, schema_pb2.INT) if kind in types), None)
    if found is None or feature.type == found:
        return None
    rules = feature.WhichOneof("domain_info")
    dropped = f"; {rules} no longer applies and goes" if rules else ""
    was = type_name(feature.type) if feature.type else "no type"
    return Proposal(
        "type",
        feature.name,
        f"change the type from {was} to {type_name(found)}{dropped}",
        tuple(split.glimpse() for split in filled),
        partial(_retype, name=feature.name, to=found),
    )


def _retype(schema: Schema, name: str, to: int) -> None:
    feature = feature_of(schema, name)
    if feature.type != to:
        feature.type = to
        if rules := feature.WhichOneof("domain_info"):
            feature.ClearField(rules)


# Domains


def value_proposals(curated: Schema, feature: Any, domain: Any, filled: list[Found]) -> Iterator[Proposal]:
    """Propose a wider domain, or none, if `domain` (see `domain_of`) does not hold what is found."""
    if isinstance(domain, schema_pb2.StringDomain):
        least = (
            feature.distribution_constraints.min_domain_mass if feature.HasField("distribution_constraints") else 1.0
        )
        yield from _strings(curated, feature, domain, filled, least)
    elif feature.type in (schema_pb2.INT, schema_pb2.FLOAT):
        yield from _range(feature, domain, filled)


def _strings(curated: Schema, feature: Any, domain: Any, filled: list[Found], least: float) -> Iterator[Proposal]:
    allowed = set(map(in_statistics, domain.value))
    counts: dict[str, int] = {}
    evidence, all_listed = [], True
    for split in filled:
        buckets = split.column.string_stats.rank_histogram.buckets
        unlisted = [bucket for bucket in buckets if bucket.label not in allowed]
        # Of long texts and those that are not UTF-8 statistics do not tell what to list.
        new = {b.label: int(b.sample_count) for b in unlisted if b.label != _NOT_TEXT and not is_shortened(b.label)}
        values = sum(b.sample_count for b in buckets) or 1
        if sum(new.values()) / values <= 1 - least + 1e-9:
            continue
        column = Column(split.column)
        all_listed &= column.lists_all_values
        bound = "" if column.lists_all_values else "at least " if column.counts_values else "about "
        for value, count in new.items():
            counts[value] = counts.get(value, 0) + count
        examples = [f"{shorten(value)} {count:,}" for value, count in _commonest(new)[:_SHOWN]]
        more = "" if column.lists_all_values else "more than "
        found = "with a new value" if len(new) == 1 and not more else f"with {more}{len(new):,} new values"
        evidence.append(split.evidence(found, sum(new.values()), [*examples, *_more(len(new))], bound))
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
        partial(widen, name=feature.name, values=tuple(sorted(counts))),
    )


def _commonest(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _more(count: int) -> list[str]:
    return [f"{count - _SHOWN:,} more"] if count > _SHOWN else []


def _open(schema: Schema, name: str) -> None:
    """Take the domain away; it stays if another column uses it."""
    feature = feature_of(schema, name)
    shared = feature.domain
    if rules := feature.WhichOneof("domain_info"):
        feature.ClearField(rules)
    feature.ClearField("distribution_constraints")
    if shared and not any(other.domain == shared for other in schema.feature):
        kept = [domain for domain in schema.string_domain if domain.name != shared]
        del schema.string_domain[:]
        schema.string_domain.extend(kept)


def _range(feature: Any, domain: Any, filled: list[Found]) -> Iterator[Proposal]:
    low, high = _bounds(domain)
    evidence, found_low, found_high = [], low, high
    for split in filled:
        stats = split.column.num_stats
        words = []
        if math.isfinite(stats.min) and stats.min < low:
            found_low = min(found_low, stats.min)
            words.append(f"down to {bound_text(stats.min)}")
        if math.isfinite(stats.max) and stats.max > high:
            found_high = max(found_high, stats.max)
            words.append(f"up to {bound_text(stats.max)}")
        if words:
            evidence.append(split.evidence(", ".join(words)))
    if not evidence:
        return
    retyped = ", as numbers instead of a boolean" if isinstance(domain, schema_pb2.BoolDomain) else ""
    yield Proposal(
        "range",
        feature.name,
        f"allow {interval_text(found_low, found_high)} instead of {interval_text(low, high)}{retyped}",
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
    feature = feature_of(schema, name)
    domain = domain_of(schema, feature)
    if isinstance(domain, schema_pb2.BoolDomain):
        domain = feature.int_domain if feature.type == schema_pb2.INT else feature.float_domain
        domain.min, domain.max = (0, 1)
    number = int if isinstance(domain, schema_pb2.IntDomain) else float
    if low < _bounds(domain)[0]:
        domain.min = number(low)
    if high > _bounds(domain)[1]:
        domain.max = number(high)
