"""The files of the request log: `<folder>/<name>/<YYYY-MM-DD>/<HH>-<writer>-<n>.parquet`, the hour in UTC.

While an hour is written it is an Arrow stream, `.<HH>-<writer>-<n>.part`, which can be read up to its last whole batch
whatever became of its writer. At the end of the hour it becomes Parquet; that of a writer that was killed becomes it as
soon as another writer looks.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from pipeline.files import flush_file, incoming

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_NAME = re.compile(r"\.?(\d\d)-[0-9a-z]+-\d+\.(parquet|part)")
_GROUP_BYTES = 8 << 20
"""Of a row group in memory: a server finishes its files while it answers."""


def finished(part: Path) -> Path:
    """Return the file that a part becomes."""
    return part.with_name(part.name.removeprefix(".").removesuffix(".part") + ".parquet")


def finish(part: Path) -> Path | None:
    """Make Parquet of a part that nobody writes any more; None if it holds nothing.

    Raises:
        OSError: the disk is full, or cannot be written.
    """
    import pyarrow.parquet as pq

    target = finished(part)
    if not target.exists():  # else whoever made it was killed before the part went
        groups = _groups(part)
        first = next(groups, None)
        if first is not None:
            with incoming(target) as hidden:
                options = _encodings(first.schema)
                with pq.ParquetWriter(hidden, first.schema, compression="zstd", **options) as writer:
                    for table in chain([first], groups):
                        writer.write_table(table)
                flush_file(hidden)
    part.unlink(missing_ok=True)
    return target if target.exists() else None


def _encodings(schema: Any) -> dict[str, Any]:
    """Return how columns are written: texts that come again by a dictionary, since of numbers the attempt takes half of
    all the time; whole numbers by their differences, which zstd makes shorter in two thirds of the time. The least and
    the greatest value are told of the times alone, by which readers choose: of all they take a fifth of the time."""
    import pyarrow as pa

    fields = [(field.name, field.type) for field in schema if field.name != "request_id"]
    fields += [(f"features.{field.name}", field.type) for field in schema.field("features").type]
    whole = [path for path, kind in fields if pa.types.is_integer(kind) or pa.types.is_timestamp(kind)]
    return {
        "write_statistics": ["time"],
        "use_dictionary": [path for path, kind in fields if pa.types.is_string(kind)],
        "column_encoding": dict.fromkeys(whole, "DELTA_BINARY_PACKED"),
    }


def _groups(part: Path) -> Iterator[Any]:
    """Yield a part as tables of the size of a row group."""
    import pyarrow as pa

    waiting: list[Any] = []
    size = 0
    for batch in read_part(part):
        waiting.append(batch)
        size += batch.nbytes
        if size >= _GROUP_BYTES:
            yield pa.Table.from_batches(waiting)
            waiting, size = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting)


def read_part(part: Path) -> Iterator[Any]:
    """Yield the record batches of a part; a last one that is not whole is left out."""
    import pyarrow as pa

    try:
        with pa.OSFile(str(part)) as file, pa.ipc.open_stream(file) as stream:
            yield from stream
    except (pa.ArrowInvalid, FileNotFoundError, OSError):
        return


def recover(folder: Path) -> list[Path]:
    """Make Parquet of what writers left that were killed, below the folder of one name; return the files.

    Raises:
        OSError: as `finish`.
    """
    found = []
    for part in sorted(folder.glob("*/.*.part")):
        descriptor = held(part)
        if descriptor is None:
            continue
        try:
            if part.exists() and (made := finish(part)):
                found.append(made)
        finally:
            os.close(descriptor)
    return found


def held(part: Path) -> int | None:
    """Return a descriptor by which the part is this process's; None if another process writes it, or it is gone."""
    try:
        descriptor = os.open(part, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def expire(folder: Path, before: datetime) -> list[Path]:
    """Remove the files of hours that ended before a time, below the folder of one name; return them."""
    gone = []
    for file in expired(folder, before):
        with suppress(FileNotFoundError):
            file.unlink()
            gone.append(file)
    for day in {file.parent for file in gone}:
        with suppress(OSError):  # it still holds others
            day.rmdir()
    return gone


def expired(folder: Path, before: datetime) -> list[Path]:
    """Return what `expire` would remove; never what is still being written."""
    return [file for file, hour in _hours(folder) if hour + timedelta(hours=1) <= before and file.suffix == ".parquet"]


def outlived(folder: Path, before: datetime) -> list[Path]:
    """Return what nobody needs when no server is at work: what `expire` would remove, and what killed writers left of
    hours that ended before the time."""
    found = expired(folder, before)
    for file, hour in _hours(folder):
        if file.suffix == ".part" and hour + timedelta(hours=1) <= before and (descriptor := held(file)) is not None:
            os.close(descriptor)
            found.append(file)
    return found


def files(folder: Path, since: datetime | None = None, until: datetime | None = None) -> list[Path]:
    """Return the files of one name whose hours reach into the time, the oldest first; those being written as well."""
    found = {
        file: hour
        for file, hour in _hours(folder)
        if (since is None or hour + timedelta(hours=1) > since) and (until is None or hour < until)
    }
    return sorted(
        (file for file in found if finished(file) not in found or file == finished(file)), key=found.__getitem__
    )


def tables(folder: Path, since: datetime | None = None, until: datetime | None = None) -> Iterator[Any]:
    """Yield the log of one name as Arrow tables, the oldest first; see `Layout` for what they hold.

    What is being written is read up to the last second. The struct `features` may differ from table to table, as the
    columns of versions do.

    Args:
        folder: `<workspace>/requests/<name>`.
        since, until: of the requests' times; `until` itself is left out.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    for file in files(folder, since, until):
        if file.suffix == ".part":
            found = list(read_part(file))
            if not found:  # it may have become Parquet a moment ago
                if not finished(file).exists():
                    continue
                table = pq.read_table(finished(file), partitioning=None)
            else:
                table = pa.Table.from_batches(found)
        else:
            try:
                table = pq.read_table(file, partitioning=None)
            except FileNotFoundError:  # its time was over
                continue
        if since is not None:
            table = table.filter(pc.greater_equal(table["time"], pa.scalar(since, table["time"].type)))
        if until is not None:
            table = table.filter(pc.less(table["time"], pa.scalar(until, table["time"].type)))
        yield table


def send(folder: Path, destination: str, objects: Any) -> list[str]:
    """Copy the finished files of one name that are not there yet to Cloud Storage; return their names.

    Args:
        destination: gs://bucket/folder.
        objects: CloudObjects of pipeline.serving.gcs.
    """
    base = f"{destination.rstrip('/')}/{folder.name}"
    known, sent = set(objects.names(base)), []
    for file, _ in sorted(_hours(folder)):
        name = f"{file.parent.name}/{file.name}"
        if file.suffix == ".parquet" and name not in known and f"/{name}" not in known:
            with suppress(FileNotFoundError):
                objects.write_once(f"{base}/{name}", file.read_bytes())
                sent.append(name)
    return sent


def _hours(folder: Path) -> Iterator[tuple[Path, datetime]]:
    for day in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not _DAY.fullmatch(day.name) or not day.is_dir():
            continue
        for file in sorted(day.iterdir()):
            if named := _NAME.fullmatch(file.name):
                with suppress(ValueError):
                    yield file, datetime.strptime(f"{day.name} {named[1]}", "%Y-%m-%d %H").replace(tzinfo=UTC)
