"""A model that rests at night and on Sundays has no gap in its log then; a gap in its hours of work is told."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.watch.windows import Window, gaps, hour_of, windows

MONDAY = hour_of(datetime(2026, 1, 5, tzinfo=UTC))
WEEKS = 12
KNOWN = MONDAY + 15 * 24
"""From here on the rhythm can be known: two weeks, and the night before the first row."""


def works(hour: int) -> bool:
    """Monday to Friday, 8 to 18 o'clock."""
    day, at = divmod((hour - MONDAY) % 168, 24)
    return day < 5 and 8 <= at < 18


def told(log: set[int], length: str = "hour", now: int = MONDAY + WEEKS * 168) -> list[Window]:
    """The gaps of a log with rows in those hours, from when the rhythm can be known."""
    found = gaps(windows(dict.fromkeys(log, 5), length), length, now)
    return [one for one in found if one.first >= KNOWN]


@pytest.fixture
def log() -> set[int]:
    return {hour for hour in range(MONDAY, MONDAY + WEEKS * 168) if works(hour)}


@pytest.mark.parametrize("length", ["hour", "day"])
def test_nights_and_weekends_are_no_gaps(log: set[int], length: str) -> None:
    assert told(log, length) == []


def test_a_young_log_shows_no_rest_yet(log: set[int]) -> None:
    young = gaps(windows(dict.fromkeys(log, 5), "hour"), "hour", KNOWN)
    assert [one for one in young if one.first < KNOWN]


@pytest.mark.parametrize("week", [2, 5, 11])
def test_a_planted_gap_in_the_hours_of_work_is_told_and_nothing_else(log: set[int], week: int) -> None:
    wednesday = MONDAY + week * 168 + 2 * 24 + 11
    assert told(log - {wednesday, wednesday + 1}) == [Window(wednesday + n, wednesday + n + 1) for n in (0, 1)]


def test_a_week_without_a_row_hides_no_later_gap(log: set[int]) -> None:
    outage = set(range(MONDAY + 4 * 168, MONDAY + 5 * 168))
    later = MONDAY + 6 * 168 + 2 * 24 + 11
    found = told(log - outage - {later})
    assert {one.first for one in found} == {hour for hour in outage if works(hour)} | {later}


@pytest.mark.parametrize("days", [10, 15, 22, 31])
def test_a_long_outage_hides_no_later_gap(log: set[int], days: int) -> None:
    """It silenced the same hours two weeks in a row and more, and is still one outage."""
    begin = MONDAY + 4 * 168 + 24
    outage = set(range(begin, begin + days * 24))
    for later in sorted(hour for hour in log if max(outage) < hour < max(outage) + 2 * 168):
        assert later in {one.first for one in told(log - outage - {later})}


def test_a_model_that_is_asked_once_a_month_rests_meanwhile() -> None:
    log = {MONDAY + 28 * 24 * month + 9 for month in range(8)}
    found = gaps(windows(dict.fromkeys(log, 5), "day"), "day", MONDAY + 8 * 28 * 24)
    assert not [one for one in found if one.first >= MONDAY + 4 * 28 * 24]


def test_outages_that_come_by_chance_hide_few_others() -> None:
    """By simulation of 30 years: an outage begins every 45 days; it lasts a day on average, one in ten three weeks. Of
    4,988 silent hours of work 6 are taken for rest, since two outages of the four weeks before hit the same hour."""
    draw = random.Random(5)
    silent, hidden = 0, 0
    for _ in range(30):
        log = {hour for hour in range(MONDAY, MONDAY + 52 * 168) if works(hour)}
        at = KNOWN + draw.expovariate(1 / (45 * 24))
        missing: set[int] = set()
        while at < MONDAY + 51 * 168:
            lasts = 21 * 24 if draw.random() < 0.1 else draw.expovariate(1 / 24)
            missing |= {hour for hour in range(int(at), int(at + lasts)) if hour in log}
            at += lasts + draw.expovariate(1 / (45 * 24))
        found = {one.first for one in told(log - missing, now=MONDAY + 52 * 168)}
        silent, hidden = silent + len(missing), hidden + len(missing - found)
    assert hidden < 0.01 * silent


def test_a_log_that_stops_for_good_goes_on_being_told(log: set[int]) -> None:
    stopped = MONDAY + 8 * 168
    found = told({hour for hour in log if hour < stopped}, now=stopped + 6 * 168)
    assert {one.first for one in found} >= {stopped + 8, stopped + 168 + 8}


def test_a_model_that_never_rests_is_told_of_every_hour() -> None:
    log = set(range(MONDAY, MONDAY + WEEKS * 168))
    missing = KNOWN + 3
    assert told(log - {missing}) == [Window(missing, missing + 1)]


def test_stray_requests_at_night_make_few_gaps_and_hide_none_of_work(log: set[int]) -> None:
    """By simulation: an hour of rest has a request in one of twenty weeks. That fewer than two of the four weeks before
    were silent has the probability 5e-4 then, so of some 940 hours of rest in eight weeks 0.4 are told, 9 of 20 logs
    with a standard deviation of 3. With two weeks of history it is one silent hour in ten."""
    draw, logs = random.Random(23), 20
    everything = range(MONDAY, MONDAY + WEEKS * 168)
    planted = MONDAY + 7 * 168 + 24 + 10
    at_rest = 0
    for _ in range(logs):
        strays = {hour for hour in everything if not works(hour) and draw.random() < 0.05}
        found = {one.first for one in told((log | strays) - {planted})}
        assert planted in found
        at_rest += len([hour for hour in found if hour >= MONDAY + 29 * 24 and hour != planted])
    assert at_rest < 20


def test_the_hour_of_the_day_is_that_of_utc_the_whole_year() -> None:
    """Clocks that change twice a year move the hours of work by one: told for the hour that is silent now, twice."""
    shift = MONDAY + 6 * 168
    log = {hour + (hour >= shift) for hour in range(MONDAY, MONDAY + WEEKS * 168) if works(hour)}
    found = told(log)
    assert {datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=one.first) for one in found} == {
        datetime(2026, 1, 5, 8, tzinfo=UTC) + timedelta(weeks=week, days=day) for week in (6, 7) for day in range(5)
    }
