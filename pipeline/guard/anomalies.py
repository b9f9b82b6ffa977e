"""TFDV's anomalies as findings: what the schema expects, what the statistics found, in how many rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from pipeline.config.number_text import bound_text, count_text
from pipeline.data.convert import shorten
from pipeline.data.long_texts import in_statistics
from pipeline.data.statistics_files import Statistics
from pipeline.guard.column_statistics import Column, columns, row_count
from pipeline.guard.findings import Finding, percent

if TYPE_CHECKING:
    from pipeline.guard.findings import Offends

_ABSENCE = {"feature_type_low_fraction_present", "feature_type_low_number_present", "feature_type_not_present"}
_VALUES = {"enum_type_unexpected_string_values", "bool_type_unexpected_string"}
_TOO_BIG = {"int_type_big_int", "float_type_big_float", "bool_type_big_int"}
_TOO_SMALL = {"int_type_small_int", "float_type_small_float", "bool_type_small_int"}
_INFINITY = "float_type_has_inf"
_TYPES = {
    *("unexpected_data_type", "int_type_int_expected", "int_type_string_expected", "int_type_not_string"),
    *("float_type_not_float", "float_type_non_string", "string_type_now_int", "string_type_now_float"),
    *("bool_type_bytes_not_int", "bool_type_float_not_int", "bool_type_string_not_int"),
    *("enum_type_bytes_not_string", "enum_type_float_not_string", "enum_type_int_not_string"),
}
_OF_A_COMPARATOR = "comparator_"
_LISTED = 10


def findings_of(
    anomalies: anomalies_pb2.Anomalies, statistics: Statistics, schema: schema_pb2.Schema, split: str
) -> list[Finding]:
    """Return one finding for each reason of each anomaly, but for what comparators say (pipeline.guard.drift).

    Args:
        statistics: those that were validated.
        split: goes into the findings.
    """
    found = columns(statistics)
    features = {feature.name: feature for feature in schema.feature}
    results = []
    if anomalies.data_missing:
        results.append(Finding("no_data_in_span", None, split, "schema: rows", "rows", "none"))
    if anomalies.HasField("dataset_anomaly_info"):
        for kind, text in _reasons(anomalies.dataset_anomaly_info):
            expected = "as many rows as dataset_constraints says"
            results.append(Finding(kind, None, split, "schema: dataset_constraints", expected, text.rstrip(".")))
    for name, info in sorted(anomalies.anomaly_info.items()):
        name = info.path.step[0] if info.path.step else name
        for kind, text in _reasons(info):
            if not kind.startswith(_OF_A_COMPARATOR):
                column, feature = found.get(name), features.get(name)
                results.append(_finding(kind, name, split, column, feature, schema, text, row_count(statistics)))
    return results


def _reasons(info: Any) -> list[tuple[str, str]]:
    """Return (kind, TFDV's sentence), each kind once."""
    kinds = {anomalies_pb2.AnomalyInfo.Type.Name(reason.type).lower(): reason.description for reason in info.reason}
    return list(kinds.items()) or [("unknown_type", info.description)]


def _finding(
    kind: str,
    name: str,
    split: str,
    column: Column | None,
    feature: schema_pb2.Feature | None,
    schema: schema_pb2.Schema,
    text: str,
    rows: int,
) -> Finding:
    def say(
        rule: str, expected: str, found: str, share: float | None = None, offends: Offends | None = None
    ) -> Finding:
        return Finding(kind, name, split, f"schema: {rule}", expected, found, share, offends=offends)

    text = text.rstrip(".")
    if feature is None:
        return say("columns", "no column of this name", f"a column of {type_text(column.type)}" if column else text)
    asked = type_text(schema_pb2.FeatureType.Name(feature.type))
    if column is None:
        return say("columns", f"a column of {asked}", "no such column")
    if kind in _ABSENCE:
        fraction, count = feature.presence.min_fraction, feature.presence.min_count
        expected = f"a value in {'every row' if fraction == 1 else f'at least {percent(fraction)} of the rows'}"
        if not fraction:
            expected = f"at least {count:,} {'value' if count == 1 else 'values'}"
        found = "rows without one" if column.present else "none"
        # Where all are missing, no row says more than another.
        offends = _is_missing(name) if column.present else None
        return say("presence", expected, found, offends=offends).counted(rows - column.present, rows)
    if kind in _VALUES:
        allowed = _string_domain(feature, schema)
        named = set(map(in_statistics, allowed))
        unknown = {value: int(n) for value, n in column.values.items() if value not in named}
        about = "" if column.counts_values else "about "
        found = listed([f"{shorten(value)} in {about}{count_text(n, 'row')}" for value, n in unknown.items()])
        share = sum(unknown.values()) / rows if unknown else None
        offends = _is_not_among(name, allowed)
        finding = say("domain", f"one of {listed(list(map(shorten, allowed)))}", found or text, share, offends)
        return finding.counted(sum(unknown.values()), rows) if column.lists_all_values and unknown else finding
    if kind in _TOO_BIG | _TOO_SMALL and column.is_number:
        return say("domain", *_beyond(kind, name, column, feature))
    if kind == _INFINITY:
        return say("domain", "finite numbers", "infinity", None, is_infinite(name))
    if kind in _TYPES:
        return say("type", asked, type_text(column.type))
    return say("feature", "what the schema says of it", text or "something else")


def _beyond(
    kind: str, name: str, column: Column, feature: schema_pb2.Feature
) -> tuple[str, str, float | None, Offends]:
    """Return what is expected of numbers, what was found, the share of rows beyond, and which rows those are."""
    low, high = _bounds(feature)
    if kind in _TOO_BIG:
        found = f"values up to {bound_text(column.high)}"
        return f"at most {bound_text(high)}", found, column.share_above(high), _is_above(name, high)
    found = f"values down to {bound_text(column.low)}"
    return f"at least {bound_text(low)}", found, column.share_below(low), _is_below(name, low)


def type_text(name: str) -> str:
    """Return a type of a schema or of statistics in words: INT is 'whole numbers'."""
    return {"INT": "whole numbers", "FLOAT": "numbers with fractions", "BYTES": "text"}.get(name, "another type")


def listed(parts: Sequence[str], at_most: int = _LISTED) -> str:
    """List them, comma separated, and how many more there are."""
    more = f" and {len(parts) - at_most:,} more" if len(parts) > at_most else ""
    return ", ".join(parts[:at_most]) + more


def _string_domain(feature: schema_pb2.Feature, schema: schema_pb2.Schema) -> list[str]:
    if feature.HasField("string_domain"):
        return list(feature.string_domain.value)
    return next((list(domain.value) for domain in schema.string_domain if domain.name == feature.domain), [])


def _bounds(feature: schema_pb2.Feature) -> tuple[float, float]:
    """Return the least and the greatest value that the feature's domain allows."""
    if feature.HasField("bool_domain"):
        return 0.0, 1.0
    inline = feature.WhichOneof("domain_info")  # TFDV takes no named domain of numbers
    domain = getattr(feature, inline) if inline in ("int_domain", "float_domain") else None
    low = domain.min if domain is not None and domain.HasField("min") else float("-inf")
    high = domain.max if domain is not None and domain.HasField("max") else float("inf")
    return float(low), float(high)


def _is_missing(name: str) -> Offends:
    return lambda batch: batch.column(name).is_null()


def _is_not_among(name: str, allowed: Sequence[str]) -> Offends:
    known = pa.array(allowed, pa.string())
    return lambda batch: pc.and_(
        batch.column(name).is_valid(), pc.invert(pc.is_in(batch.column(name).cast(pa.string()), value_set=known))
    )


def _is_above(name: str, bound: float) -> Offends:
    return lambda batch: pc.fill_null(pc.greater(batch.column(name).cast(pa.float64(), safe=False), bound), False)


def _is_below(name: str, bound: float) -> Offends:
    return lambda batch: pc.fill_null(pc.less(batch.column(name).cast(pa.float64(), safe=False), bound), False)


def is_infinite(name: str) -> Offends:
    """Return whether there is no value; NaN counts as missing from ingestion on."""
    return lambda batch: pc.fill_null(pc.is_inf(batch.column(name)), False)
