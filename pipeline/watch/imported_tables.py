"""A log of requests in BigQuery, put beside the state as Parquet files of a day each, which all else reads.

A table that changed is read from the day before the newest one that is known, so that a look costs two days and not the
whole log; a date-sharded table (`{SPAN}` in the name) is read whole.
"""

from __future__ import annotations

from contextlib import ExitStack
from datetime import date, timedelta
from hashlib import blake2b
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.files import incoming, write_whole

OVERLAP = timedelta(days=1)
"""Rows may come so much later than the newest one."""


def import_tables(log: str, folder: Path) -> bool:
    """Read what is new in the tables of a log; return whether there is any.

    Args:
        log: bigquery://PROJECT.DATASET.TABLE, or a query; folder: for the Parquet files.

    Raises:
        DataError: the service says no, or a table is no log.
    """
    from pipeline.data.sources import bigquery

    found = bigquery.find(log)
    for address in found:
        name = f"bigquery-{blake2b(address.encode(), digest_size=8).hexdigest()}"
        done, told = folder / f"{name}.done", " ".join(map(str, bigquery.state(address)))
        if done.exists() and done.read_text() == told:
            continue
        folder.mkdir(parents=True, exist_ok=True)
        days = [date.fromisoformat(one.stem.removeprefix(f"{name}-")) for one in folder.glob(f"{name}-*.parquet")]
        _import(address, folder, name, max(days) - OVERLAP if days else None)
        write_whole(told, done, "mark of an imported log", "fix its permissions")
    return bool(found)


def _import(address: str, folder: Path, name: str, since: date | None) -> None:
    """Write the rows of each day from `since` on, or of all."""
    from pipeline.data.sources import bigquery

    where = bigquery.since(address, "time", since or date.min)
    with ExitStack() as held:
        writers: dict[date, pq.ParquetWriter] = {}
        for stream in bigquery.streams(address, None, where if since else ""):
            for batch in bigquery.raw(address, stream):
                for day, rows in _by_day(batch):
                    if since and day < since:  # a query's result is read whole
                        continue
                    if day not in writers:
                        hidden = held.enter_context(incoming(folder / f"{name}-{day}.parquet"))
                        writers[day] = held.enter_context(pq.ParquetWriter(hidden, batch.schema, compression="zstd"))
                    writers[day].write_batch(rows)


def _by_day(batch: pa.RecordBatch) -> list[tuple[date, pa.RecordBatch]]:
    days = batch.column("time").cast(pa.timestamp("us")).cast(pa.date32(), safe=False)
    return [(day, batch.filter(pc.equal(days, day))) for day in pc.unique(days).to_pylist() if day is not None]
