"""What TFDV does not look at, from statistics."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.guard.checks import column_checks, span_checks, volume_checks
from pipeline.guard.policy import Volume
from tests.guard.conftest import batch


def test_columns_without_value_without_change_and_without_end(statistics: Callable[..., Any]) -> None:
    table: dict[str, list[Any]] = {
        "label": [1, 1, 1],
        "empty": [None, None, None],
        "same": ["x", None, "x"],
        "three": [3, 3, 3],
        "once": ["x", None, None],
        "endless": [1.0, float("-inf"), None],
        "fine": [1, 2, 2],
    }
    found = statistics(**table)
    findings = column_checks(found, "train", "label")
    assert [(f.kind, f.feature, f.found) for f in findings] == [
        ("all_missing", "empty", "none"),
        ("constant_column", "same", "'x' in every row that has one"),
        ("constant_column", "three", "3 in every row that has one"),
        ("not_finite", "endless", "values from -inf to 1"),
    ]
    assert findings[3].offends
    assert findings[3].offends(batch(**table)).to_pylist() == [False, True, False]
    # A short split may well have one value only.
    assert [f.kind for f in column_checks(found, "eval", "label")] == ["all_missing", "not_finite"]


def seconds(*days: int) -> list[int]:
    return [int(datetime(2013, 1, day, tzinfo=UTC).timestamp()) for day in days]


def test_spans_that_are_empty_or_earlier_than_the_one_before(statistics: Callable[..., Any]) -> None:
    spans = {1: statistics(when=seconds(1, 2, 3)), 2: statistics(when=seconds(3, 4, 5))}
    assert span_checks(spans, [1, 2], "when") == []
    spans[4] = statistics(when=seconds(1, 1, 5))
    empty, early = span_checks(spans, [1, 2, 3, 4], "when")
    assert (empty.kind, empty.split) == ("empty_span", "span 3")
    assert (early.kind, early.feature, early.split) == ("span_out_of_order", "when", "span 4")
    assert early.sentence() == (
        "when, span 4: earlier than the span before: expected times after those of span 2, whose median is "
        "about 2013-01-04 00:00, found a median of about 2013-01-01 00:00"
    )
    assert [f.kind for f in span_checks(spans, [1, 2, 4], None)] == []


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        ({1: 300, 2: 310, 3: 290, 4: 20}, "short_span"),
        ({1: 300, 2: 310, 3: 290, 4: 149}, "short_span"),
        ({1: 300, 2: 310, 3: 290, 4: 151}, None),
        ({1: 300, 2: 310, 3: 290, 4: 901}, "long_span"),
        ({1: 300, 2: 310, 3: 20}, None),  # two spans tell nothing
        ({1: 20, 2: 310, 3: 290, 4: 300}, None),  # only the newest is asked
        ({}, None),
        # Of daily spans a Sunday is held against Sundays: 2025-03-02, 09, 16 and 23 are some.
        ({20250302: 30, 20250303: 300, 20250309: 33, 20250310: 300, 20250316: 31, 20250317: 290, 20250323: 29}, None),
        ({20250302: 30, 20250303: 300, 20250309: 33, 20250310: 300, 20250316: 31, 20250323: 12}, "short_span"),
        # Months have no weekday.
        ({20250101: 300, 20250201: 310, 20250301: 290, 20250401: 100}, "short_span"),
    ],
)
def test_the_newest_span_has_about_as_many_rows_as_those_before(rows: dict[int, int], kind: str | None) -> None:
    found = volume_checks(rows, Volume())
    assert [finding.kind for finding in found] == ([kind] if kind else [])
    assert all(finding.split == f"span {max(rows)}" for finding in found)
    assert volume_checks(rows, Volume(least=0, most=1000)) == []
