"""The offending rows of a finding, from the source files: how many in which file, which rows, which values."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.number_text import bound_text
from pipeline.config.split import GroupSplit, HashSplit, TimeSplit, deciding_columns
from pipeline.config.text_format import CSV, TextFormat
from pipeline.data.columns import ColumnType
from pipeline.data.convert import shorten
from pipeline.data.sources import source, table_files
from pipeline.data.sources.meaning import rows_without
from pipeline.data.split import assign, split_names
from pipeline.data.values.readings import PLAIN, Readings
from pipeline.errors import DataError
from pipeline.guard.findings import DataVerdict, Finding
from pipeline.guard.places import FileRows, Range

_BATCH_ROWS = 65_536
_BATCH_CELLS = 4_000_000
_VALUES = 3  # shown of a file


@dataclass(frozen=True)
class Source:
    """Where the rows came from.

    Attributes:
        pattern: as for pipeline.data.sources.table_files.find_files.
        columns: as ingestion read them.
        spans: the numbers of those that were read; None for all.
        label: rows without it were not taken in; None if all were.
        split: how they were split; None if they were not.
        form: how files of delimited text are written.
        readings: how their texts were read.
    """

    pattern: str
    columns: Mapping[str, ColumnType]
    spans: Collection[int] | None = None
    label: str | None = None
    split: TimeSplit | HashSplit | GroupSplit | None = None
    form: TextFormat = CSV
    readings: Readings = PLAIN


@dataclass
class RowRanges:
    """Takes in the numbers of rows, ascending; counts all, keeps the first `limit` ranges."""

    limit: int
    count: int = 0
    ranges: list[Range] = field(default_factory=list)

    def add(self, numbers: npt.NDArray[np.int64]) -> None:
        """Take in the next rows, shape (rows,): greater than all before."""
        if not len(numbers):
            return
        self.count += len(numbers)
        breaks = np.flatnonzero(np.diff(numbers) != 1)
        firsts = numbers[np.concatenate([[0], breaks + 1])]
        lasts = numbers[np.concatenate([breaks, [len(numbers) - 1]])]
        start = 0
        if self.ranges and self.ranges[-1][1] + 1 == firsts[0]:  # goes on where the last batch ended
            self.ranges[-1] = self.ranges[-1][0], int(lasts[0])
            start = 1
        end = start + max(0, self.limit - len(self.ranges))
        self.ranges += [(int(a), int(b)) for a, b in zip(firsts[start:end], lasts[start:end], strict=True)]


@dataclass
class _InFile:
    """What is known of one finding in one file."""

    path: str
    span: int
    rows: RowRanges
    of: int = 0
    values: list[str] = field(default_factory=list)

    def seen(self, finding: Finding) -> FileRows:
        count, of = (None, None) if finding.finds_some else (self.rows.count, self.of)
        return FileRows(self.path, count, of, tuple(self.rows.ranges), tuple(self.values))


def with_rows(verdict: DataVerdict, sources: Mapping[str, Source], limit: int) -> DataVerdict:
    """Return the verdict, with the offending rows at each finding that is about single rows, and these counted.

    Never fails: where rows cannot be read, a note says so.

    Args:
        sources: 'serving' for findings about that table, 'training' for all others.
        limit: files of a finding, and ranges of rows of a file, that are kept; all rows are counted.
    """
    findings, notes = list(verdict.findings), list(verdict.notes)
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, finding in enumerate(findings):
        name = "serving" if finding.split == "serving" else "training"
        if finding.offends and name in sources:
            places[name].append(place)
    for name, wanted in places.items():
        try:
            found = _find(sources[name], [findings[place] for place in wanted], limit)
        except (DataError, OSError, pa.ArrowException) as exc:
            reason = exc.what if isinstance(exc, DataError) else f"they cannot be read again ({exc})"
            notes.append(f"offending rows of {sources[name].pattern} cannot be shown: {reason}")
            continue
        for place, files in zip(wanted, found, strict=True):
            findings[place] = _with_files(findings[place], files, limit)
    return replace(verdict, findings=tuple(findings), notes=tuple(notes))


def _with_files(finding: Finding, files: Sequence[_InFile], limit: int) -> Finding:
    """Sort files, the densest first, of equally dense ones the newest. What the gate counted by itself stands."""
    bad = [file for file in reversed(files) if file.rows.count]
    bad.sort(key=lambda file: (-file.rows.count / file.of, -file.span))
    if finding.count is None and not finding.finds_some and files:
        finding = finding.counted(sum(file.rows.count for file in files), sum(file.of for file in files))
    return replace(finding, rows=tuple(file.seen(finding) for file in bad[:limit]), files=len(bad))


def _find(where: Source, findings: Sequence[Finding], limit: int) -> list[list[_InFile]]:
    """List for each finding each file that it is about, in their order.

    Raises:
        DataError: a file is gone, has changed, or cannot be read from here.
    """
    if "://" in where.pattern:
        raise DataError("only files on a local disk are read again")
    found: list[dict[str, _InFile]] = [{} for _ in findings]
    columns = _columns(where, findings)
    for fragment, numbers, batch in numbered(where, columns):
        split = _split_of(batch, where, fragment.span)
        for finding, files in zip(findings, found, strict=True):
            if not _is_about(finding, fragment.span):
                continue
            assert finding.offends
            here = _is_in(finding.split, split, where)
            file = files.setdefault(fragment.path, _InFile(fragment.path, fragment.span, RowRanges(limit)))
            file.of += int(np.count_nonzero(here))
            bad = np.flatnonzero(finding.offends(batch).to_numpy(zero_copy_only=False) & here)
            file.rows.add(numbers[bad])
            if finding.feature and limit and len(bad) and len(file.values) < _VALUES:
                _add_values(file.values, batch.column(finding.feature).take(pa.array(bad[:1000])))
    return [list(files.values()) for files in found]


def _add_values(known: list[str], values: pa.Array) -> None:
    """Keep different ones, as they come."""
    for value in pc.unique(values.drop_null()).slice(0, 2 * _VALUES).to_pylist():
        shown = shorten(value) if isinstance(value, str) else bound_text(value)
        if value != "" and shown not in known and len(known) < _VALUES:
            known.append(shown)


def _columns(where: Source, findings: Sequence[Finding]) -> dict[str, ColumnType]:
    """Return those that the findings and the split need; a hash of whole rows needs all."""
    if where.readings.set_aside:  # any column may hold what a row was set aside for
        return dict(where.columns)
    needed = {finding.feature for finding in findings} | {where.label}
    deciding = deciding_columns(where.split) if where.split is not None else ()
    if deciding is None or any(_needs_all(finding) for finding in findings):
        return dict(where.columns)
    needed.update(deciding)
    return {name: kind for name, kind in where.columns.items() if name in needed}


def _needs_all(finding: Finding) -> bool:
    return finding.kind in ("duplicate_rows", "label_noise")


def numbered(
    where: Source, columns: Mapping[str, ColumnType]
) -> Iterator[tuple[source.Fragment, npt.NDArray[np.int64], pa.RecordBatch]]:
    """Yield with each batch the numbers of its rows in the file, from 1."""
    before: Counter[str] = Counter()
    rows = max(1024, min(_BATCH_ROWS, _BATCH_CELLS // max(1, len(columns))))  # wide tables in smaller bites
    files = table_files.find_files(where.pattern, form=where.form, readings=where.readings)
    files = [file for file in files if where.spans is None or file.span in where.spans]
    for fragment in source.plan_fragments(files):
        for batch, misfits in source.read_marked(fragment, columns, rows):
            kept = rows_without(misfits, batch.num_rows)  # rows that were set aside were not taken in
            yield fragment, before[fragment.path] + np.flatnonzero(kept) + 1, batch.filter(pa.array(kept))
            before[fragment.path] += batch.num_rows


def _split_of(batch: pa.RecordBatch, where: Source, span: int) -> npt.NDArray[np.int8]:
    """Return the number of each row's split; -1 for rows that were not taken in."""
    split = np.zeros(batch.num_rows, np.int8)
    taken = np.ones(batch.num_rows, bool)
    if where.label is not None:
        taken = batch.column(where.label).is_valid().to_numpy(zero_copy_only=False)
    if where.split is not None:
        split[taken] = assign(batch.filter(pa.array(taken)), where.split, span)
    split[~taken] = -1
    return split


def _is_in(name: str | None, split: npt.NDArray[np.int8], where: Source) -> npt.NDArray[np.bool_]:
    names = split_names(where.split) if where.split is not None else ()
    return split == names.index(name) if name in names else split >= 0


def _is_about(finding: Finding, span: int) -> bool:
    kind, _, number = (finding.split or "").partition(" ")
    return kind != "span" or int(number) == span
