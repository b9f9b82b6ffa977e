"""Whole splits transformed."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from trainer import words_file
from trainer.features import Feature, FeatureTable, Kind, Label, Storage
from trainer.reading import memory_for_rows, read_transformed
from trainer.stacks import HAS_INT, INTS, RAW_LABEL
from trainer.trained_ranges import trained_ranges

INT = Feature("night", Kind.BOOLEAN, Storage.INT, optional=True)
LABEL = Label("late", "binary", Storage.INT, ("0", "1"))


def test_a_split_is_read_whole_in_file_order_with_extra_columns_raw(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"night": [1, None], "late": [0, 1], "left": [50, 40], "unused": ["x", "y"]}), tmp_path / "a.parquet"
    )
    pq.write_table(pa.table({"late": [1], "left": [30]}), tmp_path / "b.parquet")

    def transform(raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        assert set(raw) == {INTS, HAS_INT, RAW_LABEL}
        return {"night": tf.where(raw[HAS_INT] > 0, raw[INTS], -1), "late": raw[RAW_LABEL]}

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
        lambda raw: {"late": raw[RAW_LABEL]},
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

    def transform(raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        night = raw[INTS]
        return {"flags": tf.cast(tf.concat([night, 1 - night], 1), tf.float32), "label": raw[RAW_LABEL]}

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


@pytest.mark.slow
def test_a_graph_that_an_earlier_longhaul_wrote_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """Here that of a model in a workspace that was made then."""
    with tarfile.open(Path(__file__).parents[1] / "fixtures" / "old_workspace" / "workspace.tar.xz") as archive:
        archive.extractall(tmp_path, filter="tar")
    model = tmp_path / "workspace" / "artifacts" / "Trainer" / "model" / "35"
    (tmp_path / "graph").mkdir()
    (tmp_path / "graph" / "transform_fn").symlink_to(model / "Format-Serving")
    graph = tft.TFTransformOutput(str(tmp_path / "graph"))
    with pytest.raises(RuntimeError, match="longhaul run --from Transform"):
        words_file.read(graph, ["color"])
    pq.write_table(pa.table({"night": [1], "late": [0]}), tmp_path / "a.parquet")

    def of_columns(raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        raise ValueError(f"Unexpected inputs to transform: {set(raw)}")  # as SavedModelLoader of TFT says it

    with pytest.raises(RuntimeError, match="longhaul run --from Transform"):
        read_transformed([str(tmp_path / "a.parquet")], FeatureTable(LABEL, (INT,), 2, 2), of_columns)


def test_the_ranges_of_numbers_are_those_of_all_files(tmp_path: Path) -> None:
    def number(name: str, storage: Storage) -> Feature:
        return Feature(name, Kind.NUMERIC, storage, optional=True)

    table = FeatureTable(
        LABEL, (INT, number("age", Storage.INT), number("kg", Storage.FLOAT), number("no", Storage.INT)), 2, 2
    )
    first = {"night": [0, 1], "age": [30, None], "kg": pa.array([np.nan, 2.5], pa.float32())}
    second = {"night": [1, 1], "age": [-2, 2**53 + 1], "kg": pa.array([np.inf, None], pa.float32())}
    for name, columns in (("a", first), ("b", second)):
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
    assert trained_ranges([str(tmp_path / "*")], table) == {"age": (-2, 2**53 + 1), "kg": (2.5, 2.5)}
