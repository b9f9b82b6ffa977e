"""What an engineer on call would plant beside tests/watch/test_watching.py: harm whose labels come late, gaps that are
over."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.watch.alarms import PAGE, TICKET
from pipeline.watch.latest import harmful_now
from tests.watch.test_watching import World, kinds, reference, world  # noqa: F401


def test_harm_pages_though_labels_come_a_month_late(world: World) -> None:  # noqa: F811
    for number in range(6):
        world.week(number, labels=False, count=2_000)
    world.label(0, [f"0-{k}" for k in range(2_000)], np.ones(2_000, int))
    verdicts, alarms = world.look(6)
    assert [one["harmful"] for one in verdicts] == [True] + [False] * 5
    assert ("harmful", PAGE) in kinds(alarms)
    assert [one["window"] for one in harmful_now(verdicts)] == [verdicts[0]["window"]]  # which the loop goes by


def hard(of: dict[str, Any]) -> dict[str, Any]:
    """Rows of which nobody can tell what they lead to."""
    return of | {"miles": np.random.default_rng(len(of["miles"])).normal(1000, 50, len(of["miles"]))}


def test_a_harder_season_pages_once_and_is_a_ticket_a_year_later(world: World) -> None:  # noqa: F811
    world.week(0, season=hard)
    verdicts, alarms = world.look(1)
    assert [one["harmful"] for one in verdicts] == [True]
    assert alarms["harmful:7"].severity == PAGE
    for number in (49, 50, 51):
        world.week(number)
    world.look(51)
    world.week(52, season=hard)
    verdicts, alarms = world.look(53)
    assert verdicts[-1]["harmful"]
    assert (alarms["harmful:7"].severity, alarms["harmful:7"].cause[:10]) == (TICKET, "the season")


def test_what_rows_lead_to_pages_though_the_season_was_as_bad(world: World) -> None:  # noqa: F811
    """Its rows lose more than their own scores expect, this year or a year before."""
    world.week(0, season=hard)
    world.week(52, flipped=0.15)
    assert world.look(53)[1]["harmful:7"].severity == PAGE
    world.week(0, flipped=0.15)
    world.week(52, season=hard)
    assert world.look(53)[1]["harmful:7"].severity == PAGE


def test_a_part_that_was_as_bad_in_the_same_week_a_year_before_is_a_ticket(world: World) -> None:  # noqa: F811
    def of_c(of: dict[str, Any]) -> Any:
        return 0.12 * (np.asarray(of["town"]) == "c")

    for number in (0, 1):
        world.week(number, flipped=of_c)
    assert world.look(2)[1]["harmful_part:7"].severity == PAGE  # nothing is known of the year before
    world.week(51)
    world.week(52, flipped=of_c)
    alarm = world.look(53)[1]["harmful_part:7"]
    assert (alarm.severity, alarm.cause[:10]) == (TICKET, "the season")
    world.week(0)
    assert world.look(53)[1]["harmful_part:7"].severity == PAGE


def verdict(window: int, *harms: tuple[str, bool]) -> dict[str, Any]:
    return {"window": window, "harm": [{"metric": "auc", "by": by, "harmful": harmful} for by, harmful in harms]}


def test_a_verdict_counts_until_three_later_windows_have_labels_or_an_estimate() -> None:
    harmed, silent = verdict(0, ("labels", True)), [verdict(one, ("estimate", False)) for one in range(1, 9)]
    good = [verdict(one, ("labels", False)) for one in range(1, 4)]
    assert harmful_now([harmed, *silent]) == [harmed]  # nobody knows more by now
    assert harmful_now([harmed, *good[:2], *silent[2:]]) == [harmed]
    assert harmful_now([harmed, *good, *silent[3:]]) == []
    guessed = verdict(0, ("estimate", True))
    assert harmful_now([guessed, *silent[:2]]) == [guessed]
    assert harmful_now([guessed, *silent]) == []


def test_a_harm_that_is_over_counts_no_more_at_once() -> None:
    harmed, later = verdict(0, ("labels", True)), verdict(1, ("labels", False))
    assert harmful_now([harmed, later]) == [harmed]
    harmed["harm"][0]["over"] = True
    assert harmful_now([harmed, later]) == []
    harmed["harm"].append({"metric": "log_loss", "by": "labels", "harmful": True})
    assert harmful_now([harmed, later]) == [harmed]


def test_one_very_bad_week_is_closed_within_weeks_and_opens_again(world: World) -> None:  # noqa: F811
    """The mean since then is bad for most of a year; it said harm for as long."""
    for number in range(8):
        world.week(number, flipped=0.5 if number == 1 else 0.0)
    verdicts, alarms = world.look(8)
    assert [one["harmful"] for one in verdicts[:2]] == [False, True]
    assert not verdicts[-1]["harmful"]
    assert "harmful:7" not in alarms
    world.week(8, flipped=0.5)
    assert world.look(9)[1]["harmful:7"].severity == PAGE


def test_a_gap_is_told_and_closes_by_itself_once_the_log_goes_on(world: World) -> None:  # noqa: F811
    for number in (0, 1, 3):
        world.week(number, labels=False, count=500)
    assert kinds(world.look(4)[1]) == {("log_gap", TICKET)}
    for number in (4, 5, 6):
        world.week(number, labels=False, count=500)
    assert world.look(7)[1] == {}
    assert world.alarms["log_gap"].closed
