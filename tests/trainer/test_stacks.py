"""The matrices of the transform graph: the same from Arrow columns, tf.Examples, plain tensors and TFT's columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.tfxio import tensor_adapter

from pipeline.data.row_groups import RowGroupTFXIO
from pipeline.data.stacked import StackedTFXIO, stacked
from trainer.features import Feature, FeatureTable, Kind, Label, Storage
from trainer.rows import as_lists, list_type, to_examples, to_plain
from trainer.stacks import (
    FLOATS,
    HAS_INT,
    HAS_TEXT,
    INTS,
    RAW_LABEL,
    TEXTS,
    is_stacked,
    of_batch,
    of_parsed,
    of_plain,
    parse_spec,
)

TYPES = {Storage.FLOAT: pa.float32(), Storage.INT: pa.int64(), Storage.BYTES: pa.binary()}
Matrices = dict[str, npt.NDArray[Any]]


def random_rows(seed: int) -> tuple[pa.RecordBatch, FeatureTable]:
    """A table of random columns in random order, with gaps; some storages may have none."""
    chosen = np.random.default_rng(seed)
    rows = int(chosen.integers(1, 40))
    storages = chosen.choice(np.array(["int", "float", "bytes"][: seed % 3 + 1]), chosen.integers(1, 12))
    kinds = {"int": Kind.NUMERIC, "float": Kind.NUMERIC, "bytes": Kind.CATEGORICAL}
    features = tuple(Feature(f"c {n}", kinds[s], Storage(s), optional=True) for n, s in enumerate(storages))
    label = Storage(["int", "float", "bytes"][seed % 3])
    table = FeatureTable(Label("y", "binary", label, ("0", "1")), features, max_vocabulary=9, bins=2)

    def column(storage: Storage, gaps: float) -> pa.Array:
        values: Any = chosen.normal(size=rows)
        if storage is Storage.INT:
            values = chosen.integers(-(2**53), 2**53, rows)
        elif storage is Storage.BYTES:
            values = [bytes(chosen.integers(0, 256, 1 + chosen.integers(0, 5)).astype(np.uint8)) for _ in range(rows)]
        return pa.array(values, TYPES[storage], mask=chosen.random(rows) < gaps)

    columns = {one.name: column(one.storage, float(chosen.choice([0, 0.3, 1]))) for one in features}
    return pa.record_batch(columns | {"y": column(label, 0)}), table


def expected(batch: pa.RecordBatch, table: FeatureTable) -> Matrices:
    """The same in plain Python."""
    found: Matrices = {}
    for storage, values, presence, missing in (
        (Storage.FLOAT, FLOATS, None, np.nan), (Storage.INT, INTS, HAS_INT, 0), (Storage.BYTES, TEXTS, HAS_TEXT, b""),
    ):  # fmt: skip
        if of_one := [batch.column(one.name).to_pylist() for one in table.features if one.storage is storage]:
            kind = {Storage.FLOAT: np.float32, Storage.INT: np.int64, Storage.BYTES: object}[storage]
            rows = list(zip(*of_one, strict=True))
            found[values] = np.array([[missing if v is None else v for v in row] for row in rows], kind)
            if presence:
                found[presence] = np.array([[v is not None for v in row] for row in rows], np.uint8)
    return found | {RAW_LABEL: np.array([[value] for value in batch.column("y").to_pylist()])}


def assert_same(found: Any, reference: Matrices) -> None:
    assert set(found) == set(reference)
    for name, values in reference.items():
        ours = np.asarray(found[name])
        present = {INTS: HAS_INT, TEXTS: HAS_TEXT}.get(name)
        if present:  # what stands where nothing is, does not matter
            ours, values = (np.where(reference[present], one, 0) for one in (ours, values))
        np.testing.assert_array_equal(ours, values, err_msg=name)


@pytest.mark.parametrize("seed", range(9))
def test_rows_give_the_same_matrices_from_wherever_they_come(seed: int, tmp_path: Path) -> None:
    batch, table = random_rows(seed)
    reference = expected(batch, table)
    assert_same(of_batch(batch, table), reference)
    assert is_stacked(reference, table)

    lists = [as_lists(column, list_type(column.type)) for column in batch.columns]
    listed = pa.RecordBatch.from_arrays(lists, names=batch.schema.names)
    pq.write_table(pa.Table.from_batches([batch]), tmp_path / "rows.parquet")
    schema = schema_pb2.Schema()
    types = {Storage.FLOAT: schema_pb2.FLOAT, Storage.INT: schema_pb2.INT, Storage.BYTES: schema_pb2.BYTES}
    for one in (*table.features, table.label):
        schema.feature.add(name=one.name, type=types[one.storage])
    source = StackedTFXIO(RowGroupTFXIO(str(tmp_path / "rows.parquet"), schema), table)
    assert source.ArrowSchema() == stacked(listed, table).schema
    adapter = tensor_adapter.TensorAdapter(source.TensorAdapterConfig())
    assert_same(adapter.ToBatchTensors(stacked(listed, table)), reference)

    dtypes = {Storage.FLOAT: tf.float32, Storage.INT: tf.int64, Storage.BYTES: tf.string}
    spec = {one.name: tf.io.VarLenFeature(dtypes[one.storage]) for one in (*table.features, table.label)}
    examples = to_examples(batch)
    assert_same(of_parsed(tf.io.parse_example(examples, parse_spec(spec)), table), reference)
    columns = tf.io.parse_example(examples, spec)
    assert not is_stacked(columns, table)
    assert_same(of_parsed(columns, table), reference)

    plain = {one.name: tf.constant(to_plain(batch.column(one.name), one.storage)) for one in table.features}
    del reference[RAW_LABEL]
    assert_same(of_plain(plain, table), reference)


def test_a_column_that_is_required_may_stand_beside_others() -> None:
    features = tuple(Feature(name, Kind.NUMERIC, Storage.INT, optional=False) for name in "abc")
    table = FeatureTable(Label("y", "binary", Storage.INT, ("0", "1")), features, max_vocabulary=9, bins=2)
    batch = pa.record_batch({"a": [1, 2], "b": [3, None], "c": [5, 6], "y": [0, 1]})
    spec = {"a": tf.io.FixedLenFeature([1], tf.int64), "b": tf.io.VarLenFeature(tf.int64)}
    spec |= {"c": tf.io.FixedLenFeature([], tf.int64), "y": tf.io.FixedLenFeature([], tf.int64)}
    parsed = of_parsed(tf.io.parse_example(to_examples(batch), parse_spec(spec)), table)
    assert_same(parsed, expected(batch, table))


def test_a_feature_that_is_left_out_or_empty_is_missing() -> None:
    storages = {"f": Storage.FLOAT, "i": Storage.INT, "t": Storage.BYTES}
    features = tuple(Feature(name, Kind.NUMERIC, storage, optional=True) for name, storage in storages.items())
    table = FeatureTable(Label("y", "binary", Storage.INT, ("0", "1")), features, max_vocabulary=9, bins=2)
    empty = tf.train.Example()
    for one in table.features:
        kind = {Storage.FLOAT: "float_list", Storage.INT: "int64_list", Storage.BYTES: "bytes_list"}[one.storage]
        getattr(empty.features.feature[one.name], kind).SetInParent()
    dtypes = {Storage.FLOAT: tf.float32, Storage.INT: tf.int64, Storage.BYTES: tf.string}
    spec = parse_spec({one.name: tf.io.VarLenFeature(dtypes[one.storage]) for one in table.features})
    parsed = tf.io.parse_example([empty.SerializeToString(), tf.train.Example().SerializeToString()], spec)
    found = of_parsed(parsed, table)
    assert np.isnan(found[FLOATS]).all()
    assert not np.any(found[HAS_INT])
    assert not np.any(found[HAS_TEXT])


def test_rows_with_several_values_are_refused_by_the_columns_name() -> None:
    batch, table = random_rows(0)
    lists = [as_lists(column, list_type(column.type)) for column in batch.columns]
    lists[0] = pa.array([[1, 2]] * batch.num_rows, pa.large_list(pa.int64()))
    with pytest.raises(ValueError, match="column 'c 0': a row has 2 values"):
        stacked(pa.RecordBatch.from_arrays(lists, names=batch.schema.names), table)
