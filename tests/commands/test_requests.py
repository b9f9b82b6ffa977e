"""What `longhaul requests` counts of TensorFlow Serving's own log."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
import tensorflow as tf
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.commands.requests import count_requests
from pipeline.errors import ConfigError, DataError
from pipeline.serving.prediction_log import prediction_tables
from pipeline.serving.request_layout import Redaction, layout_of, schema_of
from tests.serving.test_prediction_log import record, write

INPUTS = {"miles": [[1.0], [2.0]]}
SCORES = [[0.5], [0.5]]


def test_tensorflow_servings_log_is_counted_as_the_servers(tmp_path: Path) -> None:
    later = tmp_path / "day" / "b.tfrecord"
    later.parent.mkdir()

    def an_hour_on(one: tf.Module) -> None:
        one.log_metadata.timestamp_secs += 3600

    write(tmp_path / "a.tfrecord", record(INPUTS, SCORES), record(INPUTS, SCORES))
    write(later, record(INPUTS, SCORES, an_hour_on))
    (tmp_path / ".c.tfrecord").write_text("being written")
    counted = [asdict(one) for one in count_requests(tmp_path)]
    same = {"version": "7", "route": "stable", "errors": 0, "latency_ms": None}
    assert counted == [
        same | {"hour": "2026-01-05T09:00Z", "requests": 1, "rows": 2},
        same | {"hour": "2026-01-05T08:00Z", "requests": 2, "rows": 4},
    ]
    assert [asdict(one) for one in count_requests(later)] == counted[:1]
    assert count_requests(tmp_path / "*.tfrecord")[0].rows == 4
    assert count_requests(tmp_path, last_s=60) == []
    printed = CliRunner().invoke(app, ["requests", "--log", str(tmp_path)])
    assert printed.exit_code == 0, printed.output
    assert printed.output.splitlines()[1].split() == ["2026-01-05T09:00Z", "7", "stable", "1", "2", "0", "-"]


def test_both_logs_have_the_same_columns(tmp_path: Path) -> None:
    (table,) = prediction_tables(write(tmp_path / "a.tfrecord", record(INPUTS, SCORES)))
    ours = schema_of(layout_of({}, {"miles": (1, 1)}), Redaction())
    assert table.schema == ours


def test_what_is_no_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no log of requests"):
        count_requests(tmp_path / "none")
    (tmp_path / "a.tfrecord").write_text("this is no record at all, but text")
    with pytest.raises(DataError, match="no TFRecord"):
        count_requests(tmp_path)
