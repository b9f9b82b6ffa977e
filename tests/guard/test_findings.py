"""Findings and verdicts: in words, and as JSON both ways."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pipeline.config.yaml_file import parse_yaml
from pipeline.guard.findings import DataVerdict, Distances, Finding, percent
from pipeline.guard.places import FileRows
from pipeline.guard.policy import Severity

BAD = Finding(
    kind="enum_type_unexpected_string_values",
    feature="origin",
    split="train",
    rule="schema: domain",
    expected="one of 'EWR', 'JFK'",
    found="'XXX'",
    share=0.003,
    rows=(FileRows("/data/span-1.csv", 3, 1000, ((7, 8), (1017, 1017)), ("'XXX'",)),),
    count=3,
    of=1000,
    files=2,
)
ODD = Finding("empty_span", None, "span 4", "check: empty_span", "rows with a label", "none", severity=Severity.WARN)


def test_a_finding_in_one_sentence() -> None:
    assert BAD.sentence() == (
        "origin, train: values that the schema does not list: expected one of 'EWR', 'JFK', found 'XXX' "
        "(3 of 1,000 rows, 0.3%, rule: domain in the schema)"
    )
    assert BAD.places() == ["data/span-1.csv: 3 of 1,000 rows, rows 7 to 8, 1,017 ('XXX')", "and 1 more file"]
    assert ODD.sentence() == "span 4: no rows in the span: expected rows with a label, found none"


def test_a_share_that_was_not_counted_is_about() -> None:
    guess = Finding("duplicate_rows", None, None, "policy: duplicate_rows", "few", "many", 1.0)
    assert guess.sentence() == (
        "the table: repeated rows: expected few, found many (about 100.0% of the rows, "
        "rule: duplicate_rows in the policy)"
    )
    assert "(1 of 1 row, 100.0%, " in guess.counted(1, 1).sentence()


def test_a_leak_names_the_remedy() -> None:
    leak = Finding("label_leak", "shelf", "train", "policy: label_leak", "none", "one")
    assert "`features.exclude: [shelf]`" in leak.remedy
    assert "`data.drop: [shelf]`" in leak.remedy
    assert BAD.remedy == ""
    odd = replace(leak, feature="line\nbreak")
    assert odd.sentence().startswith("'line\\nbreak', train: ")
    assert "if 'line\\nbreak' is" in odd.remedy
    odd_names = [
        "null",
        "True",
        "it's",
        "a, b",
        "#",
        "[x]",
        " x",
        "0",
        "1e5",
        "größe",
        "a: b",
        "line\nbreak",
        "\x07\x85\ufeff",
    ]
    for name in odd_names:
        told = replace(leak, feature=name).remedy
        entries = told.partition("`features.exclude: ")[2].partition("` keeps")[0]
        assert parse_yaml(entries) == [name]


def test_records_of_earlier_versions_are_read() -> None:
    verdict = json.loads(json.dumps(DataVerdict((BAD,)).to_json()))
    (plain,) = verdict["findings"]
    assert not {"offends", "finds_some"}.intersection(plain)
    for name in ("count", "of", "files"):
        del plain[name]
    plain["rows"] = [
        {"file": "/data/span-1.csv", "row": 1017, "value": "'XXX'"},
        {"file": "a.csv", "row": 2, "value": ""},
    ]
    (old,) = DataVerdict.from_json(verdict).findings
    assert "(about 0.3% of the rows" in old.sentence()
    assert old.places() == ["data/span-1.csv: row 1,017 ('XXX')", "a.csv: row 2"]


def test_a_verdict_goes_through_json_unchanged() -> None:
    verdict = DataVerdict((BAD, ODD), {"origin": Distances("l_infinity", 0.1, {"2": 0.25})}, {}, ("a note",))
    plain = json.loads(json.dumps(verdict.to_json()))
    assert DataVerdict.from_json(plain) == verdict
    assert (plain["blocked"], verdict.blocking, verdict.warnings) == (True, (BAD,), (ODD,))
    assert not DataVerdict((ODD,)).blocked
    assert DataVerdict.from_json(DataVerdict().to_json()) == DataVerdict()


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0.0%"), (1, "100.0%"), (0.0001, "under 0.1%"), (0.9999, "over 99.9%"), (0.0305, "3.0%"), (0.5, "50.0%")],
)
def test_something_is_never_nothing(share: float, text: str) -> None:
    assert percent(share) == text
