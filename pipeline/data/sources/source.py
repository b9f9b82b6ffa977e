"""From files to typed Arrow record batches: CSV, Parquet and TFRecord, plain or .gz. Tables in BigQuery are files here.

    table_files.find_files   pattern -> files, by span
    infer_columns            files -> column types, all files agreeing
    plan_fragments           files -> units of work, small and picklable
    read_fragment            unit of work -> record batches in the stored types
    read_verbatim            the same rows as the file holds them, for passing on

What a user can fix is a DataError that names the file, the line and the column.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipeline.config.text_format import CSV, TextFormat
from pipeline.data.columns import ColumnType
from pipeline.data.sources import bigquery, csv, parquet, tfrecord
from pipeline.data.sources.table_files import SourceFile, format_of
from pipeline.errors import DataError


@dataclass(frozen=True)
class Fragment:
    """One unit of reading: a file, one row group of a Parquet file, bytes [start, end) of a CSV file, or a stream of
    a table in BigQuery."""

    path: str
    span: int
    row_group: int | None = None
    byte_range: tuple[int, int] | None = None
    stream: str | None = None
    form: TextFormat = CSV


def plan_fragments(
    files: Sequence[SourceFile],
    csv_block_bytes: int = csv.BLOCK_BYTES,
    columns: Collection[str] | None = None,
) -> list[Fragment]:
    """Return the units of work for the files, in their order; their rows, one after the other, are the table.

    Parquet goes by row group, CSV of two blocks or more by byte ranges of about one (gzip does not: see
    csv_source), BigQuery by streams that the service cuts, the rest by file.

    Args:
        columns: those that will be read; None for all. BigQuery wants to know beforehand.
    """
    fragments: list[Fragment] = []
    for file in files:
        path, span = file.path, file.span
        kind = format_of(path)
        if kind == "parquet":
            fragments.extend(Fragment(path, span, row_group=group) for group in parquet.row_groups(path))
        elif kind == "csv":
            ranges = csv.byte_ranges(path, csv_block_bytes, file.form)
            fragments.extend(Fragment(path, span, byte_range=byte_range, form=file.form) for byte_range in ranges)
        elif kind == "bigquery":
            streams = bigquery.streams(path, columns if columns is None else list(columns))
            fragments.extend(Fragment(path, span, stream=stream) for stream in streams)
        else:
            fragments.append(Fragment(path, span))
    return fragments


def infer_columns(
    files: Sequence[SourceFile],
    drop: Collection[str] = (),
    declared: Mapping[str, ColumnType] | None = None,
) -> dict[str, ColumnType]:
    """Return the columns of a table, in the order of its first file, and their types.

    CSV is read whole; of TFRecord only the first records of each file; of Parquet the schema.

    Args:
        drop: columns to leave out, whatever they hold.
        declared: types that are already known; those columns are not looked into.

    Raises:
        DataError: a file cannot be read, its columns differ from the first file's, a column is of
            two types or of an unusable one, or there is no row at all.
    """
    declared = declared or {}
    skip = {*drop, *declared}
    order = _common_columns(files, drop)
    found: dict[str, tuple[ColumnType, str]] = {}  # with the file that says so
    n_rows = 0
    csv_paths = [file.path for file in files if format_of(file.path) == "csv"]
    for paths in [csv_paths, *([file.path] for file in files if file.path not in csv_paths)]:
        if not paths:
            continue
        headless = format_of(paths[0]) == "tfrecord"  # only its records tell which of the declared columns it has
        types, rows = _infer(paths, drop if headless else skip, files[0].form)
        n_rows += rows
        for name, column_type in types.items():
            order.setdefault(name)
            if column_type is not None and name not in declared:
                found[name] = (_widest(name, found.get(name), column_type, paths[0]), paths[0])
    if not n_rows:
        header = "has a header but no rows" if csv_paths else "has no rows"
        raise DataError(f"{files[0].path} {header}", "write the data again; a table needs rows")
    return {name: declared[name] if name in declared else found.get(name, (ColumnType.STRING, ""))[0] for name in order}


def column_names(files: Sequence[SourceFile]) -> list[str]:
    """Return the columns of the files, by their headers alone; TFRecord has none. Raises as `infer_columns`."""
    return list(_common_columns(files, ()))


def read_fragment(
    fragment: Fragment, columns: Mapping[str, ColumnType], batch_rows: int = 65536
) -> Iterator[pa.RecordBatch]:
    """Stream exactly the given columns, in that order, in their stored types.

    Yields:
        Batches of `batch_rows` rows, the last of fewer. Missing values are null: in CSV an empty field
        (quoted or not), NA, NaN, null and N/A; NaN everywhere.

    Raises:
        DataError: see the module's docstring; raised when the stream gets there.
    """
    kind = format_of(fragment.path)
    if kind == "parquet":
        batches = parquet.read(fragment.path, fragment.row_group, columns, batch_rows)
    elif kind == "csv":
        batches = csv.read(fragment.path, columns, fragment.byte_range, fragment.form)
    elif fragment.stream is not None:
        batches = bigquery.read(fragment.path, fragment.stream, columns)
    else:
        batches = tfrecord.read(fragment.path, columns, batch_rows)
    return _regroup(batches, batch_rows)


def verbatim_types(files: Sequence[SourceFile], names: Collection[str]) -> pa.Schema | None:
    """Return the columns `names` in the types in which `read_verbatim` gives them: text from CSV, from Parquet its own.

    None where there are no such types: in TFRecord, or where the files differ.
    """
    kinds = {format_of(file.path) for file in files}
    if kinds == {"csv"}:
        return pa.schema([(name, pa.string()) for name in names])
    if kinds != {"parquet"}:
        return None
    first, *others = (parquet.own_types(file.path, names) for file in files)
    return first if all(other == first for other in others) else None


def read_verbatim(fragment: Fragment, names: Collection[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Stream the given columns unconverted, in batches as `read_fragment` would; see `verbatim_types`.

    The fields of a CSV file come as they are written but for the quotes; those that mean 'missing' are null.
    """
    if format_of(fragment.path) == "csv":
        return read_fragment(fragment, dict.fromkeys(names, ColumnType.STRING), batch_rows)
    return _regroup(parquet.read_as_stored(fragment.path, fragment.row_group, names, batch_rows), batch_rows)


def _common_columns(files: Sequence[SourceFile], drop: Collection[str]) -> dict[str, None]:
    """Return the columns without `drop`, ordered; TFRecord has none before it is read, for want of a header."""
    first: tuple[str, list[str]] | None = None
    for file in files:
        kind = format_of(file.path)
        if kind == "tfrecord":
            continue
        names = [name for name in _columns_of(file, kind) if name not in drop]
        if first is None:
            first = (file.path, names)
        missing = [name for name in first[1] if name not in names]
        extra = [name for name in names if name not in first[1]]
        if missing or extra:
            parts = [f"lacks {', '.join(map(repr, missing))}"] if missing else []
            parts += [f"has {', '.join(map(repr, extra))} besides"] if extra else []
            raise DataError(
                f"the columns of {file.path} differ from those of {first[0]}: it {' and '.join(parts)}",
                "give all files the same columns, or list the columns concerned in data.drop",
            )
    return dict.fromkeys(first[1] if first else [])


def _columns_of(file: SourceFile, kind: str) -> list[str]:
    if kind == "csv":
        return csv.columns_of(file.path, file.form)
    return parquet.columns_of(file.path) if kind == "parquet" else bigquery.columns_of(file.path)


def _infer(paths: list[str], skip: Collection[str], form: TextFormat) -> tuple[dict[str, ColumnType | None], int]:
    kind = format_of(paths[0])
    if kind == "csv":
        return csv.infer(paths, skip, form)
    if kind == "parquet":
        return parquet.infer(paths[0], skip)
    if kind == "bigquery":
        return bigquery.infer(paths[0], skip)
    return tfrecord.infer(paths[0], skip)


def _widest(name: str, before: tuple[ColumnType, str] | None, now: ColumnType, path: str) -> ColumnType:
    if before is None or before[0] is now:
        return now
    if {before[0], now} == {ColumnType.INT, ColumnType.FLOAT}:
        return ColumnType.FLOAT
    raise DataError(
        f"column {name!r} is of type {before[0]} in {before[1]} but {now} in {path}",
        "write it with one type in all files, or declare its type in the schema",
    )


def _regroup(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the same rows in batches of `rows`, the last of fewer."""
    pending: list[pa.RecordBatch] = []
    n_pending = 0
    for batch in batches:
        if not pending and batch.num_rows == rows:
            yield batch
            continue
        pending.append(batch)
        n_pending += batch.num_rows
        if n_pending >= rows:
            table = pa.Table.from_batches(pending).combine_chunks()
            whole = n_pending - n_pending % rows
            yield from table.slice(0, whole).to_batches(max_chunksize=rows)
            pending = table.slice(whole).to_batches()
            n_pending -= whole
    if n_pending:
        yield from pa.Table.from_batches(pending).combine_chunks().to_batches()
