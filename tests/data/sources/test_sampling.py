"""Samples: from all over a table, and all of a small one."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.data.columns import ColumnType
from pipeline.data.sources.sampling import enough_rows, sample
from pipeline.data.sources.table_files import find_files

COLUMNS = {"n": ColumnType.INT}


def test_each_part_of_a_table_gives_its_share_and_a_small_one_all(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": range(40_000)}), tmp_path / "a.parquet", row_group_size=10_000)
    files = find_files(str(tmp_path))
    assert sample(files, COLUMNS, 8)["n"].to_pylist() == [0, 1, 10_000, 10_001, 20_000, 20_001, 30_000, 30_001]
    assert sample(files, COLUMNS, 10**6)["n"].to_pylist() == list(range(40_000))
    # What a small file has too few rows for goes to the next ones.
    (tmp_path / "0.csv").write_text("n\n-1\n")
    assert sample(find_files(str(tmp_path)), COLUMNS, 13)["n"].to_pylist()[:4] == [-1, 0, 1, 2]
    assert sample(find_files(str(tmp_path)), COLUMNS, 13).num_rows == 13


def test_a_wide_table_is_sampled_by_fewer_rows() -> None:
    assert [enough_rows(columns) for columns in (0, 1, 13, 1000)] == [1_000_000, 1_000_000, 307_692, 100_000]
