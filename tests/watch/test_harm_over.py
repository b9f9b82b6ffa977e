"""When a harm is over: labels come in any order of windows, and few rows may end it."""

from __future__ import annotations

import cProfile
import pstats
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline.config.watch import Watch
from pipeline.watch.above import above_promise
from pipeline.watch.alarms import PAGE, TICKET, Alarm, found_now
from pipeline.watch.harm import Labelled, bounds_by_labels, harm_by_labels
from pipeline.watch.latest import harmful_now
from pipeline.watch.parts import Promise, first_of_parts, harm_of_parts
from pipeline.watch.sequences import Groups, counts_from
from pipeline.watch.windows import YEAR

PROMISED: Any = SimpleNamespace(spec=SimpleNamespace(task="regression"), loss=0.5, variance=0.25, rows=10**9)


def delivery(arrival: int, window: int, loss: float) -> Labelled:
    found: Any = SimpleNamespace(rows=20_000, loss=20_000 * loss, square=20_000 * (loss**2 + 0.25))
    return Labelled(arrival, window, found)


@pytest.mark.parametrize(
    ("windows", "losses", "counts"),
    [
        ([0, 1, 2, 3], [0.5, 0.6, 0.6, 0.45], []),
        ([0, 1, 3, 2], [0.5, 0.6, 0.45, 0.9], [2]),  # window 2 is new harm, though window 3 ended the one before
        ([0, 1, 1], [0.5, 0.6, 0.45], []),
        ([0, 3, 2], [0.5, 0.6, 0.45], []),
    ],
)
def test_a_harm_is_ended_by_labels_that_come_later_whatever_window_they_are_of(
    windows: list[int], losses: list[float], counts: list[int]
) -> None:
    labelled = [delivery(place, *one) for place, one in enumerate(zip(windows, losses, strict=True))]
    found = harm_by_labels(labelled, bounds_by_labels(PROMISED, labelled, {"mse": 0.01}, 0.05))
    assert {one.window for one in labelled if one.found.loss > 20_000 * 0.55} == {
        window for window, (one,) in found.items() if one.harmful
    }
    verdicts = [
        {"window": window, "harm": [vars(one) | {"harmful": one.harmful} for one in found[window]]}
        for window in sorted(found)
    ]
    assert [one["window"] for one in harmful_now(verdicts)] == counts


def test_deliveries_of_few_rows_end_an_excess_together() -> None:
    of_deliveries = [(5_000, 0.3), (150, -0.3), (10, -0.3), (60, -0.3)]
    deliveries = [np.array([rows, rows * mean, rows * (0.119 + mean**2)]) for rows, mean in of_deliveries]
    bounds = above_promise(deliveries, np.array([54_000, 0, 54_000 * 0.119]), 0.0025, 0.01)
    assert bounds.over.tolist() == [False, False, False, True]
    assert not bounds.counts(0.0).any()


def test_an_excess_that_lasts_costs_as_many_steps_as_deliveries() -> None:
    """Each later delivery began an upper sequence in Python, so that a year of days took 67,000 rounds a look."""
    deliveries = [np.array([500, 500 * 0.3, 500 * (0.119 + 0.09)])] * 365
    with cProfile.Profile() as steps:
        bounds = above_promise(deliveries, np.array([54_000, 0, 54_000 * 0.119]), 0.0025, 0.01)
    assert (bounds.least > 0).all()
    assert pstats.Stats(steps).total_calls < 1_500 * len(deliveries)  # type: ignore[attr-defined]


def harm(least: float, most: float = 0.51, **more: Any) -> dict[str, Any]:
    return {"metric": "log_loss", "by": "labels", "least": least, "most": most, "harmful": least > most} | more


def of_part(lost: float) -> dict[str, Any]:
    return harm(lost - 0.02, promised=0.5, lost=lost, error=0.01)


def verdict(window: int, harms: Any, slices: Any = (), segments: Any = ()) -> dict[str, Any]:
    """Slices and segments: names and harms."""
    return {
        "version": "7",
        "run_id": "",
        "window": window,
        "name": f"w{window}",
        "few": False,
        "harm": harms,
        "findings": [],
        "notes": [],
        "moved": [],
        "promise": {},
        "realized": {"metrics": {}, "intervals": {}},
        "harmful": any(one["harmful"] for one in harms),
        "slices": [{"slice": name, "harm": [one]} for name, one in slices],
        "segments": [{"segment": name, **one} for name, one in segments],
    }


def alarms_of(verdicts: list[dict[str, Any]]) -> dict[str, Alarm]:
    return {one.key: one for one in found_now(verdicts, [], Watch(), datetime.now(UTC), "7", labels_expected=False)}


@pytest.mark.parametrize(("weeks", "most"), [([0.5, 1.0, 0.5, 0.5, 0.5, 0.5], 3), ([0.5, 0.5, 0.7, 0.5, 0.5, 0.5], 4)])
def test_looked_at_every_week_a_bad_week_of_the_whole_leaves_no_harm_of_parts_behind(
    weeks: list[float], most: int
) -> None:
    """Parts without rows enough to end their own harm end it with the whole."""
    rows = np.array([42_000.0, 16_800, 1_200, 400])
    promise = Promise(("a", "b", "c", "d"), 10 * rows, np.full(4, 0.5), np.full(4, 0.25))
    called, told = [], []
    for number in range(1, 7):
        table = np.ones((4, number))
        groups = Groups(rows[:, None] * table, np.array(weeks[:number]) * table, 0.25 * table)
        labelled = [*map(delivery, range(number), range(number), weeks)]
        keys = [(one.arrival, one.window) for one in labelled]
        bounds = bounds_by_labels(PROMISED, labelled, {"mse": 0.01}, 0.05)
        whole = harm_by_labels(labelled, bounds)
        first = first_of_parts(keys, keys, counts_from([known for known, _ in bounds.values()]))
        parts = harm_of_parts(promise, "log_loss", groups, range(number), 0.0025, 0.005, 0, first)
        verdicts = [
            verdict(
                window,
                [vars(one) | {"harmful": one.harmful} for one in whole[window]],
                [(one.part, vars(one) | {"harmful": one.harmful}) for one in parts[window]],
            )
            for window in range(number)
        ]
        called.append([*alarms_of(verdicts)])
        told.append([one.part for one in parts[number - 1] if one.harmful])
    bad = weeks.index(max(weeks))
    assert called == [["harmful:7"] if bad <= week < most else [] for week in range(6)]
    assert set(told[bad]) >= {"a", "b", "c"}
    assert told[most:] == [[]] * (6 - most)


def test_a_part_that_stays_bad_when_the_whole_has_recovered_is_told_again() -> None:
    """Its sequences begin where the whole's harm ended; labels of parts may be lacking in some deliveries."""
    lost = np.array([0.5, 1.0, *[0.8] * 6])
    whole = [(week, week) for week in range(8)]
    labelled = [*map(delivery, range(8), range(8), [0.5, 1.0, *[0.5] * 6])]
    bounds = bounds_by_labels(PROMISED, labelled, {"mse": 0.01}, 0.05)
    first = counts_from([known for known, _ in bounds.values()])
    assert first.tolist() == [0, 0, 0, 2, 2, 2, 2, 2]
    keys = [key for key in whole if key[0] not in (0, 3)]
    here = first_of_parts(keys, whole, first)
    assert here.tolist() == [0, 0, 1, 1, 1, 1]  # of their own deliveries
    rows = np.full((1, len(keys)), 1_200.0)
    groups = Groups(rows, lost[None, [arrival for arrival, _ in keys]], np.full(rows.shape, 0.25))
    promise = Promise(("c",), rows[:, 0], np.array([0.5]), np.array([0.25]))
    parts = harm_of_parts(promise, "log_loss", groups, [window for _, window in keys], 0.0025, 0.005, 0, here)
    assert [(window, one.harmful, one.over) for window, (one,) in parts.items() if window > 2] == [
        (window, True, False) for window in range(4, 8)
    ]
    assert first_of_parts([(-1, 0)], whole, first).tolist() == [0]


def test_a_slice_in_season_hides_no_segment_that_is_harmed_anew() -> None:
    calm = harm(0.4) | {"metric": "excess_log_loss"}
    then = verdict(0, [calm], [("town=c", of_part(0.6))], [("miles>1000", of_part(0.5)), ("town=c", of_part(0.6))])

    def now(*segments: tuple[str, float]) -> Alarm:
        parts = [(name, of_part(lost)) for name, lost in segments]
        return alarms_of([then, verdict(YEAR, [calm], [("town=c", of_part(0.6))], parts)])["harmful_part:7"]

    assert now(("miles>1000", 1.9), ("town=c", 0.6)).severity == PAGE
    assert "of miles>1000, log_loss" in now(("miles>1000", 1.9)).evidence
    assert now(("town=c", 0.6), ("miles>1000", 0.5)).severity == TICKET
    assert now().severity == TICKET


def test_a_segment_that_only_the_new_model_cuts_is_held_against_the_worst_of_the_season_before() -> None:
    calm = harm(0.4) | {"metric": "excess_log_loss"}
    then = verdict(0, [calm], [], [("miles>1000", of_part(0.6)), ("town=c", of_part(0.55))])

    def severity(lost: float, version: str) -> str:
        now = verdict(YEAR, [calm], [], [("miles>1200", of_part(lost))])
        return alarms_of([then | {"version": version}, now])["harmful_part:7"].severity

    assert severity(0.6, "6") == TICKET
    assert severity(1.9, "6") == PAGE
    assert severity(0.6, "7") == PAGE  # of the same model: it is not among the worst of then, so it is new


def test_a_harm_that_comes_again_is_told_since_when_it_came_again() -> None:
    past = [verdict(0, [harm(0.9, over=True)]), verdict(1, [harm(0.4)])]
    again = verdict(2, [harm(0.9, over=True) | {"metric": "auc"}, harm(0.8)])
    alarm = alarms_of([*past, again])["harmful:7"]
    assert (alarm.first_seen, alarm.evidence[:29]) == ("w2", "window w2: log_loss is above ")
    part = [("c", harm(0.9, over=True, promised=0.5))], [("c", harm(0.9, promised=0.5))]
    parts = [verdict(0, [harm(0.4)], part[0]), verdict(1, [harm(0.4)], part[1])]
    assert alarms_of(parts)["harmful_part:7"].first_seen == "w1"
