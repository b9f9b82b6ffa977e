"""Finds the files of a table by its pattern: a file, a folder, a glob, spans, an address in BigQuery."""

from __future__ import annotations

import difflib
import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.data.patterns import SPAN, as_glob, span_matcher
from pipeline.data.sources import bigquery, bigquery_address
from pipeline.errors import DataError

EXTENSIONS = (".csv", ".csv.gz", ".parquet", ".tfrecord", ".tfrecord.gz")
_KNOWN = "known are " + ", ".join(EXTENSIONS)


@dataclass(frozen=True)
class SourceFile:
    """A data file; `span` is the number that {SPAN} matched in its path, else 0."""

    path: str
    span: int


def find_files(pattern: str, spans: tuple[int, int] | None = None) -> list[SourceFile]:
    """Return the data files that a pattern names, sorted by (span, path).

    Args:
        pattern: a file, a directory (its data files, not those below), a glob, or an address in BigQuery; one
            {SPAN} in it stands for a number. Names that begin with '_' or '.' are passed over unless spelt out.
        spans: the first and last span to keep.

    Raises:
        DataError: nothing found, an empty file, or a file of unknown extension.
    """
    remote = bigquery_address.is_address(pattern)
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
        format_of(file.path)
        if not remote and Path(file.path).stat().st_size == 0:
            raise DataError(f"{file.path} is empty (0 bytes)", "write the file again or remove it")
    return sorted(kept, key=lambda file: (file.span, file.path))


def split_root(pattern: str) -> tuple[str, str]:
    """Return the folder below which all files of a table lie, and the rest of the pattern: empty, or from '/' on."""
    if bigquery_address.is_address(pattern):
        return pattern, ""
    if "://" not in pattern and Path(pattern).is_dir():
        return pattern.rstrip("/"), ""
    parts = pattern.split("/")
    literal = next((i for i, part in enumerate(parts) if SPAN in part or "*" in part), len(parts) - 1)
    return "/".join(parts[:literal]), "/" + "/".join(parts[literal:])


def file_states(files: Sequence[SourceFile]) -> list[tuple[str, int, int]]:
    """Return path, size in bytes and time of change in nanoseconds of each: what tells, unread, whether a table
    changed."""
    return [(file.path, *_state(file.path)) for file in files]


def file_name(path: str) -> str:
    """Return the last part of a file's path; of an address in BigQuery what messages call it."""
    return bigquery_address.parse(path).short if bigquery_address.is_address(path) else Path(path).name


def span_of(path: str, pattern: str) -> int | None:
    """Return the span that a file would be in a table; None if it would be no file of it, or the table has no spans."""
    matcher = span_matcher(pattern)
    match = matcher.match(path) if matcher else None
    return int(match.group("span")) if match else None


def format_of(path: str) -> str:
    """Return the format of a table's file: bigquery, csv, parquet or tfrecord.

    Raises:
        DataError: its extension is unknown.
    """
    if bigquery_address.is_address(path):
        return "bigquery"
    for extension in EXTENSIONS:
        if path.endswith(extension):
            return extension.split(".")[1]
    raise DataError(f"{path} has an unknown extension", f"convert or rename the file; {_KNOWN}")


def _state(path: str) -> tuple[int, int]:
    if bigquery_address.is_address(path):
        return bigquery.state(path)
    stat = Path(path).stat()
    return stat.st_size, stat.st_mtime_ns


def _mounted(pattern: str) -> str:
    """Name the folder below /gcs: steps on Vertex AI find every bucket that they may read below /gcs
    (https://cloud.google.com/vertex-ai/docs/training/cloud-storage-file-system)."""
    return pattern.replace("gs://", "/gcs/", 1) if Path("/gcs").is_dir() else pattern


def _matches(pattern: str) -> list[str]:
    """Return the paths, files or directories, that a pattern names; {SPAN} is '*' here."""
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
