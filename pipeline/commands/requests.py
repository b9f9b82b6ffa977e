"""Counts what the log of requests holds: by hour, version and route. No TensorFlow."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.serving.request_files import tables


@dataclass
class Hour:
    """Requests of one hour that one version answered by one route.

    Attributes:
        hour: ISO 8601, UTC.
        version: empty where none answered.
        requests, rows, errors: how many.
        latency_ms: the mean of the rows'.
    """

    hour: str
    version: str
    route: str
    requests: int = 0
    rows: int = 0
    errors: int = 0
    latency_ms: float = 0.0


def count_requests(folder: Path, last_s: float | None = None) -> list[Hour]:
    """Return the counts, the newest hour first.

    Args:
        folder: of one name in the log.
        last_s: only those of the last seconds.

    Raises:
        ConfigError: there is no log.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder} holds no log of requests", "`longhaul serve` writes one; --log names another")
    since = None if last_s is None else datetime.now(UTC) - timedelta(seconds=last_s)
    found: dict[tuple[str, str, str], Hour] = {}
    seconds: dict[tuple[str, str, str], float] = defaultdict(float)
    for table in tables(folder, since):
        wanted = table.select(["row", "time", "version", "route", "latency_s", "error"])
        firsts = _firsts(table)
        for row, first in zip(wanted.to_pylist(), firsts, strict=True):
            key = (f"{row['time']:%Y-%m-%dT%H:00Z}", row["version"] or "", row["route"])
            one = found.setdefault(key, Hour(*key))
            one.rows += 1
            one.requests += first
            one.errors += first and row["error"] is not None
            seconds[key] += row["latency_s"]
    for key, one in found.items():
        one.latency_ms = round(seconds[key] / one.rows * 1000, 3)
    return sorted(found.values(), key=lambda one: (one.hour, one.version, one.route), reverse=True)


def _firsts(table: object) -> list[bool]:
    """Return which rows are the first of their request by their version and route in the table."""
    columns = table.select(["request_id", "version", "route"]).to_pydict()  # type: ignore[attr-defined]
    seen: set[tuple[str, str | None, str]] = set()
    found = []
    for key in zip(columns["request_id"], columns["version"], columns["route"], strict=True):
        found.append(key not in seen)
        seen.add(key)
    return found
