"""From hours to windows: hours, days, weeks, or so many rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

_START = datetime(1970, 1, 1, tzinfo=UTC)
_MONDAY = 4 * 24
"""The first Monday of 1970, in hours."""
_LENGTH = {"hour": 1, "day": 24, "week": 168}
_ARRIVES = 24
"""Hours after which rows that are not in the log are missed."""
_SILENT, _OCCASIONS = 2, 4
"""On so many occasions of the last so many must an hour have been silent to be one of rest."""
YEAR = 364 * 24
"""A year of whole weeks: the same season, on the same weekdays."""


class Window(NamedTuple):
    """Hours from `first` until before `last`, counted from 1970."""

    first: int
    last: int

    @property
    def text(self) -> str:
        """As people name it: the day it begins, or the hour."""
        begin = moment(self.first)
        return f"{begin:%Y-%m-%d}" if begin.hour == 0 and self.last - self.first >= 24 else f"{begin:%Y-%m-%d %H:%M}"


def moment(hour: int) -> datetime:
    """Return the time of an hour."""
    return _START + timedelta(hours=hour)


def hour_of(time: datetime) -> int:
    """Return the hour of a time."""
    return int((time - _START).total_seconds() // 3600)


def window_of(hour: int, length: str) -> Window:
    """Return the window that an hour lies in; of `hour`, `day` and `week` only."""
    size = _LENGTH[length]
    first = (hour - _MONDAY) // size * size + _MONDAY if length == "week" else hour // size * size
    return Window(first, first + size)


def windows(rows: Mapping[int, int], length: str) -> list[Window]:
    """Return the windows in which there are rows, in order.

    Args:
        rows: by hour; length: as `watch.window` says.
    """
    if length in _LENGTH:
        return sorted({window_of(hour, length) for hour in rows})
    most = int(length.partition(" ")[0])
    found: list[Window] = []
    first, count = None, 0
    for hour in sorted(rows):
        first = hour if first is None else first
        count += rows[hour]
        if count >= most:
            found.append(Window(first, hour + 1))
            first, count = None, 0
    return [*found, Window(first, max(rows) + 1)] if first is not None else found


def gaps(found: Sequence[Window], length: str, now_hour: int) -> list[Window]:
    """Return the windows without a row between those with some, and those that ended since, a day ago or more: so long
    may a log take to arrive. An hour or a day in which the model usually rests, at night or on Sundays, is none: it was
    silent on two of the four occasions before, in other weeks. A hole that goes on for weeks is one occasion, so no
    outage teaches that its hours are rest, be it ever so long; one that comes again each week does, after two. Nobody
    looks back for longer than a year, so that one row of long ago costs nothing."""
    if length not in _LENGTH or not found:
        return []
    size = _LENGTH[length]
    there = set(found)
    end = max(found[-1].first, now_hour - _ARRIVES - size + 1)
    begin = max(found[0].first, end - YEAR)
    span = range(begin + (found[0].first - begin) % size, end, size)
    holes: dict[int, int] = {}
    for first in span:
        if Window(first, first + size) not in there:
            holes[first] = holes.get(first - size, first)
    return [Window(first, first + size) for first in holes if length == "week" or not _rests(first, holes, span.start)]


def _rests(first: int, holes: Mapping[int, int], begin: int) -> bool:
    """Return whether a window is one of rest.

    Args:
        holes: first hours of silent windows, and that of the hole which each is part of; begin: of the log.
    """
    week = _LENGTH["week"]
    known, occasions, silent = {holes[first]}, 0, 0
    for before in range(first - week, begin - 1, -week):
        hole = holes.get(before)
        if hole in known:
            continue
        occasions += 1
        if hole is not None:
            known.add(hole)
            silent += 1
        if silent == _SILENT or occasions == _OCCASIONS:
            break
    return silent == _SILENT
