"""Which version answered when, and by which route."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.watch.windows import Window, moment


def served(answered: Iterable[tuple[int, str, str, int]], windows: Sequence[Window]) -> list[dict[str, Any]]:
    """Return times without a window between in which a version had no row: version, route, begin, end and rows.

    Args:
        answered: hour, version, route and rows, in the order of hours.
    """
    place = {hour: number for number, one in enumerate(windows) for hour in range(*one)}
    times: list[dict[str, Any]] = []
    open_: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {}
    for hour, version, route, rows in answered:
        number = place.get(hour)
        if number is None:
            continue
        last, time = open_.get((version, route), (-2, {}))
        if number - last > 1:
            time = {"version": version, "route": route, "begin": moment(hour).isoformat(), "rows": 0}
            times.append(time)
        time["end"] = moment(hour + 1).isoformat()
        time["rows"] += rows
        open_[version, route] = (number, time)
    return times
