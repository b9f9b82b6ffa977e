"""Numbers in sentences have every digit, and no other way to write them comes back."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

from pipeline.config.number_text import bound_text, count_text
from pipeline.evaluation.number_text import number
from pipeline.reports.formats import signed

ROOT = Path(__file__).parents[2] / "pipeline"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((1048576.0, "1,048,576"), (1990, "1990"), (-1234567.5, "-1,234,567.5"), (0.1, "0.1"), (-0.0, "0")),
        *((12345678901.0, "12,345,678,901"), (math.inf, "inf"), (1e300, "1e+300"), (0.12345678, "0.12345678")),
        # Seen failing: tables, bounds of a schema and weights are kept in four bytes, 0.10000000149011612.
        *((float(np.float32(text)), text) for text in ("0.1", "12.99", "-834.5678", "7.68634e+19")),
        *(
            (0.30000000000000004, "0.30000000000000004"),
            (math.nan, "nan"),
            (-math.inf, "-inf"),
            (1048576.125, "1,048,576.125"),
        ),
    ],
)
def test_no_digit_is_lost(value: float, text: str) -> None:
    assert bound_text(value) == text


def test_one_and_many() -> None:
    assert [count_text(n, "row") for n in (0, 1, 2001)] == ["0 rows", "1 row", "2,001 rows"]


def test_what_rounds_to_nothing_has_no_sign() -> None:
    assert [number(-0.00004), signed(-0.00004), signed(0.00001)] == ["0.0000"] * 3
    assert signed(-0.00005001) == "\N{MINUS SIGN}0.0001"


def test_values_of_a_table_are_written_in_one_way() -> None:
    """Six digits of `:g` made 1.23457e+06 of a weight, a bound and a label."""
    rooms = ("watch/segments.py", "contract/*.py", "data/*.py", "terminal/diff.py", "terminal/runs.py")
    for pattern in (*rooms, "guard/checks.py"):
        for file in ROOT.glob(pattern):
            found = [line for line in file.read_text().splitlines() if re.search(r":g\}", line)]
            assert not [one for one in found if "volume." not in one], file  # a number of the policy
