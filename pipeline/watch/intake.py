"""Takes in what is new in the log: profiles by hour, file by file. A file that is gone stays counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.watch.profiles import MOST_BINNED, Profile, Spec, profile
from pipeline.watch.requests import OWN, LogFile, check_log, hours, log_files, read_log, scores_of
from pipeline.watch.state import State

FUTURE_HOURS = 2
"""So far may the clock of a server be ahead of ours."""
FIRST_HOUR = 10957 * 24
"""The year 2000: a time before it is that of a clock that nobody has set, or none."""


def take_in(state: State, log: Path, spec_for: Callable[[str], Spec | None], now_hour: int) -> set[int]:
    """Read files that are new or changed; return the hours that they touch.

    Args:
        spec_for: how rows of a version are counted; None where nobody knows.
    """
    known = state.files()
    touched: set[int] = set()
    for file in log_files(log):
        if known.get(file.path) == file:
            continue
        touched |= state.hours_of(file.path)
        found = profiles_of(file, read_log(file), spec_for, now_hour)
        state.put_file(file, found)
        touched |= {hour for hour, _, _ in found}
    return touched


def profiles_of(
    file: LogFile, batches: Iterable[pa.RecordBatch], spec_for: Callable[[str], Spec | None], now_hour: int
) -> dict[tuple[int, str, str], Profile]:
    """Count the rows of a file by hour, version and route."""
    found: dict[tuple[int, str, str], Profile] = {}
    seen: dict[tuple[int, str, str], int] = {}
    for batch in batches:
        check_log(batch, file.path)
        for key, part, late in _groups(batch, now_hour):
            spec = spec_for(key[1])
            if spec is None:
                continue
            answered = part
            failed = 0
            if "error" in part.schema.names:
                answered = part.filter(part.column("error").is_null())
                failed = part.num_rows - answered.num_rows
            step = 1 + seen.get(key, 0) // MOST_BINNED + answered.num_rows // MOST_BINNED
            features = answered.select([name for name in answered.schema.names if name not in OWN])
            one = profile(spec, features, scores_of(answered)[:, 0], step)
            one.errors, one.late = failed, late
            seen[key] = seen.get(key, 0) + answered.num_rows
            found[key] = found[key] + one if key in found else one
    return found


def _groups(batch: pa.RecordBatch, now_hour: int) -> Iterable[tuple[tuple[int, str, str], pa.RecordBatch, int]]:
    """Yield the rows by hour, version and route; those whose clock is wrong with the last hour."""
    hour = hours(batch)
    wrong = (hour > now_hour + FUTURE_HOURS) | (hour < FIRST_HOUR)
    hour = np.where(wrong, now_hour, hour)
    version = _texts(batch, "version", "")
    route = _texts(batch, "route", "stable")
    names = np.char.add(np.char.add(version, "\x00"), route) if len(hour) else version
    if len(hour) and (hour == hour[0]).all() and (names == names[0]).all():
        yield (int(hour[0]), str(version[0]), str(route[0])), batch, int(wrong.sum())
        return
    _, codes = np.unique(names, return_inverse=True)
    _, groups = np.unique(np.stack([hour, codes]), axis=1, return_inverse=True)
    groups = groups.ravel()
    order = np.argsort(groups, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
        if len(rows):
            first = rows[0]
            key = int(hour[first]), str(version[first]), str(route[first])
            yield key, batch.take(pa.array(rows)), int(wrong[rows].sum())


def _texts(batch: pa.RecordBatch, name: str, otherwise: str) -> npt.NDArray[np.str_]:
    if name not in batch.schema.names:
        return np.full(batch.num_rows, otherwise)
    return np.array(batch.column(name).cast(pa.string()).fill_null(otherwise).to_pylist(), dtype=str)
