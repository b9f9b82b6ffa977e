"""Metrics by period and calibration by slice, of rows of which they can be worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from pipeline.evaluation.over_time import MOST, joined
from pipeline.evaluation.periods import Key, periods_of, time_column
from pipeline.evaluation.standing import standing
from pipeline.evaluation.tallies import Tally, rows_of
from trainer.features import Feature, FeatureTable, Kind, Label, Storage

LABEL = Label("late", "binary", Storage.INT, ("0", "1"))


def seconds(*days: str) -> pa.Array:
    at = [None if day == "" else int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) for day in days]
    return pa.array([None if one is None else [one] for one in at], pa.list_(pa.int64()))


def tally(labels: list[float], predictions: list[float], task: str = "binary") -> Tally:
    rows = np.array(labels if task == "regression" else np.array(labels, np.int64))
    return rows_of(task, rows, np.array(predictions).reshape(len(rows), -1), np.arange(len(rows)) % 20).tally(
        np.arange(len(rows))
    )


def test_days_and_rows_without_a_time() -> None:
    found = dict(periods_of(seconds("2013-11-04T23:59", "", "2013-11-05", "2013-11-04", "1969-12-31")))
    days = {str(np.datetime64(number, "D")): rows.tolist() for (unit, number), rows in found.items() if unit == "day"}
    assert days == {"2013-11-04": [0, 3], "2013-11-05": [2], "1969-12-31": [4]}
    assert dict(periods_of(seconds("", ""))) == {}
    assert dict(periods_of(seconds())) == {}


def test_what_is_no_time_lies_in_no_period() -> None:
    numbers = pa.array([[0.0], [float("nan")], [1e300], [1e12], None], pa.large_list(pa.float64()))
    assert [(key, rows.tolist()) for key, rows in periods_of(numbers)] == [(("day", 0), [0])]
    for none in (pa.nulls(3), pa.array([[b"2013-11-04"]], pa.large_list(pa.large_binary()))):
        assert list(periods_of(none)) == []


def test_a_batch_of_many_days_is_counted_by_month_or_year() -> None:
    days = [str(np.datetime64("2000-01-31") + 40 * place) for place in range(110)]
    assert {unit for (unit, _), _ in periods_of(seconds(*days))} == {"year"}
    assert {unit for (unit, _), _ in periods_of(seconds(*days[:101]))} == {"year"}
    days = [str(np.datetime64("2000-01-01") + place) for place in range(120)]
    found = dict(periods_of(seconds(*days)))
    assert [len(rows) for rows in found.values()] == [31, 29, 31, 29]


@pytest.mark.parametrize(
    ("first", "count", "unit", "begins"),
    [
        ("2013-11-01", 20, "day", ["2013-11-01", "2013-11-02"]),
        ("2013-11-01", 61, "week", ["2013-10-28", "2013-11-04"]),
        ("2013-01-01", 90 * 7, "month", ["2013-01", "2013-02"]),
    ],
)
def test_the_shortest_unit_of_which_there_are_not_too_many(
    first: str, count: int, unit: str, begins: list[str]
) -> None:
    start = np.datetime64(first).astype(np.int64)
    found: list[tuple[Key, dict[str, Tally]]] = [
        (("day", int(start + place)), {"": tally([0, 1] * 15, [0.2, 0.9] * 15)}) for place in range(count)
    ]
    told = joined(found, "binary", 0.95, "left")
    assert (told["by"], told["unit"], [one["begins"] for one in told["periods"]][:2]) == ("left", unit, begins)
    assert len(told["periods"]) <= MOST
    assert sum(one["metrics"]["example_count"] for one in told["periods"]) == 30 * count
    assert told["periods"][0]["metrics"]["auc"] == 1.0


def test_days_of_few_rows_are_joined_while_that_leaves_several() -> None:
    start = np.datetime64("2013-11-04").astype(np.int64)  # a Monday
    for days, rows, unit in ((14, 5, "week"), (14, 15, "day"), (5, 5, "day"), (14, 1, "week")):
        few = {"": tally([0, 1] * rows, [0.2, 0.9] * rows)}
        assert joined([(("day", int(start + day)), few) for day in range(days)], "binary", 0.95, "")["unit"] == unit


def test_months_of_one_batch_and_days_of_another() -> None:
    of = {"": tally([0, 1], [0.2, 0.9])}
    day = int(np.datetime64("2013-11-09").astype(np.int64))
    month = int(np.datetime64("2013-11").astype(np.int64))
    told = joined([(("day", day), of), (("month", month), of), (("month", month + 1), of)], "binary", 0.95, "left")
    assert [(one["begins"], one["metrics"]["example_count"]) for one in told["periods"]] == [
        ("2013-11", 4.0),
        ("2013-12", 2.0),
    ]
    assert joined([], "binary", 0.95, None)["periods"] == []


def test_the_column_of_the_split_goes_before_a_feature() -> None:
    seen = Feature("seen", Kind.TIMESTAMP, Storage.INT, False)
    table = FeatureTable(LABEL, (Feature("n", Kind.NUMERIC, Storage.INT, False), seen), 10, 4)
    assert time_column("left", table) == "left"
    assert time_column(None, table) == "seen"
    assert time_column(None, FeatureTable(LABEL, (), 10, 4)) is None


def test_what_was_said_and_what_was_true() -> None:
    said = standing("binary", tally([1] * 30 + [0] * 70, [0.3] * 100), 0.95)
    assert (said["rows"], round(said["predicted"], 6), said["true"], said["off"]) == (100, 0.3, 0.3, False)
    assert (round(said["low"], 4), round(said["high"], 4)) == (0.2189, 0.3958)  # Wilson's of 30 of 100
    assert standing("binary", tally([1] * 30 + [0] * 70, [0.4] * 100), 0.95)["off"]
    assert standing("binary", tally([1], [0.4]), 0.95) == {}


def test_a_regressions_interval_is_that_of_its_errors() -> None:
    """Labels that differ widely do not widen it."""
    labels = np.arange(100) * 1000.0
    errors = np.where(np.arange(100) % 2, 1.0, -1.0)
    said = standing("regression", tally([*labels], [*(labels + 0.5 + errors)], "regression"), 0.95)
    assert said["off"]
    assert said["high"] - said["true"] == pytest.approx(1.984 * (100 / 99 / 100) ** 0.5, abs=1e-3)
    assert not standing("regression", tally([*labels], [*(labels + 0.1 + errors)], "regression"), 0.95)["off"]


def test_of_several_classes_it_is_how_often_the_likeliest_is_right() -> None:
    predictions = np.tile([0.8, 0.1, 0.1], (50, 1))
    labels = np.array([0] * 20 + [1] * 30)
    rows = rows_of("multiclass", labels, predictions, np.zeros(50, np.int64)).tally(np.arange(50))
    said = standing("multiclass", rows, 0.95)
    assert (round(said["predicted"], 6), said["true"], said["off"]) == (0.8, 0.4, True)
