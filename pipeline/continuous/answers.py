"""What the log of requests holds of a rollout, as SQL: what both versions answered, and what they failed at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import DataError
from pipeline.watch.label_sql import VERSION, quoted, scan, sql_text

if TYPE_CHECKING:
    import duckdb

_NEEDED = ("request_id", "time", "version", "route", "scores")
_NO_FAULT = ("CANCELLED", "RESOURCE_EXHAUSTED", "UNAVAILABLE")
"""Codes of errors that say nothing of a model: the caller went, the server had too much to do, or it ended."""


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


class Log:
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

    def holds(self, name: str) -> bool:
        """Return whether a column of a request is there."""
        return name in self._features or name in self._names

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
            f"the log of requests does not hold the column {name!r}, by which a rollout is judged",
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
            f"and {VERSION} = '{sql_text(version)}' and cast(time as timestamptz) >= '{moment}' {error})"
        )

    def failures(self, who: Versions, route: str, since: str) -> str:
        """Return the requests of a route and whether the version failed at each, for a FROM clause.

        It failed where there is an error and no answer. A request that no version was asked about counts for none.
        """
        version = who.champion if route == "stable" else who.challenger
        if "error" not in self._names:
            return self.rows(who, route, since, ["false as failed"])
        codes = ", ".join(f"'{code}'" for code in _NO_FAULT)
        asked = "and signature <> ''" if "signature" in self._names else ""
        failed = "error is not null and scores is null"
        mine = f"'{sql_text(version)}'"
        return (
            f"(select cast(request_id as varchar) as request_id, bool_or({failed}) as failed from {self._scan} "
            f"where route = '{route}' and cast(time as timestamptz) >= '{datetime.fromisoformat(since).isoformat()}' "
            f"and coalesce(nullif({VERSION}, ''), {mine}) = {mine} {asked} "
            f"and not ({failed} and split_part(error, ':', 1) in ({codes})) group by 1)"
        )
