"""The rows that ingestion kept, read back: Parquet, or TFRecords of tf.Examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.data.artifact_files import find, open_file
from pipeline.data.columns import ColumnType
from pipeline.data.sources import tfrecord


def read_examples(
    artifact: str | Path, split: str, columns: Mapping[str, ColumnType], batch_rows: int = 65_536
) -> Iterator[pa.RecordBatch]:
    """Yield the given columns of a split of an Examples artifact, in their stored types, shard by shard.

    Raises:
        FileNotFoundError: the split has no shard; ingestion lets no split be empty.
    """
    paths = find(artifact, f"Split-{split}/*")
    if not paths:
        raise FileNotFoundError(f"no examples in {artifact}/Split-{split}")
    for path in paths:
        if path.endswith(".parquet"):
            with open_file(path) as opened, pq.ParquetFile(opened) as file:
                yield from file.iter_batches(batch_rows, columns=list(columns))
        else:
            yield from tfrecord.read(path, columns, batch_rows)
