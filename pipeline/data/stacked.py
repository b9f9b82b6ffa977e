"""Examples as the matrices that the transform graph takes (trainer/stacks.py), read by any TFXIO."""

from __future__ import annotations

from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.tfxio import tensor_adapter, tfxio

from trainer.features import FeatureTable
from trainer.rows import as_values
from trainer.stacks import of_arrow, widths


class StackedTFXIO(tfxio.TFXIO):
    """Stacks the columns of another TFXIO; features that it does not read are missing in every row.

    Args:
        source: gives lists of at most one value.
    """

    def __init__(self, source: tfxio.TFXIO, table: FeatureTable) -> None:
        self._source, self._table = source, table

    def BeamSource(self, batch_size: int | None = None) -> beam.PTransform:  # noqa: N802 (TFX's name)
        """Return a PTransform from a pipeline to a PCollection of record batches."""
        read, table = self._source.BeamSource(batch_size), self._table

        @beam.typehints.with_output_types(pa.RecordBatch)
        def read_and_stack(pipeline: Any) -> Any:
            return pipeline | read | "StackColumns" >> beam.Map(stacked, table).with_output_types(pa.RecordBatch)

        return beam.ptransform_fn(read_and_stack)()

    def RecordBatches(self, options: Any) -> Any:  # noqa: N802
        """Yield the same record batches without Beam."""
        return (stacked(batch, self._table) for batch in self._source.RecordBatches(options))

    def TensorFlowDataset(self, options: Any) -> Any:  # noqa: N802
        """Refuse: the trainer reads its columns itself (trainer/reading.py)."""
        raise NotImplementedError("Longhaul's trainer reads Parquet columns itself; see trainer/reading.py")

    def ArrowSchema(self) -> pa.Schema:  # noqa: N802
        """Return a list column a matrix."""
        return pa.schema([pa.field(name, pa.large_list(kind)) for name, (_, kind) in widths(self._table).items()])

    def TensorRepresentations(self) -> tensor_adapter.TensorRepresentations:  # noqa: N802
        """Return every matrix as a full tensor."""
        found = {}
        for name, (width, _) in widths(self._table).items():
            found[name] = schema_pb2.TensorRepresentation()
            dense = found[name].dense_tensor
            dense.column_name = name
            dense.shape.dim.add(size=width)
        return found

    def _ProjectImpl(self, tensor_names: list[str]) -> StackedTFXIO:  # noqa: N802
        raise NotImplementedError("choose columns before they are stacked")


def stacked(batch: pa.RecordBatch, table: FeatureTable) -> pa.RecordBatch:
    """Return the matrices of a record batch of lists.

    Raises:
        ValueError: a row has several values in a column.
    """
    columns = {name: _values(name, lists) for name, lists in zip(batch.schema.names, batch.columns, strict=True)}
    if table.label.name not in columns:
        columns[table.label.name] = pa.nulls(batch.num_rows)
    matrices = {
        name: pa.LargeListArray.from_arrays(np.arange(batch.num_rows + 1) * (len(flat) // max(1, batch.num_rows)), flat)
        for name, flat in of_arrow(columns, table, to_learn=True).items()
    }
    return pa.RecordBatch.from_arrays(list(matrices.values()), names=list(matrices))


def _values(name: str, lists: pa.Array) -> pa.Array:
    if not pa.types.is_null(lists.type) and (most := pc.max(pc.list_value_length(lists)).as_py() or 0) > 1:
        raise ValueError(f"column {name!r}: a row has {most} values; a column has at most one value a row")
    return as_values(lists)
