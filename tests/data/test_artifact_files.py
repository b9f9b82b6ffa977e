"""Artifacts are read alike on this machine and through Beam's file systems: rows of examples, and statistics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from apache_beam.io.filesystem import FileMetadata
from apache_beam.io.localfilesystem import LocalFileSystem

from pipeline.data.artifact_files import find, open_file
from pipeline.data.columns import ColumnType
from pipeline.data.examples import read_examples
from pipeline.data.statistics_files import Statistics, read_span, read_split, spans_in, splits_in

COLUMNS = {"age": ColumnType.INT, "breed": ColumnType.STRING}


class Bucket(LocalFileSystem):
    """What Beam finds under bucket://, an object store: it has names that begin alike, but no folders."""

    root = Path()

    @classmethod
    def scheme(cls) -> str:
        return "bucket"

    def has_dirs(self) -> bool:
        return False

    def _list(self, prefix: str) -> Iterator[FileMetadata]:
        for path in self.root.rglob("*"):
            name = f"bucket://{path.relative_to(self.root)}"
            if path.is_file() and name.startswith(prefix):
                yield FileMetadata(name, path.stat().st_size)

    def open(self, path: str, *arguments: Any, **options: Any) -> Any:
        return super().open(str(self.root / path.removeprefix("bucket://")), *arguments, **options)


@pytest.fixture(params=["a folder", "a bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    """Where a test writes, and the address under which that is read."""
    local = request.param == "a folder"
    folder = tmp_path / ("a [strange] name" if local else "run")
    folder.mkdir()
    monkeypatch.setattr(Bucket, "root", tmp_path)
    return folder, str(folder) if local else "bucket://run"


def test_files_are_found_in_order_and_read_as_stored(place: tuple[Path, str]) -> None:
    folder, address = place
    (folder / "x" / "deeper").mkdir(parents=True)
    for name in ("x/2.gz", "x/1.gz", "x/deeper/3.gz", "y.gz"):
        (folder / name).write_bytes(name.encode())
    assert find(f"{address}/x", "*.gz") == [f"{address}/x/1.gz", f"{address}/x/2.gz"]
    assert find(address, "x*/1.gz") == [f"{address}/x/1.gz"]
    assert find(f"{address}/nowhere", "*") == []
    with open_file(f"{address}/x/2.gz") as file:
        assert file.read() == b"x/2.gz"
    with pytest.raises(FileNotFoundError):
        open_file(f"{address}/x/9.gz")


def test_rows_come_shard_by_shard(place: tuple[Path, str]) -> None:
    folder, address = place
    (folder / "Split-train").mkdir()
    for name, ages in (("data-00001", [3]), ("data-00000", [7, None])):
        table = pa.table({"age": pa.array(ages, pa.int64()), "breed": ["tabby"] * len(ages), "other": ages})
        pq.write_table(table, folder / "Split-train" / f"{name}.parquet")
    batches = list(read_examples(address, "train", COLUMNS, batch_rows=1))
    assert [batch.to_pylist() for batch in batches] == [
        [{"age": 7, "breed": "tabby"}], [{"age": None, "breed": "tabby"}], [{"age": 3, "breed": "tabby"}],
    ]  # fmt: skip
    with pytest.raises(FileNotFoundError, match="no examples in"):
        next(read_examples(address, "eval", COLUMNS))


def test_records_are_read_as_well(tmp_path: Path) -> None:
    (tmp_path / "Split-train").mkdir()
    features = {
        "age": tf.train.Feature(int64_list=tf.train.Int64List(value=[7])),
        "breed": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"tabby"])),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    with tf.io.TFRecordWriter(str(tmp_path / "Split-train" / "data-00000.gz"), "GZIP") as writer:
        writer.write(example.SerializeToString())
    (batch,) = read_examples(tmp_path, "train", COLUMNS)
    assert batch.to_pylist() == [{"age": 7, "breed": "tabby"}]


def test_statistics_are_told_by_split_and_span(place: tuple[Path, str]) -> None:
    folder, address = place
    for number, name in enumerate(("Split-train", "Split-eval", "Span-10", "Span-9")):
        (folder / name).mkdir()
        content = Statistics()
        content.datasets.add(num_examples=number)
        (folder / name / "FeatureStats.pb").write_bytes(content.SerializeToString())
    assert splits_in(address) == ["train", "eval"]
    assert spans_in(address) == [9, 10]
    assert read_split(address, "eval").datasets[0].num_examples == 1
    assert read_span(address, 9).datasets[0].num_examples == 3
    assert splits_in(f"{address}/gone") == []
