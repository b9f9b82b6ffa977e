"""What the last whole run read, held against what lies there now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ml_metadata import MetadataStore

from pipeline.lineage.runs import find_run, list_runs
from pipeline.lineage.source_files import FILES, ReadFile, from_property

FileStates = Sequence[tuple[str, int, int]]
"""Path, size in bytes and time of change in nanoseconds of each (pipeline.data.sources.table_files)."""


@dataclass(frozen=True)
class LastData:
    """The files that a run read.

    Attributes:
        files: by absolute path.
        spans: their numbers.
    """

    run_id: str
    files: dict[str, ReadFile]
    spans: tuple[int, ...]

    def as_read(self, states: FileStates) -> FileStates:
        """Return what files are now, but one that has only been touched as it was when it was read."""
        return tuple((path, size, self._time(path, size, changed)) for path, size, changed in states)

    def _time(self, path: str, size: int, changed: int) -> int:
        read = self.files.get(path)
        return read.modified_ns if read and changed != read.modified_ns and read.is_still(size, changed) else changed


@dataclass(frozen=True)
class Changes:
    """How the spans differ from those that the last whole run read.

    Attributes:
        new: later than all that it read.
        late: not read then, and not later than all.
        corrected: read then, and with other files or contents now.
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
            if files:
                return LastData(
                    run.run_id, {file.path: file for file in files}, tuple((run.ingestion or {}).get("spans", ()))
                )
        return None
    return None


def changes_since(last: LastData, states: FileStates, span_of: Callable[[str], int | None]) -> Changes:
    """Compare files that would be read now with those that were.

    Args:
        span_of: the span of a path; None if it has none.
    """
    now: dict[int, dict[str, tuple[int, int]]] = {}
    for path, size, changed in last.as_read(states):
        now.setdefault(span_of(path) or 0, {})[path] = size, changed
    before: dict[int, dict[str, tuple[int, int]]] = {}
    for path, read in last.files.items():
        before.setdefault(span_of(path) or 0, {})[path] = read.bytes, read.modified_ns
    newest = max(last.spans, default=max(before, default=0))
    fresh = [span for span in sorted(now) if span not in before]
    return Changes(
        new=[span for span in fresh if span > newest],
        late=[span for span in fresh if span <= newest],
        corrected=[span for span in sorted(now) if span in before and now[span] != before[span]],
    )
