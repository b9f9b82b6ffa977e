"""How far one table is from another: a span from the one before (drift), serving from training (skew).

The distances are TFDV's own: the schema gets a comparator for every column, and TFDV reports what it measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from pipeline.config.spans import span_name
from pipeline.data.convert import shorten
from pipeline.data.statistics_files import Statistics
from pipeline.guard.anomalies import listed
from pipeline.guard.column_statistics import Column, columns
from pipeline.guard.findings import Distances, Finding, percent
from pipeline.guard.policy import Policy
from pipeline.guard.validation import validate

if TYPE_CHECKING:
    from pipeline.guard.findings import Offends

_MEASURES = {
    "L_INFTY": ("l_infinity", "comparator_l_infty_high"),
    "JENSEN_SHANNON_DIVERGENCE": ("jensen_shannon", "comparator_jensen_shannon_divergence_high"),
    "NORMALIZED_ABSOLUTE_DIFFERENCE": (
        "normalized_absolute_difference",
        "comparator_normalized_absolute_difference_high",
    ),
}


FEW_ROWS = 1000
"""From so many on in both tables chance moves no distance far enough to count."""


class _Chance(NamedTuple):
    """How far two tables of few rows are from each other though nothing changed, once in about a thousand times.

    Attributes:
        share: of one value.
        jensen_shannon: of ten bins.
    """

    share: float
    jensen_shannon: float

    def of(self, measure: str) -> float:
        """Return what a distance of this measure must pass besides its threshold."""
        return self.jensen_shannon if measure == "jensen_shannon" else self.share


def by_chance(rows: int, others: int, share: float = 0.5) -> _Chance:
    """Return nothing where both tables have many rows; `share` is that of a value in both."""
    if min(rows, others) >= FEW_ROWS or not rows or not others:
        return _Chance(0.0, 0.0)
    spread = 1 / rows + 1 / others
    # 3.3 standard deviations of a difference of shares, greatest at one half; and the 0.999 quantile of chi-square
    # with 9 degrees of freedom, which 8 ln 2 times the divergence, over the spread, comes near.
    return _Chance(3.3 * math.sqrt(spread * share * (1 - share)), 27.9 / (8 * math.log(2)) * spread)


class Measured(NamedTuple):
    """One distance as TFDV reports it."""

    measure: str
    kind: str
    value: float
    threshold: float


def drift(
    spans: Mapping[int, Statistics], schema: schema_pb2.Schema, policy: Policy
) -> tuple[list[Finding], dict[str, Distances]]:
    """Return findings about the newest span, and each feature's distances from span to span."""
    found: list[Finding] = []
    rows: dict[str, dict[str, Measured]] = {}
    ordered = sorted(spans)
    for before, now in pairwise(ordered):
        measured = _measure(spans[now], spans[before], schema, policy, "drift")
        for feature, distance in measured.items():
            rows.setdefault(feature, {})[str(now)] = distance
        if now == ordered[-1]:  # the others were judged when they were the newest
            found = _judge(
                spans[now], spans[before], measured, schema, policy, "drift", f"span {now}", f"span {span_name(before)}"
            )
    return found, _table(rows)


def drift_from(
    name: str, previous: Statistics, table: Statistics, schema: schema_pb2.Schema, policy: Policy
) -> tuple[list[Finding], dict[str, Distances]]:
    """Return findings about a table without spans, held against an earlier one that is called `name`."""
    measured = _measure(table, previous, schema, policy, "drift")
    found = _judge(table, previous, measured, schema, policy, "drift", "train", name)
    return found, _table({feature: {name: distance} for feature, distance in measured.items()})


def skew(
    training: Statistics, serving: Statistics, schema: schema_pb2.Schema, policy: Policy
) -> tuple[list[Finding], dict[str, Distances]]:
    """Return findings about the serving table, and each feature's distance from training."""
    measured = _measure(training, serving, schema, policy, "skew")
    found = _judge(serving, training, measured, schema, policy, "skew", "serving", "training")
    return found, _table({feature: {"serving": distance} for feature, distance in measured.items()})


def _table(rows: Mapping[str, Mapping[str, Measured]]) -> dict[str, Distances]:
    return {
        feature: Distances(
            next(iter(row.values())).measure,
            next(iter(row.values())).threshold,
            {where: distance.value for where, distance in row.items()},
        )
        for feature, row in rows.items()
    }


def _measure(
    current: Statistics, reference: Statistics, schema: schema_pb2.Schema, policy: Policy, of: str
) -> dict[str, Measured]:
    """Measure each feature of those that both tables have values of, by rows."""
    current, reference = _by_rows(current), _by_rows(reference)
    comparators = _with_comparators(current, reference, schema, policy, of)
    if of == "drift":
        anomalies = validate(current, comparators, previous_span=reference)
    else:
        anomalies = validate(current, comparators, serving=reference)
    result = {}
    for info in anomalies.drift_skew_info:
        for found in info.drift_measurements if of == "drift" else info.skew_measurements:
            name = anomalies_pb2.DriftSkewInfo.Measurement.Type.Name(found.type)
            result[info.path.step[0]] = Measured(*_MEASURES[name], found.value, found.threshold)
    return result


def _by_rows(statistics: Statistics) -> Statistics:
    """Return statistics that TFDV takes as unweighted. It measures by weight where the first table has weights: the
    other, of requests for instance, may have none, and all else that is compared here is of rows."""
    if not any(dataset.weighted_num_examples for dataset in statistics.datasets):
        return statistics
    plain = type(statistics)()
    plain.CopyFrom(statistics)
    for dataset in plain.datasets:
        dataset.ClearField("weighted_num_examples")
    return plain


def _with_comparators(
    current: Statistics, reference: Statistics, schema: schema_pb2.Schema, policy: Policy, of: str
) -> schema_pb2.Schema:
    """Return the features alone, without their other rules: each with its own comparator or that of the policy."""
    now, before = columns(current), columns(reference)
    result = schema_pb2.Schema()
    for feature in schema.feature:
        name = feature.name
        if not (name in now and name in before and now[name].present and before[name].present):
            continue
        bare = result.feature.add(name=name, type=feature.type)
        comparator = getattr(bare, f"{of}_comparator")
        if feature.HasField(f"{of}_comparator"):
            comparator.CopyFrom(getattr(feature, f"{of}_comparator"))
        elif now[name].is_text:
            comparator.infinity_norm.threshold = policy.change(name, of).l_infinity
        else:
            comparator.jensen_shannon_divergence.threshold = policy.change(name, of).jensen_shannon
    return result


def _judge(
    current: Statistics,
    reference: Statistics,
    measured: Mapping[str, Measured],
    schema: schema_pb2.Schema,
    policy: Policy,
    of: str,
    split: str,
    other: str,
) -> list[Finding]:
    """Return what passes a bound. `split` names the table that is judged, `other` the one that it is held against."""
    now, before = columns(current), columns(reference)
    findings = []
    for feature in schema.feature:
        name = feature.name
        if name not in now or name not in before:
            continue
        here, there = now[name], before[name]
        bounds = policy.change(name, of)
        of_schema = feature.HasField(f"{of}_comparator")
        chance = _Chance(0.0, 0.0) if of_schema else by_chance(here.present, there.present)
        if (distance := measured.get(name)) and distance.value > max(distance.threshold, chance.of(distance.measure)):
            rule = f"{'schema' if of_schema else 'policy'}: {of}.{distance.measure}"
            expected = f"a distance of at most {distance.threshold:.3g} from {other}"
            text = f"{distance.value:.3f}; {_what_moved(here, there)}"
            findings.append(Finding(distance.kind, name, split, rule, expected, text))
        moved = abs(here.missing_rate - there.missing_rate)
        absent = (here.missing + there.missing) / max(here.rows + there.rows, 1)
        if moved > max(bounds.missing_rate, by_chance(here.rows, there.rows, absent).share):
            text = f"{percent(here.missing_rate)} of the rows without a value, {percent(there.missing_rate)} in {other}"
            expected = f"a change of at most {percent(bounds.missing_rate)}"
            findings.append(Finding("missing_rate_change", name, split, f"policy: {of}.missing_rate", expected, text))
        has_domain = bool(feature.WhichOneof("domain_info"))  # then the schema says which values may be there
        names_rows = here.names_rows and there.names_rows  # new values are all that it ever has
        if not has_domain and not names_rows and here.lists_all_values and there.lists_all_values:
            findings += _values_come_and_gone(here, there, bounds.new_values, of, split, other)
    return findings


def _values_come_and_gone(here: Column, there: Column, bound: float, of: str, split: str, other: str) -> list[Finding]:
    rule = f"policy: {of}.new_values"
    expected = f"at most {percent(bound)} of the values not to be in both"
    findings = []
    for kind, mine, others, where in (
        ("new_values", here, there, f"not in {other}"),
        ("vanished_values", there, here, f"only in {other}"),
    ):
        alone = {value: rows for value, rows in mine.values.items() if value not in others.values}
        share = sum(alone.values()) / mine.present if mine.present else 0.0
        if share > bound and others.present:
            rows = f"{int(sum(alone.values())):,} of {mine.present:,} values, {percent(share)}"
            text = f"{listed([shorten(value) for value in alone])} {where}: {rows}"
            offends = _is_among(here.name, list(alone)) if kind == "new_values" else None
            findings.append(Finding(kind, here.name, split, rule, expected, text, offends=offends))
    return findings


def _what_moved(here: Column, there: Column) -> str:
    if here.is_text:
        value = max({**here.values, **there.values}, key=lambda one: abs(here.share_of(one) - there.share_of(one)))
        return f"the share of {shorten(value)} went from {there.share_text(value)} to {here.share_text(value)}"
    return f"the median went from about {there.median:,.6g} to about {here.median:,.6g}"


def _is_among(name: str, values: list[Any]) -> Offends:
    known = pa.array(values, pa.string())
    return lambda batch: pc.is_in(batch.column(name).cast(pa.string()), value_set=known)
