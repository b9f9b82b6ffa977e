"""Windows of spans: which spans are used, which are missing, and how people read and write them."""

from __future__ import annotations

import random
import time
from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.config.data import Data
from pipeline.config.spans import Spans, chosen_spans, missing_spans, never_spans, span_name, span_number, spans_text

DAYS = [20250227, 20250228, 20250301, 20250302]
MONTHS = [20241101, 20241201, 20250101, 20250201]


def window(setting: Any) -> Spans:
    return Data.model_validate({"path": "x", "label": "y", "task": "binary", "spans": setting}).spans


@pytest.mark.parametrize(
    ("setting", "there", "used"),
    [
        (None, [3, 1, 2], [1, 2, 3]),
        ("all", [3, 1, 2], [1, 2, 3]),
        ([2, 9], [1, 2, 3], [2, 3]),
        ("last 2", [1, 2, 3], [2, 3]),
        ("last 9", [1, 2, 3], [1, 2, 3]),
        ("from 2", [1, 2, 3], [2, 3]),
        ({"except": [2]}, [1, 2, 3], [1, 3]),
        ({"use": "last 2", "except": [3]}, [1, 2, 3], [1, 2]),  # two others
        ({"use": [1, 2], "except": [2, 7]}, [1, 2, 3], [1]),
        ("from 2025-02-28", DAYS, DAYS[1:]),
        (["2025-02", "2025-02-28"], DAYS, DAYS[:2]),
        ({"use": "from 2025-01", "except": ["2025-02"]}, MONTHS, [20250101]),
    ],
)
def test_a_window_takes_these(setting: Any, there: list[int], used: list[int]) -> None:
    assert chosen_spans(window(setting), there) == used


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("last six", "`last N`"),
        ("last 0", "`last N`"),
        ("from 2025-13", "`from FIRST`"),
        ([1], "[first, last]"),
        ([1, 2, 3], "[first, last]"),
        (7, "[first, last]"),
        ([5, 1], "the first span, 5, comes after the last, 1"),
        ([True, 3], "a span is a number, or its date"),
        ("from 2025-02-30", "there is no day 2025-02-30"),
        (["2025-01-01", "2025-04-31"], "there is no day 2025-04-31"),
        ([-1, 3], "a span is a number, or its date"),
        ({"except": ["May"]}, "a span is a number, or its date"),
        ({"last": 6}, "Extra inputs are not permitted"),
    ],
)
def test_what_is_no_window_is_told_what_one_is(setting: Any, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        window(setting)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "used", "missing"),
    [
        (None, [1, 2, 3], []),
        (None, [1, 2, 4, 7], [3, 5, 6]),
        (None, [10, 20, 40], [30]),  # numbers that go by tens
        (None, [5], []),
        ([1, 12], [3, 4, 6], [1, 2, 5, 7, 8, 9, 10, 11, 12]),
        ({"use": [1, 4], "except": [3]}, [1, 2, 4], []),
        ([1, 3], [2], [1, 3]),
        ("last 3", [4, 6, 7], [5]),
        (None, [20250227, 20250301], []),  # two alone tell no rule
        (None, [20250227, 20250228, 20250301, 20250303, 20250304], [20250302]),
        (None, [20241101, 20241201, 20250201], [20250101]),
        (None, [20240101, 20240401, 20241001, 20250101], [20240701]),  # by quarters
        (["2025-01", "2025-03"], [20250101, 20250201], [20250301]),
        (["2025-01", "2025-03-31"], [20250101, 20250201, 20250301], []),  # no month is called so
        (["2025-01", "2025-04-30"], [20250101, 20250301, 20250401], [20250201]),
        (["2025-01-01", "2025-05-31"], [20250101, 20250201, 20250301], [20250401, 20250501]),
        (["2025-01", "2025-05"], [20250215, 20250315, 20250415], [20250115]),
        (["2024-05-15", "2025-12-31"], [20250101, 20250401, 20250701], [20240701, 20241001, 20251001]),
        (["2025-01-01", "2025-01-05"], [20250101, 20250102, 20250103], [20250104, 20250105]),
    ],
)
def test_a_gap_is_what_people_would_expect_there(setting: Any, used: list[int], missing: list[int]) -> None:
    assert missing_spans(window(setting), used) == missing


@pytest.mark.parametrize(
    ("there", "last", "missing"),
    [
        ([20240130, 20240131, 20240201, 20240203], 2, [20240202]),
        ([20240130, 20240131, 20240201, 20240203], 1, []),
        ([7, 8, 9, 10, 12], 2, [11]),
        ([10, 20, 30, 40, 60], 2, [50]),
        ([20240901, 20241001, 20241101, 20241201, 20250201], 2, [20250101]),
        ([20250227, 20250301], 2, []),  # two alone tell no rule
        (
            [20241228, 20241229, 20241230, 20241231, 20250101, 20250201, 20250301, 20250401],
            4,
            [],
        ),  # by months since then
    ],
)
def test_what_came_before_a_short_window_tells_of_a_gap_in_it(there: list[int], last: int, missing: list[int]) -> None:
    assert missing_spans(window(f"last {last}"), there[-last:], there) == missing


@pytest.mark.parametrize("far", [99_999_999, 10**30])
def test_a_gap_without_end_is_told_by_its_first_spans(far: int) -> None:
    began = time.process_time()
    assert missing_spans(Spans(), [1, 2, far])[:2] == [3, 4]
    assert missing_spans(window([1, far]), [1, 2])[-1] == far
    assert time.process_time() - began < 5


def test_a_short_window_of_a_table_without_weekends_lacks_none() -> None:
    days = [date(2025, 1, 1) + timedelta(days=place) for place in range(60)]
    weekdays = [number(day) for day in days if day.weekday() < 5]
    for size in range(2, 12):
        for end in range(size + 24, len(weekdays)):
            there = weekdays[:end]
            assert missing_spans(window(f"last {size}"), there[-size:], there) == [], (size, there[-1])
            if size > 2:
                gone = there[-2]
                left = [span for span in there if span != gone]
                assert missing_spans(window(f"last {size - 1}"), left[1 - size :], left) == [gone]


def number(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("step", [1, 7, 14])
def test_what_is_taken_out_of_a_regular_row_of_days_is_found(seed: int, step: int) -> None:
    draw = random.Random(seed)
    days = [date(2024, 1, 1) + timedelta(days=step * place) for place in range(40)]
    gone = set(draw.sample(range(1, 39), 3))
    used = [number(day) for place, day in enumerate(days) if place not in gone]
    assert missing_spans(Spans(), used) == sorted(number(days[place]) for place in gone)


def test_a_table_without_weekends_lacks_none() -> None:
    days = [date(2025, 1, 1) + timedelta(days=place) for place in range(60)]
    weekdays = [number(day) for day in days if day.weekday() < 5]
    assert missing_spans(Spans(), weekdays) == []
    assert missing_spans(Spans(), [day for day in weekdays if day != 20250115]) == [20250115]


@pytest.mark.parametrize(
    ("there", "left_out", "never"),
    [
        ([20240101, 20240201, 20240301, 20240401], ["2024-02-15", "2024-03", "2023-12-31"], [20240215]),
        ([20240101, 20240201, 20240401, 20240501], ["2024-03"], []),  # one that never came
        ([20240101, 20240102, 20240104], ["2024-01-03"], []),
        ([1, 2, 4, 5], [3], []),
        ([20240101, 20240201], ["2024-01-15"], []),  # two alone tell no rule
    ],
)
def test_what_is_left_out_and_is_no_span_is_told(there: list[int], left_out: list[Any], never: list[int]) -> None:
    assert never_spans(window({"except": left_out}), there) == never


def test_spans_are_written_as_people_read_them() -> None:
    assert [span_name(7), span_name(20250304), span_name(20251399)] == ["7", "2025-03-04", "20251399"]
    assert spans_text([1, 2, 3, 5]) == "1 to 3, 5"
    assert spans_text(DAYS) == "2025-02-27 to 2025-03-02"
    assert spans_text(MONTHS) == "2024-11-01 to 2025-02-01"
    assert spans_text([]) == ""
    assert spans_text([1, 4]) == "1, 4"
    assert spans_text([20250101, 20250201]) == "2025-01-01 to 2025-02-01"
    assert spans_text([20250101, 20250401]) == "2025-01-01, 2025-04-01"
    assert spans_text([20250101, 20250108, 20250115]) == "2025-01-01 to 2025-01-15"
    assert spans_text([1, 3, 4, 9, 20, 21], most=2) == "1, 3 to 4 and 2 more"
    assert span_number("2025-03") == span_number("2025-03-01") == span_number(20250301)
