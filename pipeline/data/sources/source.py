"""From files to typed Arrow record batches, whatever their format. Tables in BigQuery are files here.

    table_files.find_files   pattern -> files, by span
    infer_columns            files -> column types, all files agreeing
    plan_fragments           files -> units of work, small and picklable
    read_fragment            unit of work -> record batches in the stored types
    read_verbatim            the same rows as the file holds them, for passing on

What a user can fix is a DataError that names the file, the line and the column.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import pyarrow as pa

from pipeline.data.columns import ColumnType
from pipeline.data.sources import bigquery, csv, text_tables, tfrecord, typed
from pipeline.data.sources.batches import regroup
from pipeline.data.sources.common_columns import common_columns
from pipeline.data.sources.csv_types import ColumnGuess, widest
from pipeline.data.sources.fragments import HEADLESS, TEXT, TYPED, Fragment, own_types, place_of, read_as
from pipeline.data.sources.json_lines import JsonTable
from pipeline.data.sources.meaning import Misfit, as_text, converted, first_error, without_rows
from pipeline.data.sources.table_files import SourceFile, format_of
from pipeline.data.values.readings import to_guess
from pipeline.errors import DataError

__all__ = [
    "Fragment",
    "check_has",
    "column_names",
    "infer_columns",
    "is_text",
    "keep_types",
    "plan_fragments",
    "read_fragment",
    "read_marked",
    "read_verbatim",
    "verbatim_types",
]


def plan_fragments(
    files: Sequence[SourceFile],
    csv_block_bytes: int = csv.BLOCK_BYTES,
    columns: Collection[str] | None = None,
) -> list[Fragment]:
    """Return the units of work for the files, in their order; their rows, one after the other, are the table.

    Parquet goes by row group, Arrow by record batch, CSV and JSON lines of two blocks or more by byte ranges of about
    one (compressed ones do not), BigQuery by streams that the service cuts, the rest by file.

    Args:
        columns: those that will be read; None for all. BigQuery wants to know beforehand.
    """
    fragments: list[Fragment] = []
    for file in files:
        path, span = file.path, file.span
        kind = format_of(path)
        if kind in TYPED:
            parts = TYPED[kind](path).parts()
            fragments.extend(Fragment(path, span, part=part) for part in parts)
        elif kind == "csv":
            ranges = csv.byte_ranges(path, csv_block_bytes, file.form)
            fragments.extend(Fragment(path, span, byte_range=byte_range, form=file.form) for byte_range in ranges)
        elif kind == "json":
            json_ranges = JsonTable(path).byte_ranges(csv_block_bytes)
            fragments.extend(Fragment(path, span, byte_range=byte_range) for byte_range in json_ranges)
        elif kind == "bigquery":
            streams = bigquery.streams(path, columns if columns is None else list(columns))
            fragments.extend(Fragment(path, span, stream=stream) for stream in streams)
        else:
            fragments.append(Fragment(path, span))
    return [replace(fragment, readings=files[0].readings) for fragment in fragments]


def infer_columns(
    files: Sequence[SourceFile],
    drop: Collection[str] = (),
    declared: Mapping[str, ColumnType] | None = None,
    unusable: dict[str, DataError] | None = None,
) -> dict[str, ColumnType]:
    """Return the columns of a table, in the order of its first file, and their types.

    Text is read whole; of TFRecord only the first records of each file; of typed formats the schema.

    Args:
        drop: columns to leave out, whatever they hold.
        declared: types that are already known; those columns are not looked into.
        unusable: takes the columns that cannot be used, with the reason, in place of raising the first.

    Raises:
        DataError: a file cannot be read, its columns differ from the first file's, a column is of
            two types or of an unusable one, or there is no row at all.
    """
    readings = files[0].readings
    said = {name: said for name in readings.columns if (said := readings.type_of(name))}
    declared = said | dict(declared or {})
    skip = {*drop, *declared}
    found: dict[str, tuple[ColumnType, str]] = {}  # with the file that says so
    bad: dict[str, DataError] = {}
    order = common_columns(files, drop, bad if unusable is not None else None)
    any_rows = False
    for kind, paths in _together(files):
        # Where only the rows tell the columns, the declared ones, too, must be seen.
        types, has_rows = _infer(kind, paths, drop if kind in HEADLESS else skip, files[0])
        any_rows = any_rows or has_rows
        if kind not in ("csv", *TEXT):
            types = {**types, **_numbers(files, paths, types, declared)}
        for name, column_type in types.items():
            order.setdefault(name)
            if isinstance(column_type, DataError):
                bad.setdefault(name, column_type)
            elif column_type is not None and name not in declared:
                wide = widest(name, found.get(name), column_type, paths[0])
                if isinstance(wide, DataError):
                    bad.setdefault(name, wide)
                else:
                    found[name] = (wide, paths[0])
    if not any_rows:
        header = "has a header but no rows" if format_of(files[0].path) in ("csv", "workbook") else "has no rows"
        raise DataError(f"{files[0].path} {header}", "write the data again; a table needs rows")
    if bad and unusable is None:
        raise next(iter(bad.values()))
    if unusable is not None:
        unusable |= bad
    return {
        name: declared[name] if name in declared else found.get(name, (ColumnType.STRING, ""))[0]
        for name in order
        if name not in bad
    }


def column_names(
    files: Sequence[SourceFile], usable: bool = True, uneven: dict[str, DataError] | None = None
) -> list[str]:
    """Return the columns, of TFRecord those of its first records. Raises as `infer_columns`.

    Args:
        usable: whether only those that can be used, as far as texts tell.
        uneven: takes the columns that are not in all files, with the reason, in place of raising that.
    """
    order = common_columns(files, (), uneven)
    for file in files:
        kind = format_of(file.path)
        there: Iterable[str] = ()
        unusable: Collection[str] = ()
        if kind in TEXT:
            there, unusable = text_tables.look_through(TEXT[kind](file.path))
        elif kind == "tfrecord":
            there, _ = tfrecord.infer(file.path, ())
        order = {name: None for name in (*order, *there, *unusable) if not usable or name not in unusable}
    return list(order)


def is_text(files: Sequence[SourceFile]) -> bool:
    """Return whether all files hold nothing but texts, so that settings can say what each column is."""
    return all(format_of(file.path) in ("csv", *TEXT) for file in files)


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
    if fragment.readings.are_plain:  # as of nearly all tables
        return regroup(read_as(fragment, columns, batch_rows), batch_rows)
    return without_rows(read_marked(fragment, columns, batch_rows))


def read_marked(
    fragment: Fragment, columns: Mapping[str, ColumnType], batch_rows: int = 65536
) -> Iterator[tuple[pa.RecordBatch, list[Misfit]]]:
    """Stream as `read_fragment` does, but all rows, and tell with each batch which values do not fit and are null.

    Raises:
        DataError: also at a value that does not fit, unless they are to be set aside.
    """
    readings = fragment.readings
    own = own_types(fragment.path) if readings.columns else None
    asked = as_text(columns, readings, format_of(fragment.path) in ("csv", *TEXT), own)
    passed = 0
    for batch in regroup(read_as(fragment, asked, batch_rows), batch_rows):
        batch, misfits = converted(batch, columns, asked, readings, fragment.form)
        if misfits and not readings.set_aside:
            raise first_error(misfits, partial(place_of, fragment, passed))
        yield batch, misfits
        passed += batch.num_rows


def keep_types(files: Sequence[SourceFile]) -> bool:
    """Return whether the columns of a table have types of their own, which are worth passing on."""
    return all(format_of(file.path) in TYPED for file in files)


def check_has(files: Sequence[SourceFile], found: Collection[str], names: Iterable[str]) -> None:
    """Refuse a table that was looked through by `infer_columns`, and of which no row has a column."""
    for name in names:
        if name not in found and all(format_of(file.path) == "json" for file in files):
            raise typed.lacks(files[0].path, name, list(found))


def verbatim_types(files: Sequence[SourceFile], names: Collection[str]) -> pa.Schema | None:
    """Return the columns `names` in the types in which `read_verbatim` gives them: text, or the types of a typed file.

    None where there are no such types: in TFRecord, or where the files differ.
    """
    kinds = {format_of(file.path) for file in files}
    if kinds <= {"csv", *TEXT}:
        return pa.schema([(name, pa.string()) for name in names])
    if not kinds <= set(TYPED):
        return None
    first, *others = (typed.own_types(TYPED[format_of(file.path)](file.path), names) for file in files)
    return first if all(other == first for other in others) else None


def read_verbatim(fragment: Fragment, names: Collection[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Stream the given columns unconverted, in batches as `read_fragment` would; see `verbatim_types`.

    The fields of a CSV file come as they are written but for the quotes; those that mean 'missing' are null.
    """
    kind = format_of(fragment.path)
    if kind in TYPED:
        return regroup(TYPED[kind](fragment.path).batches(fragment.part, list(names), batch_rows), batch_rows)
    columns = dict.fromkeys(names, ColumnType.STRING)
    return (batch for batch, _ in read_marked(fragment, columns, batch_rows))


def _together(files: Sequence[SourceFile]) -> Iterator[tuple[str, list[str]]]:
    """Yield the formats, each with its files: of text all at once, since they tell together what a column holds."""
    kinds = dict.fromkeys(format_of(file.path) for file in files)
    for kind in kinds:
        paths = [file.path for file in files if format_of(file.path) == kind]
        yield from [(kind, paths)] if kind in ("csv", *TEXT) else ((kind, [path]) for path in paths)


def _infer(
    kind: str, paths: list[str], skip: Collection[str], like: SourceFile
) -> tuple[Mapping[str, ColumnType | DataError | None], bool]:
    if kind in TYPED:
        return typed.infer(TYPED[kind](paths[0]), skip)
    if kind in TEXT:
        return text_tables.infer([TEXT[kind](path) for path in paths], skip, like.readings)
    if kind == "csv":
        types, rows = csv.infer(paths, skip, like.form, like.readings)
    else:
        types, rows = (bigquery if kind == "bigquery" else tfrecord).infer(paths[0], skip)
    return types, bool(rows)


def _numbers(
    files: Sequence[SourceFile], paths: list[str], names: Collection[str], declared: Collection[str]
) -> dict[str, ColumnType | None]:
    """Return the types of columns that the settings call numbers, of files with types of their own: whole or not."""
    readings = files[0].readings
    guesses = {name: ColumnGuess() for name in names if readings.of(name).kind == "number" and name not in declared}
    if guesses:
        for fragment in plan_fragments([file for file in files if file.path in paths], columns=list(guesses)):
            for batch in read_as(fragment, dict.fromkeys(guesses, ColumnType.STRING), 65536):
                for name, guess in guesses.items():
                    guess.add(to_guess(batch.column(name), name, readings), fragment.path, 0)
    return {name: guess.verdict() for name, guess in guesses.items()}
