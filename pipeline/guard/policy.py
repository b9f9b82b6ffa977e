"""The policy: what the gate does about what it finds. A YAML file beside the schema, written by people.

severity: {schema_new_column: block}           # by kind of finding
drift: {jensen_shannon: 0.05}                  # how far a span may be from the one before
features:
  month: {severity: ignore}                    # by feature; wins over the general rules
  temp_f: {drift: {jensen_shannon: 0.5}}
"""

from __future__ import annotations

import difflib
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator
from tensorflow_metadata.proto.v0 import anomalies_pb2


class Severity(StrEnum):
    """What a finding does to the run."""

    BLOCK = "block"
    WARN = "warn"
    IGNORE = "ignore"


DEFAULTS: dict[str, Severity] = {
    # TFDV's: whatever breaks the schema blocks, but for what is no breach or what is a matter of degree.
    "schema_new_column": Severity.WARN,
    "comparator_l_infty_high": Severity.WARN,
    "comparator_jensen_shannon_divergence_high": Severity.WARN,
    "comparator_normalized_absolute_difference_high": Severity.WARN,
    "comparator_low_num_examples": Severity.WARN,
    "comparator_high_num_examples": Severity.WARN,
    "semantic_domain_update": Severity.WARN,
    # Our own.
    "not_finite": Severity.BLOCK,
    "label_leak": Severity.BLOCK,
    "empty_span": Severity.BLOCK,
    "span_out_of_order": Severity.BLOCK,
    "short_span": Severity.BLOCK,
    "long_span": Severity.WARN,
    "near_label_leak": Severity.WARN,
    "all_missing": Severity.WARN,  # where the schema asks for a value, that is a breach, and blocks
    "duplicate_rows": Severity.WARN,
    "label_noise": Severity.WARN,
    "constant_column": Severity.WARN,
    "missing_rate_change": Severity.WARN,
    "new_values": Severity.WARN,
    "vanished_values": Severity.WARN,
}
"""Kinds that are not named here block."""

KINDS = frozenset(DEFAULTS) | {name.lower() for name in anomalies_pb2.AnomalyInfo.Type.keys()}  # noqa: SIM118
ANY = "any"
"""Stands for every kind."""

Kinds = dict[str, Severity]
Share = Annotated[float, Field(ge=0, le=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("severity", mode="before", check_fields=False)
    @classmethod
    def _one_for_all(cls, value: Any) -> Any:
        """Read `severity: ignore` as `severity: {any: ignore}`."""
        return {ANY: value} if isinstance(value, str) else value

    @field_validator("severity", check_fields=False)
    @classmethod
    def _known_kinds(cls, value: Kinds) -> Kinds:
        for kind in value:
            if kind not in KINDS and kind != ANY:
                near = difflib.get_close_matches(kind, KINDS, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise ValueError(f"{kind!r} is no kind of finding{hint}")
        return value


class Change(_Section):
    """How far one table may be from another. A comparator in the schema wins over the first two."""

    l_infinity: Share = 0.1
    """Categories: the greatest change of one value's share of the rows."""
    jensen_shannon: Share = 0.1
    """Numbers: the Jensen-Shannon divergence."""
    missing_rate: Share = 0.1
    """The change of the share of rows without a value."""
    new_values: Share = 0.05
    """The share of rows whose value is new, or was there and is gone; for categories that the schema does not list."""


class Volume(_Section):
    """How many rows the newest span may have, beside the median of the spans before (three at least; of daily spans of
    those on the same weekday, where there are three)."""

    least: Annotated[float, Field(ge=0, le=1)] = 0.5
    """As a share of the usual: fewer are `short_span`."""
    most: Annotated[float, Field(ge=1)] = 3.0
    """As a multiple of the usual: more are `long_span`."""


class FeatureChange(_Section):
    """`Change` for one feature: what is absent is as for all."""

    l_infinity: Share | None = None
    jensen_shannon: Share | None = None
    missing_rate: Share | None = None
    new_values: Share | None = None


class FeaturePolicy(_Section):
    """What is different for one feature."""

    severity: Kinds = {}
    """By kind of finding, or one severity for all kinds."""
    drift: FeatureChange = FeatureChange()
    """From span to span."""
    skew: FeatureChange = FeatureChange()
    """From training to serving."""


class Policy(_Section):
    """The whole policy; every field has a default that makes sense."""

    severity: Kinds = {}
    """By kind of finding; `any` stands for all kinds."""
    features: dict[str, FeaturePolicy] = {}
    """What is different for single features."""
    drift: Change = Change()
    """The newest span against the one before."""
    skew: Change = Change()
    """The training split against `data.serving`."""
    volume: Volume = Volume()
    """The rows of the newest span against those of the spans before."""
    duplicate_rows: Share = 0.05
    """The share of rows that repeat another row in every column."""
    label_leak: Share = 0.98
    """How far a feature may tell the label by recoding: 0 is not at all, 1 is always."""
    label_leak_hint: Share = 0.6
    """From here on a feature that tells much of the label, though not all, is warned of."""
    label_noise: Share = 0.1
    """The share of rows whose label nearly all of their nearest neighbours contradict."""
    label_noise_rows: Annotated[int, Field(ge=0, le=20_000)] = 5_000
    """Tables with more training rows are not searched for noise in the label."""
    rows: Annotated[int, Field(ge=0, le=1_000)] = 5
    """Offending rows that are shown for a finding."""

    def severity_of(self, kind: str, feature: str | None) -> Severity:
        """Return the severity; the most specific rule wins: of the feature, then of the kind, then the defaults."""
        mine = self.features[feature].severity if feature in self.features else {}
        for rules in (mine, self.severity):
            if kind in rules:
                return rules[kind]
            if ANY in rules:
                return rules[ANY]
        return DEFAULTS.get(kind, Severity.BLOCK)

    def change(self, feature: str, of: str) -> Change:
        """Return the bounds for one feature; `of` is 'drift' or 'skew'."""
        general: Change = getattr(self, of)
        if feature not in self.features:
            return general
        return general.model_copy(update=getattr(self.features[feature], of).model_dump(exclude_none=True))
