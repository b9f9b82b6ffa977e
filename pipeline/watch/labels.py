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
import pyarrow.parquet as pq

from pipeline.data.convert import nearest
from pipeline.errors import DataError, cannot_write
from pipeline.evaluation.tallies import rows_of
from pipeline.files import incoming
from pipeline.watch.profiles import Spec
from pipeline.watch.reference import losses, truths
from pipeline.watch.requests import OWN, LogFile, log_files, scores_of
from pipeline.watch.state import Realized, State

if TYPE_CHECKING:
    import duckdb

MEMORY = "600MB"
"""Of a join; more goes to the disk."""
_HOUR = 3_600_000_000
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
        with _connected(joining) as db:
            if before:  # what it said before counts no more
                touched |= _touched(db, state, before["part"], joining)[0]
            rows, repeated, strange = _make_part(db, file, part, arrival, joining)
            hours, unmatched = _touched(db, state, str(part), joining)
        touched |= hours
        state.put_labels(
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
    source = _scan([file.path])
    names = [one[0] for one in db.execute(f"describe select * from {source}").fetchall()]
    label = joining.label if joining.label in names else "label"
    for name in (*joining.keys, label):
        if name not in names:
            raise DataError(
                f"{file.path} has no column {name!r}; {nearest(name, names)}",
                "labels need the column of the label and request_id, or the columns of watch.keys",
            )
    keys = [f"cast({_quoted(name)} as varchar) as {_quoted(name)}" for name in joining.keys]
    row = "coalesce(cast(row as integer), 0)" if "row" in names and "request_id" in joining.keys else "0"
    usable = " and ".join(f"{_quoted(name)} is not null" for name in (*joining.keys, label))
    total = _one(db, f"select count(*) from {source}")
    columns = f"{', '.join(keys)}, {row} as label_row, cast({_quoted(label)} as varchar) as label_text"
    by = ", ".join([*map(_quoted, joining.keys), "label_row"])
    with _written(part) as hidden:
        db.execute(
            f"copy (select {by}, last(label_text) as label_text, count(*) as times, {arrival} as arrival from "
            f"(select {columns} from {source} where {usable}) group by {by}) to '{_text(hidden)}' (format parquet)"
        )
    rows, times = db.execute(f"select count(*), coalesce(sum(times), 0) from {_scan([str(part)])}").fetchone() or (0, 0)
    return int(total), int(times) - int(rows), int(total) - int(times)


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
    labels = _scan([part])
    if not files:
        return set(), int(_one(db, f"select count(*) from {labels}"))
    on, hours, alone = _on(joining), set(), labels
    for log in (_log(db, some, joining, ()) for some in _by_form(files)):
        found = db.execute(f"select distinct hour from {log} l join {labels} p on {on}").fetchall()
        hours |= {int(hour) for (hour,) in found}
        alone = f"(select p.* from {alone} p anti join {log} l on {on})"
    return hours, int(_one(db, f"select count(*) from {alone} p"))


def realize(state: State, hours: set[int], spec_for: Any, joining: Joining) -> None:
    """Join the requests of these hours with the labels that are known by now, and keep their losses."""
    hours = hours & set(state.all_hours())
    parts = [one["part"] for one in state.labels() if Path(one["part"]).exists()]
    found: dict[tuple[int, str, str, str, int], Realized] = {}
    files = [path for path in state.paths_of(hours) if Path(path).exists()] if hours else []
    if not hours:
        return
    if parts and files:
        sliced = sorted({column for columns in joining.slices for column in columns})
        with _connected(joining) as db:
            by = ", ".join([*(f"p.{_quoted(key)}" for key in joining.keys), "p.label_row"])
            last = (
                f"(select {by}, arg_max(label_text, arrival) as label_text, max(arrival) as arrival "
                f"from {_scan(parts)} p group by {by})"
            )
            marks = ", ".join(map(str, sorted(hours)))
            for some in _by_form(files):
                there = [name for name in sliced if name in _names(db, some)]
                columns = ", ".join([*_JOINED, *map(_quoted, there)])
                log = _log(db, some, joining, sliced)
                query = f"select {columns} from {log} l join {last} p on {_on(joining)} where hour in ({marks})"
                for batch in db.sql(query).to_arrow_reader(_AT_ONCE):
                    _add(found, batch, spec_for, [one for one in joining.slices if set(one) <= set(there)])
    state.put_realized(hours, found)


def _add(found: dict[Any, Realized], batch: pa.RecordBatch, spec_for: Any, slices: Sequence[tuple[str, ...]]) -> None:
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
        for name, chosen in _slices(part, slices):
            one = Realized(float(loss[chosen].sum()), float((loss[chosen] ** 2).sum()), rows.tally(chosen))
            key = hour, version, route, name, arrival
            found[key] = found[key] + one if key in found else one


def _slices(part: pa.RecordBatch, slices: Sequence[tuple[str, ...]]) -> Iterator[tuple[str, Any]]:
    yield "", np.arange(part.num_rows)
    for columns in slices:
        texts = [part.column(name).cast(pa.string()).fill_null("missing").to_pylist() for name in columns]
        names = np.array(
            [", ".join(f"{c}={v}" for c, v in zip(columns, row, strict=True)) for row in zip(*texts, strict=True)]
        )
        for name in np.unique(names)[:200]:
            yield str(name), np.flatnonzero(names == name)


@contextlib.contextmanager
def _connected(joining: Joining) -> Iterator[duckdb.DuckDBPyConnection]:
    import duckdb

    joining.temporary.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as db:
        db.execute(f"set memory_limit = '{MEMORY}'; set threads = 2; set preserve_insertion_order = false")
        db.execute(f"set temp_directory = '{_text(joining.temporary)}'; set TimeZone = 'UTC'")
        try:
            yield db
        except duckdb.Error as exc:
            raise DataError(f"labels cannot be joined with the log: {exc}", "look at the files that it names") from exc


def _log(db: duckdb.DuckDBPyConnection, files: Sequence[str], joining: Joining, more: Sequence[str]) -> str:
    """Return the log's answered rows, for a FROM clause: keys, hour, version, route, scores, block, slices."""
    places = _names(db, files)
    wanted = [name for name in (*joining.keys, *more) if name in places]
    if missing := [name for name in joining.keys if name not in places]:
        raise DataError(f"the log has no column {missing[0]!r}", "name columns of the log in watch.keys")
    columns = [
        f"cast({places[name]} as varchar) as {_quoted(name)}"
        if name in joining.keys
        else f"{places[name]} as {_quoted(name)}"
        for name in dict.fromkeys(wanted)
    ]
    row = "cast(row as integer)" if "row" in places and "request_id" in joining.keys else "0"
    version = "coalesce(cast(version as varchar), '')" if "version" in places else "''"
    route = "coalesce(route, 'stable')" if "route" in places else "'stable'"
    key = ", ".join(places[name] for name in joining.keys)
    answered = "where error is null" if "error" in places else ""
    return (
        f"(select {', '.join(columns)}, {row} as log_row, "
        f"cast(epoch_us(cast(time as timestamptz)) // {_HOUR} as bigint) as hour, {version} as version, "
        f"{route} as route, scores, "
        f"cast(hash({key}, {row}) % 20 as bigint) as block from {_scan(files)} {answered})"
    )


def _names(db: duckdb.DuckDBPyConnection, files: Sequence[str]) -> dict[str, str]:
    """Return the columns of a log, features too, with how SQL names them."""
    found = {
        str(one[0]): _quoted(str(one[0])) for one in db.execute(f"describe select * from {_scan(files)}").fetchall()
    }
    if "features" in found and files[0].endswith(".parquet"):
        kind = pq.read_schema(files[0]).field("features").type
        if pa.types.is_struct(kind):
            found |= {
                kind[k].name: f"features.{_quoted(kind[k].name)}"
                for k in range(kind.num_fields)
                if kind[k].name not in OWN
            }
    return found


def _by_form(files: Sequence[str]) -> list[list[str]]:
    """Return Parquet and CSV files apart: features are a column of the one, and columns of the other."""
    forms = [[file for file in files if file.endswith(ending)] for ending in (".parquet", ".csv")]
    return [form for form in forms if form]


def _on(joining: Joining) -> str:
    keys = " and ".join(f"l.{_quoted(name)} = p.{_quoted(name)}" for name in joining.keys)
    return f"{keys} and l.log_row = p.label_row"


def _scan(files: Sequence[str]) -> str:
    listed = ", ".join(f"'{_text(file)}'" for file in files)
    if all(file.endswith(".parquet") for file in files):
        return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
    # As they stand: no type is guessed.
    return f"read_csv([{listed}], union_by_name = true, hive_partitioning = false, all_varchar = true)"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: Any) -> str:
    return str(value).replace("'", "''")


def _one(db: duckdb.DuckDBPyConnection, query: str) -> Any:
    return (db.execute(query).fetchone() or (0,))[0]
