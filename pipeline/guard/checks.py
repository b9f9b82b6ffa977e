"""What TFDV does not look at, as far as statistics tell; pipeline.guard.row_checks looks at the rows themselves."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median

from pipeline.config.number_text import bound_text
from pipeline.config.spans import date_of, span_name
from pipeline.data.statistics_files import Statistics
from pipeline.guard.anomalies import is_infinite
from pipeline.guard.column_statistics import columns, row_count
from pipeline.guard.findings import Finding
from pipeline.guard.policy import Volume

TRAIN_SPLIT = "train"
_ENOUGH_SPANS = 3
"""So many spans tell how many rows are usual."""


def column_checks(statistics: Statistics, split: str, label: str | None) -> list[Finding]:
    """Return columns without a value, with infinity, or with one value only; the last of the training split alone,
    since others may be as short as a day."""
    findings = []
    for name, column in columns(statistics).items():
        if column.rows and not column.present:
            missing = Finding("all_missing", name, split, "check: all_missing", "a value in some row", "none")
            findings.append(missing.counted(column.rows, column.rows))
        if column.has_infinity:
            findings.append(
                Finding(
                    "not_finite",
                    name,
                    split,
                    "check: not_finite",
                    "finite numbers",
                    f"values from {bound_text(column.low)} to {bound_text(column.high)}",
                    offends=is_infinite(name),
                )
            )
        is_label = name == label  # ingestion looks at it (pipeline.data.labels)
        if split == TRAIN_SPLIT and column.is_constant and column.present > 1 and not is_label:
            value = repr(next(iter(column.values))) if column.is_text else bound_text(column.low)
            expected, found = "several values", f"{value} in every row that has one"
            findings.append(Finding("constant_column", name, split, "check: constant_column", expected, found))
    return findings


def span_checks(spans: Mapping[int, Statistics], read: Collection[int], time_column: str | None) -> list[Finding]:
    """Return spans without rows, and spans that are earlier than the one before.

    Args:
        spans: statistics by span; of an empty span there are none.
        read: the spans whose files ingestion read.
        time_column: Unix seconds; None where the table has no such column that matters.
    """
    findings = [
        Finding("empty_span", None, f"span {span}", "check: empty_span", "rows with a label", "none")
        for span in sorted(read)
        if span not in spans or not row_count(spans[span])
    ]
    if time_column is None:
        return findings
    medians = {
        span: found.median
        for span in sorted(spans)
        if (found := columns(spans[span]).get(time_column)) and found.is_number and found.present
    }
    for before, now in pairwise(medians):
        if medians[now] < medians[before]:
            findings.append(
                Finding(
                    "span_out_of_order",
                    time_column,
                    f"span {now}",
                    "check: span_out_of_order",
                    f"times after those of span {span_name(before)}, whose median is about {_date(medians[before])}",
                    f"a median of about {_date(medians[now])}",
                )
            )
    return findings


def volume_checks(rows: Mapping[int, int], volume: Volume) -> list[Finding]:
    """Return whether the newest span has far fewer or far more rows than those before; of daily spans than those on the
    same weekday, once there are enough of them.

    Args:
        rows: by span.
    """
    *before, newest = sorted(rows) or [0]
    day = date_of(newest)
    alike = [span for span in before if day and (other := date_of(span)) and other.weekday() == day.weekday()]
    daily = day is not None and len({found.day for span in rows if (found := date_of(span))}) > 1
    same_day = daily and len(alike) >= _ENOUGH_SPANS
    compared = alike if same_day else before
    if len(compared) < _ENOUGH_SPANS:
        return []
    usual = median(rows[span] for span in compared)
    for kind, is_so, rule in (
        ("short_span", rows[newest] < volume.least * usual, f"at least {volume.least:g} of the rows of a usual span"),
        ("long_span", rows[newest] > volume.most * usual, f"at most {volume.most:g} times the rows of a usual span"),
    ):
        if is_so:
            who = f"{len(compared)} spans before{' on the same weekday' if same_day else ''}"
            expected = f"{rule}, which is {usual:,.0f} by the {who}"
            return [Finding(kind, None, f"span {newest}", f"check: {kind}", expected, f"{rows[newest]:,} rows")]
    return []


def _date(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"
