"""Transformed columns: Parquet files through the transform graph, in large batches.

A tf.Example per row would be parsed at every step of every epoch; columns are transformed once. They stay in memory
while they fit; else they lie in files, mapped, and the system keeps in memory what it has room for.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import tensorflow as tf

from trainer.features import Feature, FeatureTable, Label
from trainer.preprocessing import CATEGORICAL, DERIVED_NUMBERS, DERIVED_TEXTS, FLAGS, WORDS
from trainer.rows import from_examples, hashes
from trainer.stacks import OF_AN_EARLIER_LONGHAUL, of_batch

progress = logging.getLogger("longhaul.progress")

_BATCH_ROWS = 16_384
_NOT_LEARNED = (DERIVED_NUMBERS, DERIVED_TEXTS)
"""Of what the graph gives, what is for people to read."""

Columns = dict[str, npt.NDArray[Any]]

WEIGHT = "longhaul: weight"
"""The name of the weights among the columns that were read: no tensor has it."""


def read_transformed(
    patterns: Sequence[str],
    table: FeatureTable,
    transform: Any,
    extra: Sequence[str] = (),
    *,
    hashed: Sequence[str] = (),
    weight: str | None = None,
    to_learn: bool = False,
    spill_to: Path | None = None,
    memory_bytes: float = math.inf,
) -> Columns:
    """Return all rows of a split, transformed.

    Args:
        patterns: globs of Parquet files.
        transform: the TransformFeaturesLayer.
        extra: raw integer columns to keep beside the transformed ones.
        hashed: raw columns of any type to keep as hashes of their values, uint64.
        weight: a raw column of numbers to keep as float64 by the name WEIGHT; rows that have 0 there are left out.
        to_learn: the rows are those that derived features have learned of; see trainer.learned.
        spill_to: a folder for the columns when they pass `memory_bytes`; it must outlive them.

    Returns:
        One array per transformed feature, extra and hashed column, (rows, ...), in file order.
    """
    columns: list[Feature | Label] = [*table.features, table.label]
    transform_batch = tf.function(transform, autograph=False, reduce_retracing=True)
    gathered = _Gathered(spill_to, memory_bytes)
    names = dict.fromkeys([*(column.name for column in columns), *extra, *hashed, *([weight] if weight else [])])
    for batch in record_batches(patterns, list(names)):
        if weight:
            batch = batch.filter(pc.greater(batch.column(weight), 0))
            if not batch.num_rows:
                continue
        kept = {name: batch.column(name).to_numpy(zero_copy_only=False) for name in extra}
        kept |= {name: hashes(batch.column(name)) for name in hashed}
        if weight:
            kept[WEIGHT] = batch.column(weight).to_numpy(zero_copy_only=False).astype(np.float64)
        gathered.append(_transformed(batch, table, transform_batch, to_learn=to_learn) | kept)
    return gathered.columns()


def first_rows(
    patterns: Sequence[str], table: FeatureTable, transform: Any, rows: int
) -> tuple[pa.RecordBatch, Columns]:
    """Return the first rows of a split as they are stored, and as `read_transformed` would give them."""
    batch = first_raw_rows(patterns, table, rows)
    return batch, _transformed(batch, table, transform)


def first_raw_rows(patterns: Sequence[str], table: FeatureTable, rows: int) -> pa.RecordBatch:
    """Return the first rows of a split as they are stored: features and label."""
    columns: list[Feature | Label] = [*table.features, table.label]
    return next(record_batches(patterns, [column.name for column in columns])).slice(0, rows)


def _transformed(batch: pa.RecordBatch, table: FeatureTable, transform: Any, *, to_learn: bool = False) -> Columns:
    try:
        tensors = transform(of_batch(batch, table, to_learn=to_learn))
    except ValueError as exc:
        if "Unexpected inputs to transform" not in str(exc):  # TFT's words
            raise
        raise RuntimeError(OF_AN_EARLIER_LONGHAUL) from exc
    return {name: _compact(name, tensor.numpy()) for name, tensor in tensors.items() if name not in _NOT_LEARNED}


class _Gathered:
    """Batches of columns, one after the other: in memory, or from some size on in a file per column."""

    def __init__(self, folder: Path | None, memory_bytes: float) -> None:
        self._folder = folder
        self._memory_bytes = memory_bytes
        self._bytes = 0
        self._batches: list[Columns] = []
        self._files: dict[str, Path] = {}

    def append(self, batch: Columns) -> None:
        self._batches.append(batch)
        self._bytes += sum(values.nbytes for values in batch.values())
        if self._folder and self._bytes > self._memory_bytes:
            self._spill(self._folder)

    def columns(self) -> Columns:
        """Return all rows; nothing can be appended any more."""
        if self._files:
            last = self._batches[-1]
            return {
                name: np.memmap(path, last[name].dtype, "r").reshape(-1, *last[name].shape[1:])
                for name, path in self._files.items()
            }
        # Popped, so that only one column at a time is in memory twice.
        return {name: np.concatenate([batch.pop(name) for batch in self._batches]) for name in list(self._batches[0])}

    def _spill(self, folder: Path) -> None:
        if not self._files:
            progress.info("the training split does not fit in memory; it goes to %s", folder)
            self._files = {name: folder / f"{number}.column" for number, name in enumerate(self._batches[0])}
        for name, path in self._files.items():
            with path.open("ab") as file:
                for batch in self._batches:
                    np.ascontiguousarray(batch[name]).tofile(file)
        self._batches = [{name: values[:0] for name, values in self._batches[-1].items()}]  # types and shapes


def memory_for_rows() -> int:
    """Return bytes of the training split to keep in memory: half of what is free, and of what a container may take."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.exists() and (text := limit.read_text().strip()) != "max":
        free = min(free, int(text))
    return free // 2


def _compact(name: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a type of half the memory with no digit lost: flags are 0, 0.5 or 1, and vocabularies have at most a
    million words."""
    return values.astype({FLAGS: np.float16, CATEGORICAL: np.int32, WORDS: np.int32}.get(name, values.dtype))


def record_batches(patterns: Sequence[str], names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Record batches with the given columns; one that a file lacks comes as all missing."""
    for path in sorted(path for pattern in patterns for path in tf.io.gfile.glob(pattern)):
        for batch in _parquet_batches(path, names) if path.endswith(".parquet") else _tf_example_batches(path):
            present = set(batch.schema.names)
            arrays = [batch.column(name) if name in present else pa.nulls(batch.num_rows, pa.int64()) for name in names]
            yield pa.RecordBatch.from_arrays(arrays, names=list(names))


def _parquet_batches(path: str, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    with tf.io.gfile.GFile(path, "rb") as file:  # local or remote; a shard is small
        stored = pq.ParquetFile(pa.BufferReader(file.read()))
    present = set(stored.schema_arrow.names)
    return stored.iter_batches(_BATCH_ROWS, columns=[name for name in names if name in present])


def _tf_example_batches(path: str) -> Iterator[pa.RecordBatch]:
    for records in tf.data.TFRecordDataset(path, "GZIP").batch(_BATCH_ROWS).as_numpy_iterator():
        yield from_examples(records)
