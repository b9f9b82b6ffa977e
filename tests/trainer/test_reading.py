"""Arrow columns as the tensors that a parsed tf.Example would give, and whole splits transformed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from trainer.features import Feature, FeatureTable, Kind, Label, Storage
from trainer.reading import memory_for_rows, read_transformed, to_sparse

INT = Feature("night", Kind.BOOLEAN, Storage.INT, optional=True)
FLOAT = Feature("wind", Kind.NUMERIC, Storage.FLOAT, optional=True)
TEXT = Feature("carrier", Kind.CATEGORICAL, Storage.BYTES, optional=True)
LABEL = Label("late", "binary", Storage.INT, ("0", "1"))


@pytest.mark.parametrize(
    ("column", "described", "rows", "values", "dtype"),
    [
        (pa.array([7, None, -9]), INT, [0, 2], [7, -9], tf.int64),
        (pa.array([1.5, None, None], pa.float32()), FLOAT, [0], [1.5], tf.float32),
        (pa.array([None, "ü", ""]), TEXT, [1, 2], ["ü".encode(), b""], tf.string),
        (pa.array([1, 0, 1]), LABEL, [0, 1, 2], [1, 0, 1], tf.int64),
        (pa.nulls(3, pa.float32()), FLOAT, [], [], tf.float32),
        (pa.nulls(3, pa.string()), TEXT, [], [], tf.string),
        (pa.nulls(3, pa.int64()), TEXT, [], [], tf.string),  # what a file that lacks the column gives
        (pa.array([9, 7, None, -9]).slice(1), INT, [0, 2], [7, -9], tf.int64),
    ],
)
def test_a_column_becomes_sparse_with_its_missing_rows_left_out(
    column: pa.Array, described: Feature | Label, rows: list[int], values: list[Any], dtype: tf.DType
) -> None:
    tensor = to_sparse(column, described)
    assert tensor.dtype == dtype
    assert tensor.indices.numpy().tolist() == [[row, 0] for row in rows]
    assert tensor.values.numpy().tolist() == values
    assert tensor.dense_shape.numpy().tolist() == [3, 1]


def test_it_is_what_a_parsed_example_gives() -> None:
    examples = [tf.train.Example() for _ in range(3)]
    examples[1].features.feature["wind"].float_list.value.append(2.5)
    parsed = tf.io.parse_example(
        [example.SerializeToString() for example in examples], {"wind": tf.io.VarLenFeature(tf.float32)}
    )["wind"]
    ours = to_sparse(pa.array([None, 2.5, None], pa.float32()), FLOAT)
    assert (ours.indices.numpy() == parsed.indices.numpy()).all()
    assert ours.values.numpy().tolist() == parsed.values.numpy().tolist()


def test_a_split_is_read_whole_in_file_order_with_extra_columns_raw(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"night": [1, None], "late": [0, 1], "left": [50, 40], "unused": ["x", "y"]}), tmp_path / "a.parquet"
    )
    pq.write_table(pa.table({"late": [1], "left": [30]}), tmp_path / "b.parquet")

    def transform(raw: dict[str, tf.SparseTensor]) -> dict[str, tf.Tensor]:
        assert set(raw) == {"night", "late"}
        return {name: tf.sparse.to_dense(tensor, default_value=-1) for name, tensor in raw.items()}

    found = read_transformed([str(tmp_path / "*.parquet")], FeatureTable(LABEL, (INT,), 2, 2), transform, ["left"])
    assert {name: values.tolist() for name, values in found.items()} == {
        "night": [[1], [-1], [-1]],
        "late": [[0], [1], [1]],
        "left": [50, 40, 30],
    }
    assert found["left"].dtype == np.int64


@pytest.mark.parametrize(
    "values",
    [["ann", "bob", "ann", None], [17, -3, 17, None], [0.5, 2.0, 0.5, None]],
)
def test_a_column_kept_as_hashes_tells_its_values_apart_over_all_files(tmp_path: Path, values: list[Any]) -> None:
    for name, part in (("a", values[:2]), ("b", values[2:])):
        pq.write_table(pa.table({"night": [1, 0], "late": [0, 1], "who": part}), tmp_path / f"{name}.parquet")
    pq.write_table(pa.table({"night": [1], "late": [0]}), tmp_path / "c.parquet")  # where nobody is known
    found = read_transformed(
        [str(tmp_path / "*.parquet")],
        FeatureTable(LABEL, (INT,), 2, 2),
        lambda raw: {"late": raw["late"].values},
        hashed=["who"],
    )
    ann, bob, ann_again, nobody, nobody_again = found["who"].tolist()
    assert found["who"].dtype == np.uint64
    assert (ann, nobody) == (ann_again, nobody_again)
    assert len({ann, bob, nobody}) == 3


def test_a_split_that_passes_its_memory_goes_to_files_and_reads_the_same(tmp_path: Path) -> None:
    rows, shards, spill = 50_000, tmp_path / "shards", tmp_path / "spill"  # several batches
    shards.mkdir()
    spill.mkdir()
    table = pa.table({"night": np.arange(rows) % 2, "late": np.arange(rows) // 3 % 2, "left": np.arange(rows)})
    pq.write_table(table, shards / "a.parquet")
    features = FeatureTable(LABEL, (INT,), 10, 4)

    def transform(raw: dict[str, tf.SparseTensor]) -> dict[str, tf.Tensor]:
        night = tf.sparse.to_dense(raw["night"])
        return {"flags": tf.cast(tf.concat([night, 1 - night], 1), tf.float32), "label": raw["late"].values}

    def read(**limits: Any) -> dict[str, Any]:
        return read_transformed([f"{shards}/*"], features, transform, ["left"], **limits)

    within, beyond = read(spill_to=spill, memory_bytes=1e9), read(spill_to=spill, memory_bytes=300_000)
    assert not any(isinstance(values, np.memmap) for values in within.values())
    assert all(isinstance(values.base, np.memmap) or isinstance(values, np.memmap) for values in beyond.values())
    assert sum(file.stat().st_size for file in spill.iterdir()) == sum(values.nbytes for values in within.values())
    for name, values in within.items():
        assert values.dtype == beyond[name].dtype
        np.testing.assert_array_equal(values, beyond[name])
    picked = np.array([49_999, 3, 20_000])
    assert beyond["flags"][picked].tolist() == [[1, 0], [1, 0], [0, 1]]
    assert 0 < memory_for_rows() < 2**50
