"""Labels that come late, in pieces, and corrected: joined with the log by DuckDB, in bounded memory.

Each file of labels becomes a part of our own: its keys and labels, numbered by when it came. Of a row that several
parts label, the last one counts. What a part touches is joined anew, hour by hour.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pipeline.data.columns import nearest
from pipeline.errors import DataError, cannot_write
from pipeline.evaluation.tallies import rows_of
from pipeline.files import incoming
from pipeline.watch.label_sql import by_form, connected, joined_on, log_rows, names_of, quoted, scan, single, sql_text
from pipeline.watch.profiles import Spec
from pipeline.watch.realized import Realized
from pipeline.watch.reference import losses, truths
from pipeline.watch.requests import LogFile, log_files, scores_of
from pipeline.watch.segments import losses_by_segment
from pipeline.watch.state import State

if TYPE_CHECKING:
    import duckdb

_AT_ONCE = 100_000
_JOINED = ("hour", "version", "route", "label_text", "arrival", "scores", "block")


@dataclass(frozen=True)
class Joining:
    """How labels find their requests.

    Attributes:
        keys: columns that both have: the request's id, or features.
        label: the labels' column.
        slices: columns to slice by, singly or crossed.
        folder: where the parts lie; temporary: where a join may put what does not fit.
    """

    keys: tuple[str, ...]
    label: str
    slices: tuple[tuple[str, ...], ...]
    folder: Path
    temporary: Path


def label_files(pattern: str | Path) -> list[LogFile]:
    """List files of labels: a folder, a file or a pattern."""
    return log_files(Path(pattern))


def take_in_labels(state: State, files: Sequence[LogFile], joining: Joining) -> set[int]:
    """Make parts of the files that are new or changed; return the hours of the log that they touch.

    Raises:
        DataError: a file has no such columns.
    """
    known = {one["path"]: one for one in state.labels()}
    arrival = max((one["arrival"] for one in known.values()), default=0)
    touched: set[int] = set()
    for file in files:
        before = known.get(file.path)
        if before and (before["size"], before["changed"]) == (file.size, file.changed):
            continue
        arrival += 1
        part = joining.folder / f"{arrival:06d}.parquet"
        with connected(joining.temporary) as db:
            # What it said before counts no more.
            past = _touched(db, state, before["part"], joining)[0] if before else set()
            rows, repeated, strange = _make_part(db, file, part, arrival, joining)
            hours, unmatched = _touched(db, state, str(part), joining)
        touched |= hours | past
        state.put_labels(
            hours | past,
            path=file.path,
            size=file.size,
            changed=file.changed,
            arrival=arrival,
            rows=rows,
            repeated=repeated,
            strange=strange,
            unmatched=unmatched,
            part=str(part),
        )
        if before:
            Path(before["part"]).unlink(missing_ok=True)
    return touched


def _make_part(
    db: duckdb.DuckDBPyConnection, file: LogFile, part: Path, arrival: int, joining: Joining
) -> tuple[int, int, int]:
    """Write a part; return its rows, how many of them repeat a key, and how many have no label or no key."""
    source = scan([file.path])
    names, label = _columns(db, file.path, joining.keys, joining.label)
    keys = [f"cast({quoted(name)} as varchar) as {quoted(name)}" for name in joining.keys]
    row = "coalesce(cast(row as integer), 0)" if "row" in names and "request_id" in joining.keys else "0"
    usable = " and ".join(f"{quoted(name)} is not null" for name in (*joining.keys, label))
    total = single(db, f"select count(*) from {source}")
    columns = f"{', '.join(keys)}, {row} as label_row, cast({quoted(label)} as varchar) as label_text"
    by = ", ".join([*map(quoted, joining.keys), "label_row"])
    with _written(part) as hidden:
        db.execute(
            f"copy (select {by}, last(label_text) as label_text, count(*) as times, {arrival} as arrival from "
            f"(select {columns} from {source} where {usable}) group by {by}) to '{sql_text(hidden)}' (format parquet)"
        )
    rows, times = db.execute(f"select count(*), coalesce(sum(times), 0) from {scan([str(part)])}").fetchone() or (0, 0)
    return int(total), int(times) - int(rows), int(total) - int(times)


def _columns(db: duckdb.DuckDBPyConnection, path: str, keys: Sequence[str], label: str) -> tuple[list[str], str]:
    """Return the columns of a file of labels, and which one is the label."""
    names = [one[0] for one in db.execute(f"describe select * from {scan([path])}").fetchall()]
    label = label if label in names else "label"
    for name in (*keys, label):
        if name not in names:
            raise DataError(
                f"{path} has no column {name!r}; {nearest(name, names)}",
                "labels need the column of the label and request_id, or the columns of watch.keys",
            )
    return names, label


def check_labels(file: Path, keys: Sequence[str], label: str, temporary: Path) -> None:
    """Look whether a file can be joined.

    Raises:
        DataError: it cannot be read, or lacks a column.
    """
    with connected(temporary) as db:
        _columns(db, str(file), keys, label)


@contextlib.contextmanager
def _written(part: Path) -> Iterator[Path]:
    try:
        with incoming(part) as hidden:
            yield hidden
    except OSError as exc:
        raise cannot_write(
            part.parent, exc, f"{part} cannot be written: {exc.strerror}", "fix its permissions"
        ) from exc


def _touched(db: duckdb.DuckDBPyConnection, state: State, part: str, joining: Joining) -> tuple[set[int], int]:
    """Return the hours that have requests of a part's keys, and how many of its labels have none."""
    files = [path for path in state.files() if Path(path).exists()]
    if not Path(part).exists():
        return set(), 0
    labels = scan([part])
    if not files:
        return set(), int(single(db, f"select count(*) from {labels}"))
    on, hours, alone = joined_on(joining.keys), set(), labels
    for log in (log_rows(db, some, joining.keys, ()) for some in by_form(files)):
        found = db.execute(f"select distinct hour from {log} l join {labels} p on {on}").fetchall()
        hours |= {int(hour) for (hour,) in found}
        alone = f"(select p.* from {alone} p anti join {log} l on {on})"
    return hours, int(single(db, f"select count(*) from {alone} p"))


def realize(state: State, hours: set[int], spec_for: Any, joining: Joining) -> None:
    """Join the requests of these hours with the labels that are known by now, and keep their losses."""
    hours = hours & set(state.all_hours())
    parts = [one["part"] for one in state.labels() if Path(one["part"]).exists()]
    found: dict[tuple[int, str, str, str, int], Realized] = {}
    segments: dict[tuple[int, str, str, int], Any] = {}
    files = [path for path in state.paths_of(hours) if Path(path).exists()] if hours else []
    if not hours:
        return
    if parts and files:
        wanted = {column for columns in joining.slices for column in columns}
        for version in {version for version, _ in state.versions(min(hours), max(hours) + 1)}:
            spec = spec_for(version)
            wanted |= set(spec.segment_columns if spec else ())
        more = sorted(wanted)
        with connected(joining.temporary) as db:
            by = ", ".join([*(f"p.{quoted(key)}" for key in joining.keys), "p.label_row"])
            last = (
                f"(select {by}, arg_max(label_text, arrival) as label_text, max(arrival) as arrival "
                f"from {scan(parts)} p group by {by})"
            )
            marks = ", ".join(map(str, sorted(hours)))
            for some in by_form(files):
                there = [name for name in more if name in names_of(db, some)]
                columns = ", ".join([*_JOINED, *map(quoted, there)])
                log = log_rows(db, some, joining.keys, more)
                query = (
                    f"select {columns} from {log} l join {last} p on {joined_on(joining.keys)} where hour in ({marks})"
                )
                for batch in db.sql(query).to_arrow_reader(_AT_ONCE):
                    _add(found, segments, batch, spec_for, [one for one in joining.slices if set(one) <= set(there)])
    state.put_realized(hours, found, segments)


def _add(
    found: dict[Any, Realized],
    segments: dict[Any, Any],
    batch: pa.RecordBatch,
    spec_for: Any,
    slices: Sequence[tuple[str, ...]],
) -> None:
    columns = {name: batch.column(name) for name in batch.schema.names}
    groups: dict[tuple[int, str, str, int], list[int]] = {}
    keys = zip(*(columns[name].to_pylist() for name in ("hour", "version", "route", "arrival")), strict=True)
    for place, key in enumerate(keys):
        groups.setdefault(key, []).append(place)
    for (hour, version, route, arrival), places in groups.items():
        spec: Spec | None = spec_for(version)
        if spec is None:
            continue
        part = batch.take(pa.array(places))
        truth = truths(spec.task, spec.classes, part.column("label_text").to_pylist())
        scores = scores_of(part)
        known = np.isfinite(truth) & np.isfinite(scores).all(axis=1)
        if not known.any():
            continue
        part, truth, scores = part.filter(pa.array(known)), truth[known], scores[known]
        loss = losses(spec.task, truth, scores)
        blocks = np.asarray(part.column("block").to_numpy(zero_copy_only=False), np.int64)
        rows = rows_of(spec.task, truth, scores, blocks)
        if spec.segments:
            sums = losses_by_segment(spec, part, loss)
            of_hour = hour, version, route, arrival
            segments[of_hour] = segments[of_hour] + sums if of_hour in segments else sums
        for name, chosen in sliced(part, slices):
            one = Realized(float(loss[chosen].sum()), float((loss[chosen] ** 2).sum()), rows.tally(chosen))
            key = hour, version, route, name, arrival
            found[key] = found[key] + one if key in found else one


def sliced(part: pa.RecordBatch, slices: Sequence[tuple[str, ...]]) -> Iterator[tuple[str, Any]]:
    """Yield each slice's name, that of the whole is empty, and its rows."""
    yield "", np.arange(part.num_rows)
    for columns in slices:
        texts = [part.column(name).cast(pa.string()).fill_null("missing").to_pylist() for name in columns]
        names = np.array(
            [", ".join(f"{c}={v}" for c, v in zip(columns, row, strict=True)) for row in zip(*texts, strict=True)]
        )
        for name in np.unique(names)[:200]:
            yield str(name), np.flatnonzero(names == name)
