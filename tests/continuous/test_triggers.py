"""What asks for a run, by which key, and what holds it back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.config.continuous import Continuous
from pipeline.continuous.guards import cpu_hours, held_back
from pipeline.continuous.journal import Attempt
from pipeline.continuous.triggers import Event, Seen, events, unanswered

NOW = datetime(2026, 1, 9, 12, tzinfo=UTC)  # a Friday
SERVES = {"version": 7, "run_id": "run-1", "digest": "d" * 64, "pushed": "2026-01-01T00:00:00+00:00"}
HARMFUL = {
    "name": "2026-01-05",
    "harm": [{"metric": "log_loss", "by": "labels", "least": 0.52, "most": 0.5, "harmful": True}],
}
SEEN = Seen(NOW, (3, 4), "abc", NOW - timedelta(days=6), SERVES, HARMFUL)


def keys(seen: Seen, **settings: Any) -> list[str]:
    return [one.key for one in events(Continuous(**settings), seen)]


def test_each_trigger_has_a_key_by_which_one_event_makes_one_run() -> None:
    assert keys(SEEN) == []
    assert keys(SEEN, new_span=True) == ["new_span:3,4:abc"]
    assert keys(replace(SEEN, new_spans=()), new_span=True) == []
    assert keys(SEEN, schedule="week") == ["schedule:2026-W02"]
    assert keys(SEEN, schedule="month") == []  # the last complete run was this month
    assert keys(replace(SEEN, last_run=None), schedule="month") == ["schedule:2026-01"]
    assert keys(SEEN, schedule="day") == ["schedule:2026-01-09"]
    assert keys(SEEN, harm=True) == ["harm:run-1:abc"]
    assert keys(replace(SEEN, data="abd"), harm=True) == ["harm:run-1:abd"]  # other data, another try
    assert keys(replace(SEEN, harmful=None), harm=True) == []
    assert keys(SEEN, age="9d") == []
    assert keys(SEEN, age="4d") == [f"age:{'d' * 16}:2"]
    assert keys(replace(SEEN, asked=("x",))) == ["manual:x"]
    (event,) = events(Continuous(harm=True), SEEN)
    assert event.because == (
        "version 7 is harmful: window 2026-01-05, log_loss at least 0.5200 by labels, 0.5000 was promised"
    )
    assert unanswered([event], {"harm:run-1:abc"}) == []


def attempt(hours_ago: float, cpu_hours: float) -> Attempt:
    return Attempt(1, ("a",), (NOW - timedelta(hours=hours_ago)).isoformat(), "", cpu_s=cpu_hours * 3600)


ASKED = [Event("new_span", "new_span:3", "")]


@pytest.mark.parametrize(
    ("settings", "attempts", "held"),
    [
        ({}, [], []),
        ({"min_new_rows": 100}, [], ["min_new_rows: 99 of 100 rows are new"]),
        ({"min_new_rows": 99}, [], []),
        ({"cooldown": "1d"}, [attempt(25, 0)], []),
        (
            {"cooldown": "1d"},
            [attempt(23, 0)],
            ["cooldown: the last run began at 2026-01-08T13:00:00+00:00; 1d end at 2026-01-09T13:00:00+00:00"],
        ),
        ({"budget": 2}, [attempt(167, 1), attempt(1, 1)], ["budget: 2.00 of 2 CPU hours of the last seven days are "
                                                           "used up"]),
        ({"budget": 2}, [attempt(169, 1), attempt(1, 1)], []),
        ({"freeze": ["friday"]}, [], ["freeze: it is friday"]),
        ({"freeze": ["saturday", "2026-01-10 to 2026-02-01", "22:00 to 06:00"]}, [], []),
        ({"freeze": ["2025-12-20 to 2026-01-09"]}, [], ["freeze: it is 2025-12-20 to 2026-01-09"]),
        ({"freeze": ["11:00 to 13:00"]}, [], ["freeze: it is 11:00 to 13:00"]),
    ],
)  # fmt: skip
def test_guards_hold_a_run_back_and_say_why(settings: Any, attempts: list[Attempt], held: list[str]) -> None:
    assert list(held_back(Continuous(**settings), ASKED, attempts, [], lambda: 99, NOW)) == held


def test_missing_data_hold_everything_back_and_a_person_overrules_some_guards() -> None:
    settings = Continuous(min_new_rows=100, cooldown="1d", freeze=("friday",))
    asked = [Event("manual", "manual:1", "")]
    assert list(held_back(settings, asked, [attempt(1, 0)], ["span 3 is missing"], lambda: 0, NOW)) == [
        "the data are not there yet: span 3 is missing",
        "freeze: it is friday",
    ]


def test_cpu_hours_are_those_of_seven_days() -> None:
    assert cpu_hours([attempt(200, 5), attempt(100, 1.5), attempt(1, 0.25)], NOW) == pytest.approx(1.75)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"freeze": ["christmas"]}, "'christmas' is no time; write `2026-12-20 to 2027-01-03`"),
        ({"freeze": ["2026-02-01 to 2026-01-01"]}, "ends before it begins"),
        ({"canary": [50, 10]}, "each share must be greater"),
        ({"approval": "never"}, "'none', 'before_push' or 'before_promote'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Continuous(**wrong)
