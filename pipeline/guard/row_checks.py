"""What only the rows can tell: repeated rows, a feature that gives the label away, labels that look wrong.

Each check takes record batches in their stored types, one after the other, and keeps a bounded amount of memory.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import pyarrow as pa

from pipeline.guard.duplicate_rows import DuplicateRows
from pipeline.guard.findings import Finding
from pipeline.guard.label_leak import ClassLeak, NumberLeak
from pipeline.guard.label_noise import LabelNoise
from pipeline.guard.policy import Policy


class RowCheck(Protocol):
    """Looks at rows as they come by."""

    def add(self, split: str, batch: pa.RecordBatch) -> None:
        """Take in rows of a split."""

    def findings(self) -> list[Finding]:
        """Return what they amount to."""


def row_checks(policy: Policy, label: str, task: str, hidden: Collection[str] = ()) -> list[RowCheck]:
    """Return all checks of this module.

    Args:
        hidden: columns that the model is not shown: they cannot give the label away.
    """
    leak = NumberLeak if task == "regression" else ClassLeak
    return [
        DuplicateRows(policy.duplicate_rows),
        leak(policy.label_leak, policy.label_leak_hint, label, hidden),
        LabelNoise(policy, label, task),
    ]
