"""Columns for passing on: CSV's text and Parquet's own types, unconverted, in the batches of `read_fragment`."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.data.columns import ColumnType
from pipeline.data.sources import source, table_files
from pipeline.errors import DataError


def test_csv_comes_as_its_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('zip,n,when,gone\n007,1.50," 2024-01-01",x\n,+5,NA,y\n')
    files = table_files.find_files(str(tmp_path))
    assert source.verbatim_types(files, ["when", "zip", "n"]) == pa.schema(
        [("when", pa.string()), ("zip", pa.string()), ("n", pa.string())]
    )
    (batch,) = source.read_verbatim(*source.plan_fragments(files), ["when", "zip", "n"], 100)
    assert batch.to_pydict() == {"when": [" 2024-01-01", None], "zip": ["007", None], "n": ["1.50", "+5"]}


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    table = pa.table(
        {
            "small": pa.array([1, None, 3], pa.int8()),
            "double": pa.array([0.1, float("nan"), None], pa.float64()),
            "when": pa.array([dt.datetime(2024, 1, 1, 5, 0, 0, 7), None, None], pa.timestamp("us")),
            "text": pa.array(["a", "", None]).dictionary_encode(),
            "gone": [1, 2, 3],
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    files = table_files.find_files(str(tmp_path))
    names = ["text", "small", "when", "double"]
    batches = list(source.read_verbatim(*source.plan_fragments(files), names, 2))
    assert [batch.num_rows for batch in batches] == [2, 1]
    assert batches[0].schema == source.verbatim_types(files, names) == table.select(names).schema
    assert str(pa.Table.from_batches(batches).to_pylist()) == str(table.select(names).to_pylist())  # NaN is no NaN


def test_only_the_row_group_asked_for_is_read(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": range(30_000)}), tmp_path / "t.parquet", row_group_size=10_000)
    fragments = source.plan_fragments(table_files.find_files(str(tmp_path)))
    typed = [next(source.read_fragment(fragment, {"n": ColumnType.INT})) for fragment in fragments]
    assert [batch for fragment in fragments for batch in source.read_verbatim(fragment, ["n"], 65536)] == typed
    assert [batch.column("n")[0].as_py() for batch in typed] == [0, 10_000, 20_000]


def test_files_that_differ_have_no_types_of_their_own(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": pa.array([1], pa.int32()), "same": [1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"n": pa.array([1], pa.int64()), "same": [2]}), tmp_path / "b.parquet")
    (tmp_path / "c.csv").write_text("n,same\n1,1\n")
    files = table_files.find_files(str(tmp_path))
    assert source.verbatim_types(files, ["n"]) is None
    assert source.verbatim_types(files[:2], ["n"]) is None
    assert source.verbatim_types(files[:2], ["same"]) == pa.schema([("same", pa.int64())])


def test_a_damaged_file_is_a_data_error(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": range(30_000)}), tmp_path / "t.parquet", compression="zstd")
    content = bytearray((tmp_path / "t.parquet").read_bytes())
    content[4:2000] = b"\xff" * 1996
    (tmp_path / "t.parquet").write_bytes(content)
    (fragment,) = source.plan_fragments(table_files.find_files(str(tmp_path)))
    with pytest.raises(DataError, match=r"t\.parquet cannot be read: "):
        list(source.read_verbatim(fragment, ["n"], 65536))
