"""Takes in what is new in the log: profiles by hour, file by file. A file that is gone stays counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.watch.counting import profiles
from pipeline.watch.profiles import MOST_BINNED, Array, Profile, Spec
from pipeline.watch.requests import OWN, LogFile, check_log, hours, log_files, read_log, scores_of
from pipeline.watch.state import State

FUTURE_HOURS = 2
"""So far may the clock of a server be ahead of ours."""
_HOUR_NS = 3_600_000_000_000
FIRST_HOUR = 10957 * 24
"""The year 2000: a time before it is that of a clock that nobody has set, or none."""


def take_in(state: State, log: Path, spec_for: Callable[[str], Spec | None], now_hour: int) -> set[int]:
    """Read files that are new or changed; return the hours that they touch.

    Args:
        spec_for: how rows of a version are counted; None of a version whose promise is not on record.
    """
    known = state.files()
    horizon = state.horizon()
    touched: set[int] = set()
    for file in log_files(log):
        if known.get(file.path) == file:
            continue
        touched |= state.hours_of(file.path)
        found = profiles_of(file, read_log(file), spec_for, now_hour)
        found = {key: one for key, one in found.items() if key[0] >= horizon}
        state.put_file(file, found)
        touched |= {hour for hour, _, _ in found}
    return touched


def profiles_of(
    file: LogFile, batches: Iterable[pa.RecordBatch], spec_for: Callable[[str], Spec | None], now_hour: int
) -> dict[tuple[int, str, str], Profile]:
    """Count the rows of a file by hour, version and route."""
    found: dict[tuple[int, str, str], Profile] = {}
    seen: dict[tuple[int, str, str], int] = {}
    written = file.changed // _HOUR_NS
    otherwise = min(now_hour, written) if written >= FIRST_HOUR else now_hour
    for batch in batches:
        check_log(batch, file.path)
        for version, keys, part, group, wrong in _by_version(batch, now_hour, otherwise):
            spec = spec_for(version)
            if spec is None:
                continue
            late = np.bincount(group[wrong], minlength=len(keys))
            failed = np.zeros(len(keys), np.int64)
            if "error" in part.schema.names and part.column("error").null_count < part.num_rows:
                answered = part.column("error").is_null().to_numpy(zero_copy_only=False)
                failed = np.bincount(group[~answered], minlength=len(keys))
                part, group = part.filter(pa.array(answered)), group[answered]
            rows = np.bincount(group, minlength=len(keys)).tolist()
            steps = [1 + seen.get(key, 0) // MOST_BINNED + n // MOST_BINNED for key, n in zip(keys, rows, strict=True)]
            features = part.select([name for name in part.schema.names if name not in OWN])
            counted = profiles(spec, features, scores_of(part)[:, 0], group, steps)
            for number, (key, one) in enumerate(zip(keys, counted, strict=True)):
                one.errors, one.late = int(failed[number]), int(late[number])
                seen[key] = seen.get(key, 0) + rows[number]
                found[key] = found[key] + one if key in found else one
    return found


def _by_version(
    batch: pa.RecordBatch, now_hour: int, otherwise: int
) -> Iterable[tuple[str, list[tuple[int, str, str]], pa.RecordBatch, Array, Array]]:
    """Yield the rows by version: hours, version and routes that there are, which of them each row is of, and whether
    its clock is wrong; such rows count as of the hour `otherwise`."""
    hour = hours(batch)
    wrong = (hour > now_hour + FUTURE_HOURS) | (hour < FIRST_HOUR)
    hour = np.where(wrong, otherwise, hour)
    versions, version = np.unique(_texts(batch, "version", ""), return_inverse=True)
    routes, route = np.unique(_texts(batch, "route", "stable"), return_inverse=True)
    for number, name in enumerate(versions):
        mine = np.flatnonzero(version == number)
        part = batch if len(mine) == batch.num_rows else batch.take(pa.array(mine))
        places, group = np.unique(np.stack([hour[mine], route[mine]]), axis=1, return_inverse=True)
        keys = [(int(when), str(name), str(routes[how])) for when, how in places.T]
        yield str(name), keys, part, np.asarray(group).ravel(), wrong[mine]


def _texts(batch: pa.RecordBatch, name: str, otherwise: str) -> npt.NDArray[np.str_]:
    if name not in batch.schema.names:
        return np.full(batch.num_rows, otherwise)
    return np.array(batch.column(name).cast(pa.string()).fill_null(otherwise).to_pylist(), dtype=str)
