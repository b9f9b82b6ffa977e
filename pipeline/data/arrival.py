"""Tells whether the spans of a table are all there, and whole. It looks at names, sizes and times, and at headers where
columns are asked for; it reads no row."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path

from pipeline.config.arrival import Arrival
from pipeline.config.data import Data
from pipeline.config.spans import chosen_spans, date_of, missing_spans, span_name, spans_text
from pipeline.config.value_types import seconds_of
from pipeline.data.patterns import SpanReader, as_glob, has_spans
from pipeline.data.sources import parts
from pipeline.data.sources.source import column_names
from pipeline.data.sources.table_files import SourceFile, list_files
from pipeline.errors import DataError


def not_yet(data: Data, pattern: str, *, is_waiting: bool = False, now: float | None = None) -> list[str]:
    """Say in a sentence each what is not there yet; nothing if all is.

    Args:
        pattern: `data.path` in its one spelling.
        is_waiting: the first file may still come; without it none at all is a wrong path, which reading tells.
        now: seconds since 1970; the clock's when None.
    """
    now = time.time() if now is None else now
    window, arrival = data.spans, data.arrival
    if not has_spans(pattern) and arrival == Arrival() and not is_waiting:
        return []
    try:
        files = list_files(pattern, data.format)
    except DataError as exc:
        return [exc.what] if is_waiting else []
    there = sorted({file.span for file in files})
    used = chosen_spans(window, there)
    if not used:
        nothing = f"{pattern} has no span of data.spans yet" if files else f"no file of {pattern} is there yet"
        return [nothing] if is_waiting else []
    said = []
    if has_spans(pattern) and _refuses(data) and (gone := missing_spans(window, used, there)):
        said.append(f"{spans_words(gone)} missing between those that are there, {spans_text(used)}")
    if "://" not in pattern:
        for span, inside in groupby((file for file in files if file.span in used), key=lambda file: file.span):
            name = f"span {span_name(span)}" if has_spans(pattern) else pattern
            said += [f"{name}: {reason}" for reason in _not_whole(list(inside), arrival, now)]
    said += _too_old(used[-1], arrival, date.fromtimestamp(now))
    return said


def _refuses(data: Data) -> bool:
    return (data.arrival.missing or ("warn" if data.spans.use == "all" else "refuse")) == "refuse"


def spans_words(spans: list[int]) -> str:
    """Return `span 3 is` or `spans 3, 5 are`."""
    return f"span {spans_text(spans)} is" if len(spans) == 1 else f"spans {spans_text(spans)} are"


def _not_whole(files: list[SourceFile], arrival: Arrival, now: float) -> Iterator[str]:
    if arrival.marker is not None and not _has_marker(files[0], arrival.marker):
        yield f"there is no {arrival.marker} beside its files"
    if len(files) < arrival.files:
        yield f"{len(files)} of the {arrival.files} files of data.arrival.files are there"
    for file in files:
        path = Path(parts.file_of(file.path))
        stat, name = path.stat(), path.name
        if not stat.st_size:
            yield f"{name} is empty (0 bytes)"
            continue
        age = now - stat.st_mtime
        if arrival.still_for is not None and age < seconds_of(arrival.still_for):
            yield f"{name} changed {max(0, age):.0f} s ago; data.arrival.still_for is {arrival.still_for}"
        elif arrival.columns:
            try:
                lacking = set(arrival.columns) - set(column_names([file]))
            except DataError as exc:
                yield exc.what
                continue
            if lacking:
                yield f"{name} has no column {', '.join(map(repr, sorted(lacking)))}"


def _has_marker(file: SourceFile, marker: str) -> bool:
    folder = Path(parts.file_of(file.path)).parent
    if not has_spans(marker):
        return (folder / marker).exists()
    reader = SpanReader(f"{folder}/{marker}")
    names = folder.glob(Path(as_glob(f"{folder}/{marker}")).name)
    return any((place := reader.read(str(name))) and place[0] == file.span for name in names)


def _too_old(newest: int, arrival: Arrival, today: date) -> Iterator[str]:
    day = date_of(newest)
    if arrival.newest_within is None or day is None:
        return
    oldest = today - timedelta(seconds=seconds_of(arrival.newest_within))
    if day < oldest:
        yield (
            f"the newest span is {span_name(newest)}; data.arrival.newest_within is {arrival.newest_within}, "
            f"so one from {oldest.isoformat()} or later should be there"
        )
