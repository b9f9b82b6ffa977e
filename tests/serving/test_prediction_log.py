"""TensorFlow Serving's log of requests, read as the table that our server writes."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from pipeline.errors import DataError
from pipeline.serving.prediction_log import is_prediction_log, prediction_tables

Change = Callable[[Any], None]


def record(inputs: dict[str, Any], scores: list[list[float]], change: Change = lambda _: None) -> bytes:
    one = PredictionLog()
    one.log_metadata.timestamp_secs = 1_767_600_000
    one.log_metadata.model_spec.version.value = 7
    for name, values in inputs.items():
        one.predict_log.request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    one.predict_log.response.outputs["prediction"].CopyFrom(tf.make_tensor_proto(scores, tf.float32))
    change(one)
    return bytes(one.SerializeToString())


def example(**values: Any) -> bytes:
    features = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))
        if isinstance(value, str)
        else tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
        for name, value in values.items()
    }
    return bytes(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())


def write(path: Path, *records: bytes) -> Path:
    with tf.io.TFRecordWriter(str(path)) as file:
        for one in records:
            file.write(one)
    return path


def test_examples_and_tensors_become_the_same_rows(tmp_path: Path) -> None:
    examples = [example(miles=100.0, town="a"), example(miles=200.5)]
    first = record({"examples": examples}, [[0.25], [0.5]])
    second = record({"miles": [[100.0], [200.5]], "town": [["a"], [""]]}, [[0.25], [0.5]])
    path = write(tmp_path / "log.tfrecord", first, second)
    (table,) = prediction_tables(path)
    rows = table.to_pylist()
    assert [row["features"] for row in rows] == [
        {"miles": 100.0, "town": "a"},
        {"miles": 200.5, "town": None},
        {"miles": 100.0, "town": "a"},
        {"miles": 200.5, "town": ""},
    ]
    assert [row["scores"] for row in rows] == [[0.25], [0.5]] * 2
    assert [(row["request_id"], row["row"]) for row in rows[:3]] == [
        ("log.tfrecord:1", 0),
        ("log.tfrecord:1", 1),
        ("log.tfrecord:2", 0),
    ]
    assert (rows[0]["version"], rows[0]["time"]) == ("7", datetime(2026, 1, 5, 8, tzinfo=UTC))
    packed = tmp_path / "log.tfrecord.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert is_prediction_log(packed)
    assert next(prediction_tables(packed)).column("features") == table.column("features")


def without_time(one: Any) -> None:
    one.log_metadata.timestamp_secs = 0


def classified(one: Any) -> None:
    one.classify_log.request.model_spec.name = "toys"


def unanswered(one: Any) -> None:
    one.predict_log.response.outputs.clear()


def too_few(one: Any) -> None:
    one.predict_log.response.outputs["prediction"].CopyFrom(tf.make_tensor_proto([[0.5]], tf.float32))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without_time, "timestamp_secs"),
        (classified, "classify_log, no predict_log"),
        (unanswered, "no output `prediction`; its outputs are none"),
        (too_few, "1 answers, and another number of rows"),
    ],
)
def test_what_is_no_answered_predict_request_is_named_by_its_record(tmp_path: Path, change: Change, words: str) -> None:
    inputs = {"miles": [[1.0], [2.0]]}
    path = write(tmp_path / "log.tfrecord", record(inputs, [[0.5], [0.5]]), record(inputs, [[0.5], [0.5]], change))
    with pytest.raises(DataError, match="record 2") as caught:
        list(prediction_tables(path))
    assert words in str(caught.value)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "log.tfrecord", record({"miles": [[1.0]]}, [[0.5]]))
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataError, match="ends within a record"):
        list(prediction_tables(path))
    path.write_text("this is no record at all, but text")
    with pytest.raises(DataError, match="no TFRecord"):
        list(prediction_tables(path))
    with pytest.raises(DataError, match="no PredictionLog"):
        list(prediction_tables(write(path, b"\xff\xff\xff")))
