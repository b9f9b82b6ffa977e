"""The log of requests as record batches: the server's own files, or any Parquet or CSV with the same columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import DataError
from pipeline.serving.prediction_log import is_prediction_log

KEYS = ("request_id", "row")
OWN = (*KEYS, "time", "version", "route", "signature", "caller", "latency_s", "error", "scores", "label")
"""Columns of a log besides the features."""
FRACTION = r"^([0-9]+)[.]0+$"
"""A version as tools write it that keep numbers with gaps as fractions: 7.0 is 7."""
_MOST_ROWS, _MOST_CELLS = 65_536, 8_000_000
_ENDINGS = (".parquet", ".csv")


@dataclass(frozen=True)
class LogFile:
    """A file of the log as it was when it was listed."""

    path: str
    size: int
    changed: int


def log_files(log: Path) -> list[LogFile]:
    """List the files of a log in order; those that are being written begin with a dot and are left out.

    Args:
        log: a folder, a file, or a pattern such as `log/*.parquet`.
    """
    if log.is_dir():
        found = [path for path in log.rglob("*") if path.suffix in _ENDINGS]
    elif log.exists():
        found = [log] if not is_prediction_log(log) else []  # see pipeline.watch.imported
    else:
        found = [path for path in log.parent.glob(log.name) if path.suffix in _ENDINGS]
    listed = []
    for path in sorted(found):
        if any(part.startswith(".") for part in (path.name, path.parent.name)):
            continue
        try:
            state = path.stat()
        except FileNotFoundError:  # it was put together with others, or became too old, a moment ago
            continue
        listed.append(LogFile(str(path), state.st_size, state.st_mtime_ns))
    return listed


def read_log(file: LogFile, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file, each feature as a column of its own.

    Args:
        columns: those that are wanted, of the log's own and of the features; all when None.

    Raises:
        DataError: it is no log.
    """
    if file.path.endswith(".csv"):
        yield from _read_csv(file, columns)
        return
    try:
        with pq.ParquetFile(file.path) as opened:
            top = opened.schema_arrow.names
            leaves = len(opened.schema.names)
            is_nested = "features" in top
            wanted = None
            if columns is not None:
                wanted = [name if name in top else f"features.{name}" for name in columns if name in top or is_nested]
            rows = max(1024, min(_MOST_ROWS, _MOST_CELLS // max(1, min(leaves, len(wanted or opened.schema.names)))))
            for batch in opened.iter_batches(rows, columns=wanted, use_threads=True):
                yield _flat(batch, file.path)
    except (pa.ArrowException, OSError) as exc:
        raise DataError(
            f"{file.path} cannot be read as a log of requests: {exc}",
            "move it away, or name the log's own folder in watch.log",
        ) from exc


def _read_csv(file: LogFile, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
    import pyarrow.csv as text

    try:
        table = text.read_csv(file.path, convert_options=text.ConvertOptions(strings_can_be_null=True))
    except (pa.ArrowException, OSError) as exc:
        raise DataError(
            f"{file.path} cannot be read as a log of requests: {exc}", "correct it, or name another file in watch.log"
        ) from exc
    for batch in table.to_batches(_MOST_ROWS):
        flat = _flat(batch, file.path)
        yield flat.select([name for name in columns if name in flat.schema.names]) if columns else flat


def _flat(batch: pa.RecordBatch, path: str) -> pa.RecordBatch:
    """Return features as columns, time in UTC, and scores as lists."""
    arrays: dict[str, pa.Array] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if name == "features" and pa.types.is_struct(column.type):
            for field, values in zip(column.type, column.flatten(), strict=True):  # one by one takes 300 times as long
                arrays[field.name] = _single(values)
        else:
            arrays[name] = column
    if "time" in arrays:
        arrays["time"] = _times(arrays["time"], path)
    if "version" in arrays:
        arrays["version"] = pc.replace_substring_regex(arrays["version"].cast(pa.string()), FRACTION, r"\1")
    return pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))


def _single(column: pa.Array) -> pa.Array:
    """Return the first value of a column of lists."""
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
        return column
    return (
        pc.list_element(column, 0)
        if pc.min(pc.list_value_length(column)).as_py()
        else pa.array([one[0] if one else None for one in column.to_pylist()], column.type.value_type)
    )


def _times(column: pa.Array, path: str) -> pa.Array:
    remedy = "write them as 2026-11-29T07:00:00Z, or as timestamps"
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
        # It may count seconds or milliseconds: read in the wrong unit it lies in 1970.
        raise DataError(f"{path}: its column `time` holds {column.type}, which tells no time", remedy)
    try:
        if pa.types.is_timestamp(column.type):
            zoned = column if column.type.tz else column.cast(pa.timestamp(column.type.unit, "UTC"))
            return zoned.cast(pa.timestamp("us", "UTC"), safe=False)
        return column.cast(pa.timestamp("us", "UTC"))
    except pa.ArrowException as exc:
        raise DataError(f"{path}: its column `time` holds no times ({exc})", remedy) from exc


def hours(batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
    """Return the hour of each row, counted from 1970."""
    microseconds = batch.column("time").cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    return np.asarray(microseconds // 3_600_000_000)


def scores_of(batch: pa.RecordBatch) -> npt.NDArray[np.float64]:
    """Return the scores, (rows, outputs); NaN where there are none."""
    column = batch.column("scores")
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), float)[:, None]
    if pa.types.is_string(column.type):  # of a CSV file: "[0.1, 0.9]"
        rows = [one.strip("[] ").replace(",", " ").split() if one else [] for one in column.to_pylist()]
        column = pa.array([[float(value) for value in one] for one in rows], pa.list_(pa.float64()))
    lengths = pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
    width = int(lengths.max(initial=1)) or 1
    found = np.full((len(column), width), np.nan)
    full = lengths == width
    values = column.filter(pa.array(full)).flatten().cast(pa.float64()).to_numpy(zero_copy_only=False)
    found[full] = np.asarray(values, float).reshape(-1, width)
    return found


def check_log(batch: pa.RecordBatch, path: str) -> None:
    """Refuse a table that is no log.

    Raises:
        DataError: a column is missing.
    """
    missing = [name for name in ("time", "scores") if name not in batch.schema.names]
    if missing:
        raise DataError(
            f"{path} has no column {missing[0]!r}, which a log of requests has",
            "docs/watching.md lists the columns; `longhaul serve --log FOLDER` writes such files",
        )


def as_any(value: Any) -> str:
    """Return a label or a version as text: 1.0 and 1 are the same class."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
