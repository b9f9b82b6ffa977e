"""What `watch` remembers, in one small SQLite file: which files were read, profiles by hour, realized losses, verdicts,
alarms. A process that is killed loses nothing that it said; the file is made anew from the log when it is
lost, but for who was told of which alarm."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import DiskFullError, WorkspaceError, tells_of_full_disk
from pipeline.watch.profiles import Profile
from pipeline.watch.realized import Realized
from pipeline.watch.requests import LogFile

FORM = 2
_TABLES = """
create table files (path text primary key, size int, changed int);
create table profiles (path text, hour int, version text, route text, rows int, data blob,
                       primary key (path, hour, version, route));
create index by_hour on profiles (hour);
create table labels (path text primary key, size int, changed int, arrival int, rows int, repeated int, strange int,
                     unmatched int, part text);
create table realized (hour int, version text, route text, slice text, arrival int, data blob,
                       primary key (hour, version, route, slice, arrival));
create table segments (hour int, version text, route text, arrival int, data blob,
                       primary key (hour, version, route, arrival));
create table windows (window int, version text, verdict text, primary key (window, version));
create table alarms (key text primary key, alarm text);
"""
_LATER = """create table if not exists forgotten (version text primary key, before int, windows int, deliveries int);
create table if not exists touched (hour int primary key);
create table if not exists unrecorded (window int, version text, primary key (window, version));
"""
"""What states of the same form have had since; `touched` hours have what no verdict knows yet."""


@contextmanager
def opened(file: Path) -> Iterator[State]:
    """Open the state, made anew if it is missing, damaged or of another form; what was there is laid aside.

    Raises:
        WorkspaceError: it cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists() and not _is_ours(file):
            file.replace(file.with_name(f"{file.name}.set-aside"))
        with closing(sqlite3.connect(file, timeout=30, isolation_level=None)) as connection:
            connection.execute("pragma synchronous = full")
            if not connection.execute("pragma user_version").fetchone()[0]:
                connection.executescript(f"begin; {_TABLES} pragma user_version = {FORM}; commit;")
            connection.executescript(_LATER)
            yield State(connection)
    except (sqlite3.Error, OSError) as exc:
        if tells_of_full_disk(str(exc)):
            raise DiskFullError(file.parent) from exc
        raise WorkspaceError(
            f"the state of watching, {file}, cannot be used: {exc}",
            "fix its permissions, or move it away: it is made anew from the log",
        ) from exc


def _is_ours(file: Path) -> bool:
    try:
        with closing(sqlite3.connect(file)) as connection:
            form = connection.execute("pragma user_version").fetchone()[0]
            connection.execute("select count(*) from sqlite_master").fetchone()
            return form in (0, FORM)
    except sqlite3.DatabaseError:
        return False


class State:
    """See above; each method is one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    # Requests

    def files(self) -> dict[str, LogFile]:
        """Return the files of the log that were read, by path."""
        return {path: LogFile(path, *state) for path, *state in self._db.execute("select * from files")}

    def put_file(self, file: LogFile, profiles: Mapping[tuple[int, str, str], Profile]) -> None:
        """Put in a file's profiles, in the place of those that it had when it was read before."""
        with self.whole():
            self._touch(self.hours_of(file.path).union(hour for hour, _, _ in profiles))
            self._db.execute("delete from profiles where path = ?", (file.path,))
            self._db.executemany(
                "insert into profiles values (?, ?, ?, ?, ?, ?)",
                [(file.path, *key, one.rows, one.to_bytes()) for key, one in profiles.items()],
            )
            self._db.execute("insert or replace into files values (?, ?, ?)", (file.path, file.size, file.changed))

    def drop_files(self, paths: Iterable[str]) -> None:
        """Forget files that are gone, if no hour of theirs is left."""
        for path in paths:
            self._db.execute("delete from files where path = ? and path not in (select path from profiles)", (path,))

    def hours_of(self, path: str) -> set[int]:
        """Return the hours that a file has rows of."""
        return {hour for (hour,) in self._db.execute("select hour from profiles where path = ?", (path,))}

    def all_hours(self) -> list[int]:
        """Return the hours that have rows, in order."""
        return [hour for (hour,) in self._db.execute("select distinct hour from profiles order by hour")]

    def paths_of(self, hours: set[int]) -> list[str]:
        """Return the files that have rows of these hours."""
        marks = ",".join(map(str, sorted(hours)))
        return [p for (p,) in self._db.execute(f"select distinct path from profiles where hour in ({marks})")]

    def profile(self, first: int, last: int, version: str | None, route: str = "stable") -> Profile | None:
        """Add up the profiles of hours, `last` not included, of one version or of all; None without any."""
        rows = self._db.execute(
            "select data from profiles where hour >= ? and hour < ? and version = coalesce(?, version) and route = ?",
            (first, last, version, route),
        )
        found: Profile | None = None
        for (data,) in rows:  # one at a time: there is one for each file and hour, and they are many of a wide log
            one = Profile.from_bytes(data)
            found = one if found is None else found + one
        return found

    def rows_by_hour(self) -> dict[int, int]:
        """Return how many rows were answered in each hour, by whatever version."""
        found: dict[int, int] = {}
        for hour, rows in self._db.execute("select hour, rows from profiles"):
            found[hour] = found.get(hour, 0) + rows
        return found

    def answered(self) -> list[tuple[int, str, str, int]]:
        """Return hour, version, route and rows, in the order of hours."""
        sql = "select hour, version, route, sum(rows) from profiles group by hour, version, route order by hour"
        return list(self._db.execute(sql))

    def versions(self, first: int, last: int) -> list[tuple[str, str]]:
        """Return versions and routes that have rows in these hours."""
        sql = "select distinct version, route from profiles where hour >= ? and hour < ? order by version, route"
        return list(self._db.execute(sql, (first, last)))

    # Labels

    def labels(self) -> list[dict[str, Any]]:
        """Return what was read of labels, in the order in which they came."""
        rows = self._db.execute("select * from labels order by arrival")
        names = [one[0] for one in rows.description]
        return [dict(zip(names, row, strict=True)) for row in rows]

    def put_labels(self, hours: set[int], **fields: Any) -> None:
        """Put in a file of labels, which touches these hours."""
        marks = ", ".join(f":{name}" for name in fields)
        with self.whole():
            self._touch(hours)
            self._db.execute(f"insert or replace into labels ({', '.join(fields)}) values ({marks})", fields)

    def drop_labels(self, path: str) -> None:
        """Forget a file of labels that is gone."""
        self._db.execute("delete from labels where path = ?", (path,))

    def deliveries(self, first: int, last: int, version: str) -> list[int]:
        """Return the arrivals of labels of what a version answered as stable in these hours."""
        rows = self._db.execute(
            "select distinct arrival from realized where hour >= ? and hour < ? and version = ? and route = 'stable'",
            (first, last, version),
        )
        return [arrival for (arrival,) in rows]

    def put_realized(
        self,
        hours: set[int],
        found: Mapping[tuple[int, str, str, str, int], Realized],
        by_segment: Mapping[tuple[int, str, str, int], npt.NDArray[Any]],
    ) -> None:
        """Put in the losses of hours, and those of their segments, in the place of what was known of them."""
        with self.whole():
            for table in ("realized", "segments"):
                self._db.executemany(f"delete from {table} where hour = ?", [(hour,) for hour in hours])
            self._db.executemany(
                "insert into segments values (?, ?, ?, ?, ?)",
                [(*key, zlib.compress(one.astype("<f8").tobytes(), 1)) for key, one in by_segment.items()],
            )
            self._db.executemany(
                "insert into realized values (?, ?, ?, ?, ?, ?)", [(*key, one.to_bytes()) for key, one in found.items()]
            )

    def realized(
        self, first: int, last: int, version: str, route: str = "stable"
    ) -> Iterator[tuple[int, str, int, Realized]]:
        """Yield hour, slice, arrival and losses."""
        rows = self._db.execute(
            "select hour, slice, arrival, data from realized where hour >= ? and hour < ? and version = ? and route = ?"
            " order by arrival, hour",
            (first, last, version, route),
        )
        for hour, name, arrival, data in rows.fetchall():
            yield hour, name, arrival, Realized.from_bytes(data)

    def by_segment(self, first: int, last: int, version: str) -> Iterator[tuple[int, npt.NDArray[Any]]]:
        """Yield arrival and (3, segments) rows, losses and squared losses of what was answered as stable."""
        rows = self._db.execute(
            "select arrival, data from segments where hour >= ? and hour < ? and version = ? and route = 'stable'"
            " order by arrival, hour",
            (first, last, version),
        )
        for arrival, data in rows.fetchall():
            yield arrival, np.frombuffer(zlib.decompress(data), "<f8").reshape(3, -1)

    def newest_labelled(self) -> int | None:
        """Return the newest hour with a label."""
        found = self._db.execute("select max(hour) from realized").fetchone()[0]
        return None if found is None else int(found)

    # What was said

    def touched(self) -> set[int]:
        """Return the hours that a look took in which was killed before its verdicts."""
        return {hour for (hour,) in self._db.execute("select * from touched")}

    def _touch(self, hours: Iterable[int]) -> None:
        self._db.executemany("insert or ignore into touched values (?)", [(hour,) for hour in hours])

    def settle(self) -> None:
        """Say that the verdicts know all that was taken in."""
        self._db.execute("delete from touched")

    def put_verdict(self, window: int, version: str, verdict: Mapping[str, Any], *, is_news: bool) -> None:
        """Put in a verdict, which is to go on record if it is news."""
        row = (window, version, json.dumps(verdict, sort_keys=True))
        self._db.execute("insert or replace into windows values (?, ?, ?)", row)
        if is_news:
            self._db.execute("insert or ignore into unrecorded values (?, ?)", row[:2])

    def recorded(self) -> None:
        """Say that all verdicts are on record."""
        self._db.execute("delete from unrecorded")

    def verdicts(self, *, unrecorded: bool = False) -> list[dict[str, Any]]:
        """Return all verdicts, or those that are to go on record, the oldest first."""
        of = "windows natural join unrecorded" if unrecorded else "windows"
        found = self._db.execute(f"select verdict from {of} order by window, version")
        return [json.loads(text) for (text,) in found]

    def clear_verdicts(self) -> None:
        """Forget verdicts, as windows of another length need."""
        self._db.execute("delete from windows")

    def alarms(self) -> dict[str, dict[str, Any]]:
        """Return all alarms, closed ones too."""
        return {key: json.loads(text) for key, text in self._db.execute("select * from alarms order by key")}

    def put_alarm(self, key: str, alarm: Mapping[str, Any]) -> None:
        """Put in an alarm."""
        self._db.execute("insert or replace into alarms values (?, ?)", (key, json.dumps(alarm)))

    # What is forgotten

    def forget(self, before: int, counts: Mapping[str, tuple[int, int]]) -> None:
        """Forget hours before this one; windows and deliveries of each version that they held stay counted."""
        with self.whole():
            for table in ("profiles", "realized", "segments", "windows"):
                column = "window" if table == "windows" else "hour"
                self._db.execute(f"delete from {table} where {column} < ?", (before,))
            for version, (windows, deliveries) in counts.items():
                self._db.execute(
                    "insert into forgotten values (?, ?, ?, ?) on conflict (version) do update set "
                    "before = excluded.before, windows = windows + excluded.windows, "
                    "deliveries = deliveries + excluded.deliveries",
                    (version, before, windows, deliveries),
                )
        self._db.execute("vacuum")

    def horizon(self) -> int:
        """Return the first hour that is not forgotten."""
        return int(self._db.execute("select coalesce(max(before), 0) from forgotten").fetchone()[0])

    def forgotten(self, version: str) -> tuple[int, int]:
        """Return how many windows and deliveries of a version are forgotten."""
        found = self._db.execute("select windows, deliveries from forgotten where version = ?", (version,)).fetchone()
        return found or (0, 0)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Have what is changed in the block changed at once, or not at all."""
        self._db.execute("begin immediate")
        try:
            yield
            self._db.execute("commit")
        except BaseException:
            self._db.execute("rollback")
            raise
