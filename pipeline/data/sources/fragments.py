"""One unit of reading, and how each format reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from pipeline.config.text_format import CSV, TextFormat
from pipeline.data.columns import ColumnType
from pipeline.data.sources import bigquery, csv, diagnosis, text_tables, tfrecord, typed
from pipeline.data.sources.duckdb_file import DuckDBTable
from pipeline.data.sources.feather import ArrowTable
from pipeline.data.sources.json_lines import JsonTable
from pipeline.data.sources.parquet import ParquetTable
from pipeline.data.sources.postgresql import PostgresTable
from pipeline.data.sources.sqlite import SqliteTable
from pipeline.data.sources.table_files import format_of
from pipeline.data.sources.text_tables import TextTable
from pipeline.data.sources.typed import TypedTable
from pipeline.data.sources.workbook import SheetTable
from pipeline.data.values.readings import PLAIN, Readings

TYPED: Mapping[str, Callable[[str], TypedTable]] = {
    "parquet": ParquetTable,
    "feather": ArrowTable,
    "duckdb": DuckDBTable,
    "postgresql": PostgresTable,
}
TEXT: Mapping[str, Callable[[str], TextTable]] = {"workbook": SheetTable, "json": JsonTable, "sqlite": SqliteTable}
HEADLESS = ("tfrecord", "json")
"""Formats of which only the rows tell the columns."""


@dataclass(frozen=True)
class Fragment:
    """One unit of reading: a file, one part of a typed one (a row group of Parquet, a record batch of Arrow), bytes
    [start, end) of CSV or of JSON lines, or a stream of a table in BigQuery."""

    path: str
    span: int
    part: int | None = None
    byte_range: tuple[int, int] | None = None
    stream: str | None = None
    form: TextFormat = CSV
    readings: Readings = field(default=PLAIN, compare=False)


def read_as(fragment: Fragment, columns: Mapping[str, ColumnType], batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the given columns in their stored types, in batches as they come; settings of values do not count."""
    kind, raw = format_of(fragment.path), fragment.readings.raw
    if kind in TYPED:
        return typed.read(TYPED[kind](fragment.path), fragment.part, columns, batch_rows)
    if kind in TEXT:
        return text_tables.read(TEXT[kind](fragment.path), columns, fragment.byte_range, raw)
    if kind == "csv":
        return csv.read(fragment.path, columns, fragment.byte_range, fragment.form, raw)
    if fragment.stream is not None:
        return bigquery.read(fragment.path, fragment.stream, columns)
    return tfrecord.read(fragment.path, columns, batch_rows)


def own_types(path: str) -> pa.Schema | None:
    """Return the types that a file gives its columns; None of one that holds texts."""
    kind = format_of(path)
    if kind in TYPED:
        return TYPED[kind](path).schema
    if kind not in ("tfrecord", "bigquery"):
        return None
    found, _ = (tfrecord if kind == "tfrecord" else bigquery).infer(path, ())
    return pa.schema(
        [(name, column_type.stored) for name, column_type in found.items() if isinstance(column_type, ColumnType)]
    )


def place_of(fragment: Fragment, passed: int, row: int, name: str) -> str:
    """Name the file and where in it a value is, `passed` rows and `row` more after the start of the fragment."""
    row += passed
    kind = format_of(fragment.path)
    if kind == "csv":
        begin = fragment.byte_range[0] if fragment.byte_range else 0
        return f"{fragment.path}, line {diagnosis.line_of_row(fragment.path, row, begin, fragment.form)}"
    if kind in TEXT:
        return TEXT[kind](fragment.path).place(row, name, fragment.byte_range)
    before = TYPED[kind](fragment.path).first_row(fragment.part) if kind in TYPED and fragment.part else 0
    return f"{fragment.path}, row {before + row + 1:,}"
