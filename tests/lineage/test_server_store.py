"""Patience with a server that is away; test_postgresql.py stops a real one."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from pipeline.lineage.server_store import Patience, is_away


class Clock:
    """Time that passes only while somebody sleeps."""

    now = 1000.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "sleep", clock.sleep)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    return clock


def away_until(clock: Clock, then: float) -> Callable[[], str]:
    def ask() -> str:
        if clock.now < then:
            raise ConnectionError("refused\n  Remedy: start it")
        return "answer"

    return ask


def test_it_waits_longer_each_time_and_says_so(clock: Clock) -> None:
    told: list[tuple[str, float]] = []
    patience = Patience(120.0, lambda reason, wait_s: told.append((reason, wait_s)))
    assert patience.waited(away_until(clock, clock.now + 30), lambda _: True) == "answer"
    assert told == [("refused", wait_s) for wait_s in (1.0, 2.0, 4.0, 8.0, 10.0, 10.0)]


def test_it_ends_and_is_not_begun_anew_before_a_success(clock: Clock) -> None:
    patience = Patience(20.0, lambda *_: None)
    began = clock.now
    with pytest.raises(ConnectionError):
        patience.waited(away_until(clock, began + 60), lambda _: True)
    assert clock.now - began <= 20
    since = clock.now
    with pytest.raises(ConnectionError):  # what is asked next, such as how the run ended
        patience.waited(away_until(clock, began + 60), lambda _: True)
    assert clock.now - since <= 20 - (since - began)
    clock.now = began + 60
    assert patience.waited(away_until(clock, began + 60), lambda _: True) == "answer"
    assert patience.waited(away_until(clock, clock.now + 10), lambda _: True) == "answer"


def test_other_errors_and_no_patience_wait_for_nothing(clock: Clock) -> None:
    began = clock.now
    patience = Patience(20.0, lambda *_: None)
    with pytest.raises(ConnectionError):
        patience.waited(away_until(clock, began + 60), lambda _: False)
    with pytest.raises(ConnectionError):
        Patience(0.0, lambda *_: None).waited(away_until(clock, began + 60), lambda _: True)
    assert clock.now == began
    clock.now += 50  # after which an absence begins
    assert patience.waited(away_until(clock, clock.now + 10), lambda _: True) == "answer"


@pytest.mark.parametrize(
    ("text", "away"),
    [
        ("PostgreSQL error: could not connect to server: ECONNREFUSED Is the server running", True),
        ("PostgreSQL metadata source error: ", True),
        ("mysql_query failed: errno: , error: MySQL server has gone away", True),
        ('PostgreSQL metadata source error: ERROR:  duplicate key value violates unique constraint "x"', False),
        ("password authentication failed", False),
    ],
)
def test_what_a_server_that_is_away_says(text: str, away: bool) -> None:
    assert is_away(text) == away
