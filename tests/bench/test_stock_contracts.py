"""TFX's own tests of the components with ours in place: those that take seconds. docs/extend/stock-contracts.md has
all."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.long]

PASSED = {
    "statistics_gen": 15,
    "schema_gen": 4,
    "example_validator": 2,
    "pusher": 17,
    "transform/component_test": 13,
    "evaluator/component_test": 9,
}
"""Of the tests that TFX 1.21 installs, all; of Transform and Evaluator those that run no Beam pipeline."""


def test_tfx_s_own_tests_pass_with_our_components() -> None:
    """In a process of its own: Beam would pickle what pytest captures."""
    command = [sys.executable, "-m", "bench.stock_contracts", *PASSED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [line for line in said if line.get("verdict") == "failed"] == []
    assert {line["component"]: line["passed"] for line in said if "component" in line} == PASSED
