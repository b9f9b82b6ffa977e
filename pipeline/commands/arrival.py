"""Waits for the data of a run, or ends it before it begins: what `data.arrival` asks for, and with --wait-for-data what
the last run has not seen yet."""

from __future__ import annotations

import time
from typing import Any

from ml_metadata import MetadataStore
from rich.markup import escape

from pipeline.config.data import Data
from pipeline.config.model_settings import ModelSettings
from pipeline.config.spans import missing_spans, never_spans, spans_text
from pipeline.config.value_types import seconds_of
from pipeline.data.arrival import not_yet, spans_words
from pipeline.data.patterns import has_spans
from pipeline.data.sources.table_files import file_states, find_files, list_files, span_of
from pipeline.errors import ConfigError, NotYetError
from pipeline.lineage.last_data import Changes, FileStates, LastData, changes_since, last_data
from pipeline.lineage.store import has_records, open_existing_store

_LOOK_S = 30.0
_REMEDY = (
    "run again later, or let `longhaul run --wait-for-data 6h` wait; `longhaul plan` shows what is there. "
    "data.spans.except leaves a span out for good"
)


def await_data(settings: ModelSettings, wait: str | None, console: Any) -> None:
    """Return once everything that a run needs is there.

    Args:
        wait: how long to wait for that, and for something that the last complete run has not read, as `6h`.

    Raises:
        ConfigError: `wait` is no duration.
        NotYetError: something is not there, in time.
    """
    try:
        seconds = 0 if wait is None else seconds_of(wait)
    except ValueError as exc:
        raise ConfigError(f"--wait-for-data: {exc}", "for example `longhaul run --wait-for-data 6h`") from exc
    if not is_seen_from_here(settings.data, settings.data_pattern):
        return
    deadline = time.monotonic() + seconds
    said = ""
    while (reasons := _reasons(settings, is_waiting=wait is not None)) and time.monotonic() < deadline:
        if reasons[0] != said:
            console.print(f"waiting for data, at most {wait}: {escape(reasons[0])}", soft_wrap=True)
        said = reasons[0]
        time.sleep(max(0.1, min(_LOOK_S, seconds / 100, deadline - time.monotonic())))
    if reasons:
        waited = f"the data have not come within {wait}" if wait is not None else "the data are not there yet"
        raise NotYetError(f"{waited}: {'; '.join(reasons)}", _REMEDY)


def is_seen_from_here(data: Data, pattern: str) -> bool:
    """Return whether this machine can list the files of the table."""
    return data.builder is None and not pattern.startswith("gs://")


def data_notes(data: Data, pattern: str, pipeline: str, states: FileStates, store: MetadataStore) -> list[str]:
    """Say which spans are missing, came late or were corrected since the last complete run.

    Args:
        states: of the files that this run reads.
    """
    if not has_spans(pattern) or not is_seen_from_here(data, pattern):
        return []
    notes = []
    used = sorted({span_of(path, pattern) or 0 for path, _, _ in states})
    if gone := missing_spans(data.spans, used):
        notes.append(f"{spans_words(gone)} missing; `data.arrival: {{missing: refuse}}` would wait for such spans")
    notes += window_notes(data, pattern)
    if last := last_data(store, pipeline):
        changes = changed_spans(pattern, last, states)
        if changes.late:
            notes.append(f"late: {spans_text(changes.late)} came since run {last.run_id}")
        if changes.corrected:
            notes.append(f"corrected: {spans_text(changes.corrected)} changed since run {last.run_id}")
    return notes


def window_notes(data: Data, pattern: str) -> list[str]:
    """Say what `data.spans.except` names between the first and the last span, and no span can be called."""
    window = data.spans
    if not window.except_ or not has_spans(pattern):
        return []
    there = sorted({file.span for file in list_files(pattern, data.format)})
    never = never_spans(window, there)
    told = f"data.spans.except leaves nothing out by {spans_text(never)}: the spans are {spans_text(there)}"
    return [told] if never else []


def changed_spans(pattern: str, last: LastData, states: FileStates) -> Changes:
    """Return how the files that a run would read now differ from those of the last complete one."""
    return changes_since(last, states, lambda path: span_of(path, pattern))


def _reasons(settings: ModelSettings, *, is_waiting: bool) -> list[str]:
    reasons = not_yet(settings.data, settings.data_pattern, is_waiting=is_waiting)
    if reasons or not is_waiting or not has_records(settings.metadata, settings.root):
        return reasons
    last = last_data(open_existing_store(settings), settings.record_name)
    if last is None or changed_spans(
        settings.data_pattern, last, file_states(find_files(settings.data_pattern, settings.data.spans))
    ):
        return []
    newest = f", whose newest span is {spans_text(last.spans[-1:])}" if has_spans(settings.data_pattern) else ""
    return [f"nothing is new since run {last.run_id}{newest}"]
