"""Ranges of rows: the same rows as were put in, however they came, and few words for them."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.guard.places import FileRows, Range, ranges_text
from pipeline.guard.rows import RowRanges

RANDOM = np.random.default_rng(3)


@pytest.fixture(autouse=True)
def same_numbers_in_any_order() -> None:
    """Else what a test draws would hang on which tests ran before it."""
    RANDOM.bit_generator.state = np.random.default_rng(3).bit_generator.state


def rows_in(ranges: list[Range]) -> list[int]:
    return [row for first, last in ranges for row in range(first, last + 1)]


@pytest.mark.parametrize("density", [0.0, 0.02, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("batch_rows", [1, 7, 64, 1000])
def test_ranges_hold_the_rows_that_came_and_no_other(density: float, batch_rows: int) -> None:
    bad = np.flatnonzero(RANDOM.random(1000) < density) + 1
    whole, short = RowRanges(1000), RowRanges(3)
    for start in range(1, 1001, batch_rows):
        part = bad[(bad >= start) & (bad < start + batch_rows)]
        whole.add(part)
        short.add(part)
    assert rows_in(whole.ranges) == bad.tolist()
    assert all(after[0] > before[1] + 1 for before, after in zip(whole.ranges, whole.ranges[1:], strict=False))
    assert whole.count == short.count == len(bad)
    assert short.ranges == whole.ranges[:3]


@pytest.mark.parametrize(
    ("ranges", "more", "text"),
    [
        ((), 0, ""),
        (((5, 5),), 0, "row 5"),
        (((2001, 2350),), 0, "rows 2,001 to 2,350"),
        (((5, 5), (7, 7), (2001, 2350)), 1200, "rows 5, 7, 2,001 to 2,350 and 1,200 more"),
        (((5, 5),), 1, "rows 5 and 1 more"),
    ],
)
def test_ranges_in_words(ranges: tuple[Range, ...], more: int, text: str) -> None:
    assert ranges_text(ranges, more) == text


def test_a_file_in_words() -> None:
    every = FileRows("/d/span-13/flights.parquet", 27020, 27020, ((1, 27020),))
    assert str(every) == "span-13/flights.parquet: 27,020 of 27,020 rows"
    some = FileRows("/d/t.csv", 913, 27004, ((5, 5), (9, 20)), ("104.5", "120"))
    assert str(some) == "d/t.csv: 913 of 27,004 rows, rows 5, 9 to 20 and 900 more (104.5, 120)"
    assert str(FileRows("t.csv", 1, 1, ((1, 1),))) == "t.csv: 1 of 1 row"
