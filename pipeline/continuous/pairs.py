"""The rows of the log that champion and challenger have both answered, with labels: losses of both, added up.

In the shadow the server has asked both. In a canary it asked one of them, so the champion is asked now, about the rows
that the challenger answered. DuckDB joins, in bounded memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.continuous.paired import Pairs, pairs_of
from pipeline.errors import DataError
from pipeline.watch.label_sql import by_form, connected, quoted, scan, sql_text
from pipeline.watch.reference import Array, losses, truths
from pipeline.watch.requests import scores_of

if TYPE_CHECKING:
    import duckdb

_AT_ONCE = 50_000
_NEEDED = ("request_id", "time", "version", "route", "scores")
_STORED = {"int": pa.int64(), "float": pa.float32(), "bytes": pa.string()}


@dataclass(frozen=True)
class Versions:
    """Whom to compare, by what.

    Attributes:
        inputs: of the champion, by column: int, float or bytes; label: what they predict.
        keys: columns by which labels find requests.
    """

    champion: str
    challenger: str
    task: str
    classes: tuple[str, ...]
    inputs: Mapping[str, str]
    keys: tuple[str, ...]


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
            log = _Log(db, some)
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
            log = _Log(db, some)
            columns = [f"{log.value(name)} as {quoted(f'in {name}')}" for name in who.inputs]
            rows = log.rows(who, "canary", since, columns)
            query = f"select c.*, p.label_text from {rows} c join {_labels(parts, who.keys)} p on {_on('c', who.keys)}"
            for batch in _batches(db, query):
                champion = champion or ask()
                asked = pa.RecordBatch.from_arrays(
                    [_stored(batch.column(f"in {name}"), kind) for name, kind in who.inputs.items()], [*who.inputs]
                )
                found += _pairs(batch, who, np.asarray(champion(asked), float))
        return found


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


class _Log:
    """Files of one form, and how SQL names what is in them."""

    def __init__(self, db: duckdb.DuckDBPyConnection, files: Sequence[str]) -> None:
        self._scan = scan(files)
        self._names = {str(one[0]) for one in db.execute(f"describe select * from {self._scan}").fetchall()}
        self._features: dict[str, pa.DataType] = {}
        if "features" in self._names and files[0].endswith(".parquet"):
            for file in files:
                kind = pq.read_schema(file).field("features").type
                self._features |= {kind[k].name: kind[k].type for k in range(kind.num_fields)}
        for name in _NEEDED:
            if name not in self._names:
                raise DataError(
                    f"the log of requests has no column {name!r}, by which a rollout is judged",
                    "`longhaul serve` writes it; docs/watching.md lists the columns",
                )

    def value(self, name: str) -> str:
        """Return how a column of a request is named.

        Raises:
            DataError: the log does not hold it.
        """
        if name in self._features:
            many = pa.types.is_list(self._features[name]) or pa.types.is_large_list(self._features[name])
            return f"features.{quoted(name)}{'[1]' if many else ''}"
        if name in self._names:
            return quoted(name)
        raise DataError(
            f"the log of requests does not hold the column {name!r}, so the champion cannot be asked about the rows "
            "that the challenger answered",
            "take it out of serving.redact, or decide yourself: `longhaul rollout promote` or `longhaul rollout abort`",
        )

    def rows(self, who: Versions, route: str, since: str, more: Sequence[str] = ()) -> str:
        """Return answered rows of a route, for a FROM clause."""
        version = who.champion if route == "stable" else who.challenger
        row = "cast(row as integer)" if "row" in self._names else "0"
        error = "and error is null" if "error" in self._names else ""
        keys = [
            f"cast({self.value(name)} as varchar) as {quoted(f'key {name}')}"
            for name in who.keys
            if name != "request_id"
        ]
        moment = datetime.fromisoformat(since).isoformat()
        return (
            f"(select cast(request_id as varchar) as request_id, {row} as log_row, scores"
            f"{''.join(f', {one}' for one in (*keys, *more))} from {self._scan} where route = '{route}' "
            f"and cast(version as varchar) = '{sql_text(version)}' and cast(time as timestamptz) >= '{moment}' {error})"
        )


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
