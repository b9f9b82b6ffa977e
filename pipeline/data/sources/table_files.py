"""Finds the files of a table by its pattern: a file, a folder, a glob, spans, an address in BigQuery."""

from __future__ import annotations

import difflib
import functools
import glob
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pipeline.config.data import DUCKDB, PACKED, SQLITE
from pipeline.config.spans import ALL, Spans, chosen_spans, span_name, spans_text
from pipeline.config.text_format import CSV, TextFormat
from pipeline.data.patterns import SpanReader, as_glob, check_marks, has_spans, without_marks
from pipeline.data.sources import magic, parts, remote
from pipeline.data.sources.compressed import inner_name
from pipeline.data.values.readings import PLAIN, Readings
from pipeline.errors import DataError, as_argument

TEXT = (".csv", ".tsv", ".txt", ".dat", ".data")
"""Of delimited text; in any case, and packed or not."""
_ANY_TEXT = (".txt", ".dat", ".data")
"""What is in these may also be JSON."""
FORMATS = {
    "json": (".jsonl", ".ndjson", ".json"),
    "workbook": parts.WORKBOOKS,
    "feather": (".feather", ".arrow", ".ipc"),
    "duckdb": DUCKDB,
    "sqlite": SQLITE,
}
"""Others, in any case, packed or not."""
_SURE = (*(f".csv{packed}" for packed in ("", *PACKED)), ".parquet", ".tfrecord", ".tfrecord.gz")
_OTHER = (*TEXT[1:], *(ending for endings in FORMATS.values() for ending in endings))
_PERHAPS = tuple(kind + packed for kind in _OTHER for packed in ("", *PACKED))
"""In a folder these are data where no other file is: README.txt often lies beside a table."""
EXTENSIONS = (*_SURE, *_PERHAPS)
KNOWN = (
    f"known are {', '.join((TEXT[0], *_OTHER))} (also packed: {', '.join(PACKED)}), .parquet, .tfrecord, .tfrecord.gz"
)


@dataclass(frozen=True)
class SourceFile:
    """A data file; `span` is the number in its path, or its date as one (20250304), else 0."""

    path: str
    span: int
    form: TextFormat = CSV
    readings: Readings = field(default=PLAIN, compare=False)


def find_files(
    pattern: str, spans: Spans = ALL, form: TextFormat = CSV, readings: Readings = PLAIN
) -> list[SourceFile]:
    """Return the data files that a pattern names, sorted by (span, path); of a span with versions the latest.

    Args:
        pattern: a file, a directory (its data files, not those below), a glob, or an address of a server; {SPAN} in it
            stands for a number, {YYYY}, {MM} and {DD} for a date, {VERSION} for that of a span. Names that begin with
            '_' or '.' are passed over unless spelt out. Behind the name of a workbook or a database may stand which
            sheet or table is meant; see `parts`.
        spans: which spans to keep.
        form: how those of delimited text are written.
        readings: how their texts are read.

    Raises:
        DataError: nothing found, an empty file, or a file of unknown extension.
    """
    is_file = remote.remote_of(pattern) is None
    files = list_files(pattern, form, readings)
    if not files:
        what = "data file" if is_file else "table"
        raise DataError(f"no {what} matches {pattern}", f"correct the path or pattern; {KNOWN}")
    there = {file.span for file in files}
    chosen = set(chosen_spans(spans, there))
    kept = [file for file in files if file.span in chosen]
    if not kept:
        raise DataError(
            f"no file of {pattern} is in the spans of data.spans; there are spans {spans_text(there)}",
            "correct data.spans or add the files",
        )
    for file in kept:
        format_of(file.path)
        if is_file and Path(parts.file_of(file.path)).stat().st_size == 0:
            raise DataError(f"{file.path} is empty (0 bytes)", "write the file again or remove it")
    return kept


def list_files(pattern: str, form: TextFormat = CSV, readings: Readings = PLAIN) -> list[SourceFile]:
    """Return the files of all spans that are there, sorted by (span, path); they may be empty.

    Raises:
        DataError: the pattern is none, or a path that is named does not exist.
    """
    server = remote.remote_of(pattern)
    within = "" if server else parts.split(pattern).suffix
    pattern = pattern if server else _mounted(parts.file_of(pattern))
    files: set[SourceFile] = set()
    for path, span in _latest_versions(server.find(pattern) if server else _matches(pattern), pattern):
        if not server and Path(path).is_dir():
            files.update(SourceFile(inner, span, form, readings) for inner in _data_files(path))
        else:
            files.add(SourceFile(path + within, span, form, readings))
    return sorted(files, key=lambda file: (file.span, file.path))


def split_root(pattern: str) -> tuple[str, str]:
    """Return the folder below which all files of a table lie, and the rest of the pattern: empty, or from '/' on."""
    if remote.remote_of(pattern):
        return pattern, ""
    if "://" not in pattern and Path(pattern).is_dir():
        return pattern.rstrip("/"), ""
    address = parts.split(pattern)
    names = address.file.split("/")
    literal = next((i for i, name in enumerate(names) if "*" in without_marks(name)), len(names) - 1)
    return "/".join(names[:literal]), "/" + "/".join(names[literal:]) + address.suffix


def without_query(pattern: str) -> tuple[str, str | None]:
    """Return what `data.path` and `data.query` are for a table."""
    if remote.remote_of(pattern):
        return remote.without_query(pattern)
    address = parts.split(pattern)
    return (pattern, None) if address.query is None else (address.file, address.query)


def file_states(files: Sequence[SourceFile]) -> list[tuple[str, int, int]]:
    """Return path, size in bytes and time of change in nanoseconds of each: what tells, unread, whether a table
    changed."""
    return [(file.path, *_state(file.path)) for file in files]


def file_name(path: str) -> str:
    """Return the last part of a file's path; of a table on a server what messages call it."""
    return remote.short_name(path) if remote.remote_of(path) else Path(parts.split(path).short).name


def span_of(path: str, pattern: str) -> int | None:
    """Return the span that a file would be in a table; None if it would be no file of it, or the table has no spans."""
    path, pattern = parts.file_of(path), parts.file_of(pattern)
    found = SpanReader(pattern).read(path) if has_spans(pattern) else None
    return found[0] if found else None


def format_of(path: str) -> str:
    """Return the format of a table's file: bigquery, postgresql, csv, parquet, tfrecord, or one of FORMATS.

    Raises:
        DataError: neither its extension nor its first bytes are those of a table, or it is an archive of several files.
    """
    if kind := remote.kind_of(path):
        return kind
    if path.lower().endswith((".tfrecord", ".tfrecord.gz")):
        return "tfrecord"
    name = inner_name(parts.file_of(path)).lower()
    for kind, endings in {"csv": TEXT, **FORMATS, "parquet": (".parquet",)}.items():
        if name.endswith(endings) and not name.endswith(_ANY_TEXT):
            return kind
    return _by_content(path, name.endswith(TEXT))


@functools.cache
def _by_content(path: str, is_text: bool) -> str:
    """Return the format of a file whose name does not tell it, by its first bytes."""
    found = magic.what_is(parts.file_of(path)) if Path(parts.file_of(path)).is_file() else None
    kind = {"excel": "workbook"}.get(found[0], found[0]) if found else ""
    if is_text:
        return "json" if kind == "json" else "csv"
    if kind in ("csv", "parquet", *FORMATS):
        return kind
    if found and found[0] in ("7z", "rar", "tar", "sql", "html", "lfs", "pdf"):
        remedy = magic.remedy(path, found)
        what = "whatever its name says" if remedy.startswith("rename") else "which is not read"
        raise DataError(f"{path} is {found[1]}, {what}", remedy)
    raise DataError(
        f"{path} has an unknown extension, and what is in it is no table that can be read",
        f"convert or rename the file; {KNOWN}",
    )


def _state(path: str) -> tuple[int, int]:
    if server := remote.remote_of(path):
        return server.state(path)
    file = parts.file_of(path)
    # What was written to a database of late stands in a file beside it; an empty one a mere reader leaves.
    beside = [Path(file + end) for end in ("-wal", ".wal")] if format_of(path) in ("sqlite", "duckdb") else []
    stats = [Path(file).stat(), *(log.stat() for log in beside if log.exists() and log.stat().st_size)]
    return sum(stat.st_size for stat in stats), max(stat.st_mtime_ns for stat in stats)


def _latest_versions(paths: Iterable[str], pattern: str) -> Iterator[tuple[str, int]]:
    """Yield paths with their spans, of each span those of its latest version. glob knows no numbers, so that here the
    names without one fall out."""
    if not has_spans(pattern):
        yield from ((path, 0) for path in paths)
        return
    reader = SpanReader(pattern)
    found = [(path, *place) for path in paths if (place := reader.read(path))]
    latest: dict[int, int] = {}
    spelt: dict[tuple[int, int], tuple[str, tuple[str, ...]]] = {}
    for path, span, version in sorted(found):
        latest[span] = max(version, latest.get(span, 0))
        spelling = reader.spelling(path)
        other, first = spelt.setdefault((span, version), (path, spelling))
        if spelling != first:
            raise DataError(
                f"{other} and {path} are both span {span_name(span)}, written in two ways, and which is meant is not "
                "known",
                "remove one of the two; or, if one corrects the other, tell them apart by {VERSION} in the path: the "
                "highest counts (docs/spans.md)",
            )
    yield from ((path, span) for path, span, version in found if version == latest[span])


def _mounted(pattern: str) -> str:
    """Name the folder below /gcs: steps on Vertex AI find every bucket that they may read below /gcs
    (https://cloud.google.com/vertex-ai/docs/training/cloud-storage-file-system)."""
    return pattern.replace("gs://", "/gcs/", 1) if Path("/gcs").is_dir() else pattern


def _matches(pattern: str) -> list[str]:
    """Return the paths, files or directories, that a pattern names; {SPAN} and its like are '*' here."""
    try:
        check_marks(pattern)
    except ValueError as exc:
        raise DataError(f"the pattern {pattern} names no span that can be read", str(exc)) from exc
    if not has_spans(pattern) and Path(pattern).exists():  # first of all, so that names may hold [ ] * ?
        return [pattern]
    if scheme := re.match(r"(?!gs:)[A-Za-z][\w+.-]+://", pattern):
        raise DataError(
            f"{pattern} is an address, and tables are not read from {scheme[0]}",
            _remedy_of_address(pattern, scheme[0].lower()),
        )
    # Path.glob takes no absolute pattern.
    paths = glob.glob(as_glob(pattern), recursive=True)  # noqa: PTH207
    paths = [path for path in paths if not Path(path).name.startswith(("_", "."))]
    if has_spans(pattern):
        return paths
    if as_glob(pattern) != glob.escape(pattern):
        return [path for path in paths if not Path(path).is_dir()]
    folder = Path(pattern).parent
    siblings = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    near = difflib.get_close_matches(Path(pattern).name, siblings)
    hint = f"; near it there is {', '.join(map(repr, near))}" if near else ""
    raise DataError(f"{pattern} does not exist{hint}", "correct the path")


def _remedy_of_address(address: str, scheme: str) -> str:
    if scheme == "file://":
        return f"name it by its path: {unquote(urlsplit(address).path)}"
    if scheme in ("http://", "https://", "ftp://"):
        return f"fetch the file (`curl -LO {as_argument(address)}`), and name the copy"
    return (
        "copy it to this machine, and name the copy; postgresql:// and bigquery:// are read where they are "
        "(docs/sources.md)"
    )


def _data_files(folder: str) -> list[str]:
    files = [path for path in Path(folder).iterdir() if not path.name.startswith(("_", "."))]
    paths = [str(path) for path in files if path.name.lower().endswith(_SURE)]
    paths = paths or [str(path) for path in files if path.name.lower().endswith(_PERHAPS)]
    if not paths:
        raise DataError(f"the directory {folder} holds no data file", f"correct the path; {KNOWN}")
    return paths
