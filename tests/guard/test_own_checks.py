"""A check of the user's: what it says becomes a finding of the gate, and what it does wrong one message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.data.table_statistics import table_statistics
from pipeline.errors import CodeError
from pipeline.guard.judge import Evidence, judge
from pipeline.guard.own_checks import own_findings
from pipeline.guard.policy import Policy, Severity
from pipeline.lineage.own_code import find_function
from tests.guard.conftest import schema_of

ROWS = pa.RecordBatch.from_pydict({"age": [20, -5, 40, -1], "again": ["no", "yes", "no", "yes"]})


def verdict_of(folder: Path, body: str) -> Any:
    (folder / "my_checks.py").write_text(f"import pyarrow.compute as pc\ndef check(data):\n    {body}\n")
    code = find_function("schema.checks[0]", "my_checks.py:check", folder).to_plain()
    evidence = Evidence(
        "again", "binary", {"train": table_statistics([ROWS])}, rows=lambda: [("train", ROWS)], own_checks=[code]
    )
    return judge(
        evidence, schema_of("""feature { name: "age" type: INT } feature { name: "again" type: BYTES }"""), Policy()
    )


def test_it_sees_statistics_and_rows_and_blocks_or_warns(tmp_path: Path) -> None:
    body = """
    rows = data.statistics["train"].datasets[0].num_examples
    bad = sum(pc.sum(pc.less(batch["age"], 0)).as_py() for batch in data.batches("train"))
    yield {"column": "age", "split": "train", "expected": "at least 0", "found": "less", "rows": bad, "of": rows}
    yield {"severity": "warn", "found": "a Monday"}
    assert not list(data.batches("eval"))"""
    verdict = verdict_of(tmp_path, body)
    own = [finding for finding in verdict.findings if finding.kind == "custom_validation"]
    assert [finding.severity for finding in own] == [Severity.BLOCK, Severity.WARN]
    assert verdict.blocked
    assert own[0].sentence() == (
        "age, train: breaks a rule of your own: expected at least 0, found less "
        "(2 of 4 rows, 50.0%, rule: my_checks.py:check)"
    )
    assert own[1].sentence().startswith("the table: breaks a rule of your own")


@pytest.mark.parametrize("body", ["return []", "pass"])
def test_nothing_said_is_nothing_found(tmp_path: Path, body: str) -> None:
    assert not [one for one in verdict_of(tmp_path, body).findings if one.kind == "custom_validation"]


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("raise RuntimeError('no luck')", "my_checks.py:3, in check: raise RuntimeError('no luck')"),
        ("yield 1 / 0", "my_checks.py:3, in check: yield 1 / 0"),
        ("return 'all is well'", "my_checks.py:check returned a str, not findings"),
        ("return {'found': 'x'}", "my_checks.py:check returned a dict, not findings"),
        ("return ['x']", "my_checks.py:check returned a finding that cannot be read"),
        ("return [{'severity': 'stop', 'found': 'x'}]", "severity: Input should be 'block', 'warn' or 'ignore'"),
        ("return [{'column': 'age'}]", "found: Field required"),
        ("return [{'found': 'x', 'rows': 9, 'of': 3}]", "rows: 9 are more than of: 3"),
    ],
)
def test_what_is_no_finding_is_refused_with_the_users_line(tmp_path: Path, body: str, what: str) -> None:
    with pytest.raises(CodeError) as caught:
        verdict_of(tmp_path, body)
    assert what in caught.value.what
    assert caught.value.remedy


def test_a_split_that_a_run_does_not_have_is_an_error_and_not_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "my_checks.py").write_text("def check(data):\n    list(data.batches('trian'))\n")
    code = find_function("schema.checks[0]", "my_checks.py:check", tmp_path).to_plain()
    statistics = table_statistics([ROWS])
    assert own_findings(code, {"train": statistics}, list) == []
    with pytest.raises(CodeError, match=r"my_checks.py:2, in check: .*\n  KeyError: there is no split 'trian'"):
        own_findings(code, {"train": statistics, "eval": statistics}, list)
