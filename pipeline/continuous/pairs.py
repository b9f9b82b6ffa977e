"""The rows of the log that champion and challenger have both answered, with labels: losses of both, added up.

In the shadow the server has asked both. In a canary it asked one of them, so the champion is asked now, about the rows
that the challenger answered; where the log hides what it needs, each version has the losses of its own rows. DuckDB
joins, in bounded memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipeline.continuous.answers import Log, Versions
from pipeline.continuous.failures import Failures
from pipeline.continuous.paired import Pairs, pairs_of
from pipeline.continuous.unpaired import BLOCKS, Arms
from pipeline.watch.label_sql import by_form, connected, quoted, scan, single
from pipeline.watch.reference import Array, losses, truths
from pipeline.watch.requests import scores_of

if TYPE_CHECKING:
    import duckdb

_AT_ONCE = 50_000
_STORED = {"int": pa.int64(), "float": pa.float32(), "bytes": pa.string()}


def shadow_pairs(files: Sequence[str], parts: Sequence[str], who: Versions, since: str, temporary: Path) -> Pairs:
    """Add up what both answered since a moment (ISO 8601).

    Args:
        files: of the log; parts: of the labels, as `watch` keeps them.

    Raises:
        DataError: the log has no such columns.
    """
    with connected(temporary) as db:
        found = Pairs()
        for some in by_form(files) if parts else ():
            log = Log(db, some)
            query = (
                "select c.scores as champion, x.scores as scores, p.label_text "
                f"from {log.rows(who, 'stable', since)} c join {log.rows(who, 'shadow', since)} x "
                "using (request_id, log_row) "
                f"join {_labels(parts, who.keys)} p on {_on('c', who.keys)}"
            )
            for batch in _batches(db, query):
                found += _pairs(batch, who, _renamed(batch, "champion"))
        return found


def canary_pairs(
    files: Sequence[str],
    parts: Sequence[str],
    who: Versions,
    since: str,
    temporary: Path,
    ask: Callable[[], Callable[[pa.RecordBatch], Array]],
) -> Pairs:
    """Add up what the challenger answered since a moment, and what the champion says of the same rows.

    Args:
        ask: loads the champion; called only if there is a row.

    Raises:
        DataError: the log has no such columns, or hides one that the champion needs.
    """
    with connected(temporary) as db:
        found, champion = Pairs(), None
        for some in by_form(files) if parts else ():
            log = Log(db, some)
            columns = [f"{log.value(name)} as {quoted(f'in {name}')}" for name in who.inputs]
            rows = log.rows(who, "canary", since, columns)
            query = f"select c.*, p.label_text from {rows} c join {_labels(parts, who.keys)} p on {_on('c', who.keys)}"
            for batch in _batches(db, query):
                champion = champion or ask()
                found += _pairs(batch, who, np.asarray(champion(_asked(batch, who)), float))
        return found


def arms(files: Sequence[str], parts: Sequence[str], who: Versions, since: str, temporary: Path, key: str) -> Arms:
    """Add up the losses of each version on the labelled rows that it answered in a canary.

    Args:
        key: the column by which requests were dealt out; the request's id where it is empty or the log hides it.
    """
    with connected(temporary) as db:
        found = Arms()
        for some in by_form(files) if parts else ():
            log = Log(db, some)
            dealt = log.value(key) if key and log.holds(key) else "request_id"
            block = [f"cast(hash(cast({dealt} as varchar)) % {BLOCKS} as bigint) as block"]
            for version, route in enumerate(("stable", "canary")):
                query = (
                    f"select c.scores, c.block, p.label_text from {log.rows(who, route, since, block)} c "
                    f"join {_labels(parts, who.keys)} p on {_on('c', who.keys)}"
                )
                for batch in _batches(db, query):
                    truth = truths(who.task, who.classes, batch.column("label_text").to_pylist())
                    scores = scores_of(batch)
                    known = np.isfinite(truth) & np.isfinite(scores).all(axis=1)
                    loss = losses(who.task, truth[known], scores[known])
                    found.add(version, batch.column("block").to_numpy()[known], loss)
        return found


def failures(files: Sequence[str], who: Versions, route: str, since: str, temporary: Path) -> Failures:
    """Count the requests of each version since a moment, and at how many of them it failed.

    Args:
        route: of the challenger: shadow or canary.
    """
    with connected(temporary) as db:
        found = Failures()
        for some in by_form(files):
            log = Log(db, some)
            counts = [
                db.execute(f"select count(*), count(*) filter (failed) from {log.failures(who, one, since)}").fetchone()
                for one in ("stable", route)
            ]
            found += Failures(*(int(number) for pair in counts for number in pair or (0, 0)))
        return found


def answered(
    files: Sequence[str],
    who: Versions,
    route: str,
    since: str,
    temporary: Path,
    columns: Mapping[str, bool],
    most: Callable[[int], int],
    ask: Callable[[], Callable[[pa.RecordBatch], Array]],
) -> tuple[pa.Table, Array, Array] | None:
    """Return the first rows that both have answered since a moment, labelled or not: these columns, and the scores of
    champion and challenger, (rows, outputs) each; None where there are too few.

    Args:
        columns: whether each is a number.
        most: returns how many rows to take of so many; none when 0. ask: loads the champion, for a canary.

    Raises:
        DataError: the log hides a column.
    """
    with connected(temporary) as db:
        queries, count = [], 0
        for some in by_form(files):
            log = Log(db, some)
            more = ["time", *(f"{log.value(name)} as {quoted(f'in {name}')}" for name in who.inputs)]
            for name, is_number in columns.items():
                value = f"try_cast({log.value(name)} as double)" if is_number else log.value(name)
                more.append(f"{value} as {quoted(f'of {name}')}")
            both = f"{log.rows(who, route, since, more)} x"
            if route == "shadow":
                stable = log.rows(who, "stable", since)
                both += f" join (select request_id, log_row, scores as champion from {stable})"
                both += " using (request_id, log_row)"
            count += int(single(db, f"select count(*) from {both}"))
            queries.append(f"select * from {both}")
        limit = most(count)
        if not limit or len(queries) != 1:
            return None
        batches = list(_batches(db, f"{queries[0]} order by time, request_id, log_row limit {limit}"))
    table = pa.Table.from_batches(batches).combine_chunks()
    batch = table.to_batches()[0]
    champion = np.asarray(ask()(_asked(batch, who)), float) if route == "canary" else _renamed(batch, "champion")
    features = pa.table([table.column(f"of {name}") for name in columns], names=[*columns])
    return features, champion, scores_of(batch)


def _asked(batch: pa.RecordBatch, who: Versions) -> pa.RecordBatch:
    """Return what the champion is asked."""
    return pa.RecordBatch.from_arrays(
        [_stored(batch.column(f"in {name}"), kind) for name, kind in who.inputs.items()], [*who.inputs]
    )


def _pairs(batch: pa.RecordBatch, who: Versions, champion: Array) -> Pairs:
    truth = truths(who.task, who.classes, batch.column("label_text").to_pylist())
    challenger = scores_of(batch)
    known = np.isfinite(truth) & np.isfinite(champion).all(axis=1) & np.isfinite(challenger).all(axis=1)
    truth, champion, challenger = truth[known], champion[known], challenger[known]
    if not len(truth):
        return Pairs()
    return pairs_of(losses(who.task, truth, champion), losses(who.task, truth, challenger))


def _renamed(batch: pa.RecordBatch, name: str) -> Array:
    return scores_of(pa.RecordBatch.from_arrays([batch.column(name)], ["scores"]))


def _stored(column: pa.Array, kind: str) -> pa.Array:
    return column.cast(_STORED[kind], safe=False)


def _labels(parts: Sequence[str], keys: Sequence[str]) -> str:
    by = ", ".join([*map(quoted, keys), "label_row"])
    return f"(select {by}, arg_max(label_text, arrival) as label_text from {scan(parts)} group by {by})"


def _on(rows: str, keys: Sequence[str]) -> str:
    by_request = "request_id" in keys
    mine = {name: "request_id" if name == "request_id" else quoted(f"key {name}") for name in keys}
    pairs = [f"{rows}.{column} = p.{quoted(name)}" for name, column in mine.items()]
    return " and ".join([*pairs, f"p.label_row = {f'{rows}.log_row' if by_request else '0'}"])


def _batches(db: duckdb.DuckDBPyConnection, query: str) -> Iterator[pa.RecordBatch]:
    yield from db.sql(query).to_arrow_reader(_AT_ONCE)
