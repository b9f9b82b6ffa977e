"""RowGroupTFXIO against the TFXIO that stock TFX uses, on the same rows written as tf.Examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from apache_beam.testing.util import assert_that
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder
from tfx_bsl.tfxio import tensor_adapter
from tfx_bsl.tfxio.dataset_options import RecordBatchesOptions, TensorFlowDatasetOptions
from tfx_bsl.tfxio.tf_example_record import TFExampleRecord

from pipeline.data.row_groups import RowGroupTFXIO

ROWS: dict[str, list[Any]] = {
    "flag": [1, 0, None, 1, 0],
    "late": [0, 1, 0, 1, 1],
    "wind": [1.5, None, -0.0, 3e38, None],
    "carrier": ["UA", "", None, "Zürich, \n 'x'", "UA"],
    "never": [None] * 5,
}
TYPES = {"flag": pa.int64(), "late": pa.int64(), "wind": pa.float32(), "carrier": pa.string(), "never": pa.float32()}
SCHEMA = text_format.Parse(
    """
    feature { name: "wind" type: FLOAT value_count { min: 1 max: 1 } }
    feature { name: "carrier" type: BYTES value_count { min: 1 max: 1 } }
    feature { name: "never" type: FLOAT }
    feature { name: "flag" type: INT bool_domain {} }
    feature { name: "late" type: INT presence { min_fraction: 1 } shape { dim { size: 1 } } }
    """,
    schema_pb2.Schema(),
)


def example(row: dict[str, Any]) -> bytes:
    message = tf.train.Example()
    for name, value in row.items():
        feature = message.features.feature[name]
        if isinstance(value, str):
            feature.bytes_list.value.append(value.encode())
        elif isinstance(value, float):
            feature.float_list.value.append(value)
        elif value is not None:
            feature.int64_list.value.append(value)
    return bytes(message.SerializeToString())


@pytest.fixture
def parquet(tmp_path: Path) -> str:
    """ROWS in two row groups of one file."""
    pq.write_table(pa.table(ROWS, schema=pa.schema(list(TYPES.items()))), tmp_path / "a.parquet", row_group_size=3)
    return str(tmp_path / "*.parquet")


@pytest.fixture
def records(tmp_path: Path) -> str:
    """ROWS as tf.Examples."""
    with tf.io.TFRecordWriter(str(tmp_path / "a.tfrecord")) as writer:
        for values in zip(*ROWS.values(), strict=True):
            writer.write(example(dict(zip(ROWS, values, strict=True))))
    return str(tmp_path / "a.tfrecord")


def batches(io: Any, rows: int = 3) -> list[pa.RecordBatch]:
    return list(io.RecordBatches(RecordBatchesOptions(batch_size=rows, num_epochs=1, shuffle=False)))


# What stock TFX would give


def test_the_record_batches_are_those_of_stock_tfx(parquet: str, records: str) -> None:
    ours, theirs = RowGroupTFXIO(parquet, SCHEMA), TFExampleRecord(records, schema=SCHEMA)
    found = batches(ours)
    assert [batch.num_rows for batch in found] == [3, 2]
    assert found == batches(theirs)  # values, types, nulls and order of columns
    assert found[0].schema == ours.ArrowSchema() == theirs.ArrowSchema()
    assert found[0].column("carrier").to_pylist() == [[b"UA"], [b""], None]
    assert found[1].column("wind").to_pylist() == [[3.0000000054977558e38], None]


def test_tensors_are_those_of_stock_tfx(parquet: str, records: str) -> None:
    ours, theirs = RowGroupTFXIO(parquet, SCHEMA), TFExampleRecord(records, schema=SCHEMA)
    assert ours.TensorRepresentations() == theirs.TensorRepresentations()
    tensors, expected = (
        tensor_adapter.TensorAdapter(io.TensorAdapterConfig()).ToBatchTensors(batches(io)[0]) for io in (ours, theirs)
    )
    assert isinstance(tensors["wind"], tf.SparseTensor)
    assert tensors["late"].numpy().tolist() == [[0], [1], [0]]
    assert {name: str(tensor) for name, tensor in tensors.items()} == {
        name: str(tensor) for name, tensor in expected.items()
    }


def test_a_projection_is_that_of_stock_tfx(parquet: str, records: str) -> None:
    ours, theirs = (
        io.Project(["late", "wind"]) for io in (RowGroupTFXIO(parquet, SCHEMA), TFExampleRecord(records, schema=SCHEMA))
    )
    assert batches(ours) == batches(theirs)
    assert ours.ArrowSchema().names == ["wind", "late"]


@pytest.mark.parametrize("schema", [None, SCHEMA], ids=["inferred", "with schema"])
def test_statistics_are_those_of_stock_tfx(parquet: str, records: str, tmp_path: Path, schema: Any) -> None:
    found = []
    for name, io in (("ours", RowGroupTFXIO(parquet, schema)), ("stock", TFExampleRecord(records, schema=schema))):
        output = str(tmp_path / name)
        with beam.Pipeline(runner="FnApiRunner") as pipeline:
            statistics = pipeline | io.BeamSource() | tfdv.GenerateStatistics(tfdv.StatsOptions(schema=schema))
            _ = statistics | tfdv.WriteStatisticsToBinaryFile(output)
        found.append(tfdv.load_stats_binary(output))
    ours, stock = found
    for statistics in found:
        statistics.datasets[0].features.sort(key=lambda feature: feature.path.step[0])
    assert ours.datasets[0].num_examples == 5
    assert [feature.path.step[0] for feature in ours.datasets[0].features] == sorted(ROWS)
    if schema is None:
        # A tf.Example does not say what type a feature without any value has; Parquet does.
        for statistics in found:
            del statistics.datasets[0].features[3]
    assert ours == stock


# Reading


def test_beam_reads_every_row_group_once_in_the_size_asked_for(parquet: str) -> None:
    def check(found: list[pa.RecordBatch]) -> None:
        assert sorted(batch.num_rows for batch in found) == [1, 2, 2]
        table = pa.Table.from_batches(sorted(found, key=lambda batch: batch.column("late").to_pylist()))
        assert sorted(table.column("wind").to_pylist(), key=str) == sorted(
            pa.Table.from_batches(batches(RowGroupTFXIO(parquet, SCHEMA))).column("wind").to_pylist(), key=str
        )

    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        assert_that(pipeline | RowGroupTFXIO(parquet, SCHEMA).BeamSource(2), check)


def test_without_a_schema_the_columns_are_the_files_own(parquet: str) -> None:
    (first, _) = batches(RowGroupTFXIO(parquet))
    assert first.schema == pa.schema(
        [
            ("flag", pa.large_list(pa.int64())),
            ("late", pa.large_list(pa.int64())),
            ("wind", pa.large_list(pa.float32())),
            ("carrier", pa.large_list(pa.large_binary())),
            ("never", pa.large_list(pa.float32())),
        ]
    )


def test_a_column_that_a_file_lacks_is_missing_in_its_rows(parquet: str, tmp_path: Path) -> None:
    pq.write_table(pa.table({"late": [1], "wind": pa.array([2.0], pa.float32())}), tmp_path / "b.parquet")
    last = batches(RowGroupTFXIO(parquet, SCHEMA))[-1]
    assert last.to_pylist() == [{"wind": [2.0], "carrier": None, "never": None, "flag": None, "late": [1]}]


def test_several_patterns_give_their_files_in_order(parquet: str, tmp_path: Path) -> None:
    pq.write_table(pa.table({"late": [7]}), tmp_path / "0.parquet")
    schema = schema_pb2.Schema(feature=[SCHEMA.feature[4]])
    io = RowGroupTFXIO([str(tmp_path / "a.*"), str(tmp_path / "0.*")], schema)
    assert [batch.column(0).to_pylist() for batch in batches(io)] == [[[7]], [[0], [1], [0]], [[1], [1]]]


def test_the_raw_record_holds_every_column_whatever_the_schema_asks_for(parquet: str) -> None:
    narrow = schema_pb2.Schema(feature=[SCHEMA.feature[1]])
    io = RowGroupTFXIO(parquet, narrow, "raw")
    first = batches(io)[0]
    assert first.schema == io.ArrowSchema()
    assert first.schema.names == ["carrier", "raw"]
    serialized = [record for (record,) in first.column("raw").to_pylist()]
    decoded = ExamplesToRecordBatchDecoder(SCHEMA.SerializeToString()).DecodeBatch(serialized)
    assert decoded == batches(RowGroupTFXIO(parquet, SCHEMA))[0]


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_function_of_the_users_reads_the_rows_as_tensors(shuffle: bool, tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"n": list(range(10)), "x": [None, *map(float, range(9))]}), file, row_group_size=4)
    schema = text_format.Parse(
        """feature { name: "n" type: INT presence { min_fraction: 1 } shape { dim { size: 1 } } }
        feature { name: "x" type: FLOAT }""",
        schema_pb2.Schema(),
    )
    options = TensorFlowDatasetOptions(batch_size=3, num_epochs=1, shuffle=shuffle, shuffle_seed=1, label_key="n")
    batches = list(RowGroupTFXIO(str(file), schema).TensorFlowDataset(options))
    assert [len(label) for _, label in batches] == [3, 3, 3, 1]
    labels = [int(value) for _, label in batches for value in label[:, 0]]
    assert sorted(labels) == list(range(10))
    assert (labels == list(range(10))) is not shuffle
    found = {}
    for features, label in batches:
        for (row, _), value in zip(features["x"].indices.numpy(), features["x"].values.numpy(), strict=True):
            found[int(label[row, 0])] = float(value)
    assert found == {number: float(number - 1) for number in range(1, 10)}
