"""What `longhaul loop` looks at before it decides: the table, the runs, what serves, what `watch` says of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.commands.arrival import changed_spans, is_seen_from_here
from pipeline.commands.watch import has_log, watch_once
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.place import Place
from pipeline.continuous.triggers import Seen
from pipeline.contract.schema import column_type, read_schema
from pipeline.data.arrival import not_yet
from pipeline.data.sources.source import plan_fragments, read_fragment
from pipeline.data.sources.table_files import SourceFile, file_states, find_files
from pipeline.data.values.readings import readings_of
from pipeline.errors import LockedError
from pipeline.lineage.last_data import last_data
from pipeline.lineage.runs import list_runs
from pipeline.lineage.store import has_records, open_existing_store
from pipeline.serving.versions import serving_manifest
from pipeline.watch.latest import harmful_now
from pipeline.watch.state import opened


@dataclass(frozen=True)
class Look:
    """What was seen; `not_there`: what of the data is not there yet. `new_rows` reads the new files to count."""

    seen: Seen
    not_there: list[str]
    new_rows: Callable[[], int]


def look(config: PipelineConfig, asked: Sequence[str], now: datetime, *, writes: bool = True) -> Look:
    """Look around.

    Args:
        asked: keys that a person gave; writes: whether `watch` may look, too, and keep what it finds.
    """
    if writes and (config.continuous.harm or serving_manifest(config.serving_folder)) and has_log(config, config.watch):
        with suppress(LockedError):  # a process of its own watches
            watch_once(config, now)
    last_run, data = None, ""
    new: tuple[int, ...] = ()
    files: list[SourceFile] = []
    reasons: list[str] = []
    if has_records(config.metadata, config.root):
        store = open_existing_store(config)
        complete = next((one for one in list_runs(store, config.record_name) if one.status == "complete"), None)
        last_run = datetime.strptime(complete.run_id[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC) if complete else None
        last = last_data(store, config.record_name)
    else:
        last = None
    if is_seen_from_here(config.data, config.data_pattern):
        reasons = not_yet(config.data, config.data_pattern, is_waiting=True, now=now.timestamp())
        if not reasons:
            found = find_files(config.data_pattern, config.data.spans, config.data.format, readings_of(config.data))
            states = file_states(found)
            data = hashlib.sha256(repr(sorted(states)).encode()).hexdigest()[:12]
            spans = {one.span for one in found}
            if last:  # changes in nothing are false
                changes = changed_spans(config.data_pattern, last, states)
                spans = {*changes.new, *changes.late, *changes.corrected}
            new, files = tuple(sorted(spans)), [one for one in found if one.span in spans]
    serves = serving_manifest(config.serving_folder)
    told = serves.to_json() if serves else None
    harmful = _harmful(config.watch_folder, str(serves.version)) if serves else None
    return Look(
        Seen(now, new, data, last_run, told, harmful, tuple(asked)),
        reasons,
        lambda: _rows(config.data.label, config.schema_file, files),
    )


def newest_run(place: Place) -> str:
    """Return the id of the newest run; "" without one."""
    if not has_records(place.metadata, place.root):
        return ""
    runs = list_runs(open_existing_store(place), place.record_name)
    return runs[0].run_id if runs else ""


def _harmful(watch_folder: Path, version: str) -> Mapping[str, Any] | None:
    file = watch_folder / "state.db"
    if not file.exists():
        return None
    with opened(file) as state:
        verdicts = [one for one in state.verdicts() if one["version"] == version]
    return next(reversed(harmful_now(verdicts)), None)


def _rows(label: str, schema_file: Path, files: Sequence[SourceFile]) -> int:
    """Count the rows of files, by their labels' column."""
    types = {one.name: column_type(one) for one in read_schema(schema_file).feature if one.name == label}
    return sum(
        batch.num_rows
        for fragment in (plan_fragments(list(files), columns=[label]) if files else ())
        for batch in read_fragment(fragment, types)
    )
