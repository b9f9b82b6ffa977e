"""Columns that look like what they are not: days of quarters, identifiers with a time, sections, stars with votes."""

from __future__ import annotations

import pyarrow as pa
import pytest

from pipeline.config.reading import Reading
from pipeline.data.values.recognise import Meaning, recognise

MANY = range(60)


def seen(values: list[str], name: str = "x") -> Meaning:
    return recognise(name, pa.array(values, pa.string()))


@pytest.mark.parametrize("days", [(44927, 45017, 45108, 45200), (45123, 45200, 45200, 45200)])
def test_a_round_day_that_comes_often_is_still_a_day(days: tuple[int, ...]) -> None:
    """Seen failing: numbers, since 1 October 2023 is 45200."""
    assert seen([str(days[n % 4]) for n in MANY], "date").settings == Reading(kind="date", format="excel")
    by_hours = [f"{45_000 + n}.{('00', '25', '50', '75')[n % 4]}" for n in MANY]
    assert seen(by_hours, "date").settings == Reading(kind="date", format="excel")
    salaries = seen([str(20_000 + n % 8 * 2500) for n in MANY], "start_pay_date")
    assert salaries.settings != Reading(kind="date", format="excel")


def test_a_number_behind_date_and_time_is_no_zone() -> None:
    """Seen failing: dates of the zones -0000 to -0059."""
    orders = seen([f"202301{n % 28 + 1:02}-1{n % 10}3000-{n:04}" for n in MANY], "order")
    assert orders.kind != "date"
    assert seen([f"202301{n % 28 + 1:02}T1{n % 10}3000-0500" for n in MANY]).kind == "date"


@pytest.mark.parametrize("text", ["{0}.{1}({2})", "4.{1}({3})"])
def test_numbers_that_come_again_with_others_in_brackets_stay_text(text: str) -> None:
    """Seen failing: sections of laws, and stars with how many gave them, lost what stands in brackets."""
    meaning = seen([text.format(n // 12 + 1, n // 4 % 3, n % 4 + 1, n * 13 % 900) for n in MANY])
    assert (meaning.kind, "so it stays text" in meaning.said) == ("text", True)
