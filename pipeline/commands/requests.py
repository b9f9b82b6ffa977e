"""Counts what the log of requests holds: by hour, version and route. Only TensorFlow Serving's log takes TensorFlow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError
from pipeline.serving.prediction_log import prediction_files, prediction_tables
from pipeline.serving.request_files import tables


@dataclass
class Hour:
    """Requests of one hour that one version answered by one route.

    Attributes:
        hour: ISO 8601, UTC.
        version: empty where none answered.
        requests, rows, errors: how many.
        latency_ms: the mean of the rows'; None in TensorFlow Serving's log, which does not have it.
    """

    hour: str
    version: str
    route: str
    requests: int = 0
    rows: int = 0
    errors: int = 0
    latency_ms: float | None = None


def count_requests(log: Path, last_s: float | None = None) -> list[Hour]:
    """Return the counts, the newest hour first.

    Args:
        log: a folder of one name in the log; or a folder of TensorFlow Serving's TFRecord files, one, or a pattern.
        last_s: only those of the last seconds.

    Raises:
        ConfigError: there is no log.
        DataError: a TFRecord file is damaged, or holds something else.
    """
    if not log.is_dir() and not prediction_files(log):
        raise ConfigError(
            f"{log} holds no log of requests",
            "`longhaul serve` writes one; --log names another, its folder or TensorFlow Serving's TFRecord files",
        )
    since = None if last_s is None else datetime.now(UTC) - timedelta(seconds=last_s)
    found: dict[tuple[str, str, str], Hour] = {}
    seconds: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for table in chain(tables(log, since), _of_tensorflow_serving(log, since)):
        wanted = table.select(["row", "time", "version", "route", "latency_s", "error"])
        firsts = _firsts(table)
        for row, first in zip(wanted.to_pylist(), firsts, strict=True):
            key = (f"{row['time']:%Y-%m-%dT%H:00Z}", row["version"] or "", row["route"])
            one = found.setdefault(key, Hour(*key))
            one.rows += 1
            one.requests += first
            one.errors += first and row["error"] is not None
            if row["latency_s"] is not None:
                seconds[key].append(row["latency_s"])
    for key, its in seconds.items():
        found[key].latency_ms = round(sum(its) / len(its) * 1000, 3)
    return sorted(found.values(), key=lambda one: (one.hour, one.version, one.route), reverse=True)


def _of_tensorflow_serving(log: Path, since: datetime | None) -> Iterator[Any]:
    import pyarrow.compute as pc

    for path in prediction_files(log):
        for table in prediction_tables(path):
            yield table if since is None else table.filter(pc.greater_equal(table["time"], since))


def _firsts(table: object) -> list[bool]:
    """Return which rows are the first of their request by their version and route in the table."""
    columns = table.select(["request_id", "version", "route"]).to_pydict()  # type: ignore[attr-defined]
    seen: set[tuple[str, str | None, str]] = set()
    found = []
    for key in zip(columns["request_id"], columns["version"], columns["route"], strict=True):
        found.append(key not in seen)
        seen.add(key)
    return found
