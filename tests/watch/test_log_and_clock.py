"""What is odd about the log itself: it stops, it has a hole over the end of a month, its clock is wrong or no clock."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from pipeline.errors import DataError
from pipeline.watch.intake import take_in
from pipeline.watch.label_sql import connected, log_rows
from pipeline.watch.profiles import ColumnSpec, Spec
from pipeline.watch.requests import hours, log_files, read_log
from pipeline.watch.state import opened
from pipeline.watch.windows import gaps, hour_of, windows

START = datetime(2026, 1, 5, tzinfo=UTC)
SPEC = Spec("binary", ("0", "1"), (), (ColumnSpec("miles", True, (150.0,)),))


def log(folder: Path, name: str, times: Any) -> Path:
    path = folder / "log" / name
    path.parent.mkdir(exist_ok=True)
    ids = [str(k) for k in range(len(times))]
    found = pa.table({"request_id": ids, "time": times, "miles": [100.0] * len(ids), "scores": [0.2] * len(ids)})
    if path.suffix == ".csv":
        pa.csv.write_csv(found, path)
    else:
        pq.write_table(found, path)
    return path


def holes(days: list[int], length: str, now: timedelta) -> list[str]:
    rows = {hour_of(START + timedelta(days=day, hours=hour)): 5 for day in days for hour in range(24)}
    return [one.text for one in gaps(windows(rows, length), length, hour_of(START + now))]


def test_a_hole_over_the_end_of_a_month_is_told_by_day_and_by_week() -> None:
    days = [*range(24), *range(30, 35)]  # until 28 January, from 4 February on
    told = ["2026-01-29", "2026-01-30", "2026-01-31", "2026-02-01", "2026-02-02", "2026-02-03"]
    assert holes(days, "day", timedelta(days=35)) == told
    assert holes(days, "week", timedelta(days=35)) == []  # each week has rows
    assert len(holes(days, "hour", timedelta(days=35))) == 6 * 24


def test_a_log_that_stops_is_a_hole_once_its_rows_are_a_day_late() -> None:
    days = [*range(14)]  # two weeks
    assert holes(days, "week", timedelta(days=21, hours=23)) == []
    assert holes(days, "week", timedelta(days=22)) == ["2026-01-19"]
    assert holes(days, "day", timedelta(days=15, hours=23)) == []
    assert holes(days, "day", timedelta(days=16)) == ["2026-01-19"]
    assert holes(days, "100 rows", timedelta(days=99)) == []


def test_one_row_of_long_ago_costs_no_look_at_each_hour_since() -> None:
    days = [*range(24), 25]
    since = holes(days, "hour", timedelta(days=26))
    long_ago = holes([-26 * 365, *days], "hour", timedelta(days=26))
    assert long_ago[-24:] == since == [f"2026-01-29 {hour:02}:00" for hour in range(24)]
    assert len(long_ago) <= 364 * 24  # of 227,000


def test_rows_of_a_wrong_clock_count_with_the_hour_of_their_file_whenever_it_is_read(tmp_path: Path) -> None:
    path = log(
        tmp_path, "a.parquet", pa.array([START, datetime(1970, 1, 1, 5, tzinfo=UTC), START + timedelta(days=900)])
    )
    written = START + timedelta(hours=1)
    os.utime(path, (written.timestamp(), written.timestamp()))
    for name, weeks in (("first.db", 0.1), ("again.db", 6)):  # as the state is made anew when it is lost
        with opened(tmp_path / name) as state:
            take_in(state, tmp_path / "log", lambda _: SPEC, hour_of(START + timedelta(weeks=weeks)))
            assert state.rows_by_hour() == {hour_of(START): 1, hour_of(written): 2}


MOMENT = datetime(2026, 3, 29, 0, 30)  # half an hour before clocks in Europe go forward
BOTH = [MOMENT, MOMENT + timedelta(hours=2)]


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize(
    "times",
    [
        pa.array(BOTH),
        pa.array(BOTH, pa.timestamp("us", "Europe/Berlin")),
        pa.array(BOTH, pa.timestamp("s", "America/New_York")),
        pa.array(["2026-03-29T01:30:00+01:00", "2026-03-29T04:30:00+02:00"]),
    ],
    ids=["utc", "Berlin", "New York", "text"],
)
def test_time_zones_and_daylight_saving_are_the_same_hours_for_counts_and_for_labels(
    tmp_path: Path, times: Any, form: str
) -> None:
    path = log(tmp_path, f"a.{form}", times)
    expected = [hour_of(one.replace(tzinfo=UTC)) for one in BOTH]
    assert [int(one) for batch in read_log(log_files(path)[0]) for one in hours(batch)] == expected
    with connected(tmp_path / "tmp") as db:
        found = db.execute(f"select hour from {log_rows(db, [str(path)], ('request_id',), ())} order by request_id")
        assert [hour for (hour,) in found.fetchall()] == expected


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize("number", [1_774_744_200, 1_774_744_200_000, 1_774_744_200.5])
def test_a_number_is_no_time_since_nobody_says_what_it_counts(tmp_path: Path, number: float, form: str) -> None:
    path = log(tmp_path, f"a.{form}", pa.array([number]))
    with pytest.raises(DataError, match=r"its column `time` holds (int64|double), which tells no time"):
        list(read_log(log_files(path)[0]))
