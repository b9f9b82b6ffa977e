"""The offending rows of a finding, from the source files: which file, which row, which value."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.data import source
from pipeline.data.columns import ColumnType
from pipeline.data.convert import shorten
from pipeline.data.split import assign, split_names
from pipeline.errors import DataError
from pipeline.guard.findings import Finding, OffendingRow, Verdict
from pipeline.sections.split import GroupSplit, HashSplit, TimeSplit, deciding_columns

_BATCH_ROWS = 65_536


@dataclass(frozen=True)
class Source:
    """Where the rows came from.

    Attributes:
        pattern, spans: as for pipeline.data.source.find_files.
        columns: as ingestion read them.
        label: rows without it were not taken in; None if all were.
        split: how they were split; None if they were not.
    """

    pattern: str
    columns: Mapping[str, ColumnType]
    spans: tuple[int, int] | None = None
    label: str | None = None
    split: TimeSplit | HashSplit | GroupSplit | None = None


def with_rows(verdict: Verdict, sources: Mapping[str, Source], limit: int) -> Verdict:
    """The verdict, with up to `limit` offending rows at each finding that is about single rows.

    Never fails: where rows cannot be read, a note says so.

    Args:
        sources: 'serving' for findings about that table, 'training' for all others.
    """
    findings, notes = list(verdict.findings), list(verdict.notes)
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, finding in enumerate(findings):
        name = "serving" if finding.split == "serving" else "training"
        if finding.offends and limit and name in sources:
            places[name].append(place)
    for name, wanted in places.items():
        try:
            rows = _find(sources[name], [findings[place] for place in wanted], limit)
        except (DataError, OSError, pa.ArrowException) as exc:
            reason = exc.what if isinstance(exc, DataError) else str(exc)
            notes.append(f"offending rows of {sources[name].pattern} cannot be shown: {reason}")
            continue
        for place, found in zip(wanted, rows, strict=True):
            findings[place] = replace(findings[place], rows=tuple(found))
    return replace(verdict, findings=tuple(findings), notes=tuple(notes))


def _find(where: Source, findings: Sequence[Finding], limit: int) -> list[list[OffendingRow]]:
    """Of each finding, in the order of the files; stops as soon as all have `limit` rows.

    Raises:
        DataError: a file is gone, has changed, or cannot be read from here.
    """
    if "://" in where.pattern:
        raise DataError("only files on a local disk are read again")
    rows: list[list[OffendingRow]] = [[] for _ in findings]
    columns = _columns(where, findings)
    for fragment, first_row, batch in _numbered(where, columns):
        split = _split_of(batch, where)
        for finding, found in zip(findings, rows, strict=True):
            if len(found) == limit or not _is_about(finding, fragment.span):
                continue
            assert finding.offends
            bad = finding.offends(batch).to_numpy(zero_copy_only=False) & _is_in(finding.split, split, where)
            for index in np.flatnonzero(bad)[: limit - len(found)]:
                value = batch.column(finding.feature)[int(index)].as_py() if finding.feature else ""
                shown = "" if value is None else str(value) if not isinstance(value, str) else value and shorten(value)
                found.append(OffendingRow(fragment.path, first_row + int(index) + 1, shown))
        if all(len(found) == limit for found in rows):
            break
    return rows


def _columns(where: Source, findings: Sequence[Finding]) -> dict[str, ColumnType]:
    """Those that the findings and the split need; a hash of whole rows needs all."""
    needed = {finding.feature for finding in findings} | {where.label}
    deciding = deciding_columns(where.split) if where.split is not None else ()
    if (where.split is not None and not deciding) or any(_needs_all(finding) for finding in findings):
        return dict(where.columns)
    needed.update(deciding)
    return {name: kind for name, kind in where.columns.items() if name in needed}


def _needs_all(finding: Finding) -> bool:
    return finding.kind in ("duplicate_rows", "label_noise")


def _numbered(
    where: Source, columns: Mapping[str, ColumnType]
) -> Iterator[tuple[source.Fragment, int, pa.RecordBatch]]:
    """With each batch the rows of its file that come before."""
    before: Counter[str] = Counter()
    for fragment in source.plan_fragments(source.find_files(where.pattern, where.spans)):
        for batch in source.read_fragment(fragment, columns, _BATCH_ROWS):
            yield fragment, before[fragment.path], batch
            before[fragment.path] += batch.num_rows


def _split_of(batch: pa.RecordBatch, where: Source) -> npt.NDArray[np.int8]:
    """The number of each row's split; -1 for rows that were not taken in."""
    split = np.zeros(batch.num_rows, np.int8)
    taken = np.ones(batch.num_rows, bool)
    if where.label is not None:
        taken = batch.column(where.label).is_valid().to_numpy(zero_copy_only=False)
    if where.split is not None:
        split[taken] = assign(batch.filter(pa.array(taken)), where.split)
    split[~taken] = -1
    return split


def _is_in(name: str | None, split: npt.NDArray[np.int8], where: Source) -> npt.NDArray[np.bool_]:
    names = split_names(where.split) if where.split is not None else ()
    return split == names.index(name) if name in names else split >= 0


def _is_about(finding: Finding, span: int) -> bool:
    kind, _, number = (finding.split or "").partition(" ")
    return kind != "span" or int(number) == span
