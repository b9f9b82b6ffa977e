"""All that the guard knows, put together: evidence in, verdict out.

The gate of a run, `longhaul validate` and the notebook call `judge`, and then `with_rows` (pipeline.guard.rows) for
the offending rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from pipeline.data.statistics_files import Statistics
from pipeline.guard.anomalies import findings_of
from pipeline.guard.checks import TRAIN_SPLIT, column_checks, span_checks, volume_checks
from pipeline.guard.column_statistics import row_count
from pipeline.guard.derived_features import DerivedFeatures
from pipeline.guard.drift import drift, drift_from, skew
from pipeline.guard.findings import DataVerdict, Distances, Finding
from pipeline.guard.own_checks import Rows, own_findings
from pipeline.guard.policy import Policy, Severity
from pipeline.guard.row_checks import row_checks
from pipeline.guard.validation import SERVING, TRAINING, known_environment, validate
from trainer.features import is_retired


@dataclass(frozen=True)
class Evidence:
    """What is known of the data; whatever is empty is not looked at.

    Attributes:
        label, task: as in the configuration; None if the label is not expected to be there.
        splits: statistics by split.
        anomalies: TFDV's, by split; found here for splits that lack them.
        spans: statistics by span.
        spans_read: spans whose files were read.
        rows_before: the rows of spans that are not in `spans`, where only the newest ones are.
        previous: what the training split is held against, by a name for it, if the table has no spans.
        time_column: of a time split.
        serving: statistics of a table of serving requests.
        excluded: columns that the model does not read (`features.exclude`): nothing asks for them in serving requests.
        rows: gives (split, rows in their stored types) from the start each time it is called.
        own_checks: functions of the user's as plain data, see trainer.user_code.
        derived: what is known of derived features.
    """

    label: str | None
    task: str
    splits: Mapping[str, Statistics]
    anomalies: Mapping[str, anomalies_pb2.Anomalies] = field(default_factory=dict)
    spans: Mapping[int, Statistics] = field(default_factory=dict)
    spans_read: Collection[int] = ()
    rows_before: Mapping[int, int] = field(default_factory=dict)
    previous: tuple[str, Statistics] | None = None
    time_column: str | None = None
    serving: Statistics | None = None
    excluded: Collection[str] = ()
    rows: Rows | None = None
    own_checks: Sequence[Mapping[str, str]] = ()
    derived: DerivedFeatures | None = None


def judge(evidence: Evidence, schema: schema_pb2.Schema, policy: Policy) -> DataVerdict:
    """Return everything that the policy does not ignore, what blocks first; checks of the user's weigh it themselves.

    Raises:
        CodeError: a check of the user's failed.
    """
    found: list[Finding] = []
    for split, statistics in evidence.splits.items():
        environment = known_environment(schema, TRAINING)
        anomalies = evidence.anomalies.get(split) or validate(statistics, schema, environment=environment)
        found += _merged(
            findings_of(anomalies, statistics, schema, split), column_checks(statistics, split, evidence.label)
        )
    found += span_checks(evidence.spans, evidence.spans_read, evidence.time_column)
    rows = {**evidence.rows_before, **{span: row_count(one) for span, one in evidence.spans.items()}}
    found += volume_checks(rows, policy.volume)
    hidden = {*evidence.excluded, *(feature.name for feature in schema.feature if is_retired(feature))}
    in_parts = evidence.derived.in_parts if evidence.derived else ()
    compared = _compared(schema, evidence.time_column, *hidden, *in_parts)
    if evidence.previous:
        changes, drifted = drift_from(*evidence.previous, evidence.splits[TRAIN_SPLIT], compared, policy)
    else:
        changes, drifted = drift(evidence.spans, compared, policy)
    found += changes
    skewed: dict[str, Distances] = {}
    if evidence.serving is not None:
        found += _of_serving(evidence.serving, schema, evidence.label, evidence.excluded)
        if TRAIN_SPLIT in evidence.splits:
            features = _compared(schema, evidence.label, evidence.time_column, *hidden, *in_parts)
            changes, skewed = skew(evidence.splits[TRAIN_SPLIT], evidence.serving, features, policy)
            found += changes
    if evidence.derived:
        changes, more_drifted, more_skewed = evidence.derived.changes(policy)
        found += changes
        drifted |= more_drifted
        skewed |= more_skewed
    if evidence.rows:
        checks = row_checks(policy, evidence.label, evidence.task, hidden) if evidence.label else []
        offences = _Offences(found, evidence.splits)
        for split, batch in evidence.rows():
            offences.add(split, batch)
            for check in checks:
                check.add(split, batch)
        found = [*offences.counted(), *(finding for check in checks for finding in check.findings())]
    of_user = [one for code in evidence.own_checks for one in own_findings(code, evidence.splits, evidence.rows)]
    return DataVerdict(_in_order([*_weighed(found, policy), *of_user]), drifted, skewed)


class _Offences:
    """Counts the rows that break a rule, where statistics can only guess how many they are."""

    def __init__(self, findings: Sequence[Finding], splits: Collection[str]) -> None:
        self._findings = findings
        self._counts = {
            place: [0, 0]
            for place, finding in enumerate(findings)
            if finding.offends and finding.count is None and finding.split in splits
        }

    def add(self, split: str, batch: pa.RecordBatch) -> None:
        """Take in rows of a split."""
        for place, counts in self._counts.items():
            finding = self._findings[place]
            if finding.split == split and finding.offends:
                counts[0] += pc.sum(finding.offends(batch)).as_py() or 0
                counts[1] += batch.num_rows

    def counted(self) -> list[Finding]:
        """Return all findings, in their order."""
        counts = {place: (bad, of) for place, (bad, of) in self._counts.items() if of}
        return [
            finding.counted(*counts[place]) if place in counts else finding
            for place, finding in enumerate(self._findings)
        ]


def _weighed(found: Iterable[Finding], policy: Policy) -> list[Finding]:
    return [replace(finding, severity=policy.severity_of(finding.kind, finding.feature)) for finding in found]


def _in_order(found: Iterable[Finding]) -> tuple[Finding, ...]:
    order = [Severity.BLOCK, Severity.WARN]
    return tuple(
        sorted(
            (finding for finding in found if finding.severity is not Severity.IGNORE),
            key=lambda finding: order.index(finding.severity),
        )
    )


def _merged(of_schema: list[Finding], of_checks: list[Finding]) -> list[Finding]:
    """Leave out what is said already: a column that breaks the schema by having no value, or by being infinite, is
    not told of twice."""
    broken = {finding.feature for finding in of_schema if finding.kind != "schema_new_column"}
    unbounded = {finding.feature for finding in of_schema if finding.kind.startswith("float_type_")}
    told = {"all_missing": broken, "not_finite": unbounded}
    return [*of_schema, *(finding for finding in of_checks if finding.feature not in told.get(finding.kind, ()))]


def _of_serving(
    serving: Statistics, schema: schema_pb2.Schema, label: str | None, excluded: Collection[str]
) -> list[Finding]:
    environment = known_environment(schema, SERVING)
    anomalies = validate(serving, schema, environment=environment)
    found = _merged(findings_of(anomalies, serving, schema, "serving"), column_checks(serving, "serving", label))
    if environment is None:  # the schema does not say that serving lacks the label, but it does
        found = [f for f in found if not (f.feature == label and f.kind == "schema_missing_column")]
    return [finding for finding in found if finding.feature not in excluded]


def _compared(schema: schema_pb2.Schema, *names: str | None) -> schema_pb2.Schema:
    """Return the schema without the features `names`, and without times, which never stay where they were."""
    result = schema_pb2.Schema()
    result.CopyFrom(schema)
    del result.feature[:]
    kept = (f for f in schema.feature if f.name not in names and not f.HasField("time_domain"))
    result.feature.extend(kept)
    return result
