"""Read Longhaul's Parquet examples in columns, as TFX's components ask for them.

Stock TFX turns every record into Python objects, pickles it and batches it again; on the flights that
is most of its running time. Here a Parquet row group becomes Arrow record batches in the layout that
TFDV, TFT and TFMA expect (a list of at most one value per row), by numpy alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystems import FileSystems
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.tfxio import tensor_adapter, tensor_representation_util, tfxio

from trainer.rows import BYTES, FLOATS, INTS, as_lists, list_type, to_examples

BATCH_ROWS = 16_384
"""Rows in a record batch: large enough to forget the cost per batch, small enough for 5,000 columns."""

RowGroup = tuple[str, int]
"""A file's path and the row group's number in it."""

_LIST_TYPES = {schema_pb2.INT: INTS, schema_pb2.FLOAT: FLOATS, schema_pb2.BYTES: BYTES}


class RowGroupTFXIO(tfxio.TFXIO):
    """Reads flat Parquet files by row group.

    Args:
        file_pattern: one glob or several.
        schema: TFMD schema; decides which columns come, in which order. A column that a file lacks comes
            as all missing. Without a schema the columns are the files' own.
        raw_record_column_name: if given, a last column of this name holds each row as a serialized
            tf.Example of all the file's columns, whatever the schema narrows the others to (TFMA feeds the
            model's signature with it).
    """

    def __init__(
        self,
        file_pattern: str | Sequence[str],
        schema: schema_pb2.Schema | None = None,
        raw_record_column_name: str | None = None,
    ) -> None:
        self._patterns = [file_pattern] if isinstance(file_pattern, str) else list(file_pattern)
        self._schema = schema
        self._raw_record_column_name = raw_record_column_name

    def BeamSource(self, batch_size: int | None = None) -> beam.PTransform:  # noqa: N802 (TFX's name)
        """Return a PTransform from a pipeline to a PCollection of record batches of at most `batch_size` rows."""
        row_groups = self.row_groups()
        read = self.reader(batch_size)

        @beam.typehints.with_output_types(pa.RecordBatch)
        def read_row_groups(pipeline: Any) -> Any:
            return (
                pipeline
                | "ListRowGroups" >> beam.Create(row_groups)
                | "SpreadRowGroups" >> beam.Reshuffle()  # else one worker of a cluster would read them all
                | "ReadRowGroup" >> beam.FlatMap(read).with_output_types(pa.RecordBatch)
            )

        return beam.ptransform_fn(read_row_groups)()

    def RecordBatches(self, options: Any) -> Iterator[pa.RecordBatch]:  # noqa: N802
        """Yield the same record batches without Beam; `options.batch_size` rows at most."""
        read = self.reader(options.batch_size)
        for row_group in self.row_groups():
            yield from read(row_group)

    def reader(self, batch_size: int | None = None) -> Callable[[RowGroup], Iterator[pa.RecordBatch]]:
        """Return what turns one of `row_groups` into record batches of at most `batch_size` rows; picklable for
        Beam."""
        return _ReadRowGroup(self.ArrowSchema(), self._raw_record_column_name, batch_size or BATCH_ROWS)

    def row_groups(self) -> list[RowGroup]:
        """Return the units of work, by file name."""
        row_groups = []
        for path in self._files():
            with FileSystems.open(path) as file:
                row_groups += [(path, index) for index in range(pq.ParquetFile(file).num_row_groups)]
        return row_groups

    def TensorFlowDataset(self, options: Any) -> Any:  # noqa: N802
        """Return batches of tensors by column, as stock TFX reads tf.Examples: for functions of the user's. Longhaul's
        own trainer reads columns (trainer/reading.py).

        Args:
            options: TensorFlowDatasetOptions; rows are shuffled within what is read at once.
        """
        import tensorflow as tf

        adapter = self.TensorAdapter()
        random = np.random.default_rng(options.shuffle_seed)

        def batches() -> Iterator[Any]:
            waiting = pa.Table.from_batches([], self.ArrowSchema())
            for row_group in self.row_groups():
                for rows in self.reader()(row_group):
                    order = random.permutation(rows.num_rows) if options.shuffle else np.arange(rows.num_rows)
                    waiting = pa.concat_tables([waiting, pa.Table.from_batches([rows.take(pa.array(order))])])
                    while waiting.num_rows >= options.batch_size:
                        yield tensors(waiting.slice(0, options.batch_size))
                        waiting = waiting.slice(options.batch_size)
            if waiting.num_rows and not options.drop_final_batch:
                yield tensors(waiting)

        def tensors(rows: pa.Table) -> Any:
            return adapter.ToBatchTensors(rows.combine_chunks().to_batches()[0], produce_eager_tensors=True)

        dataset = tf.data.Dataset.from_generator(batches, output_signature=adapter.TypeSpecs())
        if options.label_key:
            dataset = dataset.map(
                lambda found: (
                    {name: of for name, of in found.items() if name != options.label_key},
                    found[options.label_key],
                )
            )
        return dataset.repeat(options.num_epochs).prefetch(tf.data.AUTOTUNE)

    def ArrowSchema(self) -> pa.Schema:  # noqa: N802
        """Return columns in TFDV's layout, the raw record column last."""
        if self._schema is not None:
            fields = [pa.field(feature.name, _LIST_TYPES[feature.type]) for feature in self._schema.feature]
        else:
            first = self._files()[0]
            with FileSystems.open(first) as file:
                stored = pq.read_schema(file)
            fields = [pa.field(field.name, list_type(field.type)) for field in stored]
        if self._raw_record_column_name:
            fields.append(pa.field(self._raw_record_column_name, BYTES))
        return pa.schema(fields)

    def TensorRepresentations(self) -> tensor_adapter.TensorRepresentations:  # noqa: N802
        """Return how columns become tensors, from the schema (VarLen where it says nothing)."""
        return tensor_representation_util.InferTensorRepresentationsFromMixedSchema(self._schema)

    def _ProjectImpl(self, tensor_names: list[str]) -> RowGroupTFXIO:  # noqa: N802
        schema = tensor_representation_util.ProjectTensorRepresentationsInSchema(self._schema, tensor_names)
        return RowGroupTFXIO(self._patterns, schema, self._raw_record_column_name)

    def _files(self) -> list[str]:
        matches = FileSystems.match(self._patterns)
        return sorted(metadata.path for match in matches for metadata in match.metadata_list)


class _ReadRowGroup:
    """(path, row group) -> record batches; a picklable callable for Beam."""

    def __init__(self, arrow_schema: pa.Schema, raw_record_column_name: str | None, batch_rows: int) -> None:
        self._arrow_schema = arrow_schema
        self._raw_record_column_name = raw_record_column_name
        self._batch_rows = batch_rows

    def __call__(self, row_group: RowGroup) -> Iterator[pa.RecordBatch]:
        path, index = row_group
        wanted = [field for field in self._arrow_schema if field.name != self._raw_record_column_name]
        with FileSystems.open(path) as file:
            stored = pq.ParquetFile(file)
            present = set(stored.schema_arrow.names)
            # The raw record takes every column, else only those asked for are read.
            columns = (
                None if self._raw_record_column_name else [field.name for field in wanted if field.name in present]
            )
            for batch in stored.iter_batches(self._batch_rows, row_groups=[index], columns=columns):
                arrays = [
                    as_lists(batch.column(field.name), field.type)
                    if field.name in present
                    else pa.nulls(batch.num_rows, field.type)
                    for field in wanted
                ]
                if self._raw_record_column_name:
                    examples = pa.array(to_examples(batch), pa.large_binary())
                    arrays.append(as_lists(examples, BYTES))
                yield pa.RecordBatch.from_arrays(arrays, schema=self._arrow_schema)
