"""Sections of a configuration with which a whole run takes seconds: for tests whose subject is neither how well a
network learns nor how fast this machine is. What they leave out is proved where it is the subject: the teacher in
tests/trainer and in the main run of tests/e2e/test_chain.py, latency in tests/infra."""

from __future__ import annotations

from typing import Any

TRAINER: dict[str, Any] = {"hidden_units": [8], "epochs": 1, "members": 1, "refit": False, "teacher": "none"}
INFRA_CHECK: dict[str, Any] = {"p99_ms_batch_1": None, "measure_s": 0}
EVALUATION: dict[str, Any] = {
    "thresholds": {"auc": {"at_least": 0.0}},
    "explain": {"permutation_rows": 0, "rows": 0},
}
