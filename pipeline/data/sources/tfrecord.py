"""TFRecord files of tf.Example: the feature types and typed batches.

TensorFlow and tfx-bsl take seconds to import, hence only when a TFRecord file is read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.columns import ColumnType, nearest
from pipeline.data.convert import EXPECTED, column_type_of, first_bad_row, is_text, joined, shorten, to_stored
from pipeline.data.sources.damage import corrupt
from pipeline.data.sources.typed import UnusableColumnError, not_text, unusable
from pipeline.errors import DataError
from trainer.rows import as_values

SAMPLE_RECORDS = 1000  # what `infer` looks at
_CHUNK_RECORDS = 8192


def infer(path: str, skip: Collection[str]) -> tuple[dict[str, ColumnType | DataError | None], int]:
    """Return the types of the features not in `skip`, and the number of records.

    A type is None where there is never a value; an error says why a column cannot be used. Only the first
    SAMPLE_RECORDS records are read; the number is at most that.
    """
    types: dict[str, ColumnType | DataError | None] = {}
    records = 0
    for batch in _decode(path, SAMPLE_RECORDS):
        records += batch.num_rows
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if name not in skip:
                try:
                    found = column_type_of(_scalars(column, path, name).type)
                except UnusableColumnError as error:
                    types[name] = error
                else:
                    types[name] = found or types.get(name)
    return types, records


def read(path: str, columns: Mapping[str, ColumnType], batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the given features, in that order, in their stored types; absent or empty is null.

    Raises:
        DataError: the file is corrupt, no record of it has one of the features, a feature holds
            several values, or a value is not of its column's type.
    """
    schema = pa.schema([(name, column_type.stored) for name, column_type in columns.items()])
    seen: set[str] = set()
    row = 0
    for batch in _decode(path, min(batch_rows, _CHUNK_RECORDS)):
        names = batch.schema.names
        seen.update(names)
        arrays = [
            _convert(_scalars(batch.column(name), path, name), path, name, column_type, row)
            if name in names
            else pa.nulls(batch.num_rows, column_type.stored)
            for name, column_type in columns.items()
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        row += batch.num_rows
    # An example may leave out a feature without a value, so only the end of the file can tell.
    for name in columns:
        if row and name not in seen:
            raise DataError(
                f"{path}: none of its {row:,} records has a feature {name!r}; {nearest(name, sorted(seen))}",
                "correct the column name in the configuration or write the feature",
            )


def _decode(path: str, chunk: int) -> Iterator[pa.RecordBatch]:
    """Yield batches of at most `chunk` records, every feature a list column."""
    import tensorflow as tf
    from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

    decoder = ExamplesToRecordBatchDecoder()
    compression = "GZIP" if path.endswith(".gz") else ""
    records = tf.data.TFRecordDataset(path, compression_type=compression).batch(chunk)
    row = 0
    try:
        for serialized in records.as_numpy_iterator():
            yield decoder.DecodeBatch(serialized)
            row += len(serialized)
    except tf.errors.OpError as exc:
        raise corrupt(path, exc.message) from exc
    except RuntimeError as exc:  # tfx-bsl: not an Example, or a feature of two types
        raise DataError(
            f"{path}, records {row + 1:,} to {row + len(serialized):,}: one is no tf.Example, or a feature changes its "
            f"type (the decoder says: {' '.join(str(exc).split())[:200]})",
            "write tf.Example records in which every feature keeps one type",
        ) from exc


def _scalars(lists: pa.Array, path: str, name: str) -> pa.Array:
    """Return lists of at most one value, shape [rows], as values, shape [rows], and lists of texts as text; an empty
    list is null."""
    if pa.types.is_null(lists.type):
        return lists
    longest = pc.max(pc.list_value_length(lists)).as_py()
    if longest is not None and longest > 1:
        if is_text(lists.type.value_type):
            try:
                return joined(lists)
            except pa.ArrowInvalid as exc:
                raise not_text(name, f"{path}: feature {name!r} holds bytes that are no text (UTF-8)") from exc
        what = f"{path}: feature {name!r} holds {longest} values in one record; a column holds one per row"
        raise unusable(name, what, "or write one feature per value")
    return as_values(lists)


def _convert(array: pa.Array, path: str, name: str, column_type: ColumnType, first_row: int) -> pa.Array:
    try:
        return to_stored(array, column_type)
    except pa.ArrowInvalid as exc:
        row = first_bad_row(array, column_type)
        what = (
            f"{path}, record {first_row + row + 1:,}: feature {name!r} holds {shorten(array[row].as_py())} "
            f"where {EXPECTED[column_type]} is expected"
        )
        if column_type is ColumnType.STRING:
            raise not_text(name, what) from exc
        raise DataError(what, "correct the value, or change the type in the schema") from exc
