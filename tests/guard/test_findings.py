"""Findings and verdicts: in words, and as JSON both ways."""

from __future__ import annotations

import json

import pytest

from pipeline.guard.findings import Distances, Finding, OffendingRow, Verdict, percent
from pipeline.guard.policy import Severity

BAD = Finding(
    kind="enum_type_unexpected_string_values",
    feature="origin",
    split="train",
    rule="schema: domain",
    expected="one of 'EWR', 'JFK'",
    found="'XXX' in 3 rows",
    share=0.003,
    rows=(OffendingRow("/data/span-1.csv", 1017, "'XXX'"),),
)
ODD = Finding("empty_span", None, "span 4", "check: empty_span", "rows with a label", "none", severity=Severity.WARN)


def test_a_finding_in_one_sentence() -> None:
    assert BAD.sentence() == (
        "origin, train: schema: domain: expected one of 'EWR', 'JFK', found 'XXX' in 3 rows (0.3% of the rows)"
    )
    assert ODD.sentence() == "span 4: check: empty_span: expected rows with a label, found none"
    whole = Finding("duplicate_rows", None, None, "policy: duplicate_rows", "few", "many", 1.0)
    assert whole.sentence() == "the table: policy: duplicate_rows: expected few, found many (100.0% of the rows)"
    assert str(BAD.rows[0]) == "data/span-1.csv, row 1,017: 'XXX'"
    assert str(OffendingRow("a.csv", 2, "")) == "a.csv, row 2"


def test_a_verdict_goes_through_json_unchanged() -> None:
    verdict = Verdict((BAD, ODD), {"origin": Distances("l_infinity", 0.1, {"2": 0.25})}, {}, ("a note",))
    plain = json.loads(json.dumps(verdict.to_json()))
    assert Verdict.from_json(plain) == verdict
    assert (plain["blocked"], verdict.blocking, verdict.warnings) == (True, (BAD,), (ODD,))
    assert not Verdict((ODD,)).blocked
    assert Verdict.from_json(Verdict().to_json()) == Verdict()


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0.0%"), (1, "100.0%"), (0.0001, "under 0.1%"), (0.9999, "over 99.9%"), (0.0305, "3.0%"), (0.5, "50.0%")],
)
def test_something_is_never_nothing(share: float, text: str) -> None:
    assert percent(share) == text
