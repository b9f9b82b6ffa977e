"""The files that hold examples: Parquet, or gzipped TFRecords of tf.Examples for tools that want those."""

from __future__ import annotations

import hashlib
import re
from contextlib import ExitStack
from pathlib import PurePath
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from trainer.rows import to_examples

ROW_GROUP_ROWS = 65_536


def shard_name(number: int, span: int | None) -> str:
    """Name a shard, without its ending. The span, if the table has spans, can be told from the name."""
    return f"data-{number:05d}" if span is None else f"span-{span:05d}-data-{number:05d}"


def span_of(name: str) -> int | None:
    """Return the span that `shard_name` wrote into a file's name."""
    match = re.match(r"span-(\d+)-", name)
    return int(match[1]) if match else None


def digest_of(path: str) -> str:
    """Return SHA-256 of a closed shard: equal rows written by equal versions give equal files."""
    with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


class Shard(Protocol):
    """An open file of examples."""

    path: str

    def write(self, rows: pa.RecordBatch) -> None:
        """Append rows in their stored types."""


class ParquetShard:
    """Parquet by row groups; each is one piece of work for those who read it."""

    def __init__(self, stem: str, schema: pa.Schema, open_files: ExitStack) -> None:
        self.path = f"{stem}.parquet"
        file = open_files.enter_context(FileSystems.create(self.path))
        self._writer = open_files.enter_context(pq.ParquetWriter(file, schema, compression="zstd"))

    def write(self, rows: pa.RecordBatch) -> None:
        """Append rows to the shard."""
        self._writer.write_batch(rows, row_group_size=ROW_GROUP_ROWS)


class TFExampleShard:
    """What stock ExampleGen writes."""

    def __init__(self, stem: str, schema: pa.Schema, open_files: ExitStack) -> None:
        del schema  # a tf.Example names its features itself
        import tensorflow as tf

        tf.io.gfile.makedirs(str(PurePath(stem).parent))
        self.path = f"{stem}.gz"
        self._writer = open_files.enter_context(tf.io.TFRecordWriter(self.path, "GZIP"))

    def write(self, rows: pa.RecordBatch) -> None:
        """Append rows to the shard."""
        for example in to_examples(rows):
            self._writer.write(example)
