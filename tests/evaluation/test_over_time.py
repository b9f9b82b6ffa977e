"""Metrics by period and calibration by slice, of rows of which they can be worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma
from apache_beam.testing.util import assert_that, equal_to
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.components.span_rows import ReadBySpan
from pipeline.data.shards import shard_name
from pipeline.evaluation.columnar_metrics import _ScoreAndAddUp
from pipeline.evaluation.over_time import MOST, joined
from pipeline.evaluation.periods import SPAN, Key, periods_of, span_of_batch, time_column, with_span
from pipeline.evaluation.row_sample import KeepSample
from pipeline.evaluation.standing import standing
from pipeline.evaluation.tallies import Tally, rows_of
from pipeline.patches.row_groups import make_tfxio
from trainer.features import Feature, FeatureTable, Kind, Label, Storage
from trainer.rows import to_examples

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


def test_spans_tell_the_time_where_no_column_does() -> None:
    of = {"": tally([0, 1] * 20, [0.2, 0.9] * 20)}
    told = joined([((SPAN, 10), of), ((SPAN, 9), of), ((SPAN, 10), of)], "binary", 0.95, None)
    assert (told["by"], told["unit"]) == (None, "span")
    assert [(one["begins"], one["metrics"]["example_count"]) for one in told["periods"]] == [("9", 40.0), ("10", 80.0)]


@pytest.mark.parametrize(
    ("spans", "pairs", "unit", "begins"),
    [
        (MOST + 2, 20, "range of spans", ["0 to 1", "2 to 3"]),
        (4, 8, "range of spans", ["0 to 1", "2 to 3"]),
        (4, 20, "span", ["0", "1"]),
    ],
)
def test_many_spans_or_small_ones_are_told_as_ranges(spans: int, pairs: int, unit: str, begins: list[str]) -> None:
    of = {"": tally([0, 1] * pairs, [0.2, 0.9] * pairs)}
    told = joined([((SPAN, span), of) for span in range(spans)], "binary", 0.95, None)
    assert (told["unit"], [one["begins"] for one in told["periods"]][:2]) == (unit, begins)
    assert sum(one["metrics"]["example_count"] for one in told["periods"]) == 2 * pairs * spans


@pytest.mark.parametrize("payload", ["parquet", "tf_example"])
def test_rows_are_read_with_the_span_of_their_file(tmp_path: Path, payload: str) -> None:
    rows = pa.record_batch({"n": pa.array([1, 2, 3], pa.int64())})
    for span in (3, 20_250_304, None):
        path = tmp_path / shard_name(0, span)
        if payload == "parquet":
            pq.write_table(pa.Table.from_batches([rows]), path)
        else:
            with tf.io.TFRecordWriter(str(path)) as file:
                for record in to_examples(rows):
                    file.write(record)
    schema = schema_pb2.Schema(feature=[schema_pb2.Feature(name="n", type=schema_pb2.INT)])
    make = partial(
        make_tfxio,
        telemetry_descriptors=["Test"],
        payload_format=f"FORMAT_{payload.upper()}",
        schema=schema,
        raw_record_column_name="raw",
    )
    with beam.Pipeline(runner="DirectRunner") as pipeline:
        read = pipeline | ReadBySpan([str(tmp_path)], make, 2)
        rows_by_span = read | beam.Map(lambda batch: (str(span_of_batch(batch)), batch.num_rows))
        total = rows_by_span | beam.CombinePerKey(sum)
        assert_that(total, equal_to([("('span', 3)", 3), ("('day', 20151)", 3), ("None", 3)]))


def test_a_column_of_times_goes_before_the_span() -> None:
    days = pa.record_batch({"left": seconds("2013-11-04", "2013-11-05")})
    (batch,) = with_span([days], 7)
    for when, periods in (("left", [("day", 16013), ("day", 16014)]), (None, [(SPAN, 7)])):
        scoring = _ScoreAndAddUp(
            tfma.EvalConfig(model_specs=[{}]), {}, "binary", KeepSample("binary", 1, 1), when, False, ()
        )
        assert [key for key, _ in scoring._periods(batch)] == periods
        assert [key for key, _ in scoring._periods(days)] == (periods if when else [])
