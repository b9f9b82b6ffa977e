"""The log and files of labels as DuckDB reads them: parts of queries. Names are quoted, whatever they hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import DataError
from pipeline.watch.requests import FRACTION, OWN

if TYPE_CHECKING:
    import duckdb

VERSION = rf"regexp_replace(cast(version as varchar), '{FRACTION}', '\1')"
_HOUR = 3_600_000_000
_MEMORY = "600MB"
"""Of a join; more goes to the disk."""


@contextmanager
def connected(temporary: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give an engine for joins in bounded memory.

    Args:
        temporary: a folder for what does not fit.

    Raises:
        DataError: a query failed.
    """
    import duckdb

    temporary.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as db:
        db.execute(f"set memory_limit = '{_MEMORY}'; set threads = 2; set preserve_insertion_order = false")
        db.execute(f"set temp_directory = '{sql_text(temporary)}'; set TimeZone = 'UTC'")
        try:
            yield db
        except duckdb.Error as exc:
            raise DataError(f"labels cannot be joined with the log: {exc}", "look at the files that it names") from exc


def log_rows(db: duckdb.DuckDBPyConnection, files: Sequence[str], keys: Sequence[str], more: Sequence[str]) -> str:
    """Return the log's answered rows, for a FROM clause: keys, hour, version, route, scores, block, slices."""
    places = names_of(db, files)
    wanted = [name for name in (*keys, *more) if name in places]
    if missing := [name for name in keys if name not in places]:
        raise DataError(f"the log has no column {missing[0]!r}", "name columns of the log in watch.keys")
    columns = [
        f"cast({places[name]} as varchar) as {quoted(name)}" if name in keys else f"{places[name]} as {quoted(name)}"
        for name in dict.fromkeys(wanted)
    ]
    row = "cast(row as integer)" if "row" in places and "request_id" in keys else "0"
    version = f"coalesce({VERSION}, '')" if "version" in places else "''"
    route = "coalesce(route, 'stable')" if "route" in places else "'stable'"
    key = ", ".join(places[name] for name in keys)
    answered = "where error is null" if "error" in places else ""
    return (
        f"(select {', '.join(columns)}, {row} as log_row, "
        f"cast(epoch_us(cast(time as timestamptz)) // {_HOUR} as bigint) as hour, {version} as version, "
        f"{route} as route, scores, "
        f"cast(hash({key}, {row}) % 20 as bigint) as block from {scan(files)} {answered})"
    )


def names_of(db: duckdb.DuckDBPyConnection, files: Sequence[str]) -> dict[str, str]:
    """Return the columns of a log, features too, with how SQL names them."""
    found = {str(one[0]): quoted(str(one[0])) for one in db.execute(f"describe select * from {scan(files)}").fetchall()}
    if "features" in found and files[0].endswith(".parquet"):
        kind = pq.read_schema(files[0]).field("features").type
        if pa.types.is_struct(kind):
            found |= {
                kind[k].name: f"features.{quoted(kind[k].name)}"
                for k in range(kind.num_fields)
                if kind[k].name not in OWN
            }
    return found


def by_form(files: Sequence[str]) -> list[list[str]]:
    """Return Parquet and CSV files apart: features are a column of the one, and columns of the other."""
    forms = [[file for file in files if file.endswith(ending)] for ending in (".parquet", ".csv")]
    return [form for form in forms if form]


def joined_on(keys: Sequence[str]) -> str:
    """Return on what log and labels are joined, for `l` and `p`."""
    on = " and ".join(f"l.{quoted(name)} = p.{quoted(name)}" for name in keys)
    return f"{on} and l.log_row = p.label_row"


def scan(files: Sequence[str]) -> str:
    """Return the rows of files, for a FROM clause."""
    listed = ", ".join(f"'{sql_text(file)}'" for file in files)
    if all(file.endswith(".parquet") for file in files):
        return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
    # As they stand: no type is guessed.
    return f"read_csv([{listed}], union_by_name = true, hive_partitioning = false, all_varchar = true)"


def quoted(name: str) -> str:
    """Return a column's name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def sql_text(value: Any) -> str:
    """Return text that may stand between single quotes."""
    return str(value).replace("'", "''")


def single(db: duckdb.DuckDBPyConnection, query: str) -> Any:
    """Return the number that a query finds; 0 of none."""
    found = db.execute(query).fetchall()  # to its end: with a row left to fetch, the connection does nothing else
    return found[0][0] if found else 0
