"""Values of columns that nobody should read on a page are on none."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.guard.findings import NOT_SHOWN, DataVerdict, Finding
from pipeline.reports.artifacts import Column, SplitStatistics, recorded
from pipeline.reports.page import collect, render
from pipeline.reports.personal import (
    columns_without_values,
    is_about_a_person,
    unshown,
    why_blocked,
    without_values,
)
from tests.reports.test_page import EXPLANATION, INGESTION, complete_run, explain, rewrite, with_gate


@pytest.mark.parametrize("column", ["email", "Contact_E-mail", "LastName", "last name", "phone_2", "DOB"])
def test_columns_about_a_person_are_known_by_their_names(column: str) -> None:
    assert is_about_a_person(column)


@pytest.mark.parametrize("column", ["tailnum", "flight", "customer", "named", "ipo", "age", ""])
def test_other_columns_are_not(column: str) -> None:
    assert not is_about_a_person(column)


def test_what_the_model_reads_is_shown_unless_it_is_redacted() -> None:
    config = {"features": {"exclude": ["email", "customer"]}, "serving": {"redact": ["income"]}}
    assert unshown(config, ["email", "customer", "name", "income"]) == {"email", "income"}
    assert unshown({}, ["email"]) == frozenset()
    assert recorded({"config": "[1"}) == recorded({}) == {}


def test_a_hidden_value_is_nowhere_on_the_page(tmp_path: Path) -> None:
    run = explain(complete_run(tmp_path))
    (row,) = EXPLANATION["examples"]["rows"]
    part = {"feature": "income", "kind": "number", "value": 271828.0, "part": 0.5}
    secret = row | {"key": {"email": "ann@example.org", "customer": "C 7"}, "parts": [part, *row["parts"]]}
    weak: dict[str, Any] = {"loss": "log loss", "overall": 0.1, "looked_at": 2, "rows": 9, "slices": []}
    weak["slices"] = [
        {"where": where, "columns": [column], "rows": 9, "loss": 0.5, "p": 0.01, "said": 0.5, "true": 0.5}
        for where, column in (("income above 314159", "income"), ("speed = 2", "speed"))
    ]
    explanation = EXPLANATION | {"examples": {"rows": [secret]}, "weak": weak}
    rewrite(run, "ModelEvaluation", "explanation.json", explanation)
    config = {"features": {"exclude": ["email", "customer"]}, "serving": {"redact": ["income"]}}
    run = replace(run, properties=run.properties | {"config": json.dumps(config)})
    rewrite(run, "Examples", "ingestion.json", INGESTION | {"columns": {"email": "string", "customer": "string"}})
    html = render(collect(run))
    assert "C 7" in html
    assert "speed = 2" in html
    assert [one for one in ("ann@example.org", "271,828", "271828", "314159") if one in html] == []
    assert NOT_SHOWN in html


def test_the_record_of_a_blocked_run_tells_no_hidden_value(tmp_path: Path) -> None:
    """It is sent to people and to a catalogue, and stands on the front page."""
    finding = Finding("enum_type_unexpected_string_values", "", "train", "schema: domain", "one of 'a'", "")
    verdict = DataVerdict(
        tuple(
            replace(finding, feature=name, found=f"'{name}@example.org' in 3 rows")
            for name in ("email", "customer", "income", "speed")
        )
    )
    run = with_gate(complete_run(tmp_path), verdict)
    config = {"features": {"exclude": ["email", "customer"]}, "serving": {"redact": ["income"]}}
    reason = why_blocked(replace(run, properties=run.properties | {"config": json.dumps(config)}))
    assert re.findall(r"(\w+)@example.org", reason) == ["customer", "speed"]
    assert reason.count(f"found {NOT_SHOWN}") == 2


def test_columns_keep_their_shape_and_lose_single_values() -> None:
    split = SplitStatistics(9, 0.0, top=[("ann@example.org", 0.1)], low=1.0, high=9.0, mean=4.0)
    (found,) = columns_without_values([Column("email", "string", False, {"train": split})], frozenset(["email"])) or []
    assert found.splits["train"] == replace(split, top=[], low=None, high=None)
    assert columns_without_values(None, frozenset(["email"])) is None
    assert without_values(None, frozenset(["email"])) is None
