"""From files to typed Arrow record batches: CSV, Parquet and TFRecord, plain or .gz. Tables in BigQuery are files here.

    find_files      pattern -> files, by span
    infer_columns   files -> column types, all files agreeing
    plan_fragments  files -> units of work, small and picklable
    read_fragment   unit of work -> record batches in the stored types
    read_verbatim   the same rows as the file holds them, for passing on

What a user can mend is a DataError that names the file, the line and the column.
"""

from __future__ import annotations

import difflib
import glob
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pipeline.data.columns import ColumnType
from pipeline.data.patterns import SPAN, as_glob, span_matcher
from pipeline.data.sources import bigquery, csv, parquet, tfrecord
from pipeline.errors import DataError

EXTENSIONS = (".csv", ".csv.gz", ".parquet", ".tfrecord", ".tfrecord.gz")
_KNOWN = "known are " + ", ".join(EXTENSIONS)


@dataclass(frozen=True)
class SourceFile:
    """A data file; `span` is the number that {SPAN} matched in its path, else 0."""

    path: str
    span: int


@dataclass(frozen=True)
class Fragment:
    """One unit of reading: a file, one row group of a Parquet file, bytes [start, end) of a CSV file, or a stream of
    a table in BigQuery."""

    path: str
    span: int
    row_group: int | None = None
    byte_range: tuple[int, int] | None = None
    stream: str | None = None


def find_files(pattern: str, spans: tuple[int, int] | None = None) -> list[SourceFile]:
    """The data files that a pattern names, sorted by (span, path).

    Args:
        pattern: a file, a directory (its data files, not those below), a glob, or an address in BigQuery; one
            {SPAN} in it stands for a number. Names that begin with '_' or '.' are passed over unless spelt out.
        spans: the first and last span to keep.

    Raises:
        DataError: nothing found, an empty file, or a file of unknown extension.
    """
    remote = bigquery.is_address(pattern)
    pattern = pattern if remote else _mounted(pattern)
    paths = bigquery.find(pattern) if remote else _matches(pattern)
    matcher = span_matcher(pattern)
    files: set[SourceFile] = set()
    for path in paths:
        # glob knows no numbers, so {SPAN} was '*' to it: here the names without a number fall out.
        match = matcher.match(path) if matcher else None
        if matcher and not match:
            continue
        span = int(match.group("span")) if match else 0
        if not remote and Path(path).is_dir():
            files.update(SourceFile(inner, span) for inner in _data_files(path))
        else:
            files.add(SourceFile(path, span))
    if not files:
        what = "table" if remote else "data file"
        raise DataError(f"no {what} matches {pattern}", f"correct the path or pattern; {_KNOWN}")
    kept = [file for file in files if spans is None or spans[0] <= file.span <= spans[1]]
    if spans is not None and not kept:
        there = sorted({file.span for file in files})
        raise DataError(
            f"no file of {pattern} is in spans {spans[0]} to {spans[1]}; "
            f"those found run from {there[0]} to {there[-1]}",
            "correct the span range or add the files",
        )
    for file in kept:
        _kind(file.path)
        if not remote and Path(file.path).stat().st_size == 0:
            raise DataError(f"{file.path} is empty (0 bytes)", "write the file again or remove it")
    return sorted(kept, key=lambda file: (file.span, file.path))


def split_root(pattern: str) -> tuple[str, str]:
    """The folder below which all files of a table lie, and the rest of the pattern: empty, or from '/' on."""
    if bigquery.is_address(pattern):
        return pattern, ""
    if "://" not in pattern and Path(pattern).is_dir():
        return pattern.rstrip("/"), ""
    parts = pattern.split("/")
    literal = next((i for i, part in enumerate(parts) if SPAN in part or "*" in part), len(parts) - 1)
    return "/".join(parts[:literal]), "/" + "/".join(parts[literal:])


def file_states(files: Sequence[SourceFile]) -> list[tuple[str, int, int]]:
    """Path, size in bytes and time of change in nanoseconds of each: what tells, unread, whether a table changed."""
    return [(file.path, *_state(file.path)) for file in files]


def file_name(path: str) -> str:
    """The last part of a file's path; of an address in BigQuery what messages call it."""
    return bigquery.parse(path).short if bigquery.is_address(path) else Path(path).name


def span_of(path: str, pattern: str) -> int | None:
    """The span that a file would be in a table; None if it would be no file of it, or the table has no spans."""
    matcher = span_matcher(pattern)
    match = matcher.match(path) if matcher else None
    return int(match.group("span")) if match else None


def plan_fragments(
    files: Sequence[SourceFile],
    csv_block_bytes: int = csv.BLOCK_BYTES,
    columns: Collection[str] | None = None,
) -> list[Fragment]:
    """The units of work for the files, in their order; their rows, one after the other, are the table.

    Parquet goes by row group, CSV of two blocks or more by byte ranges of about one (gzip does not: see
    csv_source), BigQuery by streams that the service cuts, the rest by file.

    Args:
        columns: those that will be read; None for all. BigQuery wants to know beforehand.
    """
    fragments: list[Fragment] = []
    for path, span in ((file.path, file.span) for file in files):
        kind = _kind(path)
        if kind == "parquet":
            fragments.extend(Fragment(path, span, row_group=group) for group in parquet.row_groups(path))
        elif kind == "csv":
            ranges = csv.byte_ranges(path, csv_block_bytes)
            fragments.extend(Fragment(path, span, byte_range=byte_range) for byte_range in ranges)
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
    """The columns of a table, in the order of its first file, and their types.

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
    csv_paths = [file.path for file in files if _kind(file.path) == "csv"]
    for paths in [csv_paths, *([file.path] for file in files if file.path not in csv_paths)]:
        if not paths:
            continue
        headless = _kind(paths[0]) == "tfrecord"  # only its records tell which of the declared columns it has
        types, rows = _infer(paths, drop if headless else skip)
        n_rows += rows
        for name, column_type in types.items():
            order.setdefault(name)
            if column_type is not None and name not in declared:
                found[name] = (_widest(name, found.get(name), column_type, paths[0]), paths[0])
    if not n_rows:
        header = "has a header but no rows" if csv_paths else "has no rows"
        raise DataError(f"{files[0].path} {header}", "write the data again; a table needs rows")
    return {name: declared[name] if name in declared else found.get(name, (ColumnType.STRING, ""))[0] for name in order}


def read_fragment(
    fragment: Fragment, columns: Mapping[str, ColumnType], batch_rows: int = 65536
) -> Iterator[pa.RecordBatch]:
    """Streams exactly the given columns, in that order, in their stored types.

    Yields:
        Batches of `batch_rows` rows, the last of fewer. Missing values are null: in CSV an empty field
        (quoted or not), NA, NaN, null and N/A; NaN everywhere.

    Raises:
        DataError: see the module's docstring; raised when the stream gets there.
    """
    kind = _kind(fragment.path)
    if kind == "parquet":
        batches = parquet.read(fragment.path, fragment.row_group, columns, batch_rows)
    elif kind == "csv":
        batches = csv.read(fragment.path, columns, fragment.byte_range)
    elif fragment.stream is not None:
        batches = bigquery.read(fragment.path, fragment.stream, columns)
    else:
        batches = tfrecord.read(fragment.path, columns, batch_rows)
    return _regroup(batches, batch_rows)


def verbatim_types(files: Sequence[SourceFile], names: Collection[str]) -> pa.Schema | None:
    """The columns `names` in the types in which `read_verbatim` gives them: text from CSV, from Parquet its own.

    None where there are no such types: in TFRecord, or where the files differ.
    """
    kinds = {_kind(file.path) for file in files}
    if kinds == {"csv"}:
        return pa.schema([(name, pa.string()) for name in names])
    if kinds != {"parquet"}:
        return None
    first, *others = (parquet.own_types(file.path, names) for file in files)
    return first if all(other == first for other in others) else None


def read_verbatim(fragment: Fragment, names: Collection[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Streams the given columns unconverted, in batches as `read_fragment` would; see `verbatim_types`.

    The fields of a CSV file come as they are written but for the quotes; those that mean 'missing' are null.
    """
    if _kind(fragment.path) == "csv":
        return read_fragment(fragment, dict.fromkeys(names, ColumnType.STRING), batch_rows)
    return _regroup(parquet.read_as_stored(fragment.path, fragment.row_group, names, batch_rows), batch_rows)


def _kind(path: str) -> str:
    if bigquery.is_address(path):
        return "bigquery"
    for extension in EXTENSIONS:
        if path.endswith(extension):
            return extension.split(".")[1]
    raise DataError(f"{path} has an unknown extension", f"convert or rename the file; {_KNOWN}")


def _state(path: str) -> tuple[int, int]:
    if bigquery.is_address(path):
        return bigquery.state(path)
    stat = Path(path).stat()
    return stat.st_size, stat.st_mtime_ns


def _mounted(pattern: str) -> str:
    """Steps on Vertex AI find every bucket that they may read below /gcs
    (https://cloud.google.com/vertex-ai/docs/training/cloud-storage-file-system)."""
    return pattern.replace("gs://", "/gcs/", 1) if Path("/gcs").is_dir() else pattern


def _matches(pattern: str) -> list[str]:
    """The paths, files or directories, that a pattern names; {SPAN} is '*' here."""
    if pattern.count(SPAN) > 1:
        raise DataError(f"the pattern {pattern} holds {SPAN} more than once", f"keep one {SPAN}")
    if SPAN not in pattern and Path(pattern).exists():  # first of all, so that names may hold [ ] * ?
        return [pattern]
    # Path.glob takes no absolute pattern.
    paths = glob.glob(as_glob(pattern), recursive=True)  # noqa: PTH207
    paths = [path for path in paths if not Path(path).name.startswith(("_", "."))]
    if SPAN in pattern:
        return paths
    if as_glob(pattern) != glob.escape(pattern):
        return [path for path in paths if not Path(path).is_dir()]
    folder = Path(pattern).parent
    siblings = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    near = difflib.get_close_matches(Path(pattern).name, siblings)
    hint = f"; near it there is {', '.join(map(repr, near))}" if near else ""
    raise DataError(f"{pattern} does not exist{hint}", "correct the path")


def _data_files(folder: str) -> list[str]:
    paths = [
        str(path)
        for path in Path(folder).iterdir()
        if path.name.endswith(EXTENSIONS) and not path.name.startswith(("_", "."))
    ]
    if not paths:
        raise DataError(f"the directory {folder} holds no data file", f"correct the path; {_KNOWN}")
    return paths


def _common_columns(files: Sequence[SourceFile], drop: Collection[str]) -> dict[str, None]:
    """The columns without `drop`, ordered; TFRecord has none before it is read, for want of a header."""
    first: tuple[str, list[str]] | None = None
    for file in files:
        kind = _kind(file.path)
        if kind == "tfrecord":
            continue
        names = [name for name in _COLUMNS_OF[kind](file.path) if name not in drop]
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


_COLUMNS_OF = {
    "csv": csv.columns_of,
    "parquet": parquet.columns_of,
    "bigquery": bigquery.columns_of,
}


def _infer(paths: list[str], skip: Collection[str]) -> tuple[dict[str, ColumnType | None], int]:
    kind = _kind(paths[0])
    if kind == "csv":
        return csv.infer(paths, skip)
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
    """The same rows in batches of `rows`, the last of fewer."""
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
