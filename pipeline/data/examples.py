"""The rows that ingestion kept, read back on this machine: Parquet, or TFRecords of tf.Examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.data import tfrecord_source
from pipeline.data.columns import ColumnType

_BATCH_ROWS = 65_536


def read_examples(
    artifact: Path, split: str, columns: Mapping[str, ColumnType], batch_rows: int = _BATCH_ROWS
) -> Iterator[pa.RecordBatch]:
    """The given columns of a split of an Examples artifact, in their stored types, shard by shard."""
    for path in sorted((artifact / f"Split-{split}").iterdir()):
        if path.suffix == ".parquet":
            with pq.ParquetFile(path) as file:
                yield from file.iter_batches(batch_rows, columns=list(columns))
        else:
            yield from tfrecord_source.read(str(path), columns, batch_rows)
