"""The files that hold examples: Parquet, or gzipped TFRecords of tf.Examples for tools that want those."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import PurePath
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from apache_beam.io.filesystems import FileSystems

from pipeline.data.lists import serialized_examples

ROW_GROUP_ROWS = 65_536


class Shard(Protocol):
    """An open file of examples."""

    def write(self, rows: pa.RecordBatch) -> None:
        """Appends rows in their stored types."""


class ParquetShard:
    """Parquet by row groups; each is one piece of work for those who read it."""

    def __init__(self, stem: str, schema: pa.Schema, open_files: ExitStack) -> None:
        file = open_files.enter_context(FileSystems.create(f"{stem}.parquet"))
        self._writer = open_files.enter_context(pq.ParquetWriter(file, schema, compression="zstd"))

    def write(self, rows: pa.RecordBatch) -> None:
        self._writer.write_batch(rows, row_group_size=ROW_GROUP_ROWS)


class TFExampleShard:
    """What stock ExampleGen writes."""

    def __init__(self, stem: str, schema: pa.Schema, open_files: ExitStack) -> None:
        del schema  # a tf.Example names its features itself
        tf.io.gfile.makedirs(str(PurePath(stem).parent))
        self._writer = open_files.enter_context(tf.io.TFRecordWriter(f"{stem}.gz", "GZIP"))

    def write(self, rows: pa.RecordBatch) -> None:
        for example in serialized_examples(rows):
            self._writer.write(example)
