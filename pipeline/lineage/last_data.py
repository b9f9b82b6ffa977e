"""What the last whole run read, held against what lies there now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ml_metadata import MetadataStore

from pipeline.lineage.runs import find_run, list_runs
from pipeline.lineage.source_files import FILES, from_property


@dataclass(frozen=True)
class LastData:
    """The files that a run read.

    Attributes:
        states: size in bytes and time of change in nanoseconds by absolute path.
        spans: their numbers.
    """

    run_id: str
    states: dict[str, tuple[int, int]]
    spans: tuple[int, ...]


@dataclass(frozen=True)
class Changes:
    """How the spans differ from those that the last whole run read.

    Attributes:
        new: later than all that it read.
        late: not read then, and not later than all.
        corrected: read then, and with other files, sizes or times of change now.
    """

    new: list[int]
    late: list[int]
    corrected: list[int]

    def __bool__(self) -> bool:
        return bool(self.new or self.late or self.corrected)


def last_data(store: MetadataStore, pipeline: str) -> LastData | None:
    """Return what the newest complete run read; None if there is none, or its record is gone."""
    for listed in list_runs(store, pipeline):
        if listed.status != "complete":
            continue
        run = find_run(store, pipeline, listed.run_id)
        for artifact in run.artifacts.get("TableExampleGen", []):
            files = from_property(str(artifact.properties.get(FILES, "")))
            states = {file.path: (file.bytes, file.modified_ns) for file in files}
            if states:
                return LastData(run.run_id, states, tuple((run.ingestion or {}).get("spans", ())))
        return None
    return None


def changes_since(
    last: LastData, states: Sequence[tuple[str, int, int]], span_of: Callable[[str], int | None]
) -> Changes:
    """Compare files that would be read now with those that were.

    Args:
        states: path, size in bytes and time of change in nanoseconds of each (pipeline.data.sources.table_files).
        span_of: the span of a path; None if it has none.
    """
    now: dict[int, dict[str, tuple[int, int]]] = {}
    for path, size, changed in states:
        now.setdefault(span_of(path) or 0, {})[path] = size, changed
    before: dict[int, dict[str, tuple[int, int]]] = {}
    for path, state in last.states.items():
        before.setdefault(span_of(path) or 0, {})[path] = state
    newest = max(last.spans, default=max(before, default=0))
    fresh = [span for span in sorted(now) if span not in before]
    return Changes(
        new=[span for span in fresh if span > newest],
        late=[span for span in fresh if span <= newest],
        corrected=[span for span in sorted(now) if span in before and now[span] != before[span]],
    )
