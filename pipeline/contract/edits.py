"""Edits of a curated schema by hand, one decision each; what the data ask for is in pipeline.contract.proposals.

All change the schema in place. Nothing is written before the schema is approved (pipeline.contract.review).
"""

from __future__ import annotations

from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.config.number_text import bound_text
from pipeline.contract.proposal import domain_of, widen
from pipeline.data.columns import nearest
from pipeline.errors import ConfigError


def copy_of(schema: schema_pb2.Schema) -> schema_pb2.Schema:
    """Read a schema to edit."""
    copy = schema_pb2.Schema()
    copy.CopyFrom(schema)
    return copy


def allow_values(schema: schema_pb2.Schema, feature: str, *values: str) -> None:
    """Widen the domain of a text column; in alphabetical order if the domain is, else at its end.

    Raises:
        ConfigError: there is no such column, or it has no list of values.
    """
    found = _feature(schema, feature)
    domain = domain_of(schema, found)
    if not isinstance(domain, schema_pb2.StringDomain):
        raise ConfigError(
            f"the schema lists no values of {feature!r}", "nothing needs to be allowed: any text may stand"
        )
    widen(schema, feature, values)


def set_range(
    schema: schema_pb2.Schema, feature: str, *, at_least: float | None = None, at_most: float | None = None
) -> None:
    """Set the bounds of a number; a bound that is not given stays.

    Raises:
        ConfigError: there is no such column, it is no number, or the bounds are the wrong way round.
    """
    found = _feature(schema, feature)
    if found.type not in (schema_pb2.INT, schema_pb2.FLOAT) or found.HasField("bool_domain"):
        raise ConfigError(f"{feature!r} is no number", "a range is for numbers; allow_values is for text")
    is_int = found.type == schema_pb2.INT
    domain = found.int_domain if is_int else found.float_domain
    if at_least is not None:
        domain.min = int(at_least) if is_int else at_least
    if at_most is not None:
        domain.max = int(at_most) if is_int else at_most
    if domain.HasField("min") and domain.HasField("max") and domain.min > domain.max:
        raise ConfigError(
            f"{feature!r}: at least {bound_text(domain.min)} and at most {bound_text(domain.max)}",
            "exchange the bounds",
        )


def set_presence(schema: schema_pb2.Schema, feature: str, at_least: float) -> None:
    """Set the least share of rows with a value, 0 to 1.

    Raises:
        ConfigError: there is no such column, or it is no share.
    """
    if not 0 <= at_least <= 1:
        raise ConfigError(f"presence of {feature!r}: {bound_text(at_least)} is no share", "give a number from 0 to 1")
    _feature(schema, feature).presence.min_fraction = at_least


def set_valency(schema: schema_pb2.Schema, feature: str, at_least: int, at_most: int) -> None:
    """Set how many values a cell that is not empty may hold.

    Raises:
        ConfigError: there is no such column, or the numbers are the wrong way round.
    """
    if not 0 <= at_least <= at_most:
        raise ConfigError(f"valency of {feature!r}: {at_least} to {at_most} values", "give 0 or more, the least first")
    found = _feature(schema, feature)
    found.value_count.min, found.value_count.max = at_least, at_most


def set_drift_threshold(schema: schema_pb2.Schema, feature: str, threshold: float) -> None:
    """Set how far a span may be from the one before: L-infinity for text, Jensen-Shannon for numbers. Wins over the
    policy.

    Raises:
        ConfigError: there is no such column, or it is no distance.
    """
    if not 0 <= threshold <= 1:
        raise ConfigError(f"drift of {feature!r}: {bound_text(threshold)} is no distance", "give a number from 0 to 1")
    found = _feature(schema, feature)
    measure = "infinity_norm" if found.type == schema_pb2.BYTES else "jensen_shannon_divergence"
    found.drift_comparator.Clear()
    getattr(found.drift_comparator, measure).threshold = threshold


def _feature(schema: schema_pb2.Schema, name: str) -> Any:
    known = {feature.name: feature for feature in schema.feature}
    if name not in known:
        raise ConfigError(f"the schema has no column {name!r}", nearest(name, list(known)))
    return known[name]
