"""Findings and verdicts: in words, and as JSON both ways."""

from __future__ import annotations

import json
import os
import random
import subprocess
from dataclasses import replace

import pytest

from pipeline.errors import as_argument
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
    assert replace(BAD, found="'XXX' in 3 rows").sentence() == BAD.sentence(), "how many rows is said once"
    assert "found 'XXX' in 2 rows (3 of" in replace(BAD, found="'XXX' in 2 rows").sentence()
    assert BAD.places() == ["data/span-1.csv: 3 of 1,000 rows, rows 7 to 8, 1,017 ('XXX')", "and 1 more file"]
    assert ODD.sentence() == "span 4: no rows in the span: expected rows with a label, found none"


@pytest.mark.parametrize(
    ("split", "place"),
    [("span 20240401", "span 2024-04-01"), ("span 3", "span 3"), ("eval", "eval"), (None, "the table")],
)
def test_a_span_is_called_as_people_call_it(split: str | None, place: str) -> None:
    finding = Finding("empty_span", None, split, "check: empty_span", "rows with a label", "none")
    assert finding.sentence().startswith(f"{place}: no rows in the span: ")


def test_a_share_that_was_not_counted_is_about() -> None:
    guess = Finding("duplicate_rows", None, None, "policy: duplicate_rows", "few", "many", 1.0)
    assert guess.sentence() == (
        "the table: repeated rows: expected few, found many (about 100.0% of the rows, "
        "rule: duplicate_rows in the policy)"
    )
    assert "(1 of 1 row, 100.0%, " in guess.counted(1, 1).sentence()


def test_a_leak_names_the_remedy() -> None:
    leak = Finding("label_leak", "shelf", "train", "policy: label_leak", "none", "one")
    assert "`longhaul drop --exclude shelf` keeps it from the model" in leak.remedy
    assert "`longhaul drop shelf` out of the table" in leak.remedy
    assert BAD.remedy == ""
    odd = replace(leak, feature="line\nbreak")
    assert odd.sentence().startswith("'line\\nbreak', train: ")
    assert "if 'line\\nbreak' is" in odd.remedy
    assert "\n" not in odd.remedy


def test_a_column_of_any_name_can_be_pasted_into_a_shell() -> None:
    source = random.Random(17)
    names = [
        "",
        "it's",
        "-x",
        "--config",
        " x ",
        "a\nb",
        "\r\n\t",
        "$HOME",
        "`id`",
        "!",
        "*",
        "\\",
        "\x07f",
        "\x85\ufeff",
        "\u202e\u05d0",
    ]
    for _ in range(300):
        names.append("".join(chr(source.choice([*range(1, 0xD800), 0x1F600])) for _ in range(source.randint(1, 6))))
    arguments = [as_argument(name).removeprefix("-- ") for name in names]
    assert not any("\n" in argument for argument in arguments)
    assert as_argument("-x") == "-- -x"
    command = "printf '%s\\0' " + " ".join(arguments)
    heard = subprocess.run(
        ["bash", "-c", command], capture_output=True, check=True, env=os.environ | {"LC_ALL": "C.UTF-8"}
    )
    assert heard.stdout.decode().split("\0")[:-1] == names


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


def test_a_stopped_run_keeps_every_reason_and_counts_what_is_too_many() -> None:
    assert DataVerdict((BAD, ODD, BAD)).reason().splitlines() == [BAD.sentence()] * 2
    lines = DataVerdict((BAD,) * 23).reason().splitlines()
    assert lines[19:] == [BAD.sentence(), "and 3 more, on the page of the run"]
    assert DataVerdict().reason() == "the data gate said no; its file is gone"


def test_what_is_kept_of_a_hidden_column_tells_no_value_and_what_rule_and_how_many() -> None:
    gone = replace(BAD, kind="feature_type_not_present", rule="schema: columns", expected="a column", found="none")
    far = replace(BAD, rule="schema: domain", expected="at most 5", found="values up to 271,828")
    verdict = DataVerdict((BAD, gone, far, replace(BAD, feature="carrier")))
    said, lost, beyond, other = verdict.reason({"origin"}).splitlines()
    assert said == (
        "origin, train: values that the schema does not list: expected not shown, found not shown "
        "(3 of 1,000 rows, 0.3%, rule: domain in the schema)"
    )
    assert lost == gone.sentence()
    assert "expected at most 5, found not shown (3 of" in beyond
    assert other == verdict.findings[-1].sentence()


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0.0%"), (1, "100.0%"), (0.0001, "under 0.1%"), (0.9999, "over 99.9%"), (0.0305, "3.0%"), (0.5, "50.0%")],
)
def test_something_is_never_nothing(share: float, text: str) -> None:
    assert percent(share) == text
