"""Tells whether each split has a row: of all rows, as ingestion counts them, or before a run, of as few as show it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.config.data import Data
from pipeline.config.spans import spans_text
from pipeline.config.split import HashSplit, Split, deciding_columns, time_column
from pipeline.data.columns import ColumnType
from pipeline.data.sources import source
from pipeline.data.sources.common_columns import common_columns
from pipeline.data.sources.meaning import without_misfits
from pipeline.data.sources.table_files import SourceFile
from pipeline.data.split import assign, settle, split_names, stratify
from pipeline.data.training_columns import check_training_columns
from pipeline.errors import DataError


def check_filled(rows: Mapping[str, int], bare: Sequence[int]) -> None:
    """Refuse a table that leaves a split without rows.

    Args:
        rows: of each split; bare: the spans that have none.

    Raises:
        DataError: says which, and how many rows the others have.
    """
    empty = next((name for name, count in rows.items() if not count), None)
    if empty is None:
        return
    what = f"split {empty!r} is empty (rows: {', '.join(f'{name} {count:,}' for name, count in rows.items())})"
    if bare:
        raise DataError(
            f"{what}: {'span' if len(bare) == 1 else 'spans'} {spans_text(bare)} without a row",
            "have it delivered again, or leave it out by data.spans.except",
        )
    raise DataError(what, "move the split's bounds or change its weights")


def check_splits(files: Sequence[SourceFile], data: Data, split: Split, declared: Mapping[str, ColumnType]) -> None:
    """Refuse what ingestion would, as far as headers, and rows until each split has one, tell.

    Args:
        declared: types of columns that the schema knows.

    Raises:
        DataError: a column that training needs is not there, files differ in theirs, or a split would be empty.
    """
    there = list(common_columns(files, data.drop)) or list(declared)  # some formats have no header
    deciding = deciding_columns(split)
    needed = {data.label, *(there if deciding is None else deciding), data.weight, time_column(split)}
    columns = {name: declared.get(name, ColumnType.STRING) for name in there}
    if (needed & {*there}) - {*declared}:
        columns = source.infer_columns(files, data.drop, declared)
    check_training_columns(columns, files[0].path, data, split)
    used = sorted({file.span for file in files})
    split = settled(split, files, columns, data.label)
    read = {name: columns[name] for name in columns if deciding is None or name in (data.label, *deciding)}
    names = split_names(split)
    rows, filled = dict.fromkeys(names, 0), set[int]()
    for file in [files[-1], *files[:-1]]:  # the last may judge, and the first train
        for batch in _labelled_rows(source.plan_fragments([file], columns=read), read, data.label):
            counts = np.bincount(assign(batch, split, file.span), minlength=len(names))
            rows = {name: rows[name] + int(count) for name, count in zip(names, counts, strict=True)}
            filled |= {file.span} if batch.num_rows else set()
            if all(rows.values()):
                return
    if not filled:
        source.infer_columns(files, data.drop, declared)  # tells whether there is no row, or none with a label
    check_filled(rows, sorted({*used} - filled))


def settled(split: Split, files: Sequence[SourceFile], columns: Mapping[str, ColumnType], label: str) -> Split:
    """Return a split whose bounds, or whose rows of each class, follow from what the files hold."""
    split = settle(split, sorted({file.span for file in files}), lambda name: _times(files, name, columns))
    if isinstance(split, HashSplit) and split.stratify:
        split = stratify(split, _labelled_rows(source.plan_fragments(files, columns=columns), columns, label))
    return split


def _labelled_rows(
    parts: Iterable[source.Fragment], columns: Mapping[str, ColumnType], label: str
) -> Iterator[pa.RecordBatch]:
    """Yield the rows that are split: without those that are set aside or have no label."""
    for fragment in parts:
        for whole, misfits in source.read_marked(fragment, columns):
            batch = without_misfits(whole, misfits)
            yield batch.filter(batch.column(label).is_valid())


def _times(files: Sequence[SourceFile], name: str, columns: Mapping[str, ColumnType]) -> npt.NDArray[np.int64]:
    """Return all values of a column of times; shape (rows,). Rows without a label count as well."""
    only = {name: columns[name]}
    found = [
        batch.column(0).drop_null().to_numpy()
        for fragment in source.plan_fragments(files, columns=only)
        for batch in source.read_fragment(fragment, only)
    ]
    return np.concatenate(found) if found else np.empty(0, np.int64)
