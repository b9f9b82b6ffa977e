"""A log of requests in BigQuery, read through Google's own clients from a stand-in for the service."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import DataError
from pipeline.watch.imported_tables import import_tables
from pipeline.watch.requests import hours, log_files, read_log, scores_of
from pipeline.watch.windows import hour_of
from tests.stand_ins.bigquery import StandIn, serving

LOG = "bigquery://my-project.served.requests"
START = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    with serving() as service:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", service.url)
        monkeypatch.setenv("BIGQUERY_STORAGE_EMULATOR_HOST", service.storage)
        yield service


def log(*days: int) -> pa.Table:
    """Two requests on each day."""
    times = [START + timedelta(days=day, hours=hour) for day in days for hour in (0, 1)]
    rows = range(len(times))
    miles = pa.array([float(100 * day) for day in days for _ in (0, 1)])
    return pa.table(
        {
            "time": pa.array(times, pa.timestamp("us", "UTC")),
            "request_id": [f"r{times[k]:%d-%H}" for k in rows],
            "version": ["7" for _ in rows],
            "features": pa.StructArray.from_arrays([miles], ["miles"]),
            "scores": pa.array([[0.25] for _ in rows], pa.list_(pa.float64())),
        }
    )


def test_a_table_that_grows_is_read_from_the_day_before_on(service: StandIn, tmp_path: Path) -> None:
    service.put("my-project.served.requests", log(0, 1, 2))
    assert import_tables(LOG, tmp_path)
    first, *_, newest = files = log_files(tmp_path)
    assert len(files) == 3
    (batch,) = read_log(newest)
    assert batch.column("miles").to_pylist() == [200.0, 200.0]
    assert scores_of(batch).tolist() == [[0.25], [0.25]]
    assert hours(batch).tolist() == [hour_of(START) + 48, hour_of(START) + 49]

    assert import_tables(LOG, tmp_path)
    assert log_files(tmp_path) == files  # nothing is new, so nothing is read
    assert len(service.selected) == 1

    service.put("my-project.served.requests", log(0, 1, 2, 2, 3))
    assert import_tables(LOG, tmp_path)
    now = log_files(tmp_path)
    assert [pq.read_metadata(one.path).num_rows for one in now] == [2, 2, 4, 2]
    assert now[0] == first  # a look costs days, and not the whole log
    service.put("my-project.served.requests", log(0, 2, 3))
    assert import_tables(LOG, tmp_path)
    assert [pq.read_metadata(one.path).num_rows for one in log_files(tmp_path)] == [2, 2, 2, 2]


def test_date_sharded_tables_are_logs_of_their_own(service: StandIn, tmp_path: Path) -> None:
    service.put("my-project.served.requests_1", log(0))
    service.put("my-project.served.requests_2", log(1))
    assert import_tables(f"{LOG}_{{SPAN}}", tmp_path)
    assert len(log_files(tmp_path)) == 2
    assert not import_tables("bigquery://my-project.served.others_{SPAN}", tmp_path)


def test_what_is_no_log_is_said(service: StandIn, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Not found: Table my-project:served\.requests"):
        import_tables(LOG, tmp_path)
    service.put(
        "my-project.served.requests", log(0).rename_columns(["when", "request_id", "version", "features", "scores"])
    )
    with pytest.raises(DataError, match="no column 'time'"):
        import_tables(LOG, tmp_path)
    texts = log(0).set_column(0, "time", pa.array(["monday", "tuesday"]))
    service.put("my-project.served.requests", texts)
    with pytest.raises(DataError, match="'time' is of type STRING, where times are expected"):
        import_tables(LOG, tmp_path)
    assert log_files(tmp_path) == []
