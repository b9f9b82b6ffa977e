"""What keeps a champion from being measured beside a challenger, one kind after the other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.data.columns import ColumnType
from pipeline.evaluation.mismatch import mismatch
from pipeline.evaluation.model_contract import Contract

CONTRACT = Contract("multiclass", "size", ("s", "m", "l"), {"weight": "float", "city": "bytes"})
COLUMNS = {"weight": ColumnType.FLOAT, "city": ColumnType.STRING, "size": ColumnType.STRING, "new": ColumnType.INT}


@pytest.mark.parametrize(
    ("champion", "why"),
    [
        ({}, ""),
        ({"label": ""}, ""),  # pushed by an older Longhaul
        ({"inputs": {"weight": "float"}}, ""),  # a feature more is none of its business
        ({"task": "binary", "classes": ("no", "yes")}, "its task is binary, not multiclass"),
        ({"label": "grade"}, "it predicts 'grade', not 'size'"),
        ({"classes": ("s", "m")}, "it predicts classes (s, m), not (s, m, l)"),
        ({"classes": ("l", "m", "s")}, "it predicts the same classes in another order (l, m, s), not (s, m, l)"),
        ({"inputs": {"height": "float"}}, "it needs 'height', which these rows do not have"),
        ({"inputs": {"weight": "int"}}, "it takes 'weight' as int, and these rows have it as float"),
    ],
)
def test_the_reason_is_said(champion: dict[str, Any], why: str) -> None:
    assert mismatch(replace(CONTRACT, **champion), CONTRACT, COLUMNS) == why


def test_it_is_written_and_read() -> None:
    assert Contract.from_json(CONTRACT.to_json()) == CONTRACT
